"""The measured speed of the study's networks has all steps that it should; no test asserts a time."""

import json
from dataclasses import replace

import pytest
from running import ROOT

from distillery.config.queries.study_work import speed_request_of
from distillery.config.reading import load_config
from distillery.distillation.training_speed import time_training, write_training_speed


def test_a_teacher_that_is_not_trained_adds_its_outputs_to_a_distilled_step():
    study = load_config(ROOT / "demo" / "config.yaml")
    request = replace(speed_request_of(study), teacher={}, adopted=[("resnet8", 32)])
    speed = time_training(request, threads=1)
    assert speed["kd_step"] > speed["scratch_step"] > 0 == speed["teacher_step"]


@pytest.mark.slow
def test_every_step_is_timed(tmp_path):
    study = load_config(ROOT / "demo" / "config.yaml")
    speed = time_training(speed_request_of(study), threads=1)
    assert all(speed[key] > 0 for key in ("start", "scratch_step", "kd_step", "teacher_step", "flops"))
    assert speed["networks"] == ["resnet8", "resnet8_half"]
    write_training_speed(tmp_path / "speed.json", speed)
    assert json.loads((tmp_path / "speed.json").read_text()) == speed
