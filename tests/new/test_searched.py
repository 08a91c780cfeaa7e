"""A new study whose images are searched for: its configuration runs as it is."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from running import command, environment

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.choices import NAME_PATTERN
from distillery.config.models.study import Study
from distillery.config.queries.source_queries import teacher_sources, titles_of_sources, used_sources
from distillery.config.reading import check_config, load_config
from distillery.jobs import UserError
from distillery.new import presets
from distillery.new.searched import IMAGES_A_DAY, configuration, image_counts, new_study
from distillery.sources.own_files import check_own_files

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize("contact", ["", "me@example.org"])
@pytest.mark.parametrize("count", [2, 3, 7, 10, 50])
def test_the_file_is_a_valid_configuration(folder, monkeypatch, gpus, contact, count):
    monkeypatch.setattr(presets, "count_gpus", lambda: gpus)
    names = [f"class{number}" for number in range(count)]
    study = load_config(new_study(folder, names, contact=contact))
    assert list(study["classes"]) == names and study["contact"] == contact
    assert check_own_files(study) == [] and study_warnings(study) == []
    assert ("commons" in study["sources"]) == bool(contact)
    assert (study["student"]["network"], study["image_size"]) == (("resnet8x4", 64) if gpus else ("convnet_s", 32))


def test_queries_and_prompts_name_the_class_and_what_it_is_a_kind_of(folder):
    study = load_config(new_study("my_Tomatoes-2", ["ripe", "half_ripe"]))
    assert study["title"] == "My tomatoes 2: ripe, half_ripe"
    assert study["classes"]["half_ripe"]["queries"][:2] == ["half ripe my Tomatoes 2", "half ripe my Tomatoes 2 photo"]
    assert study["classes"]["ripe"]["prompts"][0] == "a photo of ripe my Tomatoes 2"
    other = load_config(new_study("a/b", ["cat", "dog"], subject=""))
    assert other["classes"]["cat"]["queries"][0] == "cat" and other["title"] == "Images: cat, dog"
    assert load_config(new_study(folder, ["cat", "dog"], subject="pets"))["classes"]["dog"]["queries"][0] == "dog pets"


def test_no_student_is_trained_or_tested_on_the_teacher_s_sources(folder):
    study = load_config(new_study(folder, ["ripe", "rotten"]))
    teachers = {name: study["sources"][name] for name in teacher_sources(study, "train", "test")}
    assert not set(teachers) & set(used_sources(study))
    sizes = [source["filters"]["size"] for source in study["sources"].values() if source["kind"] == "openverse"]
    assert sorted(sizes) == ["large", "medium", "small"]  # sizes do not overlap
    assert titles_of_sources(study, ["openverse"]) == {"openverse": "Openverse"}


def test_every_key_has_half_a_line_of_comment(folder):
    for contact in ("", "me@example.org"):
        lines = configuration(["ripe", "rotten"], "tomatoes", contact).splitlines()
        keys = [line for line in lines if re.match(r" *[\w-]+:", line)]
        assert len(keys) > 40 and all(re.search(r" # \S.{8,}", line) for line in keys)
        assert max(map(len, lines)) <= 120 and "{each" not in "".join(lines)


def test_a_source_keeps_a_quarter_for_what_is_dropped(folder):
    for count in range(2, 200):
        each = image_counts(count)
        assert min(vars(each).values()) >= 1 and each.train % 2 == 0
        assert each.train + each.val + each.test <= 0.75 * each.source
        assert 2 * each.train + each.val + each.test <= 0.8 * each.more
        assert (each.source + each.teacher_train + each.teacher_test) * count <= IMAGES_A_DAY or count > 50


@pytest.mark.parametrize("name", ["2024", "yes", "null", "off", "1e3", "a-b_C", "No"])
def test_names_that_yaml_reads_as_something_else_are_quoted(folder, name):
    study = load_config(new_study(folder, [name, "other"], contact="@me: x"))
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
        new_study(folder, classes)
    assert "\n" not in str(error.value) and not folder.exists()


def test_what_may_be_a_class_is_what_the_configuration_takes():
    (pattern,) = Study.model_json_schema()["properties"]["classes"]["patternProperties"]
    assert pattern == NAME_PATTERN


def test_a_study_that_is_there_is_not_overwritten(folder):
    path = new_study(folder, ["ripe", "rotten"])
    path.write_text("mine")
    with pytest.raises(UserError, match="tomatoes/config.yaml exists already"):
        new_study(folder, ["ripe", "rotten"])
    assert path.read_text() == "mine"
    Path("file").touch()
    with pytest.raises(UserError, match="file is a file"):
        new_study("file", ["ripe", "rotten"])
    Path("photos").mkdir()
    assert new_study("photos", ["ripe", "rotten"]).exists()  # a folder without a study


def test_snakemake_plans_the_study(tmp_path):
    path = new_study(tmp_path / "tomatoes", ["ripe", "rotten"], contact="me@example.org")
    done = subprocess.run(
        [*command(path.parent, "--cores", "2", "--dry-run", "--printshellcmds"), "all"],
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    assert "results/report.html" in text and "WARNING" not in text
    assert re.search(r"^crawl +10$", text, flags=re.M)  # five sources of two classes


def test_the_written_configuration_is_what_it_was_checked_as(folder):
    path = new_study(folder, ["ripe", "rotten"])
    assert check_config(yaml.safe_load(path.read_text())) == load_config(path)
    # the keys shown as comments are keys
    shown = re.sub(r"# (about|authors|mine|phone):", r"\1:", path.read_text())
    study = check_config(yaml.safe_load(shown))
    assert study["about"].startswith("Why you made") and study["authors"] == ["Your Name"]
    assert study["sources"]["phone"]["labels"] == "teacher" and study["sources"]["mine"]["kind"] == "folder"
