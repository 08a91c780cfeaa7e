"""Generated images have complete provenance and are repeatable; only missing ones are generated; failures are replaced.

These tests run a pipeline in numpy.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_generation import CAT, CLASSES, SOURCE, FakePipeline, images_of, pools_of
from hypothesis import given
from hypothesis import strategies as st

from distillery.generation import diffusion, sampling
from distillery.generation.diffusion import generate_share
from distillery.generation.image_plan import plan_image
from distillery.generation.models.diffusion_models import DiffusionSettings
from distillery.generation.prompts import ImagePrompt
from distillery.jobs import UserError
from distillery.storage.retrieved.pools import write_pool


def test_prompts_are_used_in_turn_and_provenance_is_complete(fake, tmp_path):
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
    # neither the batch size nor the number of images changes an image
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


def test_a_new_prompt_makes_only_its_own_images_new(fake, tmp_path):
    pools_of(tmp_path)
    changed = {**CLASSES, "cat": {"prompts": ["a cat", "a black cat"]}}
    pools_of(tmp_path, classes=changed)
    assert [prompts for prompts, _ in fake.calls[2:]] == [["a black cat"]]


def test_a_killed_job_resumes(monkeypatch, tmp_path):
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
def test_several_jobs_make_the_same_images_as_one(fake, tmp_path, shares):
    source = {**SOURCE, "per_class": 5, "batch": 2}
    made = [generate_share(source, "sd", CLASSES, tmp_path / "a", 0, share, shares) for share in range(shares)]
    assert sorted(len(records) for records in made) == ([4, 6] if shares == 2 else [2, 4, 4])
    calls = len(fake.calls)
    pools = pools_of(tmp_path / "a", source)
    assert len(fake.calls) == calls  # no image is missing
    assert {record.key for records in made for record in records} == {
        record.key for e in pools.values() for record, _ in e
    }
    assert images_of(pools) == images_of(pools_of(tmp_path / "b", source))
    assert generate_share(source, "sd", CLASSES, tmp_path / "a", 0, 0, shares) == made[0]


def test_failures_of_a_share_are_replaced_at_the_end(monkeypatch, tmp_path):
    pipeline = FakePipeline(lambda prompt, call: 0.0 if prompt == "a tabby cat" else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    made = [generate_share(SOURCE, "sd", CLASSES, tmp_path, 0, share, 2) for share in (0, 1)]
    assert [[record.failure for record in records if record.label == "cat"] for records in made] == [
        ["", ""],
        ["black"],
    ]
    assert [record.failure for record, _ in pools_of(tmp_path)["cat"]] == ["", "black", "", "black", ""]


@pytest.mark.parametrize(("value", "reason"), [(0.0, "black"), (0.5, "flat"), (np.nan, "not a number")])
def test_unusable_images_are_replaced(monkeypatch, tmp_path, value, reason):
    pipeline = FakePipeline(lambda prompt, call: value if prompt == "a tabby cat" else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    pools = pools_of(tmp_path)
    assert [record.failure for record, _ in pools["cat"]] == ["", reason, "", reason, ""]
    assert [data is None for _, data in pools["cat"]] == [False, True, False, True, False]
    assert [record.rank for record, _ in pools["cat"]] == [0, 1, 2, 3, 4]
    calls = len(pipeline.calls)
    assert pools_of(tmp_path) == pools  # failures are stored, not tried again
    assert len(pipeline.calls) == calls


def test_a_class_with_many_failures_stays_short_and_a_model_with_only_failures_is_an_error(monkeypatch, tmp_path):
    often = FakePipeline(lambda prompt, call: 0.0 if prompt == "a dog" and call > 0 else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: often)
    pools = pools_of(tmp_path / "a", {**SOURCE, "per_class": 3})
    assert [sum(data is not None for _, data in pools[label]) for label in CLASSES] == [3, 1]
    assert len(pools["dog"]) == 3 + 8  # failures allowed: a quarter of the requested images, at least 8
    black = FakePipeline(lambda prompt, call: 0.0)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: black)
    with pytest.raises(UserError, match="mostly because: black.*dtype"):
        pools_of(tmp_path / "b", {**SOURCE, "per_class": 500})
    sampled = sum(len(prompts) for prompts, _ in black.calls)
    assert sampled <= diffusion.MAX_FAILURES + sampling.CPU_BATCH  # the next batch is sampled while one is checked


@pytest.mark.parametrize("per_class", [2, 20])  # all images are tried; generation stops before all are tried
def test_failures_of_a_broken_machine_are_not_stored(monkeypatch, tmp_path, per_class):
    source = {**SOURCE, "per_class": per_class}
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: FakePipeline(lambda prompt, call: np.nan))
    failed = generate_share(source, "sd", CLASSES, tmp_path, 0, 1, 2)
    assert {record.failure for record in failed} == {"not a number"}
    with pytest.raises(UserError, match="mostly because: not a number") as error:
        pools_of(tmp_path, source)
    assert "\n" not in str(error.value) and not list(tmp_path.rglob("*.json"))
    late = FakePipeline(
        lambda prompt, call: np.nan if call == 0 else None
    )  # another machine can generate what this one could not
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: late)
    first = pools_of(tmp_path, source)
    assert any(record.failure for record, _ in first["cat"])
    assert all(sum(data is not None for _, data in entries) == per_class for entries in first.values())
    calls = len(late.calls)
    assert pools_of(tmp_path, source) == first and len(late.calls) == calls


def test_the_error_names_a_class_without_prompts(tmp_path):
    with pytest.raises(UserError, match="class eel has no prompts"):
        pools_of(tmp_path, classes={"eel": {"prompts": []}})


CHANGES = {
    "model": "b",
    "revision": "c",
    "steps": 3,
    "size": 24,
    "scheduler": "X",
    "negative_prompt": "n",
}


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_of_the_image_changes_its_noise(key):
    settings = DiffusionSettings.of(SOURCE)
    changed = replace(settings, **{key: CHANGES[key]})
    one, other = (plan_image(s, "sd", "cat", CAT, 0, 0) for s in (settings, changed))
    assert one.seed != other.seed and one.origin != other.origin


@pytest.mark.parametrize("change", [{"dtype": "float16"}, {"components": ("text_encoder_3",)}, {"quality": 80}])
def test_settings_of_computing_and_storing_change_the_identity_alone(change):
    settings = DiffusionSettings.of(SOURCE)
    one, other = (plan_image(s, "sd", "cat", CAT, 0, 0) for s in (settings, replace(settings, **change)))
    assert one.seed == other.seed and one.origin != other.origin


IMAGES = st.tuples(
    st.text(max_size=9),
    st.builds(ImagePrompt, st.text(max_size=9), st.floats(0, 9)),
    st.integers(0, 99),
    st.integers(0, 99),
)


@given(IMAGES, IMAGES)
def test_seeds_differ_where_class_prompt_guidance_number_or_study_differ(first, second):
    one, two, again = (plan_image(DiffusionSettings.of(SOURCE), "sd", *what) for what in (first, second, first))
    assert one == again
    assert (one.seed == two.seed) == (one.origin == two.origin) == (first == second)
    assert 0 <= one.seed < 2**63


def test_without_missing_images_neither_torch_nor_diffusers_is_imported(fake, tmp_path):
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
