"""A user's own images in a whole workflow: a data set, an archive, saved pages."""

import json
import re
import subprocess
import zipfile
from collections import Counter

import numpy as np
import pytest
import yaml
from hub_datasets import image_bytes, write_parquet_images
from running import command, environment

from distillery.storage.retrieved.pools import read_pool

pytestmark = pytest.mark.slow
STUDY = """
classes: {cat: {}, dog: {}}
image_size: 16
unavailable: skip
curation: {min_side: 8}
sources:
  labeled: {kind: huggingface, dataset: set, split: validation, per_class: 6}
  pets: {kind: folder, path: pets.zip}
  google: {kind: google, per_class: 5, saved: pages}
split: {test: {pets: 4}, shortfall: shrink}
teacher: {network: convnet_s, data: {kind: huggingface, dataset: set, train: 10}}
scenarios: {a: {train: {labeled: 8}}, b: {train: {google: 4}}}
"""


@pytest.fixture
def study(tmp_path):
    for number, (split, rows) in enumerate((("train", 20), ("test", 6), ("validation", 16))):
        write_parquet_images(tmp_path / f"set/{split}-0.parquet", [0, 1] * (rows // 2), first=100 * number)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for number in range(12):
            name = "cat" if number % 2 else "dog"
            archive.writestr(f"PetImages/{name}/{number}.png", image_bytes(1000 + number))
    (tmp_path / "pages/cat").mkdir(parents=True)
    (tmp_path / "pages/cat/1.html").write_text('<div data-docid="1" data-lpage="http://a.test/"></div>')
    (tmp_path / "config.yaml").write_text(STUDY)
    return tmp_path


def run(folder, *targets):
    arguments = command(folder, "--cores", "2", "--printshellcmds", "--", *targets)  # Snakemake's own lines
    done = subprocess.run(arguments, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def pool(folder, source, label):
    path = folder / f"resources/pools/{source}/{label}"
    return list(read_pool(f"{path}.tar", f"{path}.jsonl"))


def test_a_data_set_an_archive_and_saved_pages_become_pools(study):
    said = run(study, "results/splits.parquet", "resources/teacher/data.npz", "resources/preflight/table.txt")
    assert "sources.google.saved: pages has no saved page of class dog" in said
    assert [data for _, data in pool(study, "labeled", "cat")] == [image_bytes(200 + row) for row in range(0, 12, 2)]
    assert [record.origin for record, _ in pool(study, "pets", "dog")][:2] == [
        "PetImages/dog/0.png",
        "PetImages/dog/10.png",
    ]
    reasons = {label: pool(study, "google", label)[0][0].failure for label in ("cat", "dog")}
    assert reasons == {"cat": "refused: unreadable page", "dog": "refused: no saved pages"}
    assert json.loads((study / "results/refusals.json").read_text())["google"].keys() == {"cat", "dog"}
    with np.load(study / "resources/teacher/data.npz") as data:
        assert len(data["train_pixels"]) == 10 and len(data["test_pixels"]) == 6

    # another saved page is noticed, and only its class is retrieved again
    (study / "pages/dog").mkdir()
    (study / "pages/dog/1.html").write_text("<p>nothing</p>")
    said = run(study, "resources/pools/google/cat.jsonl", "resources/pools/google/dog.jsonl")
    assert said.count("localrule crawl:") == 1 and "google/dog.tar" in said
    assert pool(study, "google", "dog")[0][0].failure == "refused: unreadable page"


def test_a_source_cannot_use_the_data_set_split_of_the_teacher(study):
    config = yaml.safe_load(STUDY)
    config["sources"]["labeled"]["split"] = "test"
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    arguments = command(study, "--cores", "1", "--dry-run", "results/splits.parquet")
    done = subprocess.run(arguments, cwd=study, env=environment(), capture_output=True, text=True)
    assert done.returncode != 0 and "sources.labeled.split: the teacher also uses split test of set" in done.stderr


UNLABELED = """
classes: {cat: {}, dog: {}}
image_size: 16
curation: {min_side: 8}
sources:
  pets: {kind: folder, path: pets.zip}
  phone: {kind: folder, path: phone, labels: teacher}
  album: {kind: folder, path: phone, labels: none}
split: {test: {pets: 4}, val: {pets: 2}, leakage: drop, shortfall: shrink}
teacher: {kind: zero_shot, zero_shot: {model: some/clip, fit_scale: true}}
arms: {scratch: {method: ce}, kd: {method: kd}, free: {method: kd, alpha: 1}}
scenarios:
  labeled: {train: {pets: 2, phone: 4}, arms: [scratch, kd], clean: true}
  free: {train: {album: 3}, arms: [free]}
"""


def jobs_of(folder, *targets):
    arguments = command(folder, "--cores", "1", "--dry-run", "--printshellcmds", *targets)
    done = subprocess.run(arguments, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(re.findall(r"^(?:local)?rule (\w+):$", done.stdout + done.stderr, flags=re.M))


def test_images_without_labels_are_labeled_after_the_split_of_the_others(study):
    """Also if the teacher's scale is fitted on validation images and the split drops leaked images."""
    (study / "phone").mkdir()
    (study / "phone/1.png").write_bytes(image_bytes(1))
    (study / "config.yaml").write_text(UNLABELED)
    jobs = jobs_of(study, "all")
    assert jobs["label_images"] == jobs["curate_unlabeled"] == 2 and jobs["curate"] == 1
    assert jobs["split"] == jobs["split_derived"] == jobs["fit_teacher_scale"] == 1
    assert jobs["audit_labels"] == 1  # the teacher does not audit its own labels
    base = jobs_of(study, "results/teacher/model.safetensors")
    assert not {"label_images", "split_derived"} & set(base) and base["split"] == 1

    config = yaml.safe_load(UNLABELED)
    del config["sources"]["album"], config["scenarios"]["free"], config["scenarios"]["labeled"]["train"]["phone"]
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    assert not {"label_images", "curate_unlabeled", "split_derived"} & set(jobs_of(study, "all"))
