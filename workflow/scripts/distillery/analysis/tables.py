"""The study's tables: runs, their summary, counts of images, the teacher. Columns are documented in docs/tables.md.

Every number is written with fixed decimals and every row in the order of the configuration, so that the same runs give
the same bytes. Accuracies and their differences are in percent and percentage points; what is missing is blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.display_names import source_title
from distillery.analysis.statistics import compare_pairs, estimate, holm
from distillery.jobs import UserError, one_line
from distillery.storage.files import atomic_write

RUN_COLUMNS = (
    "scenario", "size", "arm", "seed", "train_asked", "n_train_asked", "augment", "network", "parameters", "steps",
    "batch", "lr", "weight_decay", "n_train", "n_train_unique", "n_classes", "n_test", "n_correct", "accuracy_percent",
    "val_accuracy_percent",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "scenario", "size", "arm", "train", "clean", "n_train", "n_train_asked", "n_test", "n_classes", "n_seeds",
    "mean_percent", "sd", "low", "high", "versus", "difference", "difference_low", "difference_high", "n_pairs", "p",
    "p_least", "p_holm", "published_site", "published_notebook", "published_test", "untrained", "note",
)  # fmt: skip
COUNT_COLUMNS = ("source", "class", "candidates", "retrieved", "kept", "train", "val", "test")
NAMES_OF_COUNTS = COUNT_COLUMNS[:2]  # its `test` is a number, which elsewhere names what was tested on
TEACHER_COLUMNS = ("test", "class", "n", "accuracy_percent", "note")
SCALARS = (
    "scenario", "arm", "seed", "augment", "network", "parameters", "steps", "batch", "lr", "weight_decay", "n_train",
    "n_train_unique",
    "n_classes", "n_test",
)  # fmt: skip

# what a configuration names, or is named after it
NAMES = (
    "scenario", "size", "arm", "class", "predicted", "source", "test", "comparison", "versus", "versus_scenario",
    "versus_arm", "ours_arm", "ours_test",
)  # fmt: skip

P_DECIMALS = 5
# must be the same in all runs of one (scenario, arm), or their mean is of different things
CONSTANT = ("n_train", "n_test", "n_classes", "steps", "network")
COPIES = {"color": "color-altered", "rotation": "rotated"}


# --- one scenario -----------------------------------------------------------------------------------------------------


def scenario_table(metrics: Iterable[str | Path], settings: Mapping[str, Any]) -> pd.DataFrame:
    """One row a run of one scenario, arms in the configuration's order, seeds ascending.

    Args:
        metrics: the `metrics.json` of its runs, in any order.
        settings: the scenario as configured.

    Raises:
        UserError: a file lacks a key; names the file.
    """
    runs = sorted((_run_row(path, settings) for path in metrics), key=lambda run: (run["arm"], run["seed"]))
    order = list(settings.get("arms") or ())
    order += [arm for arm in dict.fromkeys(run["arm"] for run in runs) if arm not in order]
    runs.sort(key=lambda run: order.index(run["arm"]))
    table = pd.DataFrame(runs)
    extra = [name for name in table.columns if name not in RUN_COLUMNS]
    return table.reindex(columns=[*RUN_COLUMNS, *extra])


def _run_row(path: str | Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        metrics = json.loads(Path(path).read_text(encoding="utf-8"))
        row = {name: metrics[name] for name in SCALARS}
        # a count of images, so that equal results stay equal whatever the decimals
        row["n_correct"] = round(metrics["accuracy"] * metrics["n_test"])
        row["accuracy_percent"] = decimals(100 * metrics["accuracy"])
        row["val_accuracy_percent"] = decimals(_percent(metrics.get("val_accuracy")))
        for source, part in metrics["by_source"].items():
            row[f"accuracy_percent_on_{source}"] = decimals(_percent(part["accuracy"]))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a run's metrics ({error!r}). Delete it and run again.") from error
    augment = settings.get("augment", row["augment"])
    row |= {"size": settings.get("size", ""), "train_asked": train_text(settings["train"], augment)}
    row["n_train_asked"] = sum(settings["train"].values()) * (1 if augment == "none" else 2)
    return row


def _percent(share: float | None) -> float:
    return nan if share is None else 100 * share


def train_text(counts: Mapping[str, int], augment: str = "none", copies: int | None = None) -> str:
    """Train images in words: `800 Google`, `1,000 each of Google, Bing, SD2`, `400 Google + 400 rotated`.

    Args:
        counts: images of each source, without altered copies; sources with none are left out.
        augment: none, color or rotation.
        copies: how many altered copies; one of each image by default.
    """
    counts = {source: int(n) for source, n in counts.items() if n}
    if len(counts) > 2 and len(set(counts.values())) == 1:
        text = f"{next(iter(counts.values())):,} each of {', '.join(map(source_title, counts))}"
    else:
        text = " + ".join(f"{n:,} {source_title(source)}" for source, n in counts.items()) or "no images"
    copies = sum(counts.values()) if copies is None else copies
    return text if augment == "none" or not copies else f"{text} + {copies:,} {COPIES.get(augment, augment)}"


# --- all scenarios ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlanCounts:
    """What a scenario trains on, as planned: images of each source, and altered copies."""

    counts: dict[str, int]
    copies: int


def read_plan_counts(path: str | Path) -> PlanCounts:
    """The train images of a scenario's plan, sources in its order of rows."""
    rows = pd.read_parquet(path, columns=["source", "split", "augmented"])
    train = rows[rows["split"].astype(str) == "train"]
    altered = train["augmented"].astype(bool)
    counts = train.loc[~altered, "source"].astype(str).value_counts(sort=False)
    return PlanCounts({source: int(n) for source, n in counts.items()}, int(altered.sum()))


def read_run_tables(paths: Iterable[str | Path], scenarios: Sequence[str]) -> pd.DataFrame:
    """The scenarios' tables one after the other, in the configuration's order of scenarios."""
    tables = [read_table(path) for path in paths]
    tables = [table for table in tables if len(table)]
    if not tables:
        raise UserError("no run in any scenario's table. Give a scenario at least one arm and run again.")
    runs = pd.concat(tables, ignore_index=True)
    place = {name: index for index, name in enumerate(scenarios)}
    return runs.sort_values("scenario", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def read_numbers(path: str | Path, columns: Mapping[str, type], what: str, **reading: Any) -> pd.DataFrame:
    """Columns of numbers, by their types, of a file that a job wrote; a float's blanks are NaN.

    Args:
        what: what the file is, for the message.
        reading: for pandas' reader.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return pd.read_csv(path, **reading)[list(columns)].astype(columns)
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        reason = one_line(error, 120)
        raise UserError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error


def baseline(arm: str) -> str | None:
    """The arm that another is compared with in pairs of equal seeds; None for the baselines themselves."""
    scratch = "published_scratch" if arm.startswith("published_") else "scratch"
    return None if arm == scratch else scratch


def summary_table(
    runs: pd.DataFrame,
    plans: Mapping[str, PlanCounts],
    scenarios: Mapping[str, Mapping[str, Any]],
    label: str = "",
    untrained: Sequence[str] = (),
) -> pd.DataFrame:
    """One row a (scenario, arm): mean over seeds, interval, paired difference to its baseline, published numbers.

    Args:
        runs: as `read_runs` gives them.
        plans: of each scenario; without one, the text is of the counts asked for.
        scenarios: as configured, in order.
        label: what must be said of all numbers, such as that they come from a demonstration.
        untrained: sources whose model was never trained, so that their images show nothing.
    """
    rows = []
    for (scenario, arm), group in runs.groupby(["scenario", "arm"], sort=False):
        settings = scenarios.get(scenario, {})
        row = {"scenario": scenario, "arm": arm, **_what(group, settings, plans.get(scenario))}
        row["clean"] = "yes" if settings.get("clean") else ""
        row |= (
            mean_columns(_accuracies(group))
            | _difference(runs, scenario, arm)
            | _published(settings.get("published") or {}, arm)
        )
        noise = [source_title(source) for source in settings.get("train", ()) if source in untrained]
        rows.append(row | {"untrained": ", ".join(noise), "note": label})
    table = pd.DataFrame(rows).reindex(columns=SUMMARY_COLUMNS)
    # one family of tests an arm: is it better than its baseline in any scenario?
    for arm in table["arm"].unique():
        family = table["arm"] == arm
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"].to_numpy(dtype=float))
    return _formatted(table)


def _what(group: pd.DataFrame, settings: Mapping[str, Any], plan: PlanCounts | None) -> dict[str, Any]:
    first = group.iloc[0]
    for name in CONSTANT:
        if group[name].nunique(dropna=False) > 1:
            raise UserError(
                f"scenario {first['scenario']}, arm {first['arm']}: runs differ in {name}"
                f" ({', '.join(map(str, group[name].unique()))})."
                f" Delete results/runs/{first['scenario']}/{first['arm']} and run again."
            )
    row = {name: first[name] for name in ("size", "n_train", "n_train_asked", "n_test", "n_classes")}
    if plan is None:
        return row | {"train": first["train_asked"]}
    order = [*settings.get("train", ()), *plan.counts]
    counts = {source: plan.counts[source] for source in dict.fromkeys(order) if source in plan.counts}
    return row | {"train": train_text(counts, settings.get("augment", first["augment"]), plan.copies)}


def _accuracies(group: pd.DataFrame) -> np.ndarray:
    return 100 * group["n_correct"].to_numpy(dtype=float) / group["n_test"].to_numpy(dtype=float)


def mean_columns(percent: np.ndarray) -> dict[str, Any]:
    """The columns n_seeds, mean_percent, sd, low, high of accuracies in percent, one a seed."""
    found = estimate(percent)
    # no accuracy lies outside; a cut interval holds the true mean as often as the whole one
    low, high = np.clip([found.low, found.high], 0, 100)
    return {"n_seeds": found.n, "mean_percent": found.mean, "sd": found.sd, "low": low, "high": high}


def _difference(runs: pd.DataFrame, scenario: str, arm: str) -> dict[str, Any]:
    """Empty where the scenario lacks the baseline, or shares no seed with it."""
    versus = baseline(arm)
    here = runs[runs["scenario"] == scenario]
    arms = [here[here["arm"] == name].drop_duplicates("seed").set_index("seed") for name in (versus, arm)]
    seeds = arms[0].index.intersection(arms[1].index).sort_values()
    if versus is None or seeds.empty:
        return {}
    before, after = (_accuracies(table.loc[seeds]) for table in arms)
    found = compare_pairs(before, after)
    return {
        "versus": versus,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "n_pairs": found.n,
        # one pair can show nothing: its p is 1 by construction
        "p": found.p if found.n > 1 else nan,
        "p_least": found.p_least,
    }


def _published(published: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """The published numbers stand beside the arms they were called: scratch and kd, ours and as published."""
    place = {"scratch": 0, "kd": 1}.get(arm.removeprefix("published_"))
    if place is None:
        return {}
    row = {f"published_{where}": (published.get(where) or (nan, nan))[place] for where in ("site", "notebook")}
    return row | {"published_test": published.get("test") or ""}


def _formatted(table: pd.DataFrame) -> pd.DataFrame:
    """Fixed decimals as text: two for percent and points, five for p, none for counts."""
    places = dict.fromkeys(("n_train", "n_train_asked", "n_test", "n_classes", "n_seeds", "n_pairs"), 0)
    percent = ("mean_percent", "sd", "low", "high", "difference", "difference_low", "difference_high")
    places |= dict.fromkeys((*percent, "published_site", "published_notebook"), 2)
    return formatted(table, places | dict.fromkeys(("p", "p_least", "p_holm"), P_DECIMALS))


def formatted(table: pd.DataFrame, places: Mapping[str, int]) -> pd.DataFrame:
    """StepScalars as text with so many decimals, by column; what is missing in any column is blank."""
    table = table.copy()
    for name, digits in places.items():
        table[name] = [decimals(value, digits) for value in table[name]]
    return table.astype(object).where(table.notna(), "")


def decimals(value: Any, places: int = 2) -> str:
    """Fixed decimals, blank for what is missing, and no minus before zero."""
    if value is None or pd.isna(value):
        return ""
    return f"{round(float(value), places) + 0.0:.{places}f}"


# --- images and teacher ---------------------------------------------------------------------------------------------


def counts_table(
    curated: Iterable[str | Path],
    plans: Iterable[str | Path],
    splits: str | Path | None = None,
    other_test_sets: Sequence[str] = (),
) -> pd.DataFrame:
    """One row a (source, class): candidates, retrieved, kept, dropped for each reason, and used by any scenario.

    Args:
        curated: the curated tables of the sources, in the order of the rows wanted.
        plans: every scenario's plan; `train`, `val` and `test` count the distinct images that any of them uses.
        splits, elsewhere: see `used_images`.
    """
    columns = ["source", "class", "key", "kept", "reason", "row", "sha256"]
    tables = [pd.read_parquet(path, columns=columns) for path in curated]
    # an empty table would decide the types of the others
    records = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    records["kept"] = records["kept"].astype(bool)
    groups = records.groupby(["source", "class"], sort=False, observed=True)
    table = pd.DataFrame(
        {
            "candidates": groups.size(),
            "retrieved": records["sha256"].fillna("").ne("").groupby([records["source"], records["class"]]).sum(),
            "kept": groups["kept"].sum(),
        }
    ).reindex(groups.size().index)
    used = _used(records, used_images(plans, splits, other_test_sets))
    for split in ("train", "val", "test"):
        table[split] = used.get(split, pd.Series(dtype=int)).reindex(table.index, fill_value=0)
    dropped = records[~records["kept"]]
    reasons = dropped["reason"].fillna("").map(reason_column)
    for name in sorted(reasons.unique()):
        mine = dropped[reasons == name].groupby(["source", "class"], observed=True).size()
        table[name] = mine.reindex(table.index, fill_value=0)
    return table.astype(int).reset_index()


def reason_column(reason: str) -> str:
    """`dropped_too_small` for the reason `too small`; what follows a colon or bracket is detail and left out."""
    head = re.split(r"[:(]", reason)[0].lower()
    return f"dropped_{re.sub(r'[^a-z0-9]+', '_', head).strip('_') or 'unsaid'}"


def used_images(
    plans: Iterable[str | Path], splits: str | Path | None = None, other_test_sets: Sequence[str] = ()
) -> pd.DataFrame:
    """The distinct images that any scenario trains on, is validated on or tested on: source, row, split.

    Args:
        plans: every scenario's, which hold the common test images alone.
        splits: every image's split.
        elsewhere: sources outside the common test, on whose test images every student is tested as well.
    """
    columns = ["source", "row", "split", "label"]
    parts = [pd.read_parquet(path, columns=columns).drop_duplicates() for path in plans]
    rows = pd.concat(parts) if parts else pd.DataFrame({name: pd.Series(dtype=int) for name in columns})
    if other_test_sets:
        # a student is tested on the classes that it was trained on
        trained = rows.loc[rows["split"] == "train", "label"]
        tested = pd.read_parquet(splits, columns=columns)
        tested = tested[
            (tested["split"] == "test") & tested["source"].isin(other_test_sets) & tested["label"].isin(trained)
        ]
        rows = pd.concat([rows, tested])
    return rows[columns[:3]].drop_duplicates().astype({"source": str})


def _used(records: pd.DataFrame, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Number of the distinct images used by (source, class), in each split."""
    # an candidate twice may stand twice in the table with one row of pixels
    classes = records.loc[records["kept"], ["source", "row", "class"]].drop_duplicates(["source", "row"])
    rows = rows.merge(classes, on=["source", "row"])
    return {str(name): part.groupby(["source", "class"]).size() for name, part in rows.groupby("split", observed=True)}


def teacher_table(metrics: str | Path, label: str = "") -> pd.DataFrame:
    """The teacher's accuracy on its own test set (`own`) and on every source's test images, in all and by class."""
    try:
        found = json.loads(Path(metrics).read_text(encoding="utf-8"))
        rows = []
        for name, part in {"own": found["own_test"], **found["sources"]}.items():
            rows.append((name, "all", str(part["n"]), decimals(_percent(part["accuracy"])), label))
            for known, accuracy in part.get("per_class", {}).items():
                rows.append((name, known, "", decimals(_percent(accuracy)), label))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{metrics} is not the teacher's metrics ({error!r}). Delete it and run again.") from error
    return pd.DataFrame(rows, columns=TEACHER_COLUMNS)


# --- reading and writing ----------------------------------------------------------------------------------------------


def read_table(path: str | Path, names: Sequence[str] = NAMES) -> pd.DataFrame:
    """What `write_table` wrote: names are text, such as a scenario `300` or a class `None`; blank is missing."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(names, str))


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """As CSV in UTF-8, whole or not at all; what is missing is blank."""
    atomic_write(path, table.to_csv(index=False, lineterminator="\n"))


@dataclass(frozen=True)
class Tables:
    """The four tables of a study."""

    runs: pd.DataFrame
    summary: pd.DataFrame
    counts: pd.DataFrame
    teacher: pd.DataFrame

    def write(self, runs: str, summary: str, counts: str, teacher: str) -> None:
        """Each to its path."""
        paths = {"runs": runs, "summary": summary, "counts": counts, "teacher": teacher}
        for name, path in paths.items():
            write_table(getattr(self, name), path)


def tabulate(
    scenario_tables: Iterable[str | Path],
    plans: Iterable[str | Path],
    curated: Iterable[str | Path],
    teacher: str | Path,
    scenarios: Mapping[str, Mapping[str, Any]],
    label: str = "",
    untrained: Sequence[str] = (),
    splits: str | Path | None = None,
    other_test_sets: Sequence[str] = (),
) -> Tables:
    """All tables of a study.

    Args:
        scenario_tables: written by `scenario_table`, one a scenario.
        plans: `{scenario}.parquet` of every scenario.
        curated: `{source}.parquet`, in the configuration's order of sources.
        teacher: its `metrics.json`.
        scenarios: as configured, in order.
        label, untrained: see `summary_table`.
        splits, elsewhere: see `used_images`.
    """
    plans = list(plans)
    runs = read_run_tables(scenario_tables, list(scenarios))
    read = {Path(path).stem: read_plan_counts(path) for path in plans}
    return Tables(
        runs=_as_written(runs),
        summary=summary_table(runs, read, scenarios, label, untrained),
        counts=counts_table(curated, plans, splits, other_test_sets),
        teacher=teacher_table(teacher, label),
    )


def _as_written(runs: pd.DataFrame) -> pd.DataFrame:
    """Percent with two decimals again, counts as counts."""
    runs = runs.copy()
    for name in runs.columns:
        if name.startswith(("accuracy_percent", "val_accuracy_percent")):
            runs[name] = [decimals(value) for value in runs[name]]
    return runs
