"""The classes of a folder of images, and one line on a folder that cannot give a study."""

import re
from pathlib import Path

import pytest

from distillery.jobs import UserError
from distillery.sources.folders.class_folders import count_by_class, count_unlabeled


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_classes_are_folders_and_archives_and_only_images_count(tmp_path):
    put(tmp_path / "cat", "1.jpg", "2.WEBP", "3.heic", "notes.txt", ".hidden.jpg")
    put(tmp_path / "dog" / "monday", "1.png")
    put(tmp_path / "@eaDir", "1.jpg")
    (tmp_path / "readme.txt").touch()
    assert count_by_class(tmp_path, "--images") == {"cat": 2, "dog": 1}
    assert count_by_class(tmp_path, "--images", ["dog"]) == {"dog": 1}
    assert count_unlabeled(tmp_path, "--unlabeled") == 3


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "--images: photos has no class. It is empty."),
        (["1.jpg"], "--images: photos has no class. It holds images, but no folders: sort them"),
        (["readme.txt"], "--images: photos has no class. It has readme.txt."),
        (["in/cat/1.jpg", "in/dog/1.jpg"], "--images: the folders in photos (in) hold folders instead of images."),
        (
            ["train/cat/1.jpg", "test/cat/1.jpg"],
            "--images: the folders in photos (test, train) hold folders instead of images. Give the one that holds the"
            " classes, such as photos/test.",
        ),
        (["cat/1.jpg", "dog/x.txt"], "--images: class dog has no image in photos. Add some, or remove the folder."),
        (["cat/1.jpg", "dog/1.HEIC"], "--images: class dog has no image in photos, but 1 .heic files, which are not"),
        (["cat/1.jpg", "dog.zip"], "--images: the archive of class dog in photos cannot be read. Unpack it"),
    ],
)
def test_a_folder_that_cannot_give_a_study_is_refused_in_one_line(tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for file in files:
        put(Path("photos", file).parent, Path(file).name)
    with pytest.raises(UserError, match=f"^{re.escape(message)}") as error:
        count_by_class("photos", "--images")
    assert "\n" not in str(error.value)


def test_a_missing_folder_a_file_and_a_missing_class_are_refused(tmp_path):
    put(tmp_path / "cat", "1.jpg")
    with pytest.raises(UserError, match="nowhere does not exist. Give a folder that holds one folder of images"):
        count_by_class(tmp_path / "nowhere", "--images")
    with pytest.raises(UserError, match=r"1\.jpg is a file"):
        count_by_class(tmp_path / "cat" / "1.jpg", "--images")
    with pytest.raises(UserError, match="has no folder of class dog. It has cat"):
        count_by_class(tmp_path, "--images", ["cat", "dog"])
