"""Filters of generated images: which configurations are refused, and what queries of the rules return for others."""

from pathlib import Path

import pytest
import yaml
from mixed_study import STUDY

from distillery.config.queries import derived_sources as derived
from distillery.config.queries import source_queries
from distillery.config.reading import check_config, load_config
from distillery.config.targets import image_files, report_files, training_files
from distillery.jobs import UserError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config():
    config = yaml.safe_load(STUDY)
    config["sources"]["sd"]["keep"] = {"by": "teacher"}
    return config


def mistake(config):
    with pytest.raises(UserError) as error:
        check_config(config)
    return str(error.value).removeprefix("config: ")


def test_the_teacher_cannot_choose_among_images_that_it_was_trained_or_tested_on(config):
    data = {"kind": "sources", "train_sources": ["varied"], "test_sources": ["extra"]}
    config["teacher"] = {"data": data}
    check_config(config)
    config["sources"]["varied"]["keep"] = {"by": "teacher"}
    told = "sources.varied.keep: the teacher is trained or tested on varied, so it cannot choose its images; use by:"
    assert mistake(config).startswith(told)
    data["train_sources"], data["test_sources"] = ["extra"], ["varied"]
    assert mistake(config).startswith(told)
    config["sources"]["varied"] |= {"keep": {"by": "clip"}, "clip_scorer": "some/clip"}
    check_config(config)


@pytest.mark.parametrize("key", ["test", "val"])
def test_students_are_not_tested_on_what_the_teacher_chose(config, key):
    config["split"][key]["sd"] = 20
    assert mistake(config).startswith(f"split.{key}: the teacher chooses the images of sd (keep), so they are only")
    config["sources"]["sd"] |= {"keep": {"by": "clip"}, "clip_scorer": "some/clip"}
    check_config(config)


@pytest.mark.parametrize(
    "keep, told",
    [
        ({"by": "clip"}, "sources.sd.keep: by: clip needs the key clip_scorer, a CLIP model's id or folder; add it"),
        ({"by": "me"}, "sources.sd.keep.by: 'me' is not one of clip, teacher"),
        ({"by": "teacher", "at_least": 0}, "sources.sd.keep.at_least: 0 is not greater than 0"),
        ({"by": "teacher", "tries": 0}, "sources.sd.keep.tries: 0 is less than the minimum of 1"),
        ({}, "sources.sd.keep: key by is missing"),
    ],
)
def test_mistakes_in_a_filter_are_named(config, keep, told):
    config["sources"]["sd"]["keep"] = keep
    assert mistake(config) == told


def test_files_of_a_filtered_source(config):
    study = check_config(config)
    assert study["sources"]["sd"]["keep"] == {"by": "teacher", "at_least": 0.5, "tries": 3}
    assert source_queries.filtered_sources(study) == ["sd"] and derived.derived_sources(study) == ["sd"]
    assert training_files.filter_teacher_files(study, "sd") == {"teacher": "results/teacher/model.safetensors"}
    rejected = {"rejected": "resources/rejected/sd.tar", "rejected_records": "resources/rejected/sd.jsonl"}
    records = ["resources/pools/sd/cat.jsonl", "resources/pools/sd/dog.jsonl"]
    assert image_files.rejected_files(study, "sd") == rejected and image_files.filtered_records(study) == records
    assert report_files.sheet_inputs(study, "rejected", "sd") == rejected | {"records": records}
    assert "results/figures/rejected_sd.png" in report_files.sheets(study)
    assert report_files.tables_of_filters(study) == ["results/tables/acceptance.csv"]
    study["sources"]["sd"]["keep"]["by"] = "clip"
    assert training_files.filter_teacher_files(study, "sd") == {} and derived.derived_sources(study) == []


def test_a_study_without_filters_has_no_files_of_filters():
    for study in (check_config(yaml.safe_load(STUDY)), load_config(ROOT / "demo" / "config.yaml")):
        assert source_queries.filtered_sources(study) == [] and report_files.tables_of_filters(study) == []
        assert not any("rejected" in path for path in report_files.sheets(study))
        for source in source_queries.sources_of_kind(study, "diffusion"):
            assert "keep" not in study["sources"][source]
            assert training_files.filter_teacher_files(study, source) == image_files.rejected_files(study, source) == {}
