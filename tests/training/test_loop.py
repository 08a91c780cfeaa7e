"""The training loop: order of images, history, checkpoints. A killed training resumes to the same bits."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_study import RECIPE

from distillery.code_hash import code_hash, imported_modules
from distillery.distillation.methods.losses import cross_entropy
from distillery.jobs import UserError
from distillery.storage.host import usage
from distillery.training import finished
from distillery.training.checkpoints import Checkpoint, digest
from distillery.training.data.batches import rows_of_step
from distillery.training.loop import history_steps, optimizer_of, start_network, train
from distillery.training.optimizers.sgd import sgd
from distillery.training.rng import initialization, rng_for
from distillery.training.run_files import write_history

CPU = torch.device("cpu")


class Killed(Exception):
    pass


# --- order ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(2, 40), st.integers(1, 30), st.integers(0, 9))
def test_batches_run_through_one_permutation_after_another(images, batch, steps, seed):
    seen = np.concatenate([rows_of_step(images, batch, step, seed) for step in range(steps)])
    assert len(seen) == batch * steps
    for start in range(0, len(seen), images):
        epoch = seen[start : start + images]
        assert len(set(epoch)) == len(epoch) and (len(epoch) < images or set(epoch) == set(range(images)))


def test_each_epoch_and_seed_has_its_own_order():
    first, second = rows_of_step(100, 100, 0, 0), rows_of_step(100, 100, 1, 0)
    assert not np.array_equal(first, second) and not np.array_equal(first, rows_of_step(100, 100, 0, 1))


def test_purposes_have_different_generators_and_torchs_own_is_restored():
    assert rng_for(0, "order", 1).random() != rng_for(0, "views", 1).random()
    before = torch.get_rng_state()
    with initialization(3):
        first = torch.rand(3)
    with initialization(3):
        assert torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())


# --- the loop ---------------------------------------------------------------------------------------------------------


def fit(study, checkpoint=None, recipe=RECIPE, kill_at=None, **settings):
    """Train on the tiny study; returns weights and history."""
    images = study.dataset()
    network = start_network(recipe, 3, images, 0, CPU)
    calls = []

    def objective(network, batch):
        calls.append(1)
        if len(calls) == kill_at:
            raise Killed
        return cross_entropy(network(batch.views), batch.targets)

    optimizer = optimizer_of(recipe, network)
    history = train(network, images, recipe, objective, optimizer, seed=0, classes=3, checkpoint=checkpoint, **settings)
    return network.state_dict(), history, len(calls)


@pytest.mark.parametrize(
    "changes", [{}, {"mixup": 0.3, "momentum": 0.0}, {"ema": 0.9}, {"optimizer": "muon", "lr": 0.24, "momentum": 0.6}]
)
def test_a_killed_training_ends_with_the_same_bits(study, tmp_path, changes):
    recipe = replace(RECIPE, checkpoint_every=5, **changes)
    whole, whole_history, _ = fit(study, recipe=recipe)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", every=5)
    with pytest.raises(Killed):
        fit(study, checkpoint, recipe, kill_at=14)
    resumed, history, steps = fit(study, checkpoint, recipe)
    assert steps == recipe.steps - 10
    assert history == whole_history
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_checkpoint_of_another_configuration_or_a_damaged_one_is_not_used(study, tmp_path):
    recipe = replace(RECIPE, checkpoint_every=5)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        fit(study, Checkpoint(path, "one", 5), recipe, kill_at=14)
    assert path.exists()
    *_, steps = fit(study, Checkpoint(path, "other", 0), recipe)
    assert steps == recipe.steps
    path.write_bytes(b"PK\x03\x04 half")
    *_, steps = fit(study, Checkpoint(path, "one", 0), recipe)
    assert steps == recipe.steps


@pytest.mark.parametrize("every", [0, 5])
def test_a_finished_training_is_not_repeated(study, tmp_path, every):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", every)
    first, history, _ = fit(study, checkpoint)
    again, same_history, steps = fit(study, checkpoint)
    assert steps == 0 and same_history == history
    assert all(torch.equal(first[name], again[name]) for name in first)
    *_, steps = fit(study, replace(checkpoint, digest="other"))
    assert steps == RECIPE.steps


def test_only_the_history_of_a_finished_trial_is_kept(study, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", 5, weights=False)
    with pytest.raises(Killed):
        fit(study, checkpoint, kill_at=14)
    _, history, steps = fit(study, checkpoint)
    assert steps == RECIPE.steps - 10
    assert torch.load(checkpoint.path, weights_only=True)["network"] == {}
    assert fit(study, checkpoint)[1:] == (history, 0)


def test_the_usage_of_a_training_sums_all_its_processes(study, tmp_path, monkeypatch):
    checkpoint, clock = Checkpoint(tmp_path / "checkpoint.pt", "d", 5), [0.0]
    monkeypatch.setattr(usage.time, "monotonic", lambda: usage.STARTED + clock[0])

    def start_a_process(seconds):
        """Start counting usage as if the process had already run for some seconds."""
        monkeypatch.setattr(usage, "_began", [usage.STARTED, 0.0])
        clock[0] = seconds

    start_a_process(100.0)

    def kept():
        names, values = (line.split("\t") for line in (tmp_path / usage.FILE).read_text().splitlines())
        return dict(zip(names, map(float, values), strict=True))

    with pytest.raises(Killed):
        fit(study, checkpoint, kill_at=14)
    assert kept() == dict.fromkeys(usage.JobUsage._fields, 0)  # the training has not ended
    start_a_process(7.0)
    fit(study, checkpoint)
    assert kept()["s"] == 107 and kept()["cpu_time"] > 0 and kept()["max_rss"] > 100
    for _ in range(2):  # the training has already finished, so these processes are not counted
        start_a_process(3.0)
        fit(study, checkpoint)
        assert kept()["s"] == 107
    with pytest.raises(UserError, match="not finite"):
        fit(study, replace(checkpoint, digest="other"), replace(RECIPE, lr=1e20, warmup=0, schedule="constant"))
    assert kept()["s"] == 3  # of another training
    clock[0] = 8.0  # the next training in the same process
    fit(study, replace(checkpoint, digest="third"))
    assert kept()["s"] == 5


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_a_checkpoint_is_kept_if_memory_is_too_small_to_load_it(study, tmp_path, monkeypatch, error):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        fit(study, Checkpoint(path, "d", 5), kill_at=14)
    before = path.read_bytes()

    def no_room(*_, **__):
        raise error("no room")

    monkeypatch.setattr(torch, "load", no_room)
    with pytest.raises(error):
        fit(study, Checkpoint(path, "d", 5))
    assert path.read_bytes() == before


def test_a_checkpoint_holds_no_teacher_and_loads_with_weights_only(study, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", 5)
    with pytest.raises(Killed):
        fit(study, checkpoint, kill_at=8)
    state = torch.load(checkpoint.path, weights_only=True)
    assert set(state) == {"digest", "step", "network", "ema", "adapter", "optimizer", "history", "loss", "usage"}
    assert not any("teacher" in name for name in state["network"])
    fit(study, checkpoint)
    assert set(torch.load(checkpoint.path, weights_only=True)) == {"digest", "step", "network", "history", "usage"}


def test_the_digest_changes_with_each_setting_and_tensor():
    pixels, labels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    settings = {"recipe": asdict(RECIPE), "seed": 0}
    found = {
        digest(settings, pixels, labels),
        digest({**settings, "seed": 1}, pixels, labels),
        digest({**settings, "recipe": asdict(replace(RECIPE, lr=0.2))}, pixels, labels),
        digest(settings, pixels + 1, labels),
        digest(settings, pixels, labels.flip(0)),
    }
    assert len(found) == 5
    assert digest(settings, pixels, labels) == digest(settings, pixels.clone(), labels)


def test_the_code_version_is_a_hash_over_all_modules_that_train():
    library = SCRIPTS / "distillery"
    names = ("student", "methods/registry", "teachers/trained")
    scripts = [library / "distillation" / f"{name}.py" for name in names]
    assert finished.code_version() == " ".join(code_hash(script, SCRIPTS) for script in scripts)
    counted = {*scripts}.union(*(imported_modules(script, SCRIPTS).values() for script in scripts))
    modules = {path for name in ("models", "training", "distillation") for path in (library / name).rglob("*.py")}
    modules.remove(library / "distillation" / "teachers" / "__init__.py")  # a docstring alone
    assert {path.relative_to(library / "distillation").as_posix() for path in modules - counted} == {
        "hyperparameter_search.py",
        "not_run.py",
        "student_evaluation.py",
        "training_jobs.py",
        "training_speed.py",
        *(f"teachers/{name}.py" for name in ("adoption", "evaluation", "labels", "logit_scale", "zero_shot")),
    }


def test_a_loss_that_is_not_finite_gives_a_one_line_error(study):
    with pytest.raises(UserError, match=r"the loss is not finite by step \d+. Lower lr \(now 1e\+20\)") as error:
        fit(study, recipe=replace(RECIPE, lr=1e20, warmup=0, schedule="constant"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("steps", [1, 3, 20, 24, 1000])
def test_history_has_at_most_20_rows_and_ends_with_the_last_step(steps):
    rows = history_steps(steps)
    assert max(rows) == steps and min(rows) >= 1 and len(rows) == min(20, steps)


def test_history_has_the_mean_loss_since_the_previous_row(study, tmp_path):
    losses = []
    images = study.dataset()
    recipe = replace(RECIPE, steps=40)
    network = start_network(recipe, 3, images, 0, CPU)

    def objective(network, batch):
        losses.append(cross_entropy(network(batch.views), batch.targets))
        return losses[-1]

    validate = [0.25, 0.5, 0.75, 1.0]
    history = train(
        network, images, recipe, objective, sgd(network, 0.9, 0), seed=0, classes=3,
        validate=lambda network: validate.pop(0),
    )  # fmt: skip
    assert [row.loss for row in history] == pytest.approx(torch.stack(losses).reshape(20, 2).mean(1).tolist())
    assert [row.val_accuracy for row in history if row.val_accuracy is not None] == [0.25, 0.5, 0.75, 1.0]
    write_history(tmp_path / "history.csv", history)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "step,loss,lr,val_accuracy" and len(lines) == 21
    assert lines[1].endswith(",") and lines[-1].startswith("40,") and lines[-1].endswith(",1.000000")


# --- as a job ---------------------------------------------------------------------------------------------------------

RESULTS = ("model.safetensors", "history.csv", "training.json", "predictions.parquet", "metrics.json")
SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
JOB = """
import sys
sys.path[:0] = [{scripts!r}, {tests!r}]
from dataclasses import replace
from pathlib import Path
from tiny_study import RECIPE, Study
study = Study(Path({folder!r}))
run = study.train("kd", replace(RECIPE, steps={steps}, checkpoint_every=2), Path({plan!r}), checkpoints={checkpoints!r})
out = Path({out!r})
run.save(*(out / name for name in {results!r}))
unwanted = ("torchvision", "pandas", "diffusers", "torch._dynamo", "torch._inductor", "torch.distributed.fsdp")
print([name for name in unwanted if name in sys.modules])
"""


def job(study, out, checkpoints, steps):
    out.mkdir(exist_ok=True)
    code = JOB.format(
        scripts=str(SCRIPTS), tests=str(Path(__file__).parents[1]), folder=str(study.folder), out=str(out),
        checkpoints=str(checkpoints), steps=steps, plan=str(study.plan()), results=RESULTS,
    )  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_job_imports_nothing_heavy_and_gives_the_same_bytes_after_sigkill(study, tmp_path):
    checkpoint = tmp_path / "checkpoints" / "checkpoint.pt"
    killed = job(study, tmp_path / "killed", checkpoint.parent, steps=200)
    whole = study.train("kd", replace(RECIPE, steps=200, checkpoint_every=2), checkpoints=tmp_path / "other")
    whole.save(*(tmp_path / name for name in RESULTS))
    while not checkpoint.exists() and killed.poll() is None:
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL and not (tmp_path / "killed" / "metrics.json").exists()
    again = job(study, tmp_path / "killed", checkpoint.parent, steps=200)
    printed, _ = again.communicate()
    assert again.returncode == 0 and printed.strip() == "[]"
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / name).read_bytes()
