"""Pipelines for tests: one in numpy, and tiny ones of diffusers with random weights."""

import pytest
from fake_generation import DEFAULTS, FakePipeline

from distillery.generation import diffusion


@pytest.fixture
def fake(monkeypatch):
    pipeline = FakePipeline()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    return pipeline


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sources of both architectures, by name. They run on one thread, because their layers are too small for more."""
    import torch

    from distillery_demo.pipelines import build_stable_diffusion_2, build_stable_diffusion_3

    root = tmp_path_factory.mktemp("pipelines")
    build_stable_diffusion_2(root / "sd2", seed=0, size=32)
    build_stable_diffusion_3(root / "sd3", seed=0, size=32)
    common = DEFAULTS | {"per_class": 3, "size": 32, "steps": 2, "guidance": 2.0}
    without_t5 = {"components": ["text_encoder_3", "tokenizer_3"]}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {
        "sd2": {**common, "model": str(root / "sd2")},
        "sd3": {**common, "model": str(root / "sd3"), **without_t5},
    }
    torch.set_num_threads(threads)
