"""Every used image is listed once, with what its source states; unused images are not listed."""

import csv

import pandas as pd
import pytest

from distillery.analysis.data_quality.attribution import COLUMNS, tabulate_attribution
from distillery.curation.curated import CURATED_SCHEMA


@pytest.fixture
def curated(tmp_path):
    """Writes a source's table as curation does."""

    def write(source, kind, rows, **facts):
        table = pd.DataFrame({name: [""] * (rows + 1) for name in CURATED_SCHEMA.names})
        table = table.assign(source=source, kind=kind, row=[*range(rows), -1], kept=[True] * rows + [False])
        table["class"] = ["cat", "dog"] * (rows // 2) + ["cat"]
        table = table.assign(key=[f"{source}{i}" for i in range(rows + 1)], **{"seed": -1} | facts)
        table.to_parquet(tmp_path / f"{source}.parquet")
        return tmp_path / f"{source}.parquet"

    return write


def test_every_used_image_is_listed_once(tmp_path, curated, write_plan, write_splits):
    tables = [
        curated("free", "openverse", 40, license="CC BY 4.0", creator="Ada, of Rome", url="http://a.bc/d"),
        curated("sd", "diffusion", 20, prompt="a cat", model="some/model", seed=7),
    ]
    trained = [curated("mine", "folder", 2, title="my cat")]
    plans = [write_plan("a", {"free": 6}, augmented=True), write_plan("b", {"free": 8, "sd": 4})]
    tests = {"splits": write_splits(["free", "sd"]), "tested": ["free", "sd"]}
    tabulate_attribution(tables, plans, trained, tmp_path / "attribution.csv", **tests)
    found = pd.read_csv(tmp_path / "attribution.csv", keep_default_na=False, dtype=str)
    assert tuple(found.columns) == COLUMNS
    used = {split: list(part["key"]) for split, part in found.groupby("used")}
    assert used["train"] == [f"free{i}" for i in range(10, 18)] + [f"sd{i}" for i in range(10, 14)]
    assert used["test"] == [f"free{i}" for i in range(10)] + [f"sd{i}" for i in range(10)]
    assert used["teacher"] == ["mine0", "mine1"]
    free, made = found[found["source"] == "free"], found[found["source"] == "sd"]
    assert (
        set(free["creator"]) == {"Ada, of Rome"} and set(free["license"]) == {"CC BY 4.0"} and set(free["seed"]) == {""}
    )
    assert set(made["seed"]) == {"7"} and set(made["prompt"]) == {"a cat"} and set(made["license"]) == {""}
    assert list(free["class"][:2]) == ["cat", "dog"]


def test_a_title_with_line_breaks_is_one_row(tmp_path, curated, write_plan, write_splits):
    odd = "A dog\rby the\r\nsea"
    sources = [curated("free", "openverse", 20, title=odd), curated("mine", "folder", 2, creator=odd)]
    plans, tests = [write_plan("a", {"free": 6})], {"splits": write_splits(["free"]), "tested": ["free"]}
    tabulate_attribution(sources[:1], plans, sources[1:], tmp_path / "attribution.csv", **tests)
    assert b"\r" not in (tmp_path / "attribution.csv").read_bytes()
    found = pd.read_csv(tmp_path / "attribution.csv")
    assert len(found) == 18 and found["title"][0] == "A dog by the sea" == found["creator"].iloc[-1]


def test_hostile_texts_of_an_older_table_make_one_row_each_and_no_formula(tmp_path, curated, write_plan, write_splits):
    facts = {"page": "http://a.bc/d\re\rf", "title": "x" * 200_000, "creator": "=cmd|' /C calc'!A0", "license": "-1+1"}
    source = curated("free", "openverse", 20, **facts)
    tests = {"splits": write_splits(["free"]), "tested": ["free"]}
    tabulate_attribution([source], [write_plan("a", {"free": 6})], [], tmp_path / "attribution.csv", **tests)
    rows = list(csv.DictReader((tmp_path / "attribution.csv").open(newline="")))
    assert len(rows) == 16 and {row["page"] for row in rows} == {""}
    assert {row["creator"] for row in rows} == {"'=cmd|' /C calc'!A0"} and {row["license"] for row in rows} == {"'-1+1"}
    assert {len(row["title"]) for row in rows} == {2000}


def test_test_images_of_trained_classes_are_listed(tmp_path, curated, write_plan, write_splits):
    sources, plan = [curated("free", "openverse", 20), curated("sd", "diffusion", 20)], write_plan("a", {"free": 6})
    splits = write_splits(["free", "sd"], labels=3)
    tabulate_attribution(sources, [plan], [], tmp_path / "attribution.csv", splits=splits, tested=["free", "sd"])
    found = pd.read_csv(tmp_path / "attribution.csv").groupby(["source", "used"]).size()
    assert found.to_dict() == {("free", "test"): 7, ("free", "train"): 6, ("sd", "test"): 7}
