"""The data of the page's script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name, source_title
from distillery.page import images
from distillery.page.cards import StudyInfo
from distillery.page.sentences.quoting import Tables


def page_data(
    study: StudyInfo, tables: Tables, samples: Mapping[str, images.SourceSample], tests: images.TestImages
) -> dict[str, Any]:
    """The data for script.js, as JSON-compatible values."""
    summary = tables["summary"]
    return {
        "classes": list(study.classes),
        "trained": {name: list(settings["train"]) for name, settings in study.scenarios.items()},
        "seeds": _seeds(summary),
        "sources": {name: source_title(name, study.titles) for name in study.sources},
        "arms": {arm: display_name(arm) for arm in dict.fromkeys(summary["arm"])},
        "samples": {name: asdict(sample) for name, sample in samples.items()},
        "tests": {
            "sheets": {name: asdict(sheet) for name, sheet in tests.sheets.items()},
            "places": tests.places,
            "predictions": tests.predictions,
        },
    }


def _seeds(summary: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Number of trainings by scenario and arm."""
    seeds: dict[str, dict[str, int]] = {}
    for row in run_rows(summary).to_dict("records"):
        seeds.setdefault(row["scenario"], {})[row["arm"]] = int(row["n_seeds"])
    return seeds


def script_json(data: Any) -> str:
    """JSON for a script element, escaped so that no text in it, such as a title from the web, can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
