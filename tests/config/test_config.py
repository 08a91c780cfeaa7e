"""The configuration: defaults are filled in, and every mistake is one line that names the key."""

import copy
import json
import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.choices import ImageKind
from distillery.config.models.arms import ARMS
from distillery.config.models.sources import SOURCES
from distillery.config.queries.retrieval_queries import words_of
from distillery.config.queries.source_queries import classes_of, pixel_sources, teacher_sources, used_sources
from distillery.config.reading import check_config, load_config, read_config
from distillery.config.reference import reference
from distillery.config.schema import json_schema, schema_file
from distillery.curation.kinds.classifier import KINDS
from distillery.display_names import cleaning_text
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files

ROOT = Path(__file__).parents[2]
STUDY = """
classes:
  cat: {queries: [cat], prompts: [a cat]}
  dog: {queries: [dog], prompts: [a dog]}
sources:
  google: {kind: google, per_class: 100}
  bing: {kind: bing, per_class: 100}
  mine: {kind: folder, path: ., classes: [dog]}
  sd: {kind: diffusion, model: some/model, revision: 0123456789abcdef0123456789abcdef01234567, per_class: 50}
split:
  test: {google: 20, bing: 20}
scenarios:
  one: {train: {google: 80}}
  two: {train: {sd: 100, mine: 5}, augment: color, arms: [kd]}
"""


@pytest.fixture
def study():
    return yaml.safe_load(STUDY)


def test_defaults_are_filled_in_and_the_argument_is_left_alone(study):
    before = copy.deepcopy(study)
    checked = check_config(study)
    assert study == before
    assert checked["image_size"] == 32 and checked["seeds"] == 6
    assert checked["arms"]["kd"] == {"method": "kd", "alpha": 0.9, "temperature": 4.0}
    assert checked["scenarios"]["one"]["arms"] == ["scratch", "kd"] and checked["scenarios"]["two"]["arms"] == ["kd"]
    assert checked["sources"]["google"]["filters"]["size"] == "large"
    assert checked["sources"]["bing"]["filters"]["size"] == "" and checked["sources"]["bing"]["max_per_query"] == 200
    assert checked["sources"]["sd"]["steps"] == 28 and "steps" not in checked["sources"]["mine"]
    assert checked["split"]["common"] == ["google", "bing"]
    assert check_config(checked) == checked


def test_comparisons_that_are_not_declared_are_the_usual_ones(study):
    found = check_config(study)["comparisons"]
    assert found == {"kd_against_scratch": {
        "question": "Does distilling help?", "arms": ["scratch", "kd"], "within": ["one"]}}  # fmt: skip
    study["arms"] = {name: {"method": "ce"} for name in ("scratch", "published_scratch", "other")}
    study["scenarios"]["two"]["arms"] = ["scratch"]
    found = check_config(study)["comparisons"]
    assert {name: declared["question"] for name, declared in found.items()} == {
        "scratch_against_published_scratch": "Does correcting the published recipe help from scratch?"}  # fmt: skip
    study["arms"] = {name: {"method": "ce"} for name in ("first", "second", "third")}
    study["scenarios"]["two"]["arms"] = ["first", "third"]
    found = check_config(study)["comparisons"]
    assert {name: declared["within"] for name, declared in found.items()} == {
        "second_against_first": ["one"], "third_against_first": ["one", "two"]}  # fmt: skip
    assert found["third_against_first"]["question"] == "Is third better than first?"
    study["arms"] = {"first": {"method": "ce"}}
    study["scenarios"]["two"]["arms"] = ["first"]
    assert check_config(study)["comparisons"] == {}


def test_scenarios_can_be_compared(study):
    study["scenarios"]["two"] = {"train": {"bing": 80}}
    study["comparisons"] = {"engines": {"question": "Bing or Google?", "scenarios": ["one", "two"]}}
    assert check_config(study)["comparisons"]["engines"]["within"] == ["scratch", "kd"]
    study["scenarios"]["two"] = {"train": {"mine": 5}}
    with pytest.raises(UserError, match="comparisons.engines.scenarios: one and two train on different classes"):
        check_config(study)


def test_a_range_of_guidance_starts_with_the_lowest(study):
    study["sources"]["sd"]["guidance"] = [1.5, 4]
    assert check_config(study)["sources"]["sd"]["guidance"] == [1.5, 4]
    study["sources"]["sd"]["guidance"] = [4, 1.5]
    with pytest.raises(UserError, match="sources.sd.guidance: 4 is more than 1.5"):
        check_config(study)
    study["sources"]["sd"]["guidance"] = [1]
    with pytest.raises(UserError, match="sources.sd.guidance"):
        check_config(study)


def test_composed_prompts_need_no_list_of_prompts_and_depend_only_on_subjects_and_settings(study):
    del study["classes"]["cat"]["prompts"]
    with pytest.raises(UserError, match="classes.cat.prompts: source sd needs at least one"):
        check_config(study)
    study["sources"]["sd"]["prompt_style"] = "composed"
    checked = check_config(study)
    assert words_of(checked, "sd")["cat"] == {"subjects": [], "settings": []}
    assert checked["sources"]["sd"]["compose"]["lights"]


def test_queries_of_the_rules(study):
    checked = check_config(study)
    assert classes_of(checked, "mine") == ["dog"] and classes_of(checked, "sd") == ["cat", "dog"]
    assert pixel_sources(checked, "two") == ["mine", "sd"]
    assert pixel_sources(checked, "one") == ["google"]
    del study["scenarios"]["two"]
    assert used_sources(check_config(study)) == ["google", "bing"]


MISTAKES = [
    ({"scenarios": {"teacher": {"train": {"google": 4}}}}, "scenarios.teacher: the tables use this name"),
    ({"sources": {"own_test": {"kind": "bing", "per_class": 9}}}, "sources.own_test: the tables use this name"),
    (
        {"scenarios": {"One": {"train": {"google": 4}}}},
        "scenarios.One: the name differs from one only in upper and lower case",
    ),
    ({"sources": {"sd": {"size": 500}}}, "sources.sd.size: 500 is not a multiple of 8"),
    ({"teacher": {"data": {"kind": "cifar10", "test": 1}}}, "teacher.data.test: 1 images are too few for 2 classes"),
    (
        {
            "classes": {name: {"queries": [name], "prompts": [name]} for name in ("frog", "ship")},
            "sources": {"free": {"kind": "folder", "path": ".", "classes": ["frog", "ship"]}},
            "split": {"test": {"mine": 5}, "common": ["mine"]},
            "scenarios": {"wild": {"train": {"free": 4}}},
        },
        "scenarios.wild.train: no source in split.common has one of its classes",
    ),
    ({"scenarios": {"one": {"train": {"yahoo": 80}}}}, "scenarios.one.train: unknown source yahoo; known are google"),
    ({"scenarios": {"one": {"arms": ["dkd"]}}}, "scenarios.one.arms: unknown arm dkd; known are scratch, kd"),
    ({"scenarios": {"one": {"train": {"google": 81}}}}, "scenarios.one.train.google: 81 .* take a multiple of 2"),
    (
        {"scenarios": {"one": {"train": {"google": 800}}}},
        "scenarios.one.train.google: 400 images of each class for training and 10 ",
    ),
    (
        {"arms": {"standard": {"method": "kd_standardized"}}},
        "scenarios.one.arms: with two classes standard .kd_standardized. gets no gradient from the teacher",
    ),
    ({"scenarios": {"one": {"augment": "blur"}}}, "scenarios.one.augment: 'blur' is not one of none, color, rotation"),
    ({"scenarios": {"a b": {"train": {"google": 2}}}}, "scenarios: name 'a b' may have only a-z"),
    ({"scenarios": {"one\n": {"train": {"google": 2}}}}, r"scenarios: name 'one\\n' may have only a-z"),
    ({"scenarios": {"a" * 101: {"train": {"google": 2}}}}, "scenarios: name .*at most 100 characters"),
    ({"scenarios": {2024: {"train": {"google": 2}}}}, "scenarios: 2024 is not of type string; put it in quotes"),
    ({"deployed": ["one.kdd"]}, "deployed: no student one.kdd is trained; give scenario.arm, such as one.scratch"),
    ({"seeds": 6.0}, "seeds: 6.0 is not of type integer"),
    ({"student": {"lr": float("inf")}}, "student.lr: inf is not of type number"),
    ({"student": {"mixup": float("nan")}}, "student.mixup: nan is not of type number"),
    ({"student": {"crop": 32}}, "student.crop: 32 pixels of border need images larger than image_size, 32"),
    ({"teacher": {"cutout": 64}}, "teacher.cutout: a square of 64 pixels leaves nothing"),
    ({"image_size": 8, "student": {"network": "convnet_s"}}, "student.network: convnet_s needs an image_size of 9"),
    ({"scenarios": {"dogs": {"train": {"mine": 5}}}}, "scenarios.dogs.train: one class alone leaves nothing"),
    ({"split": {"test": {"sd": 120}}}, "split.test.sd: 60 images of each class for validation and test are more"),
    ({"split": {"val": {"google": 200}}}, "split.test.google: 110 images of each class for validation and test"),
    ({"sources": {"common": {"kind": "bing", "per_class": 9}}}, "sources.common: the tables use this name"),
    ({"arms": {"teacher": {"method": "ce"}}}, "arms.teacher: the tables use this name"),
    ({"classes": {"all": {"queries": ["all"], "prompts": ["all"]}}}, "classes.all: the tables use this name"),
    ({"title": True}, "title: True is not of type string; put it in quotes"),
    ({"classes": {"cat": {"queries": []}}}, "classes.cat.queries: source google needs at least one"),
    ({"classes": {"dog": {"prompts": []}}}, "classes.dog.prompts: source sd needs at least one"),
    ({"classes": {"dog": {"querys": ["dog"]}}}, "classes.dog: unknown key querys; known are queries, prompts"),
    (
        {"classes": ["cat", "dog"]},
        r"classes: \['cat', 'dog'\] is not keys and values; write each as a key: {cat: , dog: }",
    ),
    ({"sorces": {}}, r"top level: unknown key sorces; known are title.* Did you mean sources\?"),
    (
        {"scenarios": {"small": {"google": 4}}},
        r"scenarios.small: unknown key google; known are train.* Did you mean train: {google: …}\?",
    ),
    ({"sources": {"google": {"kind": "yahoo"}}}, "sources.google.kind: 'yahoo' is not one of google, bing"),
    ({"sources": {"google": {"steps": 3}}}, "sources.google: unknown key steps; known are kind, per_class"),
    ({"sources": {"mine": {"classes": ["bee"]}}}, "sources.mine.classes: unknown class bee; known are cat, dog"),
    ({"sources": {"free": {"kind": "commons", "per_class": 9}}}, "contact: source free needs your address or page"),
    ({"without_gpu": {"student": {"network": "vgg"}}}, "without_gpu: student.network:"),
    ({"without_gpu": {"teacher": {"epochs": 3}}}, "without_gpu: teacher: unknown key epochs"),
    ({"sources": {"free": {"kind": "openverse"}}}, "sources.free: key per_class is missing"),
    ({"split": {"test": {"yahoo": 20}}}, "split.test: unknown source yahoo"),
    ({"split": {"val": {"google": 3}}}, "split.val.google: 3 images cannot be balanced over 2 classes"),
    ({"split": {"common": ["sd"]}}, "split.common: source sd has no test images"),
    ({"seeds": "many"}, "seeds: 'many' is not of type integer"),
    ({"student": {"lr": "1e-3"}}, "student.lr: '1e-3' is not of type number; YAML takes it for text, write 0.001"),
    (
        {"student": {"lr": "2.5e-6"}},
        "student.lr: '2.5e-6' is not of type number; YAML takes it for text, write 0.0000025",
    ),
    ({"seeds": 0}, "seeds: 0 is less than the minimum of 1"),
    ({"student": {"batch": 1}}, "student.batch: 1 is less than the minimum of 2"),
    ({"student": {"lr": float("nan")}}, "student.lr: nan is not of type number"),
    ({"student": {"lr": 0}}, "student.lr: 0 is not greater than 0"),
    ({"teacher": {"momentum": 1.0}}, "teacher.momentum: 1.0 is not less than 1"),
    ({"student": {"schedule": "square"}}, "student.schedule: 'square' is not one of cosine, triangular, constant"),
    ({"student": {"warmup": 1.5}}, "student.warmup: 1.5 is greater than the maximum of 1"),
    ({"student": {"cutout": -1}}, "student.cutout: -1 is less than the minimum of 0"),
    ({"student": {"mixup": -1}}, "student.mixup: -1 is less than the minimum of 0"),
    ({"student": {"steps": True}}, "student.steps: True is not of type integer"),
    ({"student": {"lr": True}}, "student.lr: True is not of type number"),
    ({"student": {"flip": 1}}, "student.flip: 1 is not of type boolean"),
    ({"student": {"tune": None}}, "student.tune: None is not keys and values"),
    ({"student": []}, r"student: \[\] is not keys and values"),
    ({"sources": {"google": {"kind": 3}}}, "sources.google.kind: 3 is not one of google, bing"),
    ({"sources": {"free": {}}}, "sources.free: key kind is missing"),
    (
        {"sources": {"bing": {"filters": {"size": "big"}}}},
        "sources.bing.filters.size: 'big' is not one of large, medium",
    ),
    (
        {"sources": {"google": {"filters": {"size": "tiny"}}}},
        "sources.google.filters.size: 'tiny' is not one of ''",
    ),
    ({"sources": {"sd": {"guidance": "much"}}}, "sources.sd.guidance: 'much' is not of type number"),
    ({"sources": {"sd": {"guidance": None}}}, "sources.sd.guidance: None is not of type number or list"),
    ({"classes": {"cat": {"queries": ["cat", "cat"]}}}, "classes.cat.queries: .* has the same value twice"),
    ({"classes": {"cat": {"queries": [""]}}}, "classes.cat.queries.0: '' is too short"),
    ({"a": 1, "b": 2}, "top level: unknown key a, b; known are title"),
    ({"student": {"network": "resnet9"}}, "student.network: 'resnet9' is not one of resnet8_half, resnet8"),
    ({"split": {"\n": None}}, "split: unknown key ; known are seed"),
    ({"scenarios": {"one": {"train": {"a\nb": 2}}}}, "scenarios.one.train: unknown source a b; known are google"),
    (
        {"comparisons": {"a": {"arms": ["scratch", "dkd"]}}},
        "comparisons.a.arms: unknown arm dkd; known are scratch, kd",
    ),
    ({"comparisons": {"a": {"scenarios": ["x", "one"]}}}, "comparisons.a.scenarios: unknown scenario x; known are one"),
    ({"comparisons": {"a": {}}}, "comparisons.a: give arms or two scenarios"),
    ({"comparisons": {"a": {"arms": ["kd"]}}}, r"comparisons.a.arms: \['kd'\] is too short"),
    ({"arms": {"bad": {"method": "ce_with_faults", "faults": ["trained_teacher"]}}}, "arms.bad.faults.0: 'trained_te"),
    ({"arms": {"bad": {"method": "kd_with_faults", "faults": []}}}, r"arms.bad.faults: \[\] is too short"),
    (
        {"comparisons": {"a": {"arms": ["scratch", "kd"], "within": ["two"]}}},
        "comparisons.a.within: scenario two does not train both",
    ),
    (
        {"comparisons": {"a": {"scenarios": ["one", "two"], "within": ["scratch"]}}},
        "comparisons.a.within: arm scratch is not trained by both one and two",
    ),
    ({"scenarios": {"one": {"clean": "photo"}}}, "scenarios.one.clean: 'photo' is not of type boolean or keys"),
    ({"scenarios": {"one": {"clean": {"kinds": ["photos"]}}}}, "scenarios.one.clean.kinds.0: 'photos' is not one of"),
    ({"scenarios": {"one": {"clean": {"kind": []}}}}, "scenarios.one.clean: unknown key kind; known are labels, kinds"),
    ({"sede": 3}, "top level: unknown key sede; known are title"),
    (
        {"arms": {"kd": {"method": "kd", "beta": 1}}},
        "arms.kd: unknown key beta; known are method, tune, alpha, temperature",
    ),
    ({"student": {"tune": {"lr": [0.1]}}}, "student.tune: key weight_decay is missing"),
    (
        {"student": {"tune": {"lr": [0.1], "weight_decay": [0]}}},
        "student.tune: tuning needs validation images",
    ),
    (
        {"arms": {"kd": {"method": "kd", "tune": {"lr": [0.1], "weight_decay": [0]}}}},
        "arms.kd.tune: tuning needs validation images",
    ),
    ({"arms": {"kd": {"method": "kd", "tune": {"lr": []}}}}, "arms.kd.tune"),
    (
        {"arms": {"old": {"method": "published_kd", "tune": {"lr": [0.1], "weight_decay": [0]}}}},
        "arms.old: unknown key tune; known are method",
    ),
    ({"arms": {"kd": {"method": "dark"}}}, "arms.kd.method: 'dark' is not one of ce, label_smoothing"),
]


@pytest.mark.parametrize("change, message", MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_key(study, change, message):
    merge(study, change)
    with pytest.raises(UserError, match=f"^config: {message}") as error:
        check_config(study)
    assert "\n" not in str(error.value)


def test_a_scenario_cleans_labels_or_kinds_of_images_or_both(study):
    assert get_args(ImageKind) == KINDS
    for clean, checked in ((True, True), ({"kinds": ["photo"]}, {"labels": False, "kinds": ["photo"]})):
        study["scenarios"]["one"]["clean"] = clean
        assert check_config(study)["scenarios"]["one"]["clean"] == checked
    texts = [cleaning_text(clean) for clean in (False, True, checked, {"labels": True, "kinds": ["photo", "dark"]})]
    assert texts == ["", "yes", "photo only", "yes, photo or dark only"]


def merge(into, change):
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def test_losses_that_lose_terms_with_two_classes_give_a_warning_for_scenarios_of_two(study):
    study["arms"] = {"scratch": {"method": "ce"}, "decoupled": {"method": "dkd"}, "relations": {"method": "dist"}}
    study["scenarios"]["two"]["arms"] = ["scratch", "decoupled"]
    warnings = study_warnings(check_config(study))
    assert [line.partition(":")[0] for line in warnings] == ["one.decoupled, two.decoupled", "one.relations"]
    study["arms"] |= {"standard": {"method": "kd_standardized"}}
    study["classes"]["bird"] = {"queries": ["bird"], "prompts": ["a bird"]}
    study["sources"]["two"] = {"kind": "folder", "path": ".", "classes": ["cat", "dog"]}
    study["split"]["test"] = {"google": 21, "bing": 21}
    study["scenarios"] = {
        "all": {"train": {"google": 81}},
        "pair": {"train": {"two": 80}, "arms": ["scratch", "decoupled"]},
    }
    assert [line.partition(":")[0] for line in study_warnings(check_config(study))] == ["pair.decoupled"]
    study["scenarios"]["pair"]["arms"].append("standard")
    with pytest.raises(UserError, match="scenarios.pair.arms: with two classes standard"):
        check_config(study)


def test_a_missing_key_is_named(study):
    del study["sources"]["google"]["per_class"]
    with pytest.raises(UserError, match="config: sources.google: key per_class is missing"):
        check_config(study)
    with pytest.raises(UserError, match="config: top level: key classes, sources, scenarios is missing"):
        check_config({})


def test_two_scenarios_of_one_name_are_an_error(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(STUDY + "  one: {train: {bing: 80}}\n")
    with pytest.raises(UserError, match="config.yaml, line 15: the name one is given twice"):
        read_config(path)


def test_json_may_hold_tabs_and_a_slip_in_it_has_a_line(tmp_path, study):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(study, indent="\t"))
    assert load_config(path) == check_config(study)
    path.write_text('{"title":\n}')
    with pytest.raises(UserError, match="config.json, line 2"):
        read_config(path)


@pytest.mark.parametrize(
    "data, message",
    [
        ({"kind": "folder", "path": "a"}, "teacher.data.test_path: the teacher would be tested on its train images"),
        (
            {"kind": "folder", "path": "a", "test_path": "b/../a"},
            "teacher.data.test_path: the teacher would be tested on its train images",
        ),
        ({"kind": "sources"}, "teacher.data.train_sources: no source has class cat, dog"),
        ({"kind": "sources", "train_sources": ["mine"]}, "train_sources: students are trained or tested on mine"),
        (
            {"kind": "sources", "train_sources": ["yahoo"]},
            "train_sources: unknown source yahoo; known are google, bing",
        ),
        (
            {"kind": "sources", "train_sources": ["free", "dogs"], "test_sources": ["dogs"]},
            "test_sources: dogs is also in train_sources",
        ),
        (
            {"kind": "sources", "train_sources": ["free"], "test_sources": ["dogs"]},
            "test_sources: no source has class cat",
        ),
    ],
)
def test_a_teacher_without_data_of_its_own_is_an_error(study, data, message):
    study["sources"] |= {"free": {"kind": "openverse", "per_class": 9}, "dogs": study["sources"]["mine"]}
    study["teacher"] = {"data": data}
    with pytest.raises(UserError, match=message):
        check_config(study)


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


def test_a_teacher_of_sources(study):
    study["sources"] |= {"free": {"kind": "openverse", "per_class": 9}, "more": {"kind": "bing", "per_class": 9}}
    assert teacher_sources(check_config(study), "train") == []
    study["teacher"] = {"data": {"kind": "sources", "train_sources": ["free"], "test_sources": ["more"]}}
    checked = check_config(study)
    assert [teacher_sources(checked, part) for part in ("train", "test")] == [["free"], ["more"]]
    assert not {"free", "more"} & set(used_sources(checked))


def test_classes_that_the_teacher_s_data_lack_are_named(study):
    study["classes"] = {"spinach": study["classes"]["cat"], "dog": study["classes"]["dog"]}
    with pytest.raises(UserError, match="teacher.data: CIFAR-10 has no class spinach, only airplane"):
        check_config(study)
    study["teacher"] = {"data": {"kind": "drawn", "train": 4, "test": 4}}
    with pytest.raises(UserError, match="classes: spinach cannot be drawn"):
        check_config(study)


def test_a_file_that_is_no_configuration_is_an_error(tmp_path):
    path = tmp_path / "config.yaml"
    for text, message in {"- a": "must hold keys", "a: [": "line 1", "a: \x00": "config.yaml"}.items():
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            load_config(path)
    with pytest.raises(UserError, match="missing.yaml cannot be read"):
        load_config(tmp_path / "missing.yaml")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.sampled_from(["classes", "sources", "split", "teacher", "arms", "scenarios", "comparisons", "demo"]), anything
)
def test_any_value_of_a_section_is_accepted_or_refused_in_one_line(key, value):
    study = yaml.safe_load(STUDY)
    study[key] = value
    try:
        check_config(study)
    except UserError as error:
        assert "\n" not in str(error) and str(error).startswith("config: ")


def test_every_key_of_the_schema_is_described_and_has_a_default_or_is_required():
    def walk(part, path):
        for key, below in part.get("properties", {}).items():
            target = resolved(below)
            where = f"{path}.{key}"
            assert "description" in below or "description" in target or "const" in below, where
            optional = key not in part.get("required", ()) and "const" not in below
            if optional and where not in without_default:
                assert "default" in below, where
            walk(target, where)
            named = target.get("additionalProperties")
            for each in named.get("oneOf", named.get("anyOf", [named])) if isinstance(named, dict) else ():
                inner = resolved(each)
                walk(inner, f".{inner['properties'][key]['const']}" if (key := choices.get(where)) else where)

    def resolved(part):
        return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    schema, choices = json_schema(), {".sources": "kind", ".arms": "method"}
    # These have no default value, but a meaning if left out: all sources, all arms, nothing published, no demo, the
    # default comparisons, no tuning, the study's setting for refusals, images that start from noise
    without_default = {".split.common", ".scenarios.arms", ".scenarios.published", ".demo", ".student.tune"}
    without_default |= {".teacher.data.kind", ".teacher.image_size", ".authors", ".deployed"}
    without_default |= {f".diffusion.{key}" for key in ("from", "keep", "prompts_from", "lora", "adapt")}
    without_default |= {f".{method}.tune" for method in ARMS}
    without_default |= {".without_gpu"}
    without_default |= {".comparisons", ".comparisons.arms", ".comparisons.scenarios", ".comparisons.within"}
    without_default |= {f".scenarios.published.{key}" for key in ("site", "notebook", "n_train")}
    without_default |= {f".{kind}.classes" for kind in ("urls", "folder", "huggingface")}
    without_default |= {".folder.labels", ".folder.threshold"}
    without_default |= {f".{kind}.unavailable" for kind in SOURCES if kind != "folder"}
    walk(schema, "")


# --- the configurations that come with the project --------------------------------------------------------------------


def test_the_published_study(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_config("config.yaml")
    assert len(study["classes"]) == 10
    assert study["seeds"] == study["teacher"]["seeds"] == study["split"]["draws"] == 8
    assert all(len(c["queries"]) == 30 and len(c["prompts"]) == 10 for c in study["classes"].values())
    totals = {name: sum(scenario["train"].values()) for name, scenario in study["scenarios"].items()}
    free = {"small_openverse", "small_commons", "small_free"}  # sources that need no account, as small_bing
    assert len(totals) == 13 + 4 + len(free) + 1
    small = {"small_google", "small_bing", "small_web", "small_sd2", "small_sd3"}
    varied = {name for name in totals if name.endswith("_varied")}
    assert varied == {f"{size}_{model}_varied" for size in ("small", "large") for model in ("sd2", "sd3")}
    assert {name for name, n in totals.items() if n == 800} - varied - free == small | {"small_sd2_kept"}
    assert {name for name, n in totals.items() if n == 400} == {"small_web_color", "small_web_rotation"}
    assert {name for name, n in totals.items() if n == 4000} == {"medium_web", "medium_web_sd"}
    assert {n for name, n in totals.items() if name.startswith("large")} == {8000}
    assert set(study["arms"]) == {"scratch", "kd", "kd_tuned", "published_scratch", "published_kd"}
    published = {name: s["published"] for name, s in study["scenarios"].items() if "published" in s}
    assert set(published) == set(totals) - varied - free - {"small_sd2_kept"}
    assert all(len(said["site"]) == len(said["notebook"]) == 2 for said in published.values())
    sources = study["sources"]
    composed = [name for name in sources if sources[name].get("prompt_style") == "composed"]
    assert composed == ["sd2_varied", "sd3_varied", "sd2_kept"]
    # the sources differ only in the selection of images, so the pair of scenarios compares only that
    varied, kept = ({**sources[name], "per_class": 0, "keep": 0} for name in ("sd2_varied", "sd2_kept"))
    assert varied == kept and study["comparisons"]["choosing"]["scenarios"] == ["small_sd2_varied", "small_sd2_kept"]


def test_the_root_configuration_has_the_exact_queries_and_prompts_of_the_published_study(monkeypatch):
    facts = ROOT.parent / "shared" / "facts" / "study.yaml"
    if not facts.exists():
        pytest.skip("the facts of the published study are missing")
    monkeypatch.chdir(ROOT)
    study, facts = load_config("config.yaml"), yaml.safe_load(facts.read_text())
    asked = {name: {key: words[key] for key in ("queries", "prompts")} for name, words in study["classes"].items()}
    assert json.dumps(asked) == json.dumps(facts["classes"])  # also in the same order
    for result in facts["results"]:
        published = study["scenarios"][result["id"]]["published"]
        assert (published["site"], published["notebook"]) == (result["site"], result["notebook"])
        assert published["test"] == result["test"]


def test_the_demonstration(monkeypatch):
    monkeypatch.chdir(ROOT / "demo")
    study = load_config("config.yaml")
    assert len(study["classes"]) == 10 and study["seeds"] == 3 and "demo" in study
    assert {s["augment"] for s in study["scenarios"].values()} == {"none", "color", "rotation"}
    kinds = [{study["sources"][name]["kind"] for name in s["train"]} for s in study["scenarios"].values()]
    assert all(kind in kinds for kind in ({"google"}, {"bing"}, {"google", "bing"}, {"diffusion"}))


def test_the_reference_page_and_the_schema_are_in_step_with_the_models():
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), "run `make docs`"
    assert (ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text() == schema_file(), "run `make docs`"


def test_a_search_is_in_every_list_of_searches():
    from distillery.config.choices import WEB_SEARCHES
    from distillery.display_names import OTHER_KINDS
    from distillery.display_names import SEARCHES as TITLES
    from distillery.sources.engines import ENGINES
    from distillery_demo.web_pages import SEARCHES

    lists = {
        "WebSearch in distillery/config/choices.py": WEB_SEARCHES,
        "AnySource in distillery/config/models/sources.py": set(SOURCES) - set(OTHER_KINDS),
        "ENGINES in distillery/sources/engines/__init__.py": ENGINES,
        "SEARCHES in distillery/display_names.py": TITLES,
        "SEARCHES in distillery_demo/web_pages.py": SEARCHES,
    }
    every = set().union(*lists.values())
    assert {name: sorted(every - set(found)) for name, found in lists.items() if set(found) != every} == {}


def test_every_network_can_be_chosen_and_built():
    from distillery.config.choices import NETWORKS
    from distillery.models.architectures import CONVNETS, RESNETS

    assert (*RESNETS, *CONVNETS) == NETWORKS


def test_the_documented_study_that_tries_a_new_search_is_valid():
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    study = check_config(yaml.safe_load(text.replace("kind: example", "kind: bing")))
    assert "demo" in study and list(study["sources"]) == ["example"]


@pytest.mark.parametrize(
    ("number", "scenarios", "kind"), [(0, {"own", "more", "web"}, "folder"), (1, {"web", "generated"}, "sources")]
)
def test_the_examples_in_the_docs_are_valid(tmp_path, monkeypatch, number, scenarios, kind):
    text = (ROOT / "docs" / "new_study.md").read_text().split("```yaml\n")[1 + number].partition("```")[0]
    (tmp_path / "config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    study = load_config("config.yaml")
    assert set(study["scenarios"]) == scenarios and study["teacher"]["data"]["kind"] == kind
    if kind == "folder":
        for part in ("images", "labeled/train", "labeled/test"):
            for label in study["classes"]:
                Path(part, label).mkdir(parents=True)
                for image in range(300):
                    Path(part, label, f"{image}.jpg").touch()
        Path("phone").mkdir()
    assert check_own_files(study) == []
