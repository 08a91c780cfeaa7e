"""Damage to every kind of file that a finished study reads again is found."""

import os
import random

import pytest

from distillery import file_digests
from distillery.file_digests import digest_path, is_whole

pytestmark = pytest.mark.slow

# files that no job writes, or Snakemake writes after the job
WITHOUT = ("logs", "benchmarks", "checkpoints", "store")
PLACES = 50


def files_of_jobs(folder):
    """Every file that a study's jobs have written."""
    made = [*(folder / "results").rglob("*"), *(folder / "resources" / "pools").rglob("*")]
    return sorted(
        path
        for path in made
        if path.is_file() and path.parent.name != file_digests.FOLDER and not {*path.parts} & {*WITHOUT}
    )


def test_every_file_of_a_job_has_its_digest(finished):
    lacking = [path for path in files_of_jobs(finished.folder) if not digest_path(path).exists()]
    assert lacking == [] and len(files_of_jobs(finished.folder)) > 100


def test_damage_anywhere_in_any_kind_of_file_is_found(copied):
    kinds = {"".join(path.suffixes[-2:]): path for path in files_of_jobs(copied.folder)}
    assert {".tar", ".jsonl", ".npy", ".thumbs.npy", ".parquet", ".safetensors", ".json", ".csv", ".png"} <= set(kinds)
    for path in kinds.values():
        whole, rng = path.read_bytes(), random.Random(path.name)
        for _ in range(PLACES if whole else 0):
            place = rng.randrange(len(whole))
            flipped = bytearray(whole)
            flipped[place] ^= 1 << rng.randrange(8)
            for data in (bytes(flipped), whole[:place]):
                path.write_bytes(data)
                file_digests._whole.clear()
                assert not is_whole(path), (path, place)
        path.write_bytes(whole)
        assert is_whole(path)


# a damaged file, and a result for which a job reads it
READ = {
    "results/tables/summary.csv": "results/tables/summary.md",
    "results/splits.parquet": "results/plans/web.parquet",
    "results/runs/web/kd/seed0/metrics.json": "results/scenarios/web.csv",
    "resources/teacher/data.npz": "results/leakage.parquet",
}


def test_a_job_reads_no_damaged_file(copied):
    for name, result in READ.items():
        path = copied.folder / name
        whole, times = path.read_bytes(), path.stat()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 4
        path.write_bytes(bytes(flipped))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        (copied.folder / result).unlink()
        done = copied.snakemake(result)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert f"ERROR: {name} is damaged: its bytes are not those that were written. Delete it" in done.stderr
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
