"""A scenario that trains on all available images has one draw, whatever the configuration says."""

from distillery.analysis.designs.draws import scenarios_drawn_once
from distillery.splits.scenario_plan import PLAN_SCHEMA
from distillery.storage.parquet import write_parquet


def test_scenarios_whose_draws_are_the_same_images(tmp_path):
    def write(name, rows, val=9):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        count = len(rows) + 1
        columns = {"source": ["web"] * count, "row": [*rows, val], "label": [0] * count, "augmented": [False] * count}
        write_parquet(path, columns | {"split": ["train"] * len(rows) + ["val"]}, PLAN_SCHEMA)
        return path

    plans = [
        write("some", [1, 2]),
        write("draw1/some", [2, 3]),
        write("all", [1, 2]),
        write("draw1/all", [2, 1], val=8),
    ]
    assert scenarios_drawn_once(plans) == {"all"} and scenarios_drawn_once([]) == set()
