"""Sources that refused: images are split without them, and scenarios that train on them are not run."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from split_tables import CURATION, LABELS, rows_of

from distillery.curation.curated import CURATED_SCHEMA
from distillery.jobs import UserError
from distillery.splits.refused_sources import lacking_images, read_refusals, refusals_text, write_refusals
from distillery.splits.scenario_plan import PLAN_SCHEMA, not_run_reason, plan_scenario
from distillery.splits.split import split_images
from distillery.storage.parquet import read_parquet, write_parquet

PER_CLASS = {"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 8)}
CLASSES = {"google": LABELS, "bing": LABELS}


@pytest.fixture
def split(study, tmp_path):
    """Splits a study whose sources refused some classes (source → class → reason), and returns the rows."""

    def make(refused, common=("google", "bing"), tuned=False, shortfall="error", val=None):
        for source, counts in PER_CLASS.items():
            study({source: counts})
            table = read_parquet(tmp_path / f"{source}.parquet", CURATED_SCHEMA.names)
            kept = ~np.isin(table["class"], list(refused.get(source, {})))
            columns = {name: values[kept].tolist() for name, values in table.items()}
            for label, reason in refused.get(source, {}).items():
                for name, values in columns.items():
                    filler = {"class": label, "reason": f"refused: {reason}", "kept": False, "row": -1}
                    values.append(filler.get(name, table[name][0]))
            write_parquet(tmp_path / f"{source}.parquet", columns, CURATED_SCHEMA)
        split_images(
            {source: tmp_path / f"{source}.parquet" for source in PER_CLASS},
            tmp_path / "near_duplicates.parquet",
            tmp_path / "splits.parquet",
            classes=CLASSES,
            labels=LABELS,
            wanted={"test": {"google": 6, "bing": 6}, "val": val or {"google": 3}, "train": {"google": 9, "bing": 6}},
            seed=0,
            shortfall=shortfall,
            curation=CURATION,
            refusals=tmp_path / "refusals.json",
            common=common,
            tuned=tuned,
        )
        return rows_of(tmp_path / "splits.parquet")

    return make


ALL = dict.fromkeys(LABELS, "captcha")


@pytest.mark.parametrize("shortfall", ["error", "shrink"])
def test_a_refused_class_is_left_out_of_the_quotas_and_the_others_are_split_as_without_refusals(split, shortfall):
    whole, rows = split({}, shortfall=shortfall), split({"bing": {"frog": "captcha"}}, shortfall=shortfall)
    assert not [row for row in rows if (row["source"], row["class"]) == ("bing", "frog")]
    for source, label in (("google", "frog"), ("bing", "cat")):
        mine = [[r["split"] for r in part if (r["source"], r["class"]) == (source, label)] for part in (whole, rows)]
        assert mine[0].count("test") == mine[1].count("test") == 2
    assert {row["class"] for row in rows if row["source"] == "bing"} == {"cat", "dog"}


def test_the_refusals_are_written_with_their_reasons(split, tmp_path):
    split({"bing": ALL | {"cat": "unreachable"}})
    found = {"bing": {"cat": "unreachable", "dog": "captcha", "frog": "captcha"}}
    assert read_refusals(tmp_path / "refusals.json") == found
    split({})
    assert json.loads((tmp_path / "refusals.json").read_text()) == {}
    (tmp_path / "refusals.json").write_text("[")
    with pytest.raises(UserError, match="refusals.json is damaged .* Delete it and run again"):
        read_refusals(tmp_path / "refusals.json")


def test_a_study_whose_common_test_is_refused_stops_in_one_line(split):
    message = (
        r"^split.common: there are no test images, because google refused \(captcha\), bing refused \(gated\)\. Get"
    )
    with pytest.raises(UserError, match=message) as error:
        split({"google": ALL, "bing": dict.fromkeys(LABELS, "gated")})
    assert "\n" not in str(error.value)
    split({"google": ALL})  # bing's test images are left


def test_a_tuned_study_whose_validation_is_refused_stops_in_one_line(split):
    with pytest.raises(
        UserError, match=r"^split.val: there are no validation images, because google refused \(captcha\)\."
    ):
        split({"google": ALL}, tuned=True)
    split({"google": ALL}, tuned=True, val={"google": 3, "bing": 3})
    split({"google": ALL})


def plan(tmp_path, train, tuned=False, common=("google", "bing"), classes=CLASSES):
    settings = {"shortfall": "error", "refusals": tmp_path / "refusals.json", "tuned": tuned, "scenario": "mixed"}
    path = tmp_path / "plan.parquet"
    plan_scenario(
        tmp_path / "splits.parquet", path, train=train, classes=classes, common=common, augmented=False, **settings
    )
    return path


@pytest.mark.parametrize("refused", [ALL, {"frog": "captcha"}])
def test_a_scenario_that_lost_a_source_is_not_run(split, tmp_path, refused):
    split({"bing": refused})
    path = plan(tmp_path, {"google": 6, "bing": 3})
    assert not_run_reason(path) == "bing refused (captcha)" and rows_of(path) == []
    assert pq.read_schema(path).remove_metadata() == PLAN_SCHEMA
    path = plan(tmp_path, {"google": 6})
    assert not_run_reason(path) == "" and len([row for row in rows_of(path) if row["split"] == "train"]) == 6


def test_a_scenario_without_a_test_image_of_its_classes_is_not_run(split, tmp_path):
    split({"google": {"frog": "captcha"}})
    frogs = {"bing": ["frog"]}
    assert not_run_reason(plan(tmp_path, {"bing": 2}, common=["google"], classes=frogs)) == (
        "no test images of its classes: google refused (captcha)"
    )
    path = plan(tmp_path, {"bing": 2}, tuned=True, classes=frogs)
    assert not_run_reason(path) == "no val images of its classes: google refused (captcha)"
    assert not not_run_reason(plan(tmp_path, {"bing": 2}, classes=frogs))


def test_the_words_name_the_sources_in_the_given_order_and_each_reason_once(tmp_path):
    refused = {"google": ALL, "sd3": {"cat": "gated", "dog": "no token", "frog": "gated"}, "bing": {"dog": "captcha"}}
    write_refusals(tmp_path / "refusals.json", refused)
    assert read_refusals(tmp_path / "refusals.json") == refused
    assert (
        refusals_text(refused, ["sd3", "mine", "google"]) == "sd3 refused (gated, no token), google refused (captcha)"
    )
    classes = dict.fromkeys(("google", "bing"), LABELS)
    assert lacking_images(refused, classes, ["google", "bing"], {"google": 3}) == (
        "google (captcha), bing (captcha: dog) in the common test; google (captcha) in validation"
    )
    assert lacking_images({}, classes, ["google", "bing"], {"google": 3}) == ""
