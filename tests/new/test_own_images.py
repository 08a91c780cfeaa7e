"""A new study of images that the user has."""

import re
from pathlib import Path

import pytest

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.reading import load_config
from distillery.jobs import UserError
from distillery.new import presets
from distillery.new.own_images import find_own_images, new_study_of_own_images
from distillery.sources.own_files import check_own_files


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize("unlabeled", ["", "phone"])
@pytest.mark.parametrize("teacher_images", ["", "labeled"])
def test_a_study_of_own_images_is_a_valid_configuration(folder, photos, monkeypatch, gpus, unlabeled, teacher_images):
    monkeypatch.setattr(presets, "count_gpus", lambda: gpus)
    photos("photos", cat=60, dog=100, horse=70)
    photos("phone", any=30)
    for part in ("train", "test"):
        photos(f"labeled/{part}", cat=2, dog=2, horse=2)
    images = find_own_images("photos", unlabeled=unlabeled, for_teacher=teacher_images)
    assert images.found == {"cat": 60, "dog": 100, "horse": 70} and images.found_unlabeled == (30 if unlabeled else 0)
    study = load_config(new_study_of_own_images(folder, images))
    assert list(study["classes"]) == ["cat", "dog", "horse"] and study["title"] == "Tomatoes: cat, dog, horse"
    assert study["sources"]["mine"]["path"] == "../photos"
    train, test = study["scenarios"]["mine"]["train"]["mine"], study["split"]["test"]["mine"]
    assert (train, test) == (3 * 36, 3 * 18)  # a tenth of the smallest class is spare
    assert study["teacher"]["kind"] == ("train" if teacher_images else "zero_shot")
    assert ("mine_unlabeled" in study["scenarios"]) == bool(unlabeled)
    monkeypatch.chdir(folder)
    assert check_own_files(study) == [] and study_warnings(study) == []
    lines = Path("config.yaml").read_text().splitlines()
    keys = [line for line in lines if re.match(r" *[\w-]+:", line)]
    assert all(re.search(r" # \S.{5,}", line) for line in keys) and max(map(len, lines)) <= 120


def test_the_clip_of_a_study_of_own_images_looks_for_the_classes_in_words(folder, photos):
    photos("photos", ripe=10, half_ripe=10, rotten=10)
    images = find_own_images("photos", ["ripe", "half_ripe"])
    study = load_config(new_study_of_own_images(folder, images, subject="tomato"))
    assert study["teacher"]["zero_shot"]["prompts"] == {
        "ripe": ["ripe tomato"], "half_ripe": ["half ripe tomato"],
    }  # fmt: skip
    assert list(images.found) == ["ripe", "half_ripe"]  # in the order given


def test_own_images_that_give_no_study_are_refused_before_anything_is_written(folder, photos):
    photos("one", cat=10)
    photos("few", cat=10, dog=9)
    photos("umlaut", **{"grüne Äpfel": 10, "rot": 10})
    for images, message in [
        ("one", "--images: one has one class, cat. A study needs at least two"),
        ("few", "--images: class dog has 9 images in few. A study needs 10 of each"),
        ("umlaut", "class 'grüne Äpfel' is not a valid name; rename it, such as grune_Apfel."),
        ("nowhere", "--images: nowhere does not exist"),
    ]:
        with pytest.raises(UserError, match=f"^{re.escape(message)}"):
            find_own_images(images)
    photos("labeled/train", cat=1, dog=1)
    photos("enough", cat=10, dog=10)
    with pytest.raises(UserError, match="--teacher-images: labeled has no folder test. It needs train and test"):
        find_own_images("enough", for_teacher="labeled")
    photos("phone", any=3)
    photos("unlabeled_too", cat=10, unlabeled=10)
    Path("one.jpg").write_bytes(b"x")
    for images, unlabeled, message in [
        ("enough", "nothing", "--unlabeled: nothing does not exist"),
        ("enough", "one.jpg", "--unlabeled: one.jpg is neither a folder nor a .tar or .zip. Give a folder of images"),
        ("enough", "phone", "--unlabeled: phone has 3 images, fewer than 2 for each of 2 classes. Add some"),
        ("enough", "enough", "--unlabeled: enough and enough share images, which have labels already"),
        ("enough", "enough/cat", "--unlabeled: enough/cat and enough share images"),
        ("unlabeled_too", "phone", "class 'unlabeled' is not a valid name"),
    ]:
        with pytest.raises(UserError, match=f"^{re.escape(message)}"):
            find_own_images(images, unlabeled=unlabeled)
    assert find_own_images("unlabeled_too").found == {"cat": 10, "unlabeled": 10}  # without such images it is a name
    with pytest.raises(UserError, match="^A study needs at least two classes"):
        find_own_images("enough", ["cat"])
    assert not folder.exists()
