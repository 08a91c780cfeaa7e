"""A folder or file that may not be read ends in one line that names it; none is left out without a word."""

from types import SimpleNamespace

import pytest
from permissions import open_folder, without_privileges
from PIL import Image

from distillery.deployment import classify
from distillery.jobs import job, log
from distillery.new.__main__ import main
from distillery.sources.folders.finding import find_images, find_unlabeled
from distillery.storage.files import files_below


@pytest.fixture
def photos():
    """photos/{cat,dog}/ with ten images each, and cat/more with one more."""
    with open_folder() as folder:
        for place in ("cat", "dog", "cat/more"):
            (folder / "photos" / place).mkdir(parents=True, exist_ok=True)
            for number in range(1 if place == "cat/more" else 10):
                Image.new("RGB", (40, 40), (number, 0, 0)).save(folder / "photos" / place / f"{number}.png")
        yield folder / "photos"


def test_a_subfolder_that_may_not_be_read_is_not_left_out(photos):
    with without_privileges():
        assert len(files_below(photos)) == 21
    (photos / "cat" / "more").chmod(0)
    for find in (files_below, lambda path: find_images(path, "cat", "here"), lambda path: find_unlabeled(path, "here")):
        with without_privileges(), pytest.raises(PermissionError, match="more"):
            find(photos)


@pytest.mark.parametrize("place", ["photos", "photos/cat", "photos/cat/more"])
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_new_study_of_images_that_may_not_be_read_is_one_line(photos, tmp_path, place, mode):
    (photos.parent / place).chmod(mode)
    with without_privileges(), pytest.raises(SystemExit) as error:
        main([str(photos.parent / "study"), "--images", str(photos)])
    text = str(error.value.code)
    assert place in text and "cannot be opened (Permission denied). Give yourself permission" in text
    assert "\n" not in text


def test_classifying_what_may_not_be_read_is_one_line(photos, monkeypatch):
    (photos / "cat").chmod(0)
    monkeypatch.setattr(classify, "load_model", lambda path: SimpleNamespace(classes=("a", "b"), side=16))
    with without_privileges(), pytest.raises(SystemExit, match="cat cannot be opened"):
        classify.main(["model.onnx", str(photos)])


def test_a_job_that_may_not_read_its_input_ends_in_one_line(photos, tmp_path):
    (photos / "cat").chmod(0)
    handlers = log.handlers[:], log.level, log.propagate
    file = tmp_path / "log.txt"
    with pytest.raises(SystemExit), job(SimpleNamespace(log=[str(file)])), without_privileges():
        files_below(photos)
    log.handlers[:], log.level, log.propagate = handlers[0], handlers[1], handlers[2]
    text = file.read_text()
    assert "cat cannot be opened (Permission denied)" in text and "Traceback" not in text
