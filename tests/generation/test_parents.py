"""Images that start from train images of another source: choice of parents, provenance, repeatability."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_generation import CLASSES, SOURCE, FakePipeline, colored
from PIL import Image

from distillery.generation import diffusion
from distillery.generation.diffusion import generate, generate_share
from distillery.generation.image_plan import plan_image
from distillery.generation.models.diffusion_models import DiffusionSettings
from distillery.generation.parents import ParentImages, parents_of_job, read_starts, train_images_of
from distillery.generation.prompts import LEVELS, ImagePrompt, prompt_for
from distillery.generation.remake import remake, shard_of_parent
from distillery.jobs import UserError
from distillery.splits.refused_sources import write_refusals
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import write_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool

VARIED = SOURCE | {"from": {"source": "web", "strength": [0.5, 1.0]}, "per_class": 5}
SPLIT = ["train", "test", "train", "val", "unused", "train", "linking"]  # of each class's images, by rank


class VaryingPipeline(FakePipeline):
    """A pipeline that returns its start images with a little noise from its generators."""

    side = 16

    def __call__(self, *, prompt, image, strength, generator, **settings):
        sizes = {"height": self.side, "width": self.side}
        made = super().__call__(prompt=prompt, generator=generator, strength=strength, **sizes, **settings)
        made.images = np.stack([np.asarray(one, float) / 255 for one in image]) * 0.98 + made.images * 0.02
        return made


@pytest.fixture
def web(tmp_path):
    """Write a source's pools and splits; returns the keys of its images by class, in the order of `SPLIT`."""
    keys, rows = {}, []
    for n, label in enumerate(CLASSES):
        entries = []
        for i in range(len(SPLIT)):
            data = colored(len(SPLIT) * n + i)
            record = ImageRecord("web", label, "urls", f"{label}{i}", key=image_key(data))
            entries.append((replace(record, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)), data))
        (tmp_path / "web").mkdir(exist_ok=True)
        write_pool(tmp_path / "web" / f"{label}.tar", tmp_path / "web" / f"{label}.jsonl", entries)
        keys[label] = [record.key for record, _ in entries]
        rows += [("web", i, label, n, key, i, SPLIT[i], i) for i, key in enumerate(keys[label])]
    names = ("source", "row", "class", "label", "key", "group", "split", "rank")
    write_parquet(tmp_path / "splits.parquet", dict(zip(names, zip(*rows, strict=True), strict=True)), SPLITS_SCHEMA)
    write_refusals(tmp_path / "refusals.json", {})
    return keys


def parents_in(folder, labels=CLASSES):
    shards = [folder / "web" / f"{label}.tar" for label in labels]
    return train_images_of("web", list(labels), folder / "splits.parquet", folder / "refusals.json", shards)


@pytest.fixture
def varying(monkeypatch):
    pipeline = VaryingPipeline()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    return pipeline


def test_parents_are_train_images_alone_taken_in_turn(web, tmp_path):
    parents = parents_in(tmp_path)
    train = [i for i, split in enumerate(SPLIT) if split == "train"]
    for label in CLASSES:
        assert parents.keys[label] == [web[label][i] for i in train]
        assert [parents.key_of(label, i) for i in range(7)] == [web[label][train[i % 3]] for i in range(7)]


def test_each_image_names_its_parent_and_starts_from_it(web, tmp_path, varying):
    parents = parents_in(tmp_path)
    pools = dict(generate(VARIED, "varied", CLASSES, tmp_path / "store", 0, parents))
    for label, entries in pools.items():
        assert len(entries) == 5
        for record, data in entries:
            assert (record.parent_source, record.parent) == ("web", parents.key_of(label, record.rank))
            made = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)
            (start,) = read_starts([record], parents.shards)
            assert made.shape == (16, 16, 3) and np.abs(made - np.asarray(start, int)).mean() < 8
    called = [settings["strength"] for _, settings in varying.calls]
    made = {record.strength for entries in pools.values() for record, _ in entries}
    assert set(called) == made and called == sorted(called)  # each call has one strength
    calls = len(varying.calls)
    assert dict(generate(VARIED, "varied", CLASSES, tmp_path / "store", 0, parents)) == pools  # from the store
    assert len(varying.calls) == calls


def test_shares_make_the_images_that_one_job_makes(web, tmp_path, varying):
    parents = parents_in(tmp_path)
    for share in (0, 1):
        generate_share(VARIED, "varied", CLASSES, tmp_path / "a", 0, share, 2, parents)
    calls = len(varying.calls)
    shared = dict(generate(VARIED, "varied", CLASSES, tmp_path / "a", 0, parents))
    assert len(varying.calls) == calls
    alone = dict(generate(VARIED, "varied", CLASSES, tmp_path / "b", 0, parents))
    assert [r.key for r, _ in shared["cat"]] == [r.key for r, _ in alone["cat"]]


def test_another_parent_or_strength_is_another_image_and_without_a_parent_nothing_changes():
    settings, prompt = DiffusionSettings.of(SOURCE), ImagePrompt("a cat", 7.0, 0.5)
    plans = [
        plan_image(settings, "sd", "cat", prompt, 0, 0, ("web", "a")),
        plan_image(settings, "sd", "cat", prompt, 0, 0, ("web", "b")),
        plan_image(settings, "sd", "cat", replace(prompt, strength=0.6), 0, 0, ("web", "a")),
        plan_image(settings, "sd", "cat", ImagePrompt("a cat", 7.0), 0, 0),
    ]
    assert len({plan.seed for plan in plans}) == len({plan.origin for plan in plans}) == 4
    # recorded before sources could have parents: other seeds would generate all images of finished studies again
    assert plans[-1].seed == 1849435883425879688 and plans[-1].origin == "04c9074c91f987e590d778ef2c5a6fbb"


def test_strengths_are_even_steps_of_the_range_and_change_no_guidance():
    source = VARIED | {"guidance": [1.5, 4.0]}
    drawn = [prompt_for(source, "cat", CLASSES["cat"], i, 0) for i in range(300)]
    assert sorted({prompt.strength for prompt in drawn}) == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] and LEVELS == 6
    plain = {key: value for key, value in source.items() if key != "from"}
    without = [prompt_for(plain, "cat", CLASSES["cat"], i, 0) for i in range(300)]
    assert [replace(prompt, strength=-1.0) for prompt in drawn] == without


def test_a_class_that_the_parent_s_source_refused_is_refused_too(web, tmp_path, varying):
    write_refusals(tmp_path / "refusals.json", {"web": {"dog": "captcha"}})
    pools = dict(generate(VARIED, "varied", CLASSES, tmp_path / "store", 0, parents_in(tmp_path)))
    ((refused, data),) = pools["dog"]
    assert refused.failure == "refused: parent refused" and data is None and len(pools["cat"]) == 5
    assert generate_share(VARIED, "varied", CLASSES, tmp_path / "store", 0, 1, 2, parents_in(tmp_path)) == [
        record for record, _ in pools["cat"] if record.rank % 2
    ]


def test_a_class_without_train_images_and_a_lost_pool_end_in_one_line(web, tmp_path):
    rows = {name: [] for name in SPLITS_SCHEMA.names}
    write_parquet(tmp_path / "splits.parquet", rows, SPLITS_SCHEMA)
    with pytest.raises(UserError, match="source web: class cat has no train images to start from. Retrieve more"):
        parents_in(tmp_path)
    record = ImageRecord("varied", "cat", "diffusion", "x", size=16, parent_source="web", parent="0" * 16)
    with pytest.raises(UserError, match="cat.tar has no image 0000000000000000, which is needed to start from"):
        read_starts([record], {"cat": tmp_path / "web" / "cat.tar"})
    with pytest.raises(UserError, match="eel.tar does not exist"):
        read_starts([replace(record, label="eel")], {"eel": tmp_path / "eel.tar"})
    assert parents_of_job(SOURCE, ["cat"], {}) is None


def test_the_parent_s_pool_is_found_beside_the_image_s():
    record = ImageRecord("varied", "cat", "diffusion", "x", parent_source="web", parent="0" * 16)
    assert shard_of_parent(Path("/a/varied/cat.tar"), record) == Path("/a/web/cat.tar")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd2", "sd3"])
def test_a_real_pipeline_varies_images_and_makes_each_again(tiny, web, tmp_path, kind):
    source = tiny[kind] | {"from": {"source": "web", "strength": [0.5, 1.0]}, "per_class": 4, "batch": 1}
    pools = dict(generate(source, "varied", CLASSES, tmp_path / "store", 0, parents_in(tmp_path)))
    (tmp_path / "varied").mkdir()
    for label, entries in pools.items():
        write_pool(tmp_path / "varied" / f"{label}.tar", tmp_path / "varied" / f"{label}.jsonl", entries)
        assert len({record.key for record, _ in entries}) == 4
    for record, _ in pools["dog"]:
        assert remake(tmp_path / "varied" / "dog.tar", record.key).same
    other = ParentImages("web", parents_in(tmp_path).shards, {label: web[label][5:6] for label in CLASSES})
    changed = dict(generate(source, "varied", CLASSES, tmp_path / "store", 0, other))
    assert {r.key for r, _ in pools["cat"]}.isdisjoint(r.key for r, _ in changed["cat"] if r.parent != web["cat"][5])
