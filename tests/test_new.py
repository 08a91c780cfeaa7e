"""One command starts a new study; it writes a configuration that runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import command, environment

from distillery import new
from distillery.config.checks.early_warnings import study_warnings
from distillery.config.choices import NAME_PATTERN, RESERVED_NAMES
from distillery.config.models.study import Study
from distillery.config.queries.source_queries import teacher_sources, titles_of_sources, used_sources
from distillery.config.reading import check_config, load_config
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new, "count_gpus", lambda: 0)
    return Path("tomatoes")


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize("contact", ["", "me@example.org"])
@pytest.mark.parametrize("count", [2, 3, 7, 10, 50])
def test_the_file_is_a_valid_configuration(folder, monkeypatch, gpus, contact, count):
    monkeypatch.setattr(new, "count_gpus", lambda: gpus)
    names = [f"class{number}" for number in range(count)]
    study = load_config(new.new_study(folder, names, contact=contact))
    assert list(study["classes"]) == names and study["contact"] == contact
    assert check_own_files(study) == [] and study_warnings(study) == []
    assert ("commons" in study["sources"]) == bool(contact)
    assert (study["student"]["network"], study["image_size"]) == (("resnet8x4", 64) if gpus else ("convnet_s", 32))


def test_queries_and_prompts_name_the_class_and_what_it_is_a_kind_of(folder):
    study = load_config(new.new_study("my_Tomatoes-2", ["ripe", "half_ripe"]))
    assert study["title"] == "My tomatoes 2: ripe, half_ripe"
    assert study["classes"]["half_ripe"]["queries"][:2] == ["half ripe my Tomatoes 2", "half ripe my Tomatoes 2 photo"]
    assert study["classes"]["ripe"]["prompts"][0] == "a photo of ripe my Tomatoes 2"
    other = load_config(new.new_study("a/b", ["cat", "dog"], subject=""))
    assert other["classes"]["cat"]["queries"][0] == "cat" and other["title"] == "Images: cat, dog"
    assert (
        load_config(new.new_study(folder, ["cat", "dog"], subject="pets"))["classes"]["dog"]["queries"][0] == "dog pets"
    )


def test_no_student_is_trained_or_tested_on_the_teacher_s_sources(folder):
    study = load_config(new.new_study(folder, ["ripe", "rotten"]))
    teachers = {name: study["sources"][name] for name in teacher_sources(study, "train", "test")}
    assert not set(teachers) & set(used_sources(study))
    sizes = [source["filters"]["size"] for source in study["sources"].values() if source["kind"] == "openverse"]
    assert sorted(sizes) == ["large", "medium", "small"]  # sizes do not overlap
    assert titles_of_sources(study, ["openverse"]) == {"openverse": "Openverse"}


def test_every_key_has_half_a_line_of_comment(folder):
    for contact in ("", "me@example.org"):
        lines = new.configuration(["ripe", "rotten"], "tomatoes", contact).splitlines()
        keys = [line for line in lines if re.match(r" *[\w-]+:", line)]
        assert len(keys) > 40 and all(re.search(r" # \S.{8,}", line) for line in keys)
        assert max(map(len, lines)) <= 120 and "{each" not in "".join(lines)


def test_a_source_keeps_a_quarter_for_what_is_dropped(folder):
    for count in range(2, 200):
        each = new.image_counts(count)
        assert min(vars(each).values()) >= 1 and each.train % 2 == 0
        assert each.train + each.val + each.test <= 0.75 * each.source
        assert 2 * each.train + each.val + each.test <= 0.8 * each.more
        assert (each.source + each.teacher_train + each.teacher_test) * count <= new.IMAGES_A_DAY or count > 50


@pytest.mark.parametrize("name", ["2024", "yes", "null", "off", "1e3", "a-b_C", "No"])
def test_names_that_yaml_reads_as_something_else_are_quoted(folder, name):
    study = load_config(new.new_study(folder, [name, "other"], contact="@me: x"))
    assert list(study["classes"]) == [name, "other"] and study["contact"] == "@me: x"


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "A study needs at least two classes"),
        (["ripe"], "A study needs at least two classes"),
        (["ripe", "rotten fruit"], "class 'rotten fruit' is not a valid name; rename it, such as rotten_fruit."),
        (["ripe", "_x"], "class '_x' is not a valid name"),
        (["ripe", "../x"], "class '../x' is not a valid name"),
        (["ripe", "tomàto"], "class 'tomàto' is not a valid name"),
        (["ripe", ""], "class '' is not a valid name"),
        (["ripe", "all"], "class 'all' is not a valid name"),
        (["ripe", "ripe"], "classes ripe and ripe would share"),
        (["ripe", "Ripe"], "classes ripe and Ripe would share"),
    ],
)
def test_classes_that_cannot_be_are_refused_in_one_line(folder, classes, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}") as error:
        new.new_study(folder, classes)
    assert "\n" not in str(error.value) and not folder.exists()


def test_what_may_be_a_class_is_what_the_configuration_takes():
    assert new.RESERVED_NAMES["classes"] == RESERVED_NAMES["classes"]
    (pattern,) = Study.model_json_schema()["properties"]["classes"]["patternProperties"]
    assert pattern == new.NAME_PATTERN == NAME_PATTERN


def test_a_study_that_is_there_is_not_overwritten(folder):
    path = new.new_study(folder, ["ripe", "rotten"])
    path.write_text("mine")
    with pytest.raises(UserError, match="tomatoes/config.yaml exists already"):
        new.new_study(folder, ["ripe", "rotten"])
    assert path.read_text() == "mine"
    Path("file").touch()
    with pytest.raises(UserError, match="file is a file"):
        new.new_study("file", ["ripe", "rotten"])
    Path("photos").mkdir()
    assert new.new_study("photos", ["ripe", "rotten"]).exists()  # a folder without a study


def run(*arguments, cwd):
    code = "import sys; from distillery import new; new.main(); import json; print(json.dumps(sorted(sys.modules)))"
    paths = environment() | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=paths, capture_output=True, text=True)


def test_the_command_says_what_is_next_and_imports_nothing_heavy(tmp_path):
    done = run("my tomatoes", "ripe", "rotten", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr
    *text, modules = done.stdout.splitlines()
    assert text[0].startswith("my tomatoes/config.yaml: 2 classes, for a machine with")
    assert text[2].endswith("--directory 'my tomatoes' --cores all") and str(ROOT / "Snakefile") in text[2]
    heavy = {"torch", "numpy", "pandas", "pyarrow", "pydantic", "snakemake", "PIL", "requests"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(modules)}
    again = run("my tomatoes", "ripe", "rotten", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "exists already" in again.stderr


def test_from_the_repository_the_next_command_is_short(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert re.fullmatch(r"(\.venv/bin/)?snakemake --directory x --cores all", new.next_command(Path("x")))


def test_snakemake_plans_the_study(tmp_path):
    path = new.new_study(tmp_path / "tomatoes", ["ripe", "rotten"], contact="me@example.org")
    done = subprocess.run(
        [*command(path.parent, "--cores", "2", "--dry-run", "--printshellcmds"), "all"],
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    assert "results/report.html" in text and "WARNING" not in text
    assert re.search(r"^crawl +10$", text, flags=re.M)  # five sources of two classes


def test_the_written_configuration_is_what_it_was_checked_as(folder):
    path = new.new_study(folder, ["ripe", "rotten"])
    assert check_config(yaml.safe_load(path.read_text())) == load_config(path)
    # the keys shown as comments are keys
    shown = re.sub(r"# (about|authors|mine|phone):", r"\1:", path.read_text())
    study = check_config(yaml.safe_load(shown))
    assert study["about"].startswith("Why you made") and study["authors"] == ["Your Name"]
    assert study["sources"]["phone"]["labels"] == "teacher" and study["sources"]["mine"]["kind"] == "folder"


def photos(folder, **counts):
    """A folder of images by their suffix, of a number for each class."""
    for name, count in counts.items():
        Path(folder, name).mkdir(parents=True)
        for number in range(count):
            Path(folder, name, f"{number}.jpg").touch()


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize("unlabeled", ["", "phone"])
@pytest.mark.parametrize("teacher_images", ["", "labeled"])
def test_a_study_of_own_images_is_a_valid_configuration(folder, monkeypatch, gpus, unlabeled, teacher_images):
    monkeypatch.setattr(new, "count_gpus", lambda: gpus)
    photos("photos", cat=60, dog=100, horse=70)
    photos("phone", any=30)
    for part in ("train", "test"):
        photos(f"labeled/{part}", cat=2, dog=2, horse=2)
    path, found, more = new.new_study_of_own_images(
        folder, "photos", unlabeled=unlabeled, teacher_images=teacher_images
    )
    assert (found, more) == ({"cat": 60, "dog": 100, "horse": 70}, 30 if unlabeled else 0)
    study = load_config(path)
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


def test_the_clip_of_a_study_of_own_images_looks_for_the_classes_in_words(folder):
    photos("photos", ripe=10, half_ripe=10, rotten=10)
    path, found, _ = new.new_study_of_own_images(folder, "photos", ["ripe", "half_ripe"], subject="tomato")
    assert load_config(path)["teacher"]["zero_shot"]["prompts"] == {
        "ripe": ["ripe tomato"], "half_ripe": ["half ripe tomato"],
    }  # fmt: skip
    assert list(found) == ["ripe", "half_ripe"]  # in the order given


def test_own_images_that_give_no_study_are_refused_before_anything_is_written(folder):
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
            new.new_study_of_own_images(folder, images)
    photos("labeled/train", cat=1, dog=1)
    photos("enough", cat=10, dog=10)
    with pytest.raises(UserError, match="--teacher-images: labeled has no folder test. It needs train and test"):
        new.new_study_of_own_images(folder, "enough", teacher_images="labeled")
    with pytest.raises(UserError, match="--unlabeled: there is no nothing"):
        new.new_study_of_own_images(folder, "enough", unlabeled="nothing")
    assert not folder.exists()


def test_the_command_takes_folders_of_images(tmp_path):
    photos(tmp_path / "photos", cat=10, dog=12)
    done = run("pets", "--images", "photos", cwd=tmp_path)
    assert done.stdout.startswith("pets/config.yaml: cat 10, dog 12 images, for a machine with"), done.stderr
    heavy = {"torch", "numpy", "pandas", "pyarrow", "pydantic", "snakemake", "PIL", "requests"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    chosen = run("two", "--images", "photos", "dog", "cat", cwd=tmp_path)
    assert chosen.stdout.startswith("two/config.yaml: dog 12, cat 10 images"), chosen.stderr
    lacks = run("other", "--unlabeled", "photos", cwd=tmp_path)
    assert lacks.returncode == 1 and "need --images" in lacks.stderr and lacks.stderr.count("\n") == 1
