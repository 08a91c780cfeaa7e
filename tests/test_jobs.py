"""An expected error ends in one line and status 1; an unexpected one keeps its traceback."""

import os
from types import SimpleNamespace

import pytest

from distillery import devices
from distillery.jobs import UserError, job, one_line, progress


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "logs" / "job.log")])


def test_a_user_error_is_one_line(snakemake, capsys):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise UserError("class deer has 612 images, 800 asked")
    assert stop.value.code == 1
    assert capsys.readouterr().err == "ERROR: class deer has 612 images, 800 asked\n"
    assert open(snakemake.log[0]).read().count("\n") == 1


def test_a_text_becomes_one_line_of_a_length():
    assert one_line(ValueError(" no\n\timage ")) == "no image"
    assert one_line("a long answer", 6) == "a long"


def test_an_unexpected_error_keeps_its_traceback(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        raise ZeroDivisionError
    assert "ZeroDivisionError" in open(snakemake.log[0]).read()


def test_progress_yields_every_item(snakemake):
    assert list(progress(range(5), label="x")) == [0, 1, 2, 3, 4]


def test_ctrl_c_is_one_line(snakemake, capsys):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise KeyboardInterrupt
    assert stop.value.code == 130
    assert capsys.readouterr().err == "ERROR: interrupted. Run the same command again to go on.\n"


def test_a_job_with_the_resource_gpu_takes_one_of_several_and_logs_it(snakemake, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with job(SimpleNamespace(log=snakemake.log, resources={"gpu": 0})):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"
    with job(SimpleNamespace(log=snakemake.log, resources={"gpu": 1})):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    assert "takes GPU 4\n" in open(snakemake.log[0]).read()
