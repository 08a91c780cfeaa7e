"""Training curves: loss and validation accuracy by optimizer step, mean over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.statistics import estimate
from distillery.analysis.table_files import read_numbers, write_table

COLUMNS = (
    "scenario", "arm", "step", "n_seeds", "loss", "loss_low", "loss_high", "val_percent", "val_low", "val_high", "note"
)  # fmt: skip


def tabulate_curves(
    histories: Iterable[str | Path],
    output: str | Path,
    *,
    scenarios: Sequence[str],
    arms: Sequence[str],
    label: str = "",
) -> None:
    """Write the table, columns as in docs/tables.md.

    Args:
        histories: `…/{scenario}/{arm}/seed{n}/history.csv` of every run.
        output: the `.csv` to write.
        scenarios, arms: all names, in the configuration's order.
        label: column `note` of every row.

    Raises:
        UserError: a history is damaged.
    """
    parts = [_read(Path(path)) for path in histories]
    # scenarios that are not run have histories without rows
    steps = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    place = {name: i for i, name in enumerate(scenarios)}, {name: i for i, name in enumerate(arms)}
    rows = [
        {"scenario": scenario, "arm": arm, "step": step, **_over_seeds(group), "note": label}
        for (scenario, arm, step), group in steps.groupby(["scenario", "arm", "step"], sort=False)
    ]
    rows.sort(key=lambda row: (place[0][row["scenario"]], place[1][row["arm"]], row["step"]))
    places = dict.fromkeys(("loss", "loss_low", "loss_high"), 4) | dict.fromkeys(
        ("val_percent", "val_low", "val_high"), 2
    )
    write_table(formatted(pd.DataFrame(rows, columns=list(COLUMNS)), places), output)


def _read(path: Path) -> pd.DataFrame:
    table = read_numbers(path, {"step": int, "loss": float, "val_accuracy": float}, "history")
    scenario, arm = path.parts[-4:-2]
    return table.assign(scenario=scenario, arm=arm)


def _over_seeds(group: pd.DataFrame) -> dict[str, float]:
    """Mean and interval over seeds of a step's loss and, if there was a validation, of its accuracy in percent."""
    loss, validated = estimate(group["loss"]), group["val_accuracy"].dropna()
    # no loss is below 0 and no accuracy outside 0 to 100, so clipping does not change how often intervals hold the mean
    row = {"n_seeds": len(group), "loss": loss.mean, "loss_low": np.maximum(0, loss.low), "loss_high": loss.high}
    if not len(validated):
        return row
    accuracy = estimate(100 * validated)
    low, high = np.clip([accuracy.low, accuracy.high], 0, 100)
    return row | {"val_percent": accuracy.mean, "val_low": low, "val_high": high}
