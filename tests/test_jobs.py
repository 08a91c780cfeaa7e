"""An expected error ends in one line and status 1; an unexpected one keeps its trace."""

from types import SimpleNamespace

import pytest

from distillery.jobs import StudyError, job, progress


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "logs" / "job.log")])


def test_a_study_error_is_one_line(snakemake, capsys):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise StudyError("class deer has 612 pictures, 800 asked")
    assert stop.value.code == 1
    assert capsys.readouterr().err == "ERROR: class deer has 612 pictures, 800 asked\n"
    assert open(snakemake.log[0]).read().count("\n") == 1


def test_an_unexpected_error_keeps_its_trace(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        raise ZeroDivisionError
    assert "ZeroDivisionError" in open(snakemake.log[0]).read()


def test_progress_passes_every_item(snakemake):
    assert list(progress(range(5), label="x")) == [0, 1, 2, 3, 4]
