"""Sources made from others' train images: which configurations are refused, and what queries return otherwise."""

import copy
from pathlib import Path

import pytest
import yaml
from mixed_study import STUDY

from distillery.config.queries import derived_sources as derived
from distillery.config.queries import retrieval_queries, source_queries
from distillery.config.reading import check_config, load_config
from distillery.config.targets import image_files
from distillery.jobs import UserError

ROOT = Path(__file__).parents[3]
VARIED = {"kind": "diffusion", "model": "some/model", "per_class": 50, "from": {"source": "bing"}}


@pytest.fixture
def config():
    config = yaml.safe_load(STUDY)
    config["sources"]["mild"] = copy.deepcopy(VARIED)
    config["scenarios"]["mild"] = {"train": {"mild": 40}}
    return config


def mistake(config):
    with pytest.raises(UserError) as error:
        check_config(config)
    return str(error.value).removeprefix("config: ")


@pytest.mark.parametrize("key", ["test", "val"])
def test_a_derived_source_has_no_test_and_no_validation_images(config, key):
    config["split"].setdefault(key, {})["mild"] = 20
    config["split"].pop("common")
    assert mistake(config) == (
        f"split.{key}: mild is made from train images of bing, so its images are only for training; remove mild here."
        " Use bing, or another source that is not made from it"
    )


@pytest.mark.parametrize(
    "change, told",
    [
        ({"source": "mild"}, "source: mild cannot be made from itself; name another source"),
        (
            {"source": "no"},
            "source: unknown source no; known are google, bing, mine, sd, varied, extra, mild, milder",
        ),
        ({"source": "milder"}, "source: milder is itself made from bing; name bing, or another source"),
        ({"source": "mine"}, "source: mine has no labels of its own (labels: none); name a source with labels"),
        ({"strength": [0.8, 0.4]}, "strength: 0.8 is more than 0.4; give the lowest strength first"),
        ({"strength": 0.01}, "strength: 0.01 of 28 steps is less than one step; raise it to 0.036 or more"),
        ({"strength": 1.5}, "strength: 1.5 is greater than the maximum of 1"),
        ({"strength": "much"}, "strength: 'much' is not of type number"),
        ({"sources": "bing"}, "unknown key sources; known are source, strength. Did you mean source?"),
    ],
)
def test_what_a_source_can_be_made_from(config, change, told):
    config["sources"]["milder"] = copy.deepcopy(VARIED)
    config["sources"]["mild"]["from"] |= change
    if change.get("source") == "mine":
        config["sources"]["mine"]["labels"] = "none"
    assert mistake(config).removeprefix("sources.mild.from").lstrip(".: ") == told


@pytest.mark.parametrize("key", ["train_sources", "test_sources"])
def test_the_teacher_cannot_train_or_test_on_derived_images(config, key):
    data = {"kind": "sources", "train_sources": ["extra"], "test_sources": ["varied"]} | {key: ["mild"]}
    config["teacher"] = {"data": data}
    assert mistake(config).startswith(f"teacher.data.{key}: mild is made from train images of bing; use a source that")


def test_images_that_the_teacher_uses_cannot_be_parents(config):
    config["sources"]["mild"]["from"]["source"] = "extra"
    config["teacher"] = {"data": {"kind": "sources", "train_sources": ["extra"], "test_sources": ["varied"]}}
    assert mistake(config).startswith("teacher.data.train_sources: students are trained or tested on extra")


def test_base_sources_are_split_first_and_a_parent_is_used_although_no_scenario_names_it(config):
    config["sources"]["mild"]["from"]["source"] = "extra"
    study = check_config(config)
    assert source_queries.used_sources(study) == ["google", "bing", "mine", "sd", "extra", "mild"]
    assert derived.base_sources(study) == ["google", "bing", "mine", "sd", "extra"]
    assert derived.derived_sources(study) == ["mild"] and "mild" in retrieval_queries.preflight_sources(study)
    assert source_queries.parents_of_derived(study, ["mild", "bing"]) == {"mild": "extra"}
    assert image_files.base_file(study, "splits.parquet") == "results/base/splits.parquet"
    assert image_files.parent_files(study, "mild") == {
        "splits": "results/base/splits.parquet",
        "refusals": "results/base/refusals.json",
        "parents": ["resources/pools/extra/cat.tar", "resources/pools/extra/dog.tar"],
    }
    assert image_files.split_of(study, "one", "splits.parquet") == "results/base/splits.parquet"
    assert image_files.split_of(study, "mild", "splits.parquet") == "results/splits.parquet"
    assert derived.records_of_children(study) == ["resources/pools/mild/cat.jsonl", "resources/pools/mild/dog.jsonl"]


def test_a_derived_source_has_its_parent_s_classes(config):
    config["sources"]["mild"]["from"]["source"] = "mine"
    config["scenarios"]["mild"]["train"]["bing"] = 20
    study = check_config(config)
    assert source_queries.classes_of(study, "mild") == ["dog"]
    assert list(retrieval_queries.generation_of(study, {}, "mild")["classes"]) == ["dog"]


def test_a_study_without_derived_sources_has_no_files_or_parameters_of_them(config):
    for study in (check_config(yaml.safe_load(STUDY)), load_config(ROOT / "demo" / "config.yaml")):
        assert derived.derived_sources(study) == [] and derived.base_sources(study) == source_queries.used_sources(
            study
        )
        assert image_files.base_file(study, "splits.parquet") == "results/splits.parquet"
        for source in source_queries.sources_of_kind(study, "diffusion"):
            assert "from" not in study["sources"][source] and image_files.parent_files(study, source) == {}


def test_a_source_whose_prompts_are_titles_is_split_after_their_source(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["sources"]["varied"] = {"kind": "diffusion", "model": "some/model", "per_class": 50}
    config["sources"]["varied"]["prompts_from"] = {"titles": "extra"}
    config["scenarios"]["mild"]["train"] = {"varied": 40}
    study = check_config(config)
    assert "extra" in derived.base_sources(study) and derived.derived_sources(study) == ["varied"]
    assert (
        retrieval_queries.words_of(study, "varied") == {"cat": {}, "dog": {}}
        and source_queries.parents_of_derived(study, ["varied"]) == {}
    )
    assert image_files.prompt_files(study, "varied") == {"prompts": "resources/prompts/varied.csv"}
    edited = tmp_path / "resources" / "prompts" / "varied.edited.csv"
    edited.parent.mkdir(parents=True)
    edited.touch()
    assert image_files.prompt_files(study, "varied") == {"prompts": "resources/prompts/varied.edited.csv"}
    assert image_files.prompt_files(study, "sd") == {}
    config["sources"]["varied"]["prompt_style"] = "composed"
    assert mistake(config).startswith("sources.varied.prompts_from: titles are complete prompts")
    config["sources"]["varied"]["prompts_from"]["titles"] = "mild"
    assert mistake(config).startswith("sources.varied.prompts_from.titles: mild is itself made from bing; name bing")
    config["sources"]["varied"]["prompts_from"]["titles"] = "extra"
    config["split"]["test"]["varied"] = 20
    assert mistake(config).startswith("split.test: varied is made from titles of train images of extra, so its")
