"""Arrays are read by name; an error is one line that names the file and the remedy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from distillery.jobs import UserError
from distillery.storage.arrays import map_pixels, read_arrays

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def test_arrays_are_read_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3), two=np.eye(2))
    assert np.array_equal(read_arrays(tmp_path / "a.npz", ["two"], "file")["two"], np.eye(2))


@pytest.mark.parametrize("keep", [0, 100, 400])
def test_a_damaged_file_is_named_with_the_advice_to_delete_it(tmp_path, keep):
    np.savez(tmp_path / "a.npz", one=np.arange(100))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:keep])
    with pytest.raises(UserError, match="a.npz is damaged .*Delete it"):
        read_arrays(tmp_path / "a.npz", ["one"], "file")


LITTLE_MEMORY = """
import resource, sys
from distillery.storage.arrays import map_pixels, read_arrays
from distillery.jobs import UserError
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 60_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    read_arrays(sys.argv[1], ["pixels"], "teacher's data")
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory can only be limited on Linux")
def test_a_file_larger_than_memory_is_named_without_that_advice(tmp_path):
    np.savez(tmp_path / "data.npz", pixels=np.zeros(100_000_000, np.uint8))
    command = [sys.executable, "-c", LITTLE_MEMORY, str(tmp_path / "data.npz")]
    message = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SCRIPTS)}
    ).stdout
    assert (
        message.startswith(f"teacher's data {tmp_path}/data.npz does not fit into the memory")
        and message.count("\n") == 1
    )
    assert "Delete" not in message and "damaged" not in message


def npy(header, data=b""):
    """A `.npy` file with a given text as header."""
    text = header.encode("latin-1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


HEADERS = [
    "",
    "{",
    "((((",
    "'" * 3,
    "\x00",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 32, 32, 3)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 32, 32, 3)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999999999999, 32, 32, 3)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': 'a'}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,)}",
    "{'descr': 7, 'fortran_order': 'x', 'shape': (1,)}",
    "[" * 100,
    "__import__('os').system('true')",
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_does_not_parse_is_one_line(tmp_path, header):
    (tmp_path / "a.npy").write_bytes(npy(header, bytes(3072)))
    with pytest.raises(UserError, match="a.npy are damaged") as error:
        map_pixels(tmp_path / "a.npy")
    assert "\n" not in str(error.value)


def test_other_files_in_place_of_pixels_are_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3))
    for data in (b"", b"\x93NUMPY", (tmp_path / "a.npz").read_bytes(), b"PK\x03\x04", b"\x80\x04N."):
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(UserError, match="a.npy are damaged"):
            map_pixels(tmp_path / "a.npy")
