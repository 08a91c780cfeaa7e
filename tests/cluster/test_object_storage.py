"""A study with all files in an S3 store needs no shared disk. moto is the server."""

import os
import subprocess

import pytest
import requests
import yaml
from running import ROOT, command

from distillery_demo.drawing import draw

PROFILE = ROOT / "profiles" / "kubernetes"
CLASSES = ("airplane", "frog", "ship")
STUDY = {
    "title": "A study in an object store",
    "image_size": 16,
    "seeds": 2,
    "classes": {name: {"queries": [name]} for name in CLASSES},
    "sources": {
        "google": {"kind": "google", "per_class": 16},
        "mine": {"kind": "folder", "path": "images"},
    },
    "split": {"test": {"google": 9}, "val": {"google": 3}},
    "teacher": {"data": {"kind": "drawn", "train": 60, "test": 30}, "network": "resnet8_half", "steps": 5, "batch": 16},
    "student": {
        "network": "resnet8_half", "steps": 5, "batch": 8, "tune": {"lr": [0.05, 0.1], "weight_decay": [0.001]},
    },
    "arms": {
        "scratch": {"method": "ce"}, "kd": {"method": "kd", "tune": {"lr": [0.02, 0.05], "weight_decay": [0.001]}},
    },
    "scenarios": {
        "web": {"train": {"google": 12}},
        "mixed": {"train": {"google": 6, "mine": 6}, "augment": "color", "clean": True},
    },
    "demo": {"label": "A test on drawn images", "results_per_query": 20},
}  # fmt: skip


@pytest.fixture
def store(monkeypatch):
    """A client of a bucket on its own server."""
    if not os.environ.get("DISTILLERY_CLUSTER"):
        pytest.skip("needs requirements-cluster.txt and some minutes: make test-storage")
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    requests.post(f"{endpoint}/moto-api/reset", timeout=60)  # all servers of a process share one store
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    yield client
    server.stop()


def snakemake(folder, *arguments):
    done = subprocess.run(command(folder, *arguments), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout + done.stderr


def study(folder):
    for name in CLASSES:
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            draw(name, "teacher", number, 48).save(folder / "images" / name / f"{number}.png")
    (folder / "config.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return folder


def in_store(client):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="study/")
    return {entry["Key"].removeprefix("study/") for page in pages for entry in page.get("Contents", ())}


def test_a_study_in_an_object_store_equals_the_same_study_on_a_disk(store, tmp_path):
    here, there = study(tmp_path / "disk"), study(tmp_path / "store")
    snakemake(here, "--cores", "2", "results/summary.png", "all")
    profile = yaml.safe_load((PROFILE / "profile.v9+.yaml").read_text())
    storage = ["--default-storage-provider", profile["default-storage-provider"]]
    storage += ["--default-storage-prefix", profile["default-storage-prefix"]]
    storage += ["--storage-s3-region", profile["storage-s3-region"]]
    storage += ["--storage-s3-endpoint-url", store.meta.endpoint_url]
    snakemake(there, *storage, "--cores", "2", "results/summary.png", "all")
    assert not (there / "results" / "tables").exists() and not (there / "results" / "runs").exists()
    made = [
        *here.glob("results/tables/*.csv"),
        *here.rglob("results/runs/**/*.safetensors"),
        here / "results/summary.png",
    ]
    names = {str(path.relative_to(here)) for path in made} - {"results/tables/costs.csv"}  # seconds differ
    assert len(names) > 20 and names <= in_store(store)
    for name in names:
        assert store.get_object(Bucket="bucket", Key=f"study/{name}")["Body"].read() == (here / name).read_bytes(), name


def test_the_kubernetes_profile_plans_a_study(store, tmp_path):
    folder = study(tmp_path / "study")
    endpoint = ("--storage-s3-endpoint-url", store.meta.endpoint_url)
    text = snakemake(folder, "--workflow-profile", PROFILE, *endpoint, "--dry-run", "--printshellcmds", "all")
    assert "s3://bucket/study/results/summary.png (send to storage)" in text
    trained = text.count("rule train_student:")
    assert trained == 8 and text.count("gpu_manufacturer=nvidia") >= trained
