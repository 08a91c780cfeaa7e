"""The mapping of renamed columns names columns that are written today, and the comparison finds differences."""

import pytest
from renamed_tables import COLUMNS, differences, renamed

from distillery.analysis import comparisons
from distillery.analysis.data_quality import quality_tables
from distillery.analysis.study_tables import costs, counts_table

WRITTEN = {
    "audit": quality_tables.AUDIT_COLUMNS,
    "comparisons": comparisons.COLUMNS,
    "costs": costs.COLUMNS,
    "counts": counts_table.COUNT_COLUMNS,
}
OLD = "comparison,verdict,p_pictures\nhelps,not told apart,0.5\nother,better,\n"
NEW = "comparison,verdict,p_given_trainings\nhelps,no significant difference,0.5\nother,better,\n"


@pytest.mark.parametrize("table", WRITTEN)
def test_renamed_columns_are_written_today(table):
    new = {name for name in COLUMNS[table].values() if not name.startswith("dropped_")}
    assert new <= set(WRITTEN[table]) and not set(COLUMNS[table]) & set(WRITTEN[table])


def test_columns_and_values_are_renamed():
    assert renamed("comparisons", OLD) == NEW
    assert renamed("summary", 'train,note\n"8 Google + 1,000 colour-altered",x\n') == (
        'train,note\n"8 Google + 1,000 color-altered",x\n'
    )


def test_differences_are_found(tmp_path):
    for folder, table, costs_table in (("old", OLD, "rule,pictures,seconds\n"), ("new", NEW, "rule,images,seconds\n")):
        (tmp_path / folder / "tables").mkdir(parents=True)
        (tmp_path / folder / "tables" / "comparisons.csv").write_text(table)
        rows = "tune,5,1.0\n" if folder == "old" else "select_hyperparameters,5,2.0\n"
        (tmp_path / folder / "tables" / "costs.csv").write_text(costs_table + rows)
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
    old, new = tmp_path / "old", tmp_path / "new"
    assert differences(old, new) == []
    (new / "tables" / "comparisons.csv").write_text(NEW.replace("0.5", "0.50"))
    (new / "model.safetensors").write_bytes(b"other")
    assert differences(old, new) == [
        "tables/comparisons.csv: 1 lines differ, the first is line 2", "model.safetensors: other bytes",
    ]  # fmt: skip
    (new / "tables" / "costs.csv").unlink()
    assert "tables/costs.csv: only in one of the folders" in differences(old, new)
