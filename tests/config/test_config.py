"""The configuration: defaults are filled in, and every mistake is one line that names the key."""

import copy
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_config import STUDY, merge

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.choices import ImageKind
from distillery.config.queries.retrieval_queries import words_of
from distillery.config.queries.source_queries import classes_of, pixel_sources, used_sources
from distillery.config.reading import check_config
from distillery.curation.kinds.classifier import KINDS
from distillery.display_names import cleaning_text
from distillery.jobs import UserError


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
    (
        {"teacher": {"model": "openai/clip-vit-base-patch32"}},
        r"teacher: unknown key model; known are .* Did you mean checkpoint.model or zero_shot.model\?",
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
    ({"comparisons": {"a": {}}}, "comparisons.a: give arms, two scenarios or two students"),
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
