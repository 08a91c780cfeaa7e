"""A file that a job wrote is used only with the bytes that were written; files without a digest are not checked."""

import os
import random
import subprocess
from types import SimpleNamespace

import pytest

from distillery import file_digests
from distillery.file_digests import digest_path, forget_digests, is_whole, record_digests
from distillery.jobs import UserError, job, require_whole
from distillery.storage.files import atomic_write

SAMPLES = {  # kinds of files that jobs read and that have no checksum of their own
    "summary.csv": "scenario,arm,accuracy\nweb,kd,0.83\nweb,scratch,0.81\n",
    "metrics.json": '{"accuracy": 0.83, "images": 120}\n',
    "history.csv": "step,loss,accuracy\n0,2.3,0.1\n100,0.7,0.83\n",
    "curves.svg": '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L10 10"/></svg>\n',
    "plan.md": "# Plan\n\n12 trainings.\n",
}


def job_of(folder, **files):
    return SimpleNamespace(log=[str(folder / "job.log")], **files)


def damaged(data, rng):
    """The data with one bit flipped or cut at a random place, and a text that says which."""
    place = rng.randrange(len(data))
    if rng.random() < 0.5:
        return data[:place], f"cut at {place}"
    flipped = bytearray(data)
    flipped[place] ^= 1 << rng.randrange(8)
    return bytes(flipped), f"flipped at {place}"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_job_uses_no_damaged_input(tmp_path, capsys, name):
    made, rng = tmp_path / name, random.Random(name)
    with job(job_of(tmp_path, output=[str(made)])):
        made.write_text(SAMPLES[name])
    whole = made.read_bytes()
    for _ in range(50):
        data, how = damaged(whole, rng)
        times = made.stat()
        made.write_bytes(data)
        os.utime(made, ns=(times.st_atime_ns, times.st_mtime_ns))  # damage does not change the modification time
        with pytest.raises(SystemExit), job(job_of(tmp_path, input=[str(made)])):
            raise AssertionError(f"used: {how}")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"ERROR: {made} is damaged") and "Delete it and run again" in line
    made.write_bytes(whole)
    with job(job_of(tmp_path, input=[str(made)])):
        pass


def test_sha256sum_reads_the_digests(tmp_path):
    atomic_write(tmp_path / "a b.csv", "x\n", digest=True)
    checked = subprocess.run("sha256sum --check .digests/*", shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert checked.stdout == "a b.csv: OK\n"


def test_files_of_an_earlier_version_or_the_users_own_are_used(tmp_path):
    (tmp_path / "old.npy").write_bytes(b"1")
    require_whole([tmp_path / "old.npy", tmp_path / "missing.npy", tmp_path])


def test_a_changed_file_is_used_once_its_digest_is_deleted(tmp_path):
    table = tmp_path / "table.csv"
    atomic_write(table, "x\n", digest=True)
    table.write_text("y\n")
    with pytest.raises(UserError) as error:
        require_whole([table])
    kept = str(error.value).split("delete ")[-1].removesuffix(" instead.")
    assert kept == str(digest_path(table))
    os.unlink(kept)
    require_whole([table])


@pytest.mark.parametrize("content", ["", "abc", "z" * 64 + "  table.csv\n", "\0" * 70])
def test_a_truncated_digest_is_ignored(tmp_path, content):
    table = tmp_path / "table.csv"
    atomic_write(table, "x\n", digest=True)
    file_digests._whole.clear()
    digest_path(table).write_text(content)
    assert is_whole(table)


def test_a_job_that_fails_leaves_no_digest_of_its_outputs(tmp_path):
    table = tmp_path / "table.csv"
    atomic_write(table, "x\n", digest=True)
    with pytest.raises(SystemExit), job(job_of(tmp_path, output=[str(table)])):
        table.write_text("half")
        raise UserError("no")
    assert not digest_path(table).exists()


def test_a_file_written_again_has_its_new_digest(tmp_path):
    table = tmp_path / "table.csv"
    for text in ("x\n", "y\n"):
        atomic_write(table, text, digest=True)
        file_digests._whole.clear()
        assert is_whole(table)


def test_a_killed_writer_leaves_no_old_digest_beside_a_new_file(tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    atomic_write(table, "x\n", digest=True)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("distillery.storage.files.record_digests", killed)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(table, "y\n", digest=True)
    assert table.read_text() == "y\n" and is_whole(table)


def test_a_file_is_hashed_once_in_a_process(tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("x\n")
    record_digests([table])
    monkeypatch.setattr(file_digests, "sha256_of", lambda path: pytest.fail("hashed again"))
    require_whole([table])
    record_digests([table])
    forget_digests([table])
    assert not digest_path(table).exists()
