"""Sampling: batches, compilation, prompt embeddings and failures.

Tests marked slow import diffusers (20 s the first time) and run tiny, random Stable Diffusion 2 and 3 pipelines.
"""

import io
from dataclasses import replace

import numpy as np
import pytest
from fake_generation import CAT, SOURCE, FakePipeline, images_of, pools_of
from PIL import Image

from distillery.generation import diffusion, sampling
from distillery.generation.image_plan import plan_image
from distillery.generation.models import diffusion_models
from distillery.generation.models.diffusion_models import DiffusionSettings
from distillery.generation.prompts import ImagePrompt
from distillery.generation.sampling import why_unusable


def test_flagged_images_are_failures(fake, tmp_path):
    record = plan_image(DiffusionSettings.of(SOURCE), "sd", "cat", CAT, 0, 0)
    finished, data = sampling.finish_image(record, np.random.default_rng(0).random((8, 8, 3)), True, 95)
    assert data is None and finished.failure == "flagged by the safety checker"


def test_out_of_memory_halves_the_batch(monkeypatch, tmp_path):
    import torch

    class Small(FakePipeline):
        def __call__(self, *, prompt, **settings):
            if len(prompt) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return super().__call__(prompt=prompt, **settings)

    pipeline = Small()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    small = pools_of(tmp_path / "a", {**SOURCE, "batch": 6})
    assert [len(prompts) for prompts, _ in pipeline.calls] == [1] * 6
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: FakePipeline())
    assert images_of(small) == images_of(pools_of(tmp_path / "b", {**SOURCE, "batch": 6}))


def test_noise_and_a_gradient_are_usable():
    assert why_unusable(np.random.default_rng(0).random((8, 8, 3))) == ""
    assert why_unusable(np.linspace(0, 1, 8)[None, :, None] * np.ones((8, 8, 3))) == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
def test_the_seed_decides_the_bytes(tiny, tmp_path, kind):
    first = images_of(pools_of(tmp_path / "a", tiny[kind]))
    assert images_of(pools_of(tmp_path / "b", tiny[kind])) == first
    others = images_of(pools_of(tmp_path / "c", tiny[kind], seed=1))
    assert not set(first.values()) & set(others.values())
    assert len(set(first.values())) == 6
    for data in first.values():
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (32, 32), "RGB")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
def test_an_image_depends_on_its_batch_by_rounding_alone(tiny, kind):
    # measured on the CPU: at most 2e-6 in [0, 1]; half a level of 255 is 2e-3
    settings = DiffusionSettings.of(tiny[kind])
    pipeline = diffusion_models.load_pipeline(settings)
    records = [plan_image(settings, "sd", "cat", ImagePrompt(f"a cat {i}", 2.0), i, 0) for i in range(4)]
    batched, _ = sampling.run_batch(pipeline, records)
    alone = np.concatenate([sampling.run_batch(pipeline, [record])[0] for record in records])
    assert batched.shape == (4, 32, 32, 3)
    assert np.abs(batched - alone).max() < 1e-4
    assert np.abs(batched[0] - batched[1]).max() > 0.05


@pytest.fixture
def compiler(monkeypatch):
    """Replaces the compiler, which takes minutes, by a function that turns traced graphs into code."""
    import torch

    inner, graphs = torch.compile, []

    def use(backend):
        def traced(graph, inputs):
            graphs.append(graph)
            return backend(graph)

        monkeypatch.setattr(torch, "compile", lambda function, **ways: inner(function, backend=traced, **ways))
        return graphs

    yield use
    torch.compiler.set_stance("default")
    torch.compiler.reset()


def cats(settings, count):
    return [plan_image(settings, "sd", "cat", ImagePrompt(f"a cat {i}", 2.0), i, 0) for i in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
def test_a_compiled_model_gives_the_same_images(tiny, compiler, kind):
    graphs = compiler(lambda graph: graph.forward)
    settings = DiffusionSettings.of(tiny[kind])
    plain, compiled = (
        sampling.run_batch(diffusion_models.load_pipeline(replace(settings, compile=way)), cats(settings, 2))[0]
        for way in (False, True)
    )
    assert np.abs(plain - compiled).max() < 1e-4  # as between batches
    assert len(graphs) >= 2  # for the denoiser and the decoder


@pytest.mark.slow
def test_a_model_that_cannot_be_compiled_runs_uncompiled(tiny, compiler, caplog):
    def fail(graph):
        raise RuntimeError("Failed to find C compiler.\nPlease specify one")

    compiler(fail)
    settings = replace(DiffusionSettings.of(tiny["sd2"]), compile=True)
    made = list(sampling.generate_images(diffusion_models.load_pipeline(settings), cats(settings, 2), settings))
    assert [record.failure for record, data in made if data] == ["", ""]
    (message,) = [line.message for line in caplog.records if "cannot be compiled" in line.message]
    assert "Failed to find C compiler. Please specify one); going on uncompiled, slower" in message


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_each_text_is_encoded_once_and_gives_the_same_image(tiny, monkeypatch, kind, guidance):
    import torch

    pipeline = diffusion_models.load_pipeline(DiffusionSettings.of(tiny[kind]))
    # at quality 100 a JPEG's coefficients have steps of 1; at 95 one level of rounding can become more than 4 levels
    source = {**tiny[kind], "guidance": guidance, "negative_prompt": "text", "quality": 100}
    encoded = []
    encode = type(pipeline).encode_prompt

    def spy(self, prompt, *args, **settings):
        encoded.extend(prompt or [])
        return encode(self, prompt, *args, **settings)

    monkeypatch.setattr(type(pipeline), "encode_prompt", spy)
    settings = DiffusionSettings.of(source)
    prompts = [ImagePrompt(text, guidance) for text in ("a cat", "a tabby cat", "a cat", "a cat", "a tabby cat")]
    records = [plan_image(settings, "sd", "cat", prompt, i, 0) for i, prompt in enumerate(prompts)]
    found = dict(sampling.generate_images(pipeline, records, replace(settings, batch=2)))
    assert sorted(encoded) == sorted({"a cat", "a tabby cat"} | ({"text"} if guidance > 1 else set()))
    with torch.inference_mode():
        for record, data in found.items():
            plain = pipeline(
                prompt=record.prompt, negative_prompt="text", height=32, width=32, num_inference_steps=record.steps,
                guidance_scale=guidance, generator=torch.Generator("cpu").manual_seed(record.seed), output_type="np",
            ).images[0]  # fmt: skip
            alone, _ = sampling.run_batch(pipeline, [record])
            assert np.abs(alone[0] - plain).max() < 1e-4
            images = (data, sampling.finish_image(record, plain, False, settings.quality)[1])
            one, other = (np.asarray(Image.open(io.BytesIO(image)), int) for image in images)
            assert np.abs(one - other).max() <= 4


@pytest.mark.slow
def test_the_prompt_the_negative_prompt_and_the_scheduler_reach_the_image(tiny):
    settings = DiffusionSettings.of(tiny["sd2"])
    record = plan_image(settings, "sd", "cat", CAT, 0, 0)
    pipeline = diffusion_models.load_pipeline(settings)

    def image(pipeline=pipeline, **change):
        return sampling.run_batch(pipeline, [replace(record, **change)])[0]

    other = diffusion_models.load_pipeline(replace(settings, scheduler="DPMSolverMultistepScheduler"))
    changed = [image(prompt="a dog"), image(negative_prompt="text"), image(other), image(guidance=5.0)]
    assert all(np.abs(image() - one).max() > 1e-4 for one in changed)


def test_provenance_names_the_commit_that_a_branch_was_and_the_image_stays_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: FakePipeline())
    branch = {**SOURCE, "revision": ""}
    unknown = pools_of(tmp_path / "a", branch)
    monkeypatch.setattr(sampling, "commit_of", lambda model, revision: "7" * 40)
    known = pools_of(tmp_path / "b", branch)
    assert {record.revision for entries in known.values() for record, _ in entries} == {"7" * 40}
    assert {record.revision for entries in unknown.values() for record, _ in entries} == {""}
    assert images_of(known) == images_of(unknown)
    assert pools_of(tmp_path / "b", branch) == known  # found in the store although the commit is not in the settings
