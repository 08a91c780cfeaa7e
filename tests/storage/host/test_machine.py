"""A study that was begun without a GPU keeps its networks on any machine; so does a study that has trained."""

import pytest

from distillery.jobs import UserError
from distillery.storage.host import machine


def test_a_study_keeps_the_networks_that_it_was_begun_with(tmp_path):
    machine.begin(1, tmp_path)
    assert not machine.begun_without_gpu(tmp_path)
    machine.begin(0, tmp_path)
    assert machine.begun_without_gpu(tmp_path)
    machine.begin(1, tmp_path)  # continues on a machine with a GPU
    assert machine.begun_without_gpu(tmp_path)
    (tmp_path / machine.FILE).unlink()
    assert not machine.begun_without_gpu(tmp_path)


def test_a_dry_run_decides_the_same_and_writes_nothing(tmp_path):
    machine.begin(0, tmp_path, dryrun=True)
    assert machine.begun_without_gpu(tmp_path) and list(tmp_path.iterdir()) == []


def test_results_of_a_gpu_are_not_trained_again_without_one(tmp_path):
    (tmp_path / "results" / "runs").mkdir(parents=True)
    machine.begin(0, tmp_path)
    assert not machine.begun_without_gpu(tmp_path) and not (tmp_path / machine.FILE).exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"gpu": fulse}\n', b'{"gpw": false}\n', b"\xff"])
def test_a_damaged_file_is_named_and_gives_no_study_other_networks(tmp_path, content):
    (tmp_path / machine.FILE).parent.mkdir(parents=True)
    (tmp_path / machine.FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"machine\.json is damaged.* delete it"):
        machine.begun_without_gpu(tmp_path)


def test_the_note_says_how_to_run_the_study_whole():
    note = machine.machine_note(1, "convnet_m", "convnet_s")
    assert "convnet_m" in note and str(machine.FILE) in note
    assert "leaves the diffusion models to a GPU" in machine.machine_note(0, "convnet_m", "convnet_s")
