"""The whole workflow on drawn images: its results, and where each number comes from."""

import hashlib
import json
import re
import tarfile
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from compare_results import contents, differences
from PIL import Image

from distillery.file_digests import forget_digests

from .conftest import CLASSES, rows

pytestmark = pytest.mark.slow


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
    assert f"<code>{target}</code>" in (results / "report.html").read_text()
    figures = ("acquisition", "contact_google", "label_issues_mine", "diversity", "duplicates_bing")
    for path in (results / "summary.png", *(results / "figures" / f"{name}.png" for name in figures)):
        assert Image.open(path).size > (400, 200)
    assert {row["source"] for row in rows(results / "tables" / "counts.csv")} == {"google", "bing", "mine", "sd2"}


def test_snakemake_s_report_has_every_result_under_its_title(finished, tmp_path):
    finished.run("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        (page,) = [name for name in archive.namelist() if name.endswith("report.html") and "/data/" not in name]
        text = archive.read(page).decode()
    shown, categories = (
        json.loads(re.search(rf"^ *var {name} = (\{{.*\}});?$", text, re.M)[1]) for name in ("results", "categories")
    )
    assert all(result["labels"] and result["caption"] for result in shown.values())
    assert shown["results/figures/duplicates_bing.png"]["labels"] == {"source": "bing", "sheet": "Near-duplicates"}
    listed = {path for parts in categories.values() for paths in parts.values() for path in paths}
    assert set(categories) == {"Answer", "Charts", "Images", "Tables"} and listed == set(shown)
    tables = {f"results/tables/{path.name}" for path in (finished.folder / "results" / "tables").glob("*.csv")}
    charts = {f"results/figures/{path.name}" for path in (finished.folder / "results" / "figures").glob("[!.]*")}
    assert (tables | charts) - set(shown) == set()


def test_students_are_tested_on_every_source_s_test_images(finished):
    results = finished.folder / "results"
    table = rows(results / "tables" / "test_sources.csv")
    mine = {row["test"]: row for row in table if (row["scenario"], row["arm"]) == ("web", "kd")}
    assert list(mine) == ["common", "google", "bing", "mine"]
    assert [row["n_test"] for row in mine.values()] == ["15", "9", "6", "2"]
    splits = pq.read_table(results / "splits.parquet").to_pylist()
    tested = {row["row"] for row in splits if (row["source"], row["split"]) == ("mine", "test")}
    other_test_sets = pq.read_table(results / "other_test_sets" / "web.kd.parquet").to_pylist()
    assert {row["row"] for row in other_test_sets} == tested and len(other_test_sets) == 2 * 2
    correct = [row["label"] == row["predicted"] for row in other_test_sets]
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
    # no other job of the study needs these
    assert {row["source"] for row in table if row["rule"] == "audit_labels"} == {"google", "bing", "mine", "sd2"}
    assert {"evaluate_teacher", "find_leakage", "measure_diversity"} <= {row["rule"] for row in table}


def test_every_accuracy_is_that_of_its_predictions(finished):
    for metrics in sorted((finished.folder / "results" / "runs").rglob("metrics.json")):
        found = json.loads(metrics.read_text())
        table = pq.read_table(metrics.with_name("predictions.parquet")).to_pydict()
        correct = np.equal(table["label"], table["predicted"])
        assert found["accuracy"] == pytest.approx(correct.mean()) and found["n_test"] == len(correct)
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
    tested = pq.read_table(results / "runs" / "web" / "kd" / "seed0" / "predictions.parquet").to_pylist()
    assert len(plan) == 21 + 3 and len(tested) == 15
    for used in [*plan, *({"split": "test"} | row for row in tested)]:
        place = used["source"], used["row"]
        assert splits[place]["split"] == used["split"] and splits[place]["key"] == curated[place]["key"]
        label = CLASSES[used["label"]]
        with tarfile.open(resources / "pools" / used["source"] / f"{label}.tar") as tar:
            names = {name.rsplit(".", 1)[0]: name for name in tar.getnames() if not name.endswith(".json")}
            data = tar.extractfile(names[curated[place]["key"]]).read()
            record = json.loads(tar.extractfile(f"{curated[place]['key']}.json").read())
        assert hashlib.sha256(data).hexdigest() == curated[place]["sha256"] == record["sha256"]
        assert record["url"] == curated[place]["url"] and record["query"] and record["label"] == label


def test_every_image_used_is_attributed(finished):
    results = finished.folder / "results"
    listed = {(row["source"], row["key"]): row for row in rows(results / "attribution.csv")}
    splits = {(r["source"], r["row"]): r for r in pq.read_table(results / "splits.parquet").to_pylist()}
    plans = [pq.read_table(path).to_pylist() for path in (results / "plans").glob("*.parquet")]
    used = {(row["source"], row["row"]) for plan in plans for row in plan}
    used |= {place for place, row in splits.items() if row["split"] == "test"}  # plans do not name test images
    assert set(listed) == {(source, splits[source, row]["key"]) for source, row in used}
    assert all(row["page"] and row["url"] for (source, _), row in listed.items() if source in ("google", "bing"))
    assert all(row["prompt"] and row["seed"] for (source, _), row in listed.items() if source == "sd2")


def test_no_near_duplicate_group_is_both_trained_and_tested_on(finished):
    table = pq.read_table(finished.folder / "results" / "splits.parquet").to_pylist()
    splits_of = {}
    for row in table:
        splits_of.setdefault(row["group"], set()).add(row["split"])
    assert all(len(splits - {"unused"}) == 1 for splits in splits_of.values())


def test_a_clean_scenario_trains_on_no_image_with_a_flagged_label(copied):
    copied.config["teacher"].update(steps=150, batch=32)  # enough to know a ship from a frog
    copied.configure(copied.config)
    results = copied.folder / "results"
    splits = pq.read_table(results / "splits.parquet").to_pylist()
    free = [row for row in splits if row["source"] == "google" and row["split"] == "train"]
    ships, frogs = ([row["row"] for row in free if row["class"] == name][:2] for name in ("ship", "frog"))
    pixels = np.load(results / "curated" / "google.npy")
    pixels[ships + frogs] = pixels[frogs + ships]
    np.save(results / "curated" / "google.npy", pixels)
    forget_digests([results / "curated" / "google.npy"])  # changed on purpose
    copied.run("results/plans/tidy.parquet", "results/plans/web.parquet", "results/tables/audit.csv")
    audit = pq.read_table(results / "audit" / "google.parquet").to_pylist()
    flagged = {row["row"] for row in audit if row["is_label_issue"]}
    assert flagged & {*ships, *frogs} and {row["class"] for row in audit} == set(CLASSES)
    plan = pq.read_table(results / "plans" / "tidy.parquet").to_pylist()
    trained = {row["row"] for row in plan if row["split"] == "train"}
    assert len(trained) == 3 and not trained & flagged
    tested = [(row["source"], row["row"]) for row in plan if row["split"] == "test"]
    other = pq.read_table(results / "plans" / "web.parquet").to_pylist()
    assert sorted(tested) == sorted((row["source"], row["row"]) for row in other if row["split"] == "test")
    found = {row["source"]: row for row in rows(results / "tables" / "audit.csv") if row["class"] == "all"}
    assert int(found["google"]["label_issues"]) == len(flagged) and int(found["google"]["kept"]) == len(audit)


def test_images_that_leak_from_the_teacher_s_data_can_be_left_out(copied):
    data = dict(np.load(copied.folder / "resources" / "teacher" / "data.npz"))
    data["train_pixels"][:5] = np.load(copied.folder / "results" / "curated" / "google.npy")[:5]
    np.savez(copied.folder / "resources" / "teacher" / "data.npz", **data)
    forget_digests([copied.folder / "resources" / "teacher" / "data.npz"])  # changed on purpose
    copied.config["split"]["leakage"] = "drop"
    copied.config["split"]["shortfall"] = "shrink"
    copied.configure(copied.config)
    copied.run("results/splits.parquet")
    known = pq.read_table(copied.folder / "results" / "leakage.parquet").to_pylist()
    leaked = {(row["source"], row["row"]) for row in known if row["teacher_split"] == "train"}
    assert {("google", row) for row in range(5)} <= leaked
    splits = pq.read_table(copied.folder / "results" / "splits.parquet").to_pylist()
    assert splits and not leaked & {(row["source"], row["row"]) for row in splits}


def test_the_same_results_of_training_give_the_same_bytes(copied):
    """All results after the runs are computed a second time; test_faults repeats all before a scenario's table."""
    results = copied.folder / "results"
    before = contents(copied.folder)
    patterns = ("tables/*", "summary.png", "images.parquet", "attribution.csv", "figures/*.svg", "figures/sizes.png")
    gone = [file for pattern in patterns for file in results.glob(pattern) if file.is_file()]
    assert len(gone) > 25
    for file in gone:
        file.unlink()
    copied.run("results/summary.png", "all")
    assert differences(contents(copied.folder), before) == []
