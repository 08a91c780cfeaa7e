"""Compares our accuracies with published ones, and states the reasons for the differences that the tables show.

A published number comes from one training and a few hundred test images. So it is compared with the prediction interval
of *one* training of ours, tested on as many images, not with the interval of a mean. The intervals are corrected for
their number (Bonferroni): if our trainings are like the published ones, all published numbers lie inside with a
probability of 95 %. Without the correction, about one of 26 numbers would lie outside by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.error_model import ErrorModel
from distillery.analysis.formatting import formatted
from distillery.analysis.statistics import CONFIDENCE_LEVEL
from distillery.analysis.table_files import read_table, run_rows, write_table
from distillery.display_names import NO_TITLES, source_title

COLUMNS = (
    "scenario", "train", "arm", "published_site", "published_notebook", "published_test", "published_n",
    "published_train", "ours_train", "ours_arm", "ours_test", "ours_n", "n_seeds", "ours_percent", "ours_low",
    "ours_high", "n_claims", "single_low", "single_high", "difference", "within", "corrected_percent", "explanation",
    "note",
)  # fmt: skip
COUNTS = ("published_n", "published_train", "ours_train", "ours_n", "n_seeds", "n_claims")
NUMBER = r"\d[\d,]*"


def tabulate_published(
    summary: str | Path,
    test_sources: str | Path,
    output: str | Path,
    *,
    scenarios: Mapping[str, Mapping[str, Any]],
    titles: Mapping[str, str] = NO_TITLES,
    label: str = "",
) -> None:
    """Write the table, columns as in docs/tables.md; it has no rows if nothing was published.

    Args:
        summary, test_sources: `summary.csv` and `test_sources.csv`.
        output: the `.csv` to write.
        scenarios: as configured, in order.
        titles: title of each source, from `display_names.source_titles`; descriptions of published test sets use them.
        label: column `note` of every row.
    """
    published = published_rows(read_table(summary), read_table(test_sources), scenarios, titles)
    table = pd.DataFrame([row | {"note": label} for row in published]).reindex(columns=list(COLUMNS))
    points = ("published_site", "published_notebook", "ours_percent", "ours_low", "ours_high", "single_low",
              "single_high", "difference", "corrected_percent")  # fmt: skip
    write_table(formatted(table, dict.fromkeys(points, 2) | dict.fromkeys(COUNTS, 0)), output)


def published_rows(
    summary: pd.DataFrame,
    test_sources: pd.DataFrame,
    scenarios: Mapping[str, Mapping[str, Any]],
    titles: Mapping[str, str] = NO_TITLES,
) -> list[dict[str, Any]]:
    """One row per scenario and arm (scratch, kd) that has a published number and was trained in this study.

    Args:
        summary, test_sources, scenarios, titles: as in `tabulate_published`, tables as data frames.
    """
    claims = list(_claims(run_rows(summary), test_sources, scenarios, titles))
    return [claim | _chance_columns(claim | {"n_claims": len(claims)}) for claim in claims]


def _claims(
    summary: pd.DataFrame,
    test_sources: pd.DataFrame,
    scenarios: Mapping[str, Mapping[str, Any]],
    titles: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """The published numbers beside ours; `_chance_columns` adds the intervals."""
    for scenario, settings in scenarios.items():
        published = settings.get("published") or {}
        by_arm = summary[summary["scenario"] == scenario].set_index("arm")
        for place, arm in enumerate(("scratch", "kd")):
            numbers = {w: (published.get(w) or (np.nan, np.nan))[place] for w in ("site", "notebook")}
            # the arm with the published recipe if the study has it, else the one with our own recipe
            ours = next((name for name in (f"published_{arm}", arm) if name in by_arm.index), None)
            if ours is None or all(map(np.isnan, numbers.values())):
                continue
            test = published.get("test") or ""
            row = {"scenario": scenario, "train": by_arm.at[ours, "train"], "arm": arm, "published_test": test}
            row |= {f"published_{where}": number for where, number in numbers.items()}
            row |= {"published_n": images_in(test), "ours_arm": ours}
            # an arm's recipe may use only part of the images, so the arm with the most images has the scenario's count
            row |= {"published_train": published.get("n_train") or by_arm["n_train_requested"].max()}
            row |= {"ours_train": by_arm["n_train"].max()}
            row |= _ours(
                test_sources[(test_sources["scenario"] == scenario) & (test_sources["arm"] == ours)], test, titles
            )
            row["corrected_percent"] = by_arm.at[arm, "mean_percent"] if arm in by_arm.index and arm != ours else np.nan
            yield row


def images_in(test: str) -> float:
    """The number of images in a test set's description: 1,000 for `500 Google + 500 Bing`; NaN if it has no number."""
    numbers = [int(number.replace(",", "")) for number in re.findall(rf"(?<!\w){NUMBER}", test)]
    return sum(numbers) if numbers else np.nan


def sources_in(test: str, known: Sequence[str], titles: Mapping[str, str]) -> list[str]:
    """Sources whose title occurs in a test set's description.

    Args:
        test: the description.
        known: names of the sources to look for.
        titles: title of each source.
    """
    words = test.lower()
    return [name for name in known if re.search(rf"\b{re.escape(source_title(name, titles).lower())}\b", words)]


def _ours(rows: pd.DataFrame, test: str, titles: Mapping[str, str]) -> dict[str, Any]:
    """Our accuracy on the most similar test set: that of a source if the description names just one, else `common`."""
    by_test = rows.set_index("test")
    named = sources_in(test, [name for name in by_test.index if name != "common"], titles)
    where = named[0] if len(named) == 1 else "common"
    row = by_test.loc[where]
    found = {"ours_test": where, "ours_n": row["n_test"], "n_seeds": row["n_seeds"], "sd": row["sd"]}
    return found | {"ours_percent": row["mean_percent"], "ours_low": row["low"], "ours_high": row["high"]}


def _chance_columns(row: dict[str, Any]) -> dict[str, Any]:
    """The prediction interval, whether the published number lies inside, and the explanation in words."""
    level = 1 - (1 - CONFIDENCE_LEVEL) / row["n_claims"]
    low, high = single_interval(
        row["ours_percent"], row["sd"], row["n_seeds"], row["ours_n"], row["published_n"], level
    )
    published = row["published_notebook"] if not np.isnan(row["published_notebook"]) else row["published_site"]
    within = "" if np.isnan(low) else "yes" if low <= published <= high else "no"
    found = {
        "n_claims": row["n_claims"],
        "single_low": low,
        "single_high": high,
        "difference": published - row["ours_percent"],
        "within": within,
    }
    return found | {"explanation": " ".join(f"{reason}." for reason in _reasons(row | found))}


def single_interval(
    mean: float, sd: float, seeds: int, tested: float, images: float, level: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Prediction interval, percent, of one training's accuracy on other images of the same kind.

    Args:
        mean, sd: percent, over trainings of our own.
        seeds: number of these trainings.
        tested: number of test images, the same for each of them.
        images: number of test images of the one training.
        level: probability that the interval holds the accuracy, 0 to 1.

    Returns:
        low and high, clipped to [0, 100]; NaN with one seed or if a number is missing.
    """
    if seeds < 2 or any(map(np.isnan, (sd, images))):
        return np.nan, np.nan
    # variance of one more training; binomial variance of the choice of its test images and of ours
    accuracy = mean / 100
    variances = sd**2 * (1 + 1 / seeds), 1e4 * accuracy * (1 - accuracy) * (1 / images + 1 / tested)
    low, high = ErrorModel(mean, variances, (seeds - 1, images + tested)).interval(level)
    return max(0.0, low), min(100.0, high)


def _reasons(row: dict[str, Any]) -> Iterator[str]:
    """The explanation's sentences, each without its final period."""
    site, notebook = row["published_site"], row["published_notebook"]
    if not np.isnan(site) and not np.isnan(notebook) and abs(site - notebook) >= 0.2:
        yield f"The website says {site:g}, the notebook it comes from printed {notebook:g}"
    if row["published_test"]:
        ours = f"{row['ours_n']:,.0f} ({row['ours_test']})"
        yield f"The published number is of one training tested on {row['published_test']}, ours is tested on {ours}"
    if row["published_train"] != row["ours_train"]:
        yield f"It trained on {row['published_train']:,.0f} images, ours on {row['ours_train']:,.0f}"
    what = "the published recipe" if row["ours_arm"].startswith("published_") else "our corrected recipe"
    if row["within"]:
        explains = "explains" if row["within"] == "yes" else "does not explain"
        interval = f"{row['single_low']:.1f} to {row['single_high']:.1f}"
        claims = f" (95 % for all {row['n_claims']} published numbers together)" if row["n_claims"] > 1 else ""
        yield f"One training of {what} here would give {interval}{claims}: chance {explains} the published number"
    if not np.isnan(row["corrected_percent"]):
        gap = row["corrected_percent"] - row["ours_percent"]
        yield f"With its faults corrected, the arm reaches {row['corrected_percent']:.1f}, {gap:+.1f} points"
