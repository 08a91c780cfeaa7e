"""The scripts pass a rule's names on to the library, from runs to tables, a figure and a contact sheet."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

TABLES = ("comparisons", "ranking", "runs", "summary", "counts", "teacher")
SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


class Files(SimpleNamespace):
    """A rule's files by name, as Snakemake passes them."""

    def __iter__(self):
        return iter(vars(self).values())

    def items(self):
        return vars(self).items()


def run(name, inputs, outputs, params):
    job = {
        "input": Files(**inputs),
        "output": Files(**outputs) if isinstance(outputs, dict) else outputs,
        "params": SimpleNamespace(**params),
    }
    snakemake = SimpleNamespace(log=[], **job)
    runpy.run_path(str(SCRIPTS / f"{name}.py"), init_globals={"snakemake": snakemake})


def write_test_predictions(metrics, wrong):
    """Write predictions beside a run's metrics, for ten test images of two classes; the first `wrong` are wrong."""
    label = np.arange(10) % 2
    predicted = np.where(np.arange(10) < wrong, 1 - label, label)
    columns = {"source": "google", "row": np.arange(10), "label": label, "predicted": predicted}
    logits = [[2.0 * (name == each) for name in (0, 1)] for each in predicted]
    pd.DataFrame(columns | {"logits": logits}).to_parquet(metrics.with_name("predictions.parquet"), index=False)
    return metrics.with_name("predictions.parquet")


def test_from_runs_to_tables_and_figures(tmp_path, write_run, write_plan, write_splits, write_curated, teacher):
    scenarios = {
        "small": {"train": {"google": 8}, "augment": "none", "size": "small", "arms": ["scratch", "kd"]},
        "both": {"train": {"google": 8, "bing": 8}, "augment": "color", "size": "large", "arms": ["kd", "scratch"]},
    }
    titles, paths, predictions = {"google": "Google", "bing": "Bing"}, [], []
    for name, settings in scenarios.items():
        metrics = [write_run(name, arm, seed, 0.2 + seed / 20) for arm in settings["arms"] for seed in range(3)]
        wrong = {"scratch": 6, "kd": 3}
        predictions += [
            write_test_predictions(path, wrong[path.parts[-3]] + (path.parts[-2] == "seed1")) for path in metrics
        ]
        paths.append(str(tmp_path / f"{name}.csv"))
        params = {"scenario": name, "settings": settings, "titles": titles}
        run("tabulate_scenario", {"metrics": metrics}, {"table": paths[-1]}, params)
    plans = [write_plan(name, settings["train"], augmented=name == "both") for name, settings in scenarios.items()]
    curated = [write_curated(source) for source in ("google", "bing")]
    out = {name: str(tmp_path / "tables" / f"{name}.csv") for name in TABLES}
    refusals = tmp_path / "refusals.json"
    refusals.write_text("{}")
    inputs = {"scenarios": paths, "plans": plans, "curated": curated, "teacher": str(teacher)}
    splits = write_splits(["google", "bing"])
    pd.read_parquet(splits).assign(group=range(40)).to_parquet(splits, index=False)
    inputs |= {"splits": splits, "predictions": predictions, "refusals": refusals}
    question = {"question": "Does it help?", "arms": ["scratch", "kd"], "within": list(scenarios)}
    params = {
        "scenarios": scenarios,
        "tested": ["google", "bing"],
        "classes": {},
        "common": ["google"],
        "val": {},
        "label": "Demonstration",
        "untrained": [],
        "titles": titles,
        "comparisons": {"kd_against_scratch": question},
        "sizes": {name: settings["size"] for name, settings in scenarios.items()},
        "arms": ["scratch", "kd"],
        "correction": "question",
        "teachers": 1,
        "draws": 1,
        "without_teacher": ["scratch"],
        "chosen_by_teacher": [],
    }
    run("tabulate_study", inputs, out, params)
    summary = pd.read_csv(out["summary"])
    assert list(summary["train"]) == ["8 Google"] * 2 + ["8 Google + 8 Bing + 16 color-altered"] * 2
    assert list(summary["arm"]) == ["scratch", "kd", "kd", "scratch"]
    compared = pd.read_csv(out["comparisons"])
    assert list(compared["difference"]) == [30.0, 30.0] and list(compared["gained"]) == [9, 9]
    assert list(summary["difference"].dropna()) == [30.0, 30.0]
    ranked = pd.read_csv(out["ranking"])
    assert set(ranked["scenario"]) == set(scenarios)
    words = {"title": "A study", "label": "Demonstration"}
    typeset = {kind: str(tmp_path / f"summary.{kind}") for kind in ("markdown", "latex")}
    summarized = {"table": out["summary"], "refusals": refusals}
    summaries = {"figure": str(tmp_path / "summary.png"), "svg": str(tmp_path / "summary.svg")}
    run("plot_summary", summarized, summaries | typeset, words)
    assert "A study" in (tmp_path / "summary.svg").read_text() and (tmp_path / "summary.png").stat().st_size > 1000
    assert all("Demonstration" in Path(path).read_text() for path in typeset.values())
    drawn = [str(tmp_path / f"{name}.svg") for name in ("sizes", "comparisons")]
    tables = {"sizes": ["summary"], "comparisons": ["comparisons"]}
    headings = dict.fromkeys(tables, "A study")
    other = {"figures": tables, "headings": headings, "label": "Demonstration", "untrained": [], "titles": titles}
    run("plot", {"tables": [out[name] for name in ("summary", "comparisons")], "refusals": refusals}, drawn, other)
    assert all("A study" in Path(path).read_text() for path in drawn)
    words |= {"untrained": [], "titles": titles}
    images = {"pixels": str(curated[0].with_suffix(".npy")), "table": str(curated[0])}
    figure = {"figure": str(tmp_path / "sheet.png")}
    sheet = {"kind": "contact", "side": 16, "source": "google", "random_weights": True}
    run("draw_sheet", images, figure, words | sheet)
    assert all(Image.open(tmp_path / f"{name}.png").format == "PNG" for name in ("summary", "sheet"))
