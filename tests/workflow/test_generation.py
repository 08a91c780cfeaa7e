"""Rules of generated images: shares of a source, and edits after which images are generated again."""

import copy
import json

import pytest

from .conftest import CLASSES, STUDY, Study, write_own_images

POOLS = [f"resources/pools/sd2/{label}.tar" for label in CLASSES]


@pytest.fixture
def study(tmp_path):
    write_own_images(tmp_path)
    return Study(tmp_path, copy.deepcopy(STUDY))


def test_a_source_is_generated_by_one_job_or_by_the_configured_number(study):
    assert study.counted(*POOLS) == {"check_model": 1, "generate_sd2": 1}
    study.config["sources"]["sd2"]["shards"] = 3
    study.configure(study.config)
    assert study.counted(*POOLS) == {"check_model": 1, "generate_share_sd2": 3, "generate_sd2": 1}


def test_shares_make_the_images_that_one_job_makes(study, finished):
    study.config["sources"]["sd2"]["shards"] = 2
    study.configure(study.config)
    study.run(*POOLS)
    for pool in POOLS:
        texts = [(each.folder / pool).with_suffix(".jsonl").read_text() for each in (study, finished)]
        shared, alone = ([json.loads(line)["key"] for line in text.splitlines()] for text in texts)
        assert len(shared) == 5 and shared == alone


def test_only_an_edit_of_used_prompts_generates_a_source_again(copied):
    copied.config["classes"]["frog"]["subjects"] = ["a tree frog"]  # for composed prompts, which the source has not
    copied.configure(copied.config)
    assert copied.planned(*POOLS) == []
    copied.config["classes"]["frog"]["prompts"] = ["a tree frog"]
    copied.configure(copied.config)
    assert copied.counted(*POOLS) == {"generate_sd2": 1}


def test_base_sources_are_split_before_a_source_is_made_from_their_train_images(study):
    before = study.counted("results/plans/web.parquet")
    varied = {"kind": "diffusion", "per_class": 5, "model": study.config["sources"]["sd2"]["model"], "size": 32}
    study.config["sources"]["varied"] = varied | {"from": {"source": "bing"}}
    assert study.counted("results/plans/web.parquet") == before  # it is not used
    study.config["scenarios"]["varied"] = {"train": {"varied": 12}}
    study.configure(study.config)
    rules = list(dict.fromkeys(rule for rule, _ in study.planned("results/plans/varied.parquet")))
    order = ["split", "generate_varied", "find_near_duplicates_of_derived", "split_derived", "plan_scenario"]
    assert [rule for rule in rules if rule in order] == order
    study.config["split"]["leakage"] = "drop"
    study.configure(study.config)
    assert {"find_leakage_of_base", "find_leakage"} <= set(study.counted("results/plans/varied.parquet"))


def test_a_source_is_generated_after_the_teacher_that_chooses_its_images(study):
    study.config["sources"]["sd2"]["keep"] = {"by": "teacher", "at_least": 0.3}
    study.configure(study.config)
    planned = study.counted(*POOLS, "results/figures/rejected_sd2.png", "results/tables/acceptance.csv")
    assert planned == {
        **{"check_model": 1, "prepare_teacher_data": 1, "train_teacher": 1, "generate_sd2": 1},
        **{"draw_sheet": 1, "tabulate_acceptance": 1},
    }
    assert {"split_derived", "tabulate_acceptance"} <= set(study.counted())
    assert study.counted("results/report.html")["tabulate_acceptance"] == 1


def test_a_model_is_adapted_by_one_job_after_the_split(study):
    study.config["sources"]["sd2"]["adapt"] = {"source": "bing", "steps": 2}
    study.config["sources"]["sd2"]["shards"] = 2
    study.configure(study.config)
    planned = study.counted(*POOLS)
    assert (planned["split"], planned["adapt_model_sd2"], planned["generate_share_sd2"]) == (1, 1, 2)
