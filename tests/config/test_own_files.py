"""The user's own folders are checked before the first job: enough images, and none that the teacher also uses."""

import re
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from distillery.config.checks import early_warnings
from distillery.config.defaults import source_defaults
from distillery.config.reading import check_config
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files

STUDY = """
classes: {cat: {}, dog: {}}
sources: {mine: {kind: folder, path: images}}
split: {test: {mine: 4}, val: {mine: 2}}
teacher: {data: {kind: folder, path: trained, test_path: tested}}
scenarios: {small: {train: {mine: 2}}, large: {train: {mine: 10}}}
"""
WANTED = "fewer than the 8 requested of each class (2 test + 1 val + 5 train)"


def add_images(folder, count):
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Path(folder, f"{number}.jpg").touch()


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "trained", "tested"):
        for label in ("cat", "dog"):
            add_images(f"{folder}/{label}", 8)
    return check_config(yaml.safe_load(STUDY))


def mistake(study):
    with pytest.raises(UserError) as error:
        check_own_files(study)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("config: ")


def test_the_error_for_images_without_class_folders_names_the_key_labels(study):
    study["sources"]["mine"]["path"] = "phone"
    add_images("phone", 12)
    assert mistake(study) == (
        "sources.mine.path: phone has neither a folder nor a .tar or .zip of class cat, dog; add it, or name under"
        " sources.mine.classes only those that are there; for images without labels give the source labels: teacher. It"
        " has 0.jpg, 1.jpg, 10.jpg, 11.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg, 6.jpg, 7.jpg and 2 more"
    )


def test_enough_images_give_no_warning(study):
    assert check_own_files(study) == []


def test_too_few_images_are_an_error_before_any_job(study):
    Path("images/dog/0.jpg").unlink()
    Path("images/dog/notes.txt").touch()  # not an image
    assert mistake(study) == (
        f"sources.mine.path: images has 7 images of class dog, {WANTED}. Add images, lower the counts, or set"
        " split.shortfall: shrink"
    )


def test_too_few_images_are_a_warning_where_counts_shrink(study):
    study["split"]["shortfall"] = "shrink"
    Path("images/dog/0.jpg").unlink()
    (warning,) = check_own_files(study)
    assert warning == (
        f"sources.mine.path: images has 7 images of class dog, {WANTED}. They will shrink, in every class of the"
        " source, to what class dog has"
    )
    for number in range(3, 8):
        Path(f"images/dog/{number}.jpg").unlink()
    assert mistake(study).endswith("Even shrunk, these need 3; add images or lower the counts")


@pytest.mark.parametrize("kind", ["tars", "one tar"])
def test_images_in_tars_are_counted(study, kind):
    for label in ("cat", "dog"):
        with tarfile.open(f"{label}.tar", "w") as tar:
            for path in sorted(Path("images", label).iterdir())[: 8 if label == "cat" else 6]:
                tar.add(path, f"./{label}/{path.name}" if kind == "one tar" else path.name)
    if kind == "tars":
        Path("tars").mkdir()
        for label in ("cat", "dog"):
            Path(f"{label}.tar").rename(f"tars/{label}.tar")
        study["sources"]["mine"]["path"] = "tars"
    else:
        with tarfile.open("all.tar", "w") as both:
            for label in ("cat", "dog"):
                with tarfile.open(f"{label}.tar") as tar:
                    for member in tar:
                        both.addfile(member, tar.extractfile(member))
        study["sources"]["mine"]["path"] = "all.tar"
    assert f"has 6 images of class dog, {WANTED}" in mistake(study)


def test_a_class_without_an_image_is_an_error(study):
    for path in Path("tested/cat").iterdir():
        path.unlink()
    assert mistake(study).startswith("teacher.data.test_path: tested has no image of class cat; add it")
    for name in ("a.heic", "b.HEIC", "notes.txt"):
        Path("tested/cat", name).touch()
    unread = "tested has no image of class cat, but 2 .heic files, which are not read; add it"
    assert mistake(study).startswith(f"teacher.data.test_path: {unread}")


def test_the_error_for_a_missing_class_lists_the_folders_that_exist(study):
    Path("tested/cat").rename("tested/Cats")
    assert mistake(study).endswith("add it: the teacher is trained on all classes. It has Cats, dog")
    with zipfile.ZipFile("tested.zip", "w") as archive:
        for name in ("set/Cat/1.jpg", "set/Dog/1.jpg", "set/README.md", "__MACOSX/set/Cat/._1.jpg"):
            archive.writestr(name, "")
    study["teacher"]["data"]["test_path"] = "tested.zip"
    assert "tested.zip has no image of class cat, dog, but folders Cat, Dog; add it" in mistake(study)
    for names, instead in (
        (("cat_1.jpg", "dog_1.jpg"), "images in no folder: cat_1.jpg, dog_1.jpg"),
        (("outer/inner.zip",), "archives inside, which must be unpacked: inner.zip"),
        ((), "no image at all"),
    ):
        with zipfile.ZipFile("tested.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "")
        assert f"tested.zip has no image of class cat, dog, but {instead}; add it" in mistake(study)


def test_a_source_that_nothing_uses_may_have_few_images(study):
    study["split"] |= {"test": {}, "val": {}}
    study["scenarios"] = {}
    Path("images/dog/0.jpg").unlink()
    assert check_own_files(study) == []


@pytest.mark.parametrize("key", ["path", "test_path"])
@pytest.mark.parametrize("path", ["images", "./trained/../images", "link"])
def test_a_source_cannot_use_the_teacher_s_folder(study, key, path):
    Path("link").symlink_to("images")
    study["teacher"]["data"][key] = path
    assert re.match(rf"teacher.data.{key}: .* is images of sources.mine.path; students would be tested", mistake(study))


def test_a_source_cannot_use_a_class_folder_of_the_teacher(study):
    for path in Path("trained/cat").iterdir():
        path.unlink()
    Path("trained/cat").rmdir()
    Path("trained/cat").symlink_to(Path("images/cat").resolve())
    assert mistake(study).startswith("teacher.data.path: trained/cat is images/cat of sources.mine.path; students")


def test_published_numbers_that_are_left_out_are_a_warning(study):
    assert early_warnings.study_warnings(study) == []
    study["scenarios"]["large"]["published"] = {"site": [1, 2]}
    (warning,) = early_warnings.study_warnings(study)
    assert warning.startswith("scenarios large: their published results are not shown, because they train on another")


def test_one_archive_may_hold_the_images_of_all_by_folder(study):
    """A downloaded data set: a folder to train the teacher, one to test it, and one for the students."""
    with zipfile.ZipFile("set.zip", "w") as archive:
        for folder in ("images", "trained", "tested"):
            for file in Path(folder).rglob("*.jpg"):
                archive.writestr(f"set/{file}", b"")
    study["sources"]["mine"] |= {"path": "set.zip", "inside": "images"}
    study["teacher"]["data"] |= {
        "path": "set.zip",
        "inside": "trained",
        "test_path": "set.zip",
        "test_inside": "tested",
    }
    assert check_own_files(study) == []
    study["teacher"]["data"]["inside"] = "images"
    assert "students would be tested on images that their teacher knows" in mistake(study)


def test_classes_that_a_list_lacks_are_named_before_the_first_job(study):
    study["sources"]["mine"] = source_defaults("urls") | {"kind": "urls", "path": "list.csv"}
    rows = ["class,url"] + [f"{label},http://a.test/{label}{n}" for label in ("cat", "Dog") for n in range(8)]
    Path("list.csv").write_text("\n".join(rows))
    assert mistake(study) == (
        "sources.mine.path: list.csv has no address of class dog, but of Dog, cat. Add some, or name under"
        " sources.mine.classes only those that are there"
    )
    Path("list.csv").write_text("\n".join(rows).replace("Dog", "dog"))
    assert check_own_files(study) == []
    Path("list.csv").write_text("\n".join(rows[:-1]).replace("Dog", "dog"))
    assert mistake(study).startswith(f"sources.mine.path: list.csv has 7 images of class dog, {WANTED}")
    Path("list.csv").write_bytes(b"PK\3\4")
    assert mistake(study) == ("sources.mine.path: list.csv is a workbook or an archive. Export it as .csv (UTF-8).")


def test_class_folders_one_level_below_are_named(study):
    Path("unpacked/__MACOSX").mkdir(parents=True)
    Path("images").rename("unpacked/photos")
    study["sources"]["mine"]["path"] = "unpacked"
    assert (
        mistake(study) == "sources.mine.path: the class folders are one level below, in unpacked/photos; give that path"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "lite0.safetensors"}, "model: lite0.safetensors does not exist (paths are relative"),
        ({"model": "lite0.pth"}, "model: lite0.pth does not exist"),
        ({"model": "there.pth"}, "model: there.pth may run code when it is loaded, so it is not read"),
        ({"model": "a/hub-id", "labels": "names.txt"}, "labels: names.txt does not exist"),
        ({"model": "../other/results/teacher"}, "model: ../other/results/teacher does not exist"),
    ],
)
def test_a_teacher_s_file_must_exist_before_the_first_job(study, settings, message):
    Path("there.pth").touch()
    study["teacher"] |= {"kind": "checkpoint", "checkpoint": settings}
    assert mistake(study).startswith(f"teacher.checkpoint.{message}")
    study["teacher"]["checkpoint"] = {"model": "someone/model"}
    assert check_own_files(study) == []
