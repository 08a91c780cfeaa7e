"""The scripts pass the names of a rule on: from runs to tables, a figure and a contact sheet."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from PIL import Image

from distillery.analysis.comparisons import COLUMNS
from distillery.analysis.table_files import write_table

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


class Files(SimpleNamespace):
    """A rule's files by name, as Snakemake hands them over."""

    def __iter__(self):
        return iter(vars(self).values())

    def items(self):
        return vars(self).items()


def run(name, inputs, outputs, params):
    job = {"input": Files(**inputs), "output": Files(**outputs), "params": SimpleNamespace(**params)}
    snakemake = SimpleNamespace(log=[], **job)
    runpy.run_path(str(SCRIPTS / f"{name}.py"), init_globals={"snakemake": snakemake})


def test_from_runs_to_tables_and_figures(tmp_path, write_run, write_plan, write_splits, write_curated, teacher):
    scenarios = {
        "small": {"train": {"google": 8}, "augment": "none", "size": "small", "arms": ["scratch", "kd"]},
        "both": {"train": {"google": 8, "bing": 8}, "augment": "color", "size": "large", "arms": ["kd", "scratch"]},
    }
    titles, paths = {"google": "Google", "bing": "Bing"}, []
    for name, settings in scenarios.items():
        metrics = [write_run(name, arm, seed, 0.2 + seed / 20) for arm in settings["arms"] for seed in range(3)]
        paths.append(str(tmp_path / f"{name}.csv"))
        params = {"scenario": name, "settings": settings, "titles": titles}
        run("tabulate_scenario", {"metrics": metrics}, {"table": paths[-1]}, params)
    plans = [write_plan(name, settings["train"], augmented=name == "both") for name, settings in scenarios.items()]
    curated = [write_curated(source) for source in ("google", "bing")]
    out = {name: str(tmp_path / "tables" / f"{name}.csv") for name in ("runs", "summary", "counts", "teacher")}
    refusals = tmp_path / "refusals.json"
    refusals.write_text("{}")
    inputs = {"scenarios": paths, "plans": plans, "curated": curated, "teacher": str(teacher)}
    inputs["splits"] = write_splits(["google", "bing"])
    inputs["comparisons"] = tmp_path / "comparisons.csv"
    write_table(pd.DataFrame(columns=list(COLUMNS)), inputs["comparisons"])
    inputs["refusals"] = refusals
    params = {
        "scenarios": scenarios,
        "tested": ["google", "bing"],
        "classes": {},
        "common": ["google"],
        "val": {},
        "label": "Demonstration",
        "untrained": [],
        "titles": titles,
    }
    run("tabulate_study", inputs, out, params)
    summary = pd.read_csv(out["summary"])
    assert list(summary["train"]) == ["8 Google"] * 2 + ["8 Google + 8 Bing + 16 color-altered"] * 2
    assert list(summary["arm"]) == ["scratch", "kd", "kd", "scratch"]
    words = {"title": "A study", "label": "Demonstration", "untrained": [], "titles": titles}
    run(
        "plot",
        {"tables": [out["summary"]], "refusals": refusals},
        {"figure": str(tmp_path / "summary.png")},
        words | {"figure": "summary"},
    )
    images = {"pixels": str(curated[0].with_suffix(".npy")), "table": str(curated[0])}
    figure = {"figure": str(tmp_path / "sheet.png")}
    sheet = {"kind": "contact", "side": 16, "source": "google", "random_weights": True}
    run("draw_sheet", images, figure, words | sheet)
    assert all(Image.open(tmp_path / f"{name}.png").format == "PNG" for name in ("summary", "sheet"))
