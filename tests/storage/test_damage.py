"""Files with a flipped bit or a missing end are refused in one line, or their contents are read unchanged."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
import torch
from storage_samples import JPEG, PNG, fetched

from distillery import file_digests
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.storage.arrays import map_pixels, read_arrays, write_array
from distillery.storage.files import atomic_path
from distillery.storage.host import machine
from distillery.storage.host.usage import ZERO_USAGE
from distillery.storage.parquet import read_metadata, read_parquet, write_parquet
from distillery.storage.retrieved.attempts import count_attempt, read_attempts
from distillery.storage.retrieved.pools import read_pool, write_pool
from distillery.storage.retrieved.store import Store
from distillery.training.checkpoints import Checkpoint

PLACES = 50
SCHEMA = pa.schema([("source", pa.string()), ("row", pa.int32()), ("logits", pa.list_(pa.float32(), 2))])


def write_pixels(folder):
    with atomic_path(folder / "bing.npy", digest=True) as temporary:
        write_array(temporary, np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8))


def write_data(folder):
    with atomic_path(folder / "data.npz", digest=True) as temporary:
        np.savez(temporary, labels=np.arange(9), classes=np.array(["cat", "dog"]))


def of_data(folder):
    return [part.tolist() for part in read_arrays(folder / "data.npz", ["labels", "classes"], "data").values()]


def write_table(folder):
    columns = {"source": ["bing", "a"] * 50, "row": range(100), "logits": np.ones((100, 2), np.float32)}
    write_parquet(folder / "splits.parquet", columns, SCHEMA.with_metadata({"settings": json.dumps({"seed": 3})}))


def write_network(folder):
    network = NormalizedModel(build_network("resnet8_half", 2, 16), torch.zeros(3), torch.ones(3))
    save_weights(folder / "model.safetensors", TrainedNetwork(network, "resnet8_half", ("a", "b"), 16, "student", 9))


def of_network(folder):
    trained = load_weights(folder / "model.safetensors")
    return trained.name, trained.classes, [value.tolist() for value in trained.network.state_dict().values()]


def write_entry(folder):
    Store(folder).put("http://a/1", fetched(JPEG, title="a cat = a pet"), JPEG)


def checkpoint(folder):
    return Checkpoint(folder / "checkpoint.pt", "of this training", every=1)


def write_checkpoint(folder):
    checkpoint(folder)._write({"step": 7, "network": {"weight": torch.arange(99.0)}}, [[1, 0.5]], ZERO_USAGE)


def of_checkpoint(folder):
    kept, path = (folder / "checkpoint.pt").read_bytes(), folder / "checkpoint.pt"
    state = checkpoint(folder).load(torch.device("cpu"))
    path.write_bytes(kept)  # a damaged one is deleted
    return state and (state["step"], state["network"]["weight"].tolist(), state["history"])


def write_machine(folder):
    machine.begin(0, folder)


def write_attempts(folder):
    count_attempt("google", ["cat", "dog"], folder / "attempts.json")


KINDS = {
    "curated array": (write_pixels, lambda folder: map_pixels(folder / "bing.npy").tolist()),
    "teacher's data": (
        write_data,
        lambda folder: [
            part.tolist() for part in read_arrays(folder / "data.npz", ["labels", "classes"], "d").values()
        ],
    ),
    "table": (
        write_table,
        lambda folder: (
            [part.tolist() for part in read_parquet(folder / "splits.parquet", SCHEMA.names).values()],
            read_metadata(folder / "splits.parquet")["settings"],
        ),
    ),
    "pool": (
        lambda folder: write_pool(folder / "a.tar", folder / "a.jsonl", [(fetched(JPEG), JPEG), (fetched(PNG), PNG)]),
        lambda folder: list(read_pool(folder / "a.tar", folder / "a.jsonl")),
    ),
    "weights": (write_network, of_network),
    "study without a GPU": (write_machine, machine.begun_without_gpu),
}
# files that are retrieved, checked or trained again without a message if they are damaged
REMADE = {
    "store": (write_entry, lambda folder: Store(folder).get("http://a/1"), None),
    "checkpoint": (write_checkpoint, of_checkpoint, None),
    "attempts": (write_attempts, lambda folder: read_attempts(folder / "attempts.json"), {}),
}


def damages(path, count=PLACES):
    """At each of some random places, yield with a bit of the file flipped and with the file cut; then restore it."""
    whole, rng = path.read_bytes(), random.Random(path.name)
    for _ in range(count):
        place = rng.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        for how, data in (("flipped", bytes(flipped)), ("cut", whole[:place])):
            path.write_bytes(data)
            file_digests._whole.clear()  # as in a new process
            yield f"{path.name} {how} at {place}"
    path.write_bytes(whole)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_one_line_or_harmless(tmp_path, kind):
    write, read = KINDS[kind]
    write(tmp_path)
    expected, told = read(tmp_path), 0
    for path in files_of(tmp_path):
        for how in damages(path):
            try:
                found = read(tmp_path)
            except UserError as error:
                assert "\n" not in str(error) and "elete" in str(error), how
                assert str(tmp_path) in str(error), how
                told += 1
            else:  # the digest itself is cut
                assert found == expected, how
    assert told >= 2 * PLACES


@pytest.mark.parametrize("kind", REMADE)
def test_a_damaged_file_that_can_be_made_again_is_not_used(tmp_path, kind):
    write, read, none = REMADE[kind]
    write(tmp_path)
    expected, unused = read(tmp_path), 0
    assert expected != none
    for path in files_of(tmp_path):
        for how in damages(path):
            found = read(tmp_path)
            assert found in (expected, none), how
            unused += found == none
    assert unused >= 2 * PLACES
