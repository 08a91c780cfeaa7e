"""The forecast of a study's time, for the published study's configuration and given speeds."""

import pytest
from running import ROOT

from distillery.config.queries.study_work import speed_request_of, work_of
from distillery.config.reading import check_config, read_config
from distillery.storage.retrieved.source_checks import SourceCheck
from distillery.terminal.forecast import forecast

SPEED = {"device": "NVIDIA H200", "start": 5.0, "scratch_step": 0.0015, "kd_step": 0.002, "teacher_step": 0.005}
H200, CPU = SPEED | {"flops": 7.0e14}, SPEED | {"flops": 2.0e11, "scratch_step": 0.16, "kd_step": 0.2, "device": "CPU"}


@pytest.fixture(scope="module")
def config():
    return read_config(ROOT / "config.yaml")


def lines(config, checks, speed, gpus):
    study = check_config(config, without_gpu=not gpus)
    text = forecast(work_of(study, gpus=gpus, without_gpu=not gpus), checks, speed)
    return {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")} | {"": text}


def test_the_whole_study_on_one_gpu(config):
    found = lines(config, [], H200, 1)
    # Google's and Bing's images at the same time; 852 trainings, of which those of an arm share a start
    assert "3.6 h  13,000 images of google and 13,000 images of bing" in found["crawling"]
    assert "35,600 images of sd2, sd3, sd2_varied, sd3_varied, sd2_kept" in found["generating"]
    assert 2.5 < float(found["generating"].split()[1]) < 3.6  # three hours were measured on such a GPU
    assert "the teacher (resnet18) and 852 trainings of resnet8x4, whose step takes 1.5 and 2.0 ms" in found["training"]
    assert found["training"].split()[2] == "min" and 45 < float(found["training"].split()[1]) < 75
    assert "contact is empty" in found[""]


def test_without_a_gpu_it_says_what_is_left_to_one_and_takes_other_networks(config):
    refused = [SourceCheck(name, "refused", "no GPU") for name in ("sd2", "sd2_varied", "sd2_kept")]
    refused += [SourceCheck(name, "refused", "no token") for name in ("sd3", "sd3_varied")]
    refused += [SourceCheck("google", "refused", "captcha"), SourceCheck("commons", "refused", "no contact")]
    found = lines(config, refused, CPU, 0)
    assert "google" not in found["crawling"] and "commons" not in found["crawling"]
    assert "left to a GPU: sd2 (on this CPU about" in found["generating"] and "days" in found["generating"]
    # small_bing and large_bing with five arms and two grids, small_openverse with two arms and one
    assert "(convnet_m) and 126 trainings of convnet_s" in found["training"]
    assert "networks for a machine without a GPU" in found["training"] and " no GPU)" in found[""]


def test_the_demonstration_waits_for_no_site_and_its_model_is_small(monkeypatch):
    monkeypatch.chdir(ROOT / "demo")
    found = lines(read_config(ROOT / "demo" / "config.yaml"), [], CPU, 0)
    assert "30 s  750 images of google and 750 images of bing, imitated on this machine" in found["crawling"]
    amount, unit = found["generating"].split()[1:3]
    assert unit == "s" and float(amount) < 20
    assert "contact is empty" not in found[""]


def test_the_speed_request_has_the_networks_that_the_study_trains(config):
    asked = speed_request_of(check_config(config, without_gpu=True))
    assert (asked.teacher["network"], asked.student["network"]) == ("convnet_m", "convnet_s")
    assert asked.student["steps"] == 1000 and asked.student["batch"] == 128  # other keys are unchanged


@pytest.mark.parametrize(
    ("teacher", "networks"),
    [
        (
            {"kind": "zero_shot", "zero_shot": {"model": "openai/clip-vit-base-patch32"}},
            [("timm/vit_base_patch32_224", 224)],
        ),
        (
            {"kind": "zero_shot", "zero_shot": {"model": "google/siglip-base-patch16-224"}},
            [("timm/vit_base_patch16_224", 224)],
        ),
        (
            {"kind": "checkpoint", "checkpoint": {"model": "a.safetensors", "network": "timm/resnet50"}},
            [("timm/resnet50", 224)],
        ),
        ({"kind": "checkpoint", "checkpoint": {"model": "a.onnx"}}, []),
    ],
)
def test_the_outputs_of_a_teacher_that_is_not_trained_are_timed_or_named_as_left_out(teacher, networks):
    study = {
        "classes": {"cat": {}, "dog": {}},
        "sources": {"mine": {"kind": "folder", "path": "images"}},
        "split": {"test": {"mine": 4}},
        "teacher": teacher,
        "scenarios": {"small": {"train": {"mine": 2}}},
    }
    assert speed_request_of(check_config(study)).adopted == networks
    speed = CPU | {"kd_step": 0.9} if networks else CPU | {"kd_step": CPU["scratch_step"]}
    text = lines(study, [], speed, 0)["training"]
    assert "12 trainings of resnet8x4" in text and "the teacher (" not in text
    assert ("the teacher's outputs take time too" in text) == (not networks)
