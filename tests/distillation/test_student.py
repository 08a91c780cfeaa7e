"""Runs: arms of one seed differ only in the loss, students learn, and results are complete and reproducible."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from tiny_study import CLASSES, RECIPE, SIDE

from distillery.config.defaults import arm_defaults
from distillery.distillation import student
from distillery.distillation.methods.losses import cross_entropy
from distillery.distillation.methods.registry import METHODS, arm_of
from distillery.distillation.objective import load_teacher, make_adapter, objective_of, select_classes
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.training import checkpoints, hardware, loop
from distillery.training.hardware import has_bfloat16
from distillery.training.loop import Batch
from distillery.training.run_files import HistoryRow

OWN = [method for method in METHODS if not arm_of(arm_defaults(method)).faults]
USE_TEACHER = [method for method in OWN if METHODS[method].uses_teacher]


def save(run, folder):
    folder.mkdir(exist_ok=True)
    names = ("model.safetensors", "history.csv", "training.json", "predictions.parquet", "metrics.json")
    run.save(*(folder / name for name in names))
    return [folder / name for name in names]


def test_arms_of_one_seed_have_the_same_initialization_order_and_views(study, monkeypatch):
    seen = []
    inner = loop.make_views

    def make_views(*arguments):
        seen.append(inner(*arguments))
        return seen[-1]

    monkeypatch.setattr(loop, "make_views", make_views)
    starts = []
    inner_train = student.train

    def train(network, *arguments, **settings):
        starts.append([weight.detach().clone() for weight in network.parameters()])
        return inner_train(network, *arguments, **settings)

    monkeypatch.setattr(student, "train", train)
    recipe = replace(RECIPE, steps=6, mixup=0.5)
    for method, seed in (("ce", 1), *((method, 0) for method in OWN)):
        study.train(method, recipe, seed=seed)
    other_seed, scratch = seen[:6], seen[6:12]
    for number in range(2, len(starts)):
        same = seen[6 * number : 6 * number + 6]
        assert all(torch.equal(a, b) for a, b in zip(scratch, same, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(starts[1], starts[number], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(scratch, other_seed, strict=True))
    assert not torch.equal(starts[0][0], starts[1][0])


def test_kd_with_alpha_0_equals_scratch(study):
    recipe = replace(RECIPE, steps=8)
    scratch, kd = study.train("ce", recipe), study.train("kd", recipe, alpha=0.0)
    np.testing.assert_allclose(scratch.logits, kd.logits, atol=1e-6)
    assert np.abs(study.train("kd", recipe).logits - scratch.logits).max() > 1e-3


@pytest.mark.parametrize("method", USE_TEACHER)
def test_the_teacher_sees_the_same_views_and_is_not_changed(study, method):
    teacher = load_teacher(study.teacher, CLASSES, SIDE, torch.device("cpu"))
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    seen = []
    teacher.network.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network = NormalizedModel(build_network("resnet8_half", 3), torch.zeros(3), torch.ones(3))
    views = torch.rand(4, 3, 16, 16)
    arm = arm_of(arm_defaults(method))
    objective = objective_of(arm, teacher, lambda logits: logits, make_adapter(arm, network, teacher, SIDE, seed=0))
    seen.clear()
    objective(network, Batch(views, torch.zeros(4, dtype=torch.int64), 0.5)).backward()
    assert torch.equal(seen[0], (views - teacher.mean) / teacher.std) and not teacher.training
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert all(weight.grad is None for weight in teacher.parameters())


# At 0.05, dkd (with large gradients) fails to learn a class with every second seed, and uniform_teacher (with flat
# targets) learns slowly with some seeds. At these rates all of eight seeds passed, in float32 and in bfloat16.
RATES = {"dkd": 0.02, "uniform_teacher": 0.2}


@pytest.mark.parametrize("method", OWN)
def test_a_tiny_student_learns_three_colors(study, tmp_path, method):
    run = study.train(method, replace(RECIPE, steps=80, lr=RATES.get(method, 0.05)))
    assert run.metrics["accuracy"] > 0.9
    assert run.metrics["val_accuracy"] == run.history[-1].val_accuracy > 0.8
    assert run.history[-1].loss < run.history[0].loss


@pytest.mark.parametrize("method", ["published_ce", "published_kd"])
def test_published_arms_report_what_they_trained_on(study, method):
    run = study.train(method, plan=study.plan("copied", train=10, copies=10), augment="rotation")
    count = 60 if method == "published_ce" else 48
    assert run.metrics["n_train"] == count and run.metrics["batch"] == 32
    assert run.metrics["steps"] == -(-7 * count // 32) == run.history[-1].step
    # 10 images of each class and their copies; the first 80 % sorted by class have 8 of the third class, but no copies
    assert run.metrics["n_train_unique"] == (30 if method == "published_ce" else 28)
    assert np.isfinite(run.logits).all()


def test_the_same_settings_give_the_same_bytes(study, tmp_path):
    recipe = replace(RECIPE, steps=6, checkpoint_every=2)
    first, again = (save(study.train("kd", recipe), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = save(study.train("kd", recipe, seed=1), tmp_path / "c")
    assert first[0].read_bytes() != other[0].read_bytes()


def test_results_are_complete_and_agree_with_each_other(study, tmp_path):
    weights, _, training, predictions, metrics = save(study.train("ce", replace(RECIPE, steps=6)), tmp_path / "run")
    found = json.loads(metrics.read_text())
    assert list(found) == [
        "scenario", "arm", "seed", "network", "parameters", "steps", "batch", "lr", "weight_decay", "augment",
        "n_train", "n_train_unique", "n_classes", "n_test", "accuracy", "by_source", "per_class", "val_accuracy",
    ]  # fmt: skip
    facts = json.loads(training.read_text())
    assert facts.pop("classes") == CLASSES and facts.items() <= found.items()
    table = pq.read_table(predictions)
    assert str(table.schema.field("logits").type) == "fixed_size_list<element: float>[3]"
    assert [str(table.schema.field(name).type) for name in ("source", "row", "label", "predicted")] == [
        "string", "int32", "int16", "int16",
    ]  # fmt: skip
    rows = table.to_pydict()
    assert len(rows["row"]) == found["n_test"] == 30
    correct = np.array(rows["label"]) == np.array(rows["predicted"])
    assert found["accuracy"] == correct.mean()
    assert (np.argmax(rows["logits"], axis=1) == rows["predicted"]).all()
    of_web = correct[np.array(rows["source"]) == "web"]
    assert found["by_source"]["web"] == {"accuracy": of_web.mean(), "n": 15}
    assert found["per_class"] == {
        name: correct[np.array(rows["label"]) == label].mean() for label, name in enumerate(CLASSES)
    }
    trained = load_weights(weights, CLASSES)
    assert (trained.name, trained.image_size, trained.kind, trained.steps) == ("resnet8_half", 16, "student", 6)


def test_augmented_copies_count_in_n_train_but_not_in_n_train_unique(study):
    plan = study.plan("some-copied", train=10, copies=5)
    metrics = study.train("ce", replace(RECIPE, steps=2), plan=plan, augment="color").metrics
    assert (metrics["n_train"], metrics["n_train_unique"], metrics["augment"]) == (45, 30, "color")


@pytest.mark.parametrize("method", ["ce", "kd", "published_kd"])
def test_a_scenario_of_fewer_classes_trains_and_predicts_only_those(study, method):
    plan = study.plan("two", classes=(0, 2))
    run = study.train(method, replace(RECIPE, steps=30), plan=plan)
    assert run.metrics["n_classes"] == 2 and list(run.metrics["per_class"]) == ["red", "blue"]
    assert run.logits.shape == (20, 3) and np.isneginf(run.logits[:, 1]).all()
    assert set(run.predicted) <= {0, 2}
    if method == "ce":
        assert run.metrics["accuracy"] > 0.9
        head = run.trained.network.network.head
        with loop.initialization(0):
            start = build_network("resnet8_half", 3).head
        torch.testing.assert_close(head.bias[1], start.bias[1])  # a class that is not trained on gets no gradient


def test_selected_classes_give_the_loss_over_those_classes_alone():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    two = select_classes(torch.tensor([1, 3]), 4)(logits)
    assert torch.equal(two, logits[:, [1, 3]])
    labels = torch.tensor([0, 1, 1, 0, 1])
    expected = -(torch.log(torch.softmax(logits[:, [1, 3]], 1))[range(5), labels]).mean()
    torch.testing.assert_close(cross_entropy(two, labels), expected)
    assert select_classes(torch.arange(4), 4)(logits) is logits


def test_a_plan_without_validation_has_no_validation_accuracy(study, tmp_path):
    plan = tmp_path / "plan.parquet"
    table = pq.read_table(study.plan())
    pq.write_table(table.filter(pc.not_equal(table["split"], "val")), plan)
    assert study.train("ce", replace(RECIPE, steps=3), plan=plan).metrics["val_accuracy"] is None


def test_the_digest_changes_with_code_and_arithmetic_but_not_with_the_interval_of_checkpoints(study, monkeypatch):
    def digest(every=0):
        study.train("kd", replace(RECIPE, checkpoint_every=every))
        return found[-1].digest

    found = []
    monkeypatch.setattr(
        student, "train", lambda *_, checkpoint, **__: found.append(checkpoint) or [HistoryRow(1, 0.0, 0.0, None)]
    )
    first = digest()
    assert digest(every=7) == first and found[-1].every == 7
    with monkeypatch.context() as patch:
        patch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
        assert digest() != first
    monkeypatch.setattr(hardware, "has_bfloat16", lambda device: not has_bfloat16(device))
    assert digest() != first
    monkeypatch.setattr(hardware, "has_bfloat16", has_bfloat16)
    monkeypatch.setattr(checkpoints, "code_version", lambda: "after an update")
    assert digest() != first


@pytest.mark.parametrize("method", ["kd", "published_kd"])
def test_a_run_repeated_with_other_test_images_trains_nothing(study, tmp_path, monkeypatch, method):
    """This happens if a search has the same result again or a test set is added. Other validation images retrain."""
    recipe, folder, steps = replace(RECIPE, steps=6), tmp_path / "checkpoints", []
    first = save(study.train(method, recipe, checkpoints=folder), tmp_path / "a")
    inner = loop.make_views
    monkeypatch.setattr(loop, "make_views", lambda *given: steps.append(1) or inner(*given))
    again = save(study.train(method, recipe, checkpoints=folder), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]

    fewer = save(study.train(method, recipe, checkpoints=folder, tested=["drawn"]), tmp_path / "c")
    assert json.loads(fewer[-1].read_text())["n_test"] == 15
    assert [path.read_bytes() for path in fewer[:3]] == [path.read_bytes() for path in first[:3]]
    assert not steps
    table = pq.read_table(study.plan())
    pq.write_table(table.filter(pc.not_equal(table["split"], "val")), tmp_path / "plan.parquet")
    study.train(method, recipe, tmp_path / "plan.parquet", checkpoints=folder)
    assert steps


def test_the_digest_changes_with_everything_that_determines_a_training(study, tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(student, "train", lambda *_, checkpoint, **__: found.append(checkpoint.digest) or [])
    data, other = study.data(), tmp_path / "other.safetensors"
    trained = load_weights(study.teacher)
    with torch.no_grad():
        next(trained.network.parameters())[0] += 1e-3
    save_weights(other, trained)
    pixels, labels = data.train.pixels.clone(), data.train.labels.clone()
    pixels[3, 1, 5, 7] += 1
    labels[4] = (labels[4] + 1) % 3
    cases = [
        {}, {"seed": 1}, {"teacher_path": other}, {"keep_weights": False},
        {"arm": arm_of(arm_defaults("kd") | {"alpha": 0.5})},
        {"arm": arm_of({"method": "ce"})}, {"arm": arm_of(arm_defaults("hard_teacher"))},
        *({"recipe": replace(RECIPE, **change)} for change in ({"lr": 0.05}, {"ema": 0.9}, {"network": "resnet8"})),
        *({"data": replace(data, train=replace(data.train, **change))}
          for change in ({"pixels": pixels}, {"labels": labels})),
        {"data": replace(data, val=data.train)}, {"data": study.data(study.plan("two", classes=(0, 1)))},
        {"data": replace(data, trained_classes=torch.tensor([0, 1]))},
        {"data": replace(data, classes=("red", "green", "gray")), "arm": arm_of({"method": "ce"})},
    ]  # fmt: skip
    arm = arm_of(arm_defaults("kd"))
    usual = {"data": data, "arm": arm, "recipe": RECIPE, "teacher_path": study.teacher, "seed": 0}
    usual |= {"checkpoints": tmp_path, "device": torch.device("cpu"), "label": "x"}
    for case in cases:
        student.fit_student(**usual | case)
    assert len(set(found)) == len(cases)
    for library in (torch, np):
        with monkeypatch.context() as patch:
            patch.setattr(library, "__version__", "9.9.9")
            student.fit_student(**usual)
        assert found[-1] not in found[:-1]


def test_an_unknown_method_or_setting_gives_a_one_line_error():
    with pytest.raises(UserError, match="method 'dark' is unknown; choose one of ce, label_smoothing, kd"):
        arm_of({"method": "dark"})
    with pytest.raises(UserError, match="kd has no beta; it has alpha, temperature"):
        arm_of({"method": "kd", "beta": 1})


def test_a_teacher_of_other_classes_gives_an_error_and_scratch_needs_no_teacher(study, tmp_path):
    network = NormalizedModel(build_network("resnet8_half", 2), torch.zeros(3), torch.ones(3))
    path = tmp_path / "teacher.safetensors"
    save_weights(path, TrainedNetwork(network, "resnet8_half", ("cat", "dog"), 16, "teacher", 1))
    with pytest.raises(UserError, match="are for classes cat, dog, not red, green, blue. Delete it"):
        study.train("kd", replace(RECIPE, steps=2), teacher=path)
    study.train("ce", replace(RECIPE, steps=2), teacher=path)


@pytest.mark.parametrize("method", ["kd", "published_kd"])
def test_a_teacher_of_another_image_size_gives_an_error_and_scratch_needs_no_teacher(study, tmp_path, method):
    network = NormalizedModel(build_network("resnet8_half", 3), torch.zeros(3), torch.ones(3))
    path = tmp_path / "teacher.safetensors"
    save_weights(path, TrainedNetwork(network, "resnet8_half", tuple(CLASSES), 32, "teacher", 1))
    with pytest.raises(
        UserError, match="was trained on images of 32 pixels, but the students' have 16. Delete it and run"
    ):
        study.train(method, replace(RECIPE, steps=2), teacher=path)
    study.train("ce", replace(RECIPE, steps=2), teacher=path)
