"""The whole workflow on drawn images: what it makes, where each number comes from, and what an edit makes again."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from running import ROOT, environment
from sameness import contents, differences

from distillery_demo.drawing import draw

from .conftest import CLASSES

pytestmark = pytest.mark.slow

REPORTS = {"tabulate_comparisons", "tabulate_breakdowns", "tabulate_curves", "tabulate_costs", "tabulate_published"}
REPORTS |= {"tabulate_study", "typeset_summary", "plot", "plot_summary", "write_page", "all"}
RETRAINS = REPORTS | {"train_student", "tabulate_scenario", "predict_other_test_sets"}
REPLANS = RETRAINS | {"plan_scenario", "tabulate_attribution", "tabulate_data_quality"}


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def wildcards(jobs, rule):
    return {text for name, text in jobs if name == rule}


def test_tables_and_figures(finished):
    results = finished.folder / "results"
    runs = rows(results / "tables" / "runs.csv")
    assert len(runs) == 2 * (2 + 2 + 1 + 2 + 1)  # seeds x arms of each scenario
    summary = {(row["scenario"], row["arm"]): row for row in rows(results / "tables" / "summary.csv")}
    assert {row["n_seeds"] for row in summary.values()} == {"2"}
    assert summary["web", "kd"]["n_train"] == "21" and summary["color", "scratch"]["n_train"] == "18"
    assert (
        summary["web", "kd"]["n_test"] == "15" and summary["rotation", "kd"]["n_test"] == "10"
    )  # two classes of three
    best = max(summary.values(), key=lambda row: (int(row["n_classes"]), float(row["mean_percent"])))
    target = f"results/models/{best['scenario']}.{best['arm']}.onnx"
    assert f"snakemake --cores all {target}" in (results / "report.html").read_text()
    figures = ("acquisition", "contact_google", "label_issues_mine", "diversity", "duplicates_bing")
    for path in (results / "summary.png", *(results / "figures" / f"{name}.png" for name in figures)):
        assert Image.open(path).size > (400, 200)
    assert {row["source"] for row in rows(results / "tables" / "counts.csv")} == {"google", "bing", "mine", "sd2"}


def test_students_are_tested_on_every_source_s_test_images(finished):
    results = finished.folder / "results"
    table = rows(results / "tables" / "test_sources.csv")
    mine = {row["test"]: row for row in table if (row["scenario"], row["arm"]) == ("web", "kd")}
    assert list(mine) == ["common", "google", "bing", "mine"]
    assert [row["n_test"] for row in mine.values()] == ["15", "9", "6", "2"]
    splits = pq.read_table(results / "splits.parquet").to_pylist()
    tested = {row["row"] for row in splits if (row["source"], row["split"]) == ("mine", "test")}
    other_test_sets = pq.read_table(results / "other_test_sets" / "web.parquet").to_pylist()
    assert {row["row"] for row in other_test_sets} == tested and len(other_test_sets) == 2 * 2 * 2
    correct = [row["label"] == row["predicted"] for row in other_test_sets if row["arm"] == "kd"]
    assert float(mine["mine"]["mean_percent"]) == pytest.approx(100 * np.mean(correct), abs=0.005)


def test_comparisons_are_those_of_the_predictions(finished):
    results = finished.folder / "results"
    (row,) = [row for row in rows(results / "tables" / "comparisons.csv") if row["scenario"] == "web"]
    assert (row["comparison"], row["n_pairs"], row["n_test"]) == ("kd_against_scratch", "2", "15")
    correct = {}
    for arm in ("scratch", "kd"):
        parts = [pq.read_table(results / "runs" / "web" / arm / f"seed{n}" / "predictions.parquet") for n in (0, 1)]
        correct[arm] = np.array([np.equal(part["label"], part["predicted"]) for part in parts])
    assert int(row["gained"]) == (correct["kd"] & ~correct["scratch"]).sum()
    assert float(row["difference"]) == pytest.approx(
        100 * (correct["kd"].mean() - correct["scratch"].mean()), abs=0.005
    )


def test_costs_are_measured(finished):
    table = rows(finished.folder / "results" / "tables" / "costs.csv")
    students = [row for row in table if row["rule"] == "train_student"]
    assert sum(int(row["jobs"]) for row in students) == 16 and all(float(row["seconds"]) > 0 for row in students)
    assert {row["source"] for row in table if row["rule"] == "crawl"} == {"google", "bing"}
    # nothing else in the study waits for these
    assert {row["source"] for row in table if row["rule"] == "audit_labels"} == {"google", "bing", "mine", "sd2"}
    assert {"evaluate_teacher", "find_leakage", "measure_diversity"} <= {row["rule"] for row in table}


def test_every_accuracy_is_that_of_its_predictions(finished):
    for metrics in sorted((finished.folder / "results" / "runs").rglob("metrics.json")):
        said = json.loads(metrics.read_text())
        table = pq.read_table(metrics.with_name("predictions.parquet")).to_pydict()
        correct = np.equal(table["label"], table["predicted"])
        assert said["accuracy"] == pytest.approx(correct.mean()) and said["n_test"] == len(correct)
        logits = np.array(table["logits"])
        assert np.array_equal(np.argmax(logits[:, sorted(set(table["label"]))], axis=1),
                              np.searchsorted(sorted(set(table["label"])), table["predicted"]))  # fmt: skip


def test_every_image_tested_or_trained_on_can_be_traced_to_its_bytes(finished):
    results, resources = finished.folder / "results", finished.folder / "resources"
    splits = {(r["source"], r["row"]): r for r in pq.read_table(results / "splits.parquet").to_pylist()}
    curated = {}
    for source in ("google", "bing", "mine", "sd2"):
        for row in pq.read_table(results / "curated" / f"{source}.parquet").to_pylist():
            if row["kept"]:
                curated[source, row["row"]] = row
    plan = pq.read_table(results / "plans" / "web.parquet").to_pylist()
    assert len(plan) == 21 + 15 + 3
    for used in plan:
        place = used["source"], used["row"]
        assert splits[place]["split"] == used["split"] and splits[place]["key"] == curated[place]["key"]
        label = CLASSES[used["label"]]
        with tarfile.open(resources / "pools" / used["source"] / f"{label}.tar") as tar:
            names = {name.rsplit(".", 1)[0]: name for name in tar.getnames() if not name.endswith(".json")}
            data = tar.extractfile(names[curated[place]["key"]]).read()
            told = json.loads(tar.extractfile(f"{curated[place]['key']}.json").read())
        assert hashlib.sha256(data).hexdigest() == curated[place]["sha256"] == told["sha256"]
        assert told["url"] == curated[place]["url"] and told["query"] and told["label"] == label


def test_every_image_used_is_attributed(finished):
    results = finished.folder / "results"
    listed = {(row["source"], row["key"]): row for row in rows(results / "attribution.csv")}
    splits = {(r["source"], r["row"]): r for r in pq.read_table(results / "splits.parquet").to_pylist()}
    plans = [pq.read_table(path).to_pylist() for path in (results / "plans").glob("*.parquet")]
    used = {(row["source"], row["row"]) for plan in plans for row in plan}
    # students are tested on these as well, though no plan names them
    used |= {place for place, row in splits.items() if place[0] == "mine" and row["split"] == "test"}
    assert set(listed) == {(source, splits[source, row]["key"]) for source, row in used}
    assert all(row["page"] and row["url"] for (source, _), row in listed.items() if source in ("google", "bing"))
    assert all(row["prompt"] and row["seed"] for (source, _), row in listed.items() if source == "sd2")


def test_no_near_duplicate_group_is_both_trained_and_tested_on(finished):
    table = pq.read_table(finished.folder / "results" / "splits.parquet").to_pylist()
    splits_of = {}
    for row in table:
        splits_of.setdefault(row["group"], set()).add(row["split"])
    assert all(len(splits - {"unused"}) == 1 for splits in splits_of.values())


def test_a_clean_scenario_trains_on_no_image_whose_label_the_teacher_doubts(copied):
    copied.config["teacher"].update(steps=150, batch=32)  # enough to know a ship from a frog
    copied.configure(copied.config)
    results = copied.folder / "results"
    splits = pq.read_table(results / "splits.parquet").to_pylist()
    free = [row for row in splits if row["source"] == "google" and row["split"] == "train"]
    ships, frogs = ([row["row"] for row in free if row["class"] == name][:2] for name in ("ship", "frog"))
    pixels = np.load(results / "curated" / "google.npy")
    pixels[ships + frogs] = pixels[frogs + ships]
    np.save(results / "curated" / "google.npy", pixels)
    copied.run("results/plans/tidy.parquet", "results/plans/web.parquet", "results/tables/audit.csv")
    audit = pq.read_table(results / "audit" / "google.parquet").to_pylist()
    doubted = {row["row"] for row in audit if row["is_label_issue"]}
    assert doubted & {*ships, *frogs} and {row["class"] for row in audit} == set(CLASSES)
    plan = pq.read_table(results / "plans" / "tidy.parquet").to_pylist()
    trained = {row["row"] for row in plan if row["split"] == "train"}
    assert len(trained) == 3 and not trained & doubted
    tested = [(row["source"], row["row"]) for row in plan if row["split"] == "test"]
    other = pq.read_table(results / "plans" / "web.parquet").to_pylist()
    assert sorted(tested) == sorted((row["source"], row["row"]) for row in other if row["split"] == "test")
    said = {row["source"]: row for row in rows(results / "tables" / "audit.csv") if row["class"] == "all"}
    assert int(said["google"]["label_issues"]) == len(doubted) and int(said["google"]["kept"]) == len(audit)


def test_images_that_the_teacher_learnt_from_can_be_left_out(copied):
    data = dict(np.load(copied.folder / "resources" / "teacher" / "data.npz"))
    data["train_pixels"][:5] = np.load(copied.folder / "results" / "curated" / "google.npy")[:5]
    np.savez(copied.folder / "resources" / "teacher" / "data.npz", **data)
    copied.config["split"]["leakage"] = "drop"
    copied.config["split"]["shortfall"] = "shrink"
    copied.configure(copied.config)
    copied.run("results/splits.parquet")
    known = pq.read_table(copied.folder / "results" / "leakage.parquet").to_pylist()
    leaked = {(row["source"], row["row"]) for row in known if row["teacher_split"] == "train"}
    assert {("google", row) for row in range(5)} <= leaked
    splits = pq.read_table(copied.folder / "results" / "splits.parquet").to_pylist()
    assert splits and not leaked & {(row["source"], row["row"]) for row in splits}


def test_touching_nothing_runs_nothing(finished):
    done = finished.snakemake("--dry-run")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
    assert finished.planned() == []


def test_how_often_checkpoints_are_kept_trains_nothing_again(copied):
    for part in ("teacher", "student"):
        copied.config[part]["checkpoint_every"] = 3
    copied.configure(copied.config)
    assert copied.planned() == []


def test_how_the_web_is_asked_and_when_the_disk_is_full_retrieves_nothing_again(copied):
    copied.config["contact"] = "me@example.org"
    limits = {"connections_per_host": 1, "max_store_bytes": 10**9, "min_free_bytes": 10**6}
    copied.config["sources"]["google"].update(limits)
    copied.configure(copied.config)
    assert {rule for rule, _ in copied.planned()} == {"write_page", "all"}  # the page tells what sources were asked


def test_a_diffusion_source_that_nothing_uses_runs_nothing(copied):
    copied.config["sources"]["more"] = dict(copied.config["sources"]["sd2"])
    copied.configure(copied.config)
    assert copied.planned() == []


def test_one_class_s_queries_crawl_that_class_alone(copied):
    copied.config["classes"]["frog"]["queries"].append("green frog")
    copied.configure(copied.config)
    jobs = copied.planned()
    assert wildcards(jobs, "crawl") == {"source=google, label=frog", "source=bing, label=frog"}
    assert not wildcards(jobs, "train_teacher") and not [rule for rule, _ in jobs if rule.startswith("generate")]
    assert wildcards(jobs, "curate") == {"source=google", "source=bing"}


def test_one_scenario_retrains_alone(copied):
    copied.config["scenarios"]["color"]["train"] = {"google": 6}
    copied.configure(copied.config)
    jobs = copied.planned()
    assert {rule for rule, _ in jobs} == REPLANS
    assert wildcards(jobs, "plan_scenario") == wildcards(jobs, "tabulate_scenario") == {"scenario=color"}
    arms = [f"scenario=color, arm={arm}, seed={seed}" for arm in ("scratch", "kd") for seed in (0, 1)]
    assert wildcards(jobs, "train_student") == set(arms)


def test_a_seed_more_trains_only_that_seed(copied):
    copied.config["seeds"] = 3
    copied.configure(copied.config)
    jobs = copied.planned()
    assert {rule for rule, _ in jobs} == RETRAINS
    trained = [text for rule, text in jobs if rule == "train_student"]
    assert len(trained) == 8 and all(text.endswith("seed=2") for text in trained)


def test_an_arm_s_settings_retrain_that_arm_alone(copied):
    copied.config["arms"] = {"scratch": {"method": "ce"}, "kd": {"method": "kd", "temperature": 2.0}}
    copied.configure(copied.config)
    trained = wildcards(copied.planned(), "train_student")
    assert len(trained) == 8 and all("arm=kd" in text for text in trained)


def test_tuned_settings_are_chosen_on_validation_and_used_by_every_seed(copied):
    copied.config["student"] |= {"tune": {"lr": [0.05, 0.1], "weight_decay": [0.001]}}
    copied.configure(copied.config)
    copied.run("results/scenarios/tidy.csv")
    choice = json.loads((copied.folder / "results" / "tuning" / "tidy.json").read_text())
    best = max(choice["trials"], key=lambda trial: (trial["val_accuracy"], -trial["lr"]))
    assert [trial["lr"] for trial in choice["trials"]] == [0.05, 0.1] and choice["lr"] == best["lr"]
    for seed in (0, 1):
        metrics = json.loads((copied.folder / f"results/runs/tidy/scratch/seed{seed}/metrics.json").read_text())
        assert (metrics["lr"], metrics["weight_decay"]) == (best["lr"], 0.001)
    copied.config["student"]["tune"]["lr"].append(0.2)
    copied.configure(copied.config)
    jobs = copied.planned("results/scenarios/tidy.csv")
    assert wildcards(jobs, "run_trial") == {"scenario=tidy, lr=0.2, weight_decay=0.001, seed=0"}
    assert {rule for rule, _ in jobs} == {"run_trial", "select_hyperparameters", "train_student", "tabulate_scenario"}


def test_an_arm_with_a_grid_of_its_own_is_tuned_alone(copied):
    grid = {"lr": [0.02, 0.05], "weight_decay": [0.001]}
    copied.config["student"] |= {"tune": {"lr": [0.1], "weight_decay": [0.005]}}
    copied.config["arms"] = {"scratch": {"method": "ce"}, "kd": {"method": "kd", "tune": grid}}
    copied.configure(copied.config)
    copied.run("results/scenarios/web.csv")
    tuning, runs = copied.folder / "results" / "tuning", copied.folder / "results" / "runs" / "web"
    choice = json.loads((tuning / "web.kd.json").read_text())
    assert [trial["lr"] for trial in choice["trials"]] == [0.02, 0.05]
    for arm, wanted in (("scratch", (0.1, 0.005)), ("kd", (choice["lr"], 0.001))):
        metrics = json.loads((runs / arm / "seed1" / "metrics.json").read_text())
        assert (metrics["lr"], metrics["weight_decay"]) == wanted
    (trial,) = [trial for trial in choice["trials"] if trial["lr"] == choice["lr"]]
    metrics = json.loads((runs / "kd" / "seed0" / "metrics.json").read_text())
    assert trial["val_accuracy"] == metrics["val_accuracy"]  # the trial is that very training
    grid["lr"].append(0.1)
    copied.configure(copied.config)
    jobs = copied.planned("results/scenarios/web.csv")
    assert wildcards(jobs, "run_arm_trial") == {"scenario=web, arm=kd, lr=0.1, weight_decay=0.001, seed=0"}
    assert wildcards(jobs, "train_student") == {f"scenario=web, arm=kd, seed={seed}" for seed in (0, 1)}

    grid["lr"][-1] = 1e15  # diverges, so that the choice stays
    copied.configure(copied.config)
    before = {path: path.read_bytes() for path in runs.rglob("*.*")}
    copied.run("results/scenarios/web.csv")
    assert len(json.loads((tuning / "web.kd.json").read_text())["trials"]) == 3
    assert len(before) == 16 and all(path.read_bytes() == content for path, content in before.items())
    logs = sorted((copied.folder / "results" / "logs" / "train_student").glob("web.kd.*"))
    assert len(logs) == 2 and all("nothing is trained" in log.read_text() for log in logs)
    benchmarks, checkpoints = (copied.folder / "results" / name for name in ("benchmarks", "checkpoints"))
    for rule in ("train_teacher", "run_trial", "run_arm_trial", "train_student"):
        measured = [benchmarks / f"{rule}.tsv"] if rule == "train_teacher" else (benchmarks / rule).glob("web.*")
        spent = [checkpoints / path.relative_to(benchmarks).with_suffix("") / "usage.tsv" for path in measured]
        assert spent and all(path.exists() for path in spent)  # where the table of costs looks for it


def test_words_on_a_figure_draw_it_again_and_no_more(copied):
    copied.config["title"] = "Another title"
    copied.configure(copied.config)
    jobs = copied.planned()
    drawn = {"plot", "plot_summary", "draw_sheet", "typeset_summary", "write_page", "all"}
    assert {rule for rule, _ in jobs} == drawn
    assert {"figure=acquisition", "figure=diversity"} <= wildcards(jobs, "plot")
    sheets = wildcards(jobs, "draw_sheet")
    assert {text.split(",")[0] for text in sheets} == {"kind=contact", "kind=label_issues", "kind=duplicates"}


def test_one_scenario_by_its_target(copied):
    (copied.folder / "results" / "scenarios" / "color.csv").unlink()
    for run in (copied.folder / "results" / "runs").rglob("metrics.json"):
        run.unlink()
    jobs = copied.planned("results/scenarios/color.csv")
    assert {rule for rule, _ in jobs} == {"train_student", "tabulate_scenario"}
    assert {text.split(",")[0] for rule, text in jobs if rule == "train_student"} == {"scenario=color"}
    jobs = copied.planned("results/runs/web/kd/seed0/metrics.json")
    assert jobs == [("train_student", "scenario=web, arm=kd, seed=0")]


def test_a_student_to_take_along_classifies_files(copied):
    jobs = copied.planned("results/models/web.kd.onnx")
    assert jobs == [("export_student", "scenario=web, arm=kd")]
    copied.run("results/models/web.kd.onnx")
    model = copied.folder / "results" / "models" / "web.kd.onnx"

    path = os.pathsep.join([str(ROOT / "workflow" / "scripts"), os.environ.get("PYTHONPATH", "")])
    start = [sys.executable, "-m", "distillery.deployment.classify", str(model)]
    table = copied.folder / "answers.csv"
    done = subprocess.run(
        [*start, str(copied.folder / "images"), "--csv", str(table)],
        env=environment() | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    images = sorted((copied.folder / "images").rglob("*.png"))
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == list(map(str, images)) and len(images) == 8
    for row in rows(table):
        assert row["class"] in CLASSES
        assert sum(float(row[f"probability_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)

    said = model.with_suffix(".md").read_text()
    metrics = json.loads((copied.folder / "results/runs/web/kd/seed0/metrics.json").read_text())
    correct = round(metrics["accuracy"] * metrics["n_test"])
    assert f"told {correct} of 15 test images right, {100 * metrics['accuracy']:.2f} %" in said
    (summary,) = [
        row
        for row in rows(copied.folder / "results" / "tables" / "summary.csv")
        if (row["scenario"], row["arm"]) == ("web", "kd")
    ]
    assert f"the mean is {summary['mean_percent']} %" in said
    interval = f"interval of the mean {summary['low']} to {summary['high']}" if summary["low"] else "all the same, so"
    assert interval in said and summary["train"] in said
    assert "**A test on drawn images.**" in said.splitlines()[2]
    assert copied.planned() == []  # the study itself waits for nothing new


def test_the_same_results_of_training_give_the_same_bytes(copied):
    """What is told of the runs is made a second time; test_faults makes everything up to a scenario's table again."""
    results = copied.folder / "results"
    before = contents(copied.folder)
    told = ("tables/*", "summary.png", "images.parquet", "attribution.csv", "figures/*.svg", "figures/sizes.png")
    gone = [file for pattern in told for file in results.glob(pattern)]
    assert len(gone) > 25
    for file in gone:
        file.unlink()
    copied.run("results/summary.png", "all")
    assert differences(contents(copied.folder), before) == []


def test_new_images_of_the_user_are_noticed(copied):
    folder = copied.folder / "images" / "ship"
    draw("ship", "teacher", 99, 48).save(folder / "99.png")  # which leaves the time of `images` alone
    assert wildcards(copied.planned(), "import_folder") == {"source=mine, label=ship"}
    (folder / "99.png").unlink()
    assert wildcards(copied.planned(), "import_folder") == set()
    (copied.folder / "images" / "frog" / "0.png").unlink()
    assert wildcards(copied.planned(), "import_folder") == {"source=mine, label=frog"}


def test_a_look_at_a_folder_imports_nothing(copied):
    for place in ("", "frog"):
        (copied.folder / "images" / place / ".DS_Store").touch()  # as macOS's Finder does
    assert copied.planned() == []


def test_too_few_images_end_in_one_line_and_the_other_scenarios_go_on(copied):
    copied.config["scenarios"]["more"] = {"train": {"mine": 10}}
    copied.config["seeds"] = 1
    copied.configure(copied.config)
    done = copied.snakemake("results/scenarios/more.csv")
    assert done.returncode != 0
    message = "scenario more: class frog has 3 train images in source mine, 5 asked. Add queries, prompts or images"
    assert message in done.stderr
    copied.config["split"]["shortfall"] = "shrink"
    copied.configure(copied.config)
    copied.run("results/scenarios/more.csv")
    assert {row["n_train"] for row in rows(copied.folder / "results" / "scenarios" / "more.csv")} == {"6"}


class Trap:
    """Unpickled, it leaves a folder behind."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def spoil(path, data):
    """Other contents, as old as the file was: nothing is made again for their sake."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def saved(save):
    """The bytes that a writer of files writes."""
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def test_damaged_and_foreign_files_are_named_and_never_used(copied, tmp_path):
    results, trap = copied.folder / "results", np.array([Trap(tmp_path / "sprung")], dtype=object)
    weights, npy = results / "teacher" / "model.safetensors", results / "curated" / "sd2.npy"
    plan, runs = results / "plans" / "color.parquet", results / "runs"
    spoil(weights, weights.read_bytes()[:1500])
    spoil(npy, saved(lambda file: np.save(file, trap)))
    spoil(plan, saved(lambda file: pq.write_table(pa.table({"else": [1]}), file)))
    needs = {weights: runs / "web" / "kd" / "seed0", npy: runs / "sd2" / "scratch" / "seed0"}
    needs[plan] = runs / "color" / "scratch" / "seed0"
    other = [runs / "web" / "scratch" / f"seed{seed}" for seed in (0, 1)]  # with checkpoints that are not theirs
    for seed, state in enumerate((trap, {"digest": "of another configuration", "step": 3})):
        folder = results / "checkpoints" / "train_student" / f"web.scratch.seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / "checkpoint.pt")
    before = [(run / "model.safetensors").read_bytes() for run in other]
    wanted = [run / "metrics.json" for run in (*needs.values(), *other)]
    for metrics in wanted:
        metrics.unlink()

    done = copied.snakemake(*[str(path.relative_to(copied.folder)) for path in wanted])
    assert done.returncode != 0 and "Traceback" not in done.stderr
    for path, run in needs.items():
        (line,) = {line for line in done.stderr.splitlines() if line.startswith("ERROR: ") and path.name in line}
        assert "elete" in line and str(path.relative_to(copied.folder)) in line
        assert not (run / "metrics.json").exists()
    assert [(run / "model.safetensors").read_bytes() for run in other] == before
    logs = [(results / "logs" / "train_student" / f"web.scratch.seed{seed}.log").read_text() for seed in (0, 1)]
    assert "is not used: it is damaged" in logs[0] and "is not used: it is of another configuration" in logs[1]
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_shard_is_named(copied):
    shard = copied.folder / "resources" / "pools" / "mine" / "frog.tar"
    spoil(shard, shard.read_bytes()[:1500])
    (copied.folder / "results" / "curated" / "mine.npy").unlink()
    done = copied.snakemake("results/curated/mine.npy")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "ERROR: pool resources/pools/mine/frog.tar or resources/pools/mine/frog.jsonl is damaged" in done.stderr
    assert not (copied.folder / "results" / "curated" / "mine.npy").exists()
