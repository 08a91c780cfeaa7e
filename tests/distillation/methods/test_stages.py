"""Stages of equal size are compared, and training an adapter changes nothing that all arms share."""

from dataclasses import replace

import pytest
import torch
from tiny_study import RECIPE

from distillery.distillation import objective
from distillery.distillation.methods.stages import HintAdapter, pair_stages, stage_shapes
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network


@pytest.mark.parametrize(
    ("student", "teacher", "pairs"),
    [
        ((32, 16, 8), (32, 16, 8, 4), [(0, 0), (1, 1), (2, 2)]),
        ((15, 7, 3), (32, 16, 8, 4), [(0, 1), (1, 2), (2, 3)]),
        ((32, 16, 8), (15, 7, 3), [(1, 0), (2, 1)]),
        ((8, 8, 4), (8, 4, 4), [(1, 0), (2, 2)]),  # of several stages of one size, the last is paired
    ],
)
def test_stages_of_similar_size_are_paired(student, teacher, pairs):
    assert pair_stages(student, teacher) == pairs


def test_networks_without_similar_stages_are_refused():
    with pytest.raises(UserError, match="student have 32, 16 pixels a side, those of the teacher 7") as error:
        pair_stages((32, 16), (7,))
    assert "\n" not in str(error.value)


def test_a_hint_adapter_maps_the_middle_stage_to_the_teachers_channels():
    student, teacher = (
        NormalizedModel(build_network(name, 3), torch.zeros(3), torch.ones(3)) for name in ("resnet8", "resnet18")
    )
    before = {name: value.clone() for name, value in student.state_dict().items()}
    shapes = [stage_shapes(network, 16) for network in (student, teacher)]
    adapter = HintAdapter(*shapes)
    views = torch.rand(2, 3, 16, 16)
    (guided,), (hint,) = adapter(student.eval().outputs(views)[1], teacher.eval().outputs(views)[1])
    assert guided.shape == hint.shape == (2, 128, 8, 8)
    assert all(torch.equal(before[name], value) for name, value in student.state_dict().items())


def test_an_adapter_is_trained(study, monkeypatch):
    made = []
    inner = objective.make_adapter

    def make_adapter(*arguments):
        made.append(inner(*arguments))
        made.append({name: value.detach().clone() for name, value in made[0].named_parameters()})
        return made[0]

    monkeypatch.setattr("distillery.distillation.student.make_adapter", make_adapter)
    study.train("fitnet", replace(RECIPE, steps=4))
    adapter, before = made
    assert not any(torch.equal(before[name], value) for name, value in adapter.named_parameters())


def test_a_training_with_an_adapter_resumes_to_the_same_bits(study, tmp_path, monkeypatch):
    recipe = replace(RECIPE, steps=12, checkpoint_every=5)
    whole = study.train("fitnet", recipe)
    folder = tmp_path / "checkpoints"

    def full_disk(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("distillery.training.loop.Checkpoint.finish", full_disk)
        with pytest.raises(KeyboardInterrupt):
            study.train("fitnet", recipe, checkpoints=folder)
    resumed = study.train("fitnet", recipe, checkpoints=folder)
    assert (whole.logits == resumed.logits).all()
    assert [row.loss for row in whole.history] == [row.loss for row in resumed.history]
