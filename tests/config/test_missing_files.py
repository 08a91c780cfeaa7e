"""The user's own folders and lists: those that are missing are named before the first job."""

import re
import shutil
from pathlib import Path

import pytest

from distillery.config.reading import check_config
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files


@pytest.fixture
def own_folders(study, tmp_path, monkeypatch):
    """A study for which the images of its source of dogs and of its teacher exist."""
    monkeypatch.chdir(tmp_path)
    study["teacher"] = {"data": {"kind": "folder", "path": "trained", "test_path": "tested"}}
    study["sources"]["list"] = {"kind": "urls", "path": "list.csv"}
    Path("list.csv").write_text("class,url\ncat,http://a.test/1\ndog,http://a.test/2\n")
    for folder in ("dog", "trained/cat", "trained/dog", "tested/cat"):
        Path(folder).mkdir(parents=True)
        for number in range(5):
            Path(folder, f"{number}.jpg").touch()
    Path("tested/dog.tar").touch()
    return check_config(study)


def test_existing_own_folders_are_accepted(own_folders):
    assert check_own_files(own_folders) == []
    Path("all.tar").touch()
    own_folders["sources"]["mine"]["path"] = "all.tar"  # damaged: its import reports it
    assert check_own_files(own_folders) == []


@pytest.mark.parametrize(
    "gone, message",
    [
        ("dog", "sources.mine.path: . has neither a folder nor a .tar or .zip of class dog; add it, or name under"),
        (
            "tested/dog.tar",
            "teacher.data.test_path: tested has neither a folder nor a .tar or .zip of class dog; add it: the",
        ),
        ("list.csv", "sources.list.path: list.csv does not exist"),
        ("trained", "teacher.data.path: trained does not exist"),
        ("tested", "teacher.data.test_path: tested does not exist"),
    ],
)
def test_missing_own_folders_are_named(own_folders, gone, message):
    Path(gone).rename("moved")
    with pytest.raises(UserError, match=f"^config: {re.escape(message)}") as error:
        check_own_files(own_folders)
    assert "\n" not in str(error.value)


def test_all_classes_that_a_folder_lacks_are_named(own_folders):
    del own_folders["sources"]["mine"]["classes"]
    shutil.rmtree("dog")
    with pytest.raises(UserError, match="of class cat, dog; "):
        check_own_files(own_folders)
