"""No derived image shows a test or validation image: each image has a unique pattern, which the tests look for.

The first test runs a pipeline that returns its start image almost unchanged, the second the demonstration's own model.
"""

import hashlib
import io

import numpy as np
import pytest
from fake_generation import SOURCE
from PIL import Image
from test_parents import VaryingPipeline

from distillery.curation.curated import curate
from distillery.curation.duplicates.near_duplicates import tabulate_near_duplicates
from distillery.generation import adapting, diffusion
from distillery.generation.diffusion import generate
from distillery.generation.parents import read_starts, train_images_of
from distillery.splits.derived import split_derived_images
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.split import split_images
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool

LABELS = ["cat", "dog"]
PER_CLASS = 9
SIDE = 32
WORDS = {label: {"prompts": [f"a {label}"]} for label in LABELS}


def marked_image(number: int) -> bytes:
    """An image of colored blocks, different for every number."""
    blocks = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks.repeat(16, axis=0).repeat(16, axis=1)).save(file, format="PNG")
    return file.getvalue()


class FollowedStudy:
    """The files of a base source `web` of marked images, from pools to splits, and of sources derived from it."""

    def __init__(self, folder):
        self.folder, self.number = folder, {}
        for n, label in enumerate(LABELS):
            entries = []
            for number in range(n * PER_CLASS, (n + 1) * PER_CLASS):
                data = marked_image(number)
                facts = {"key": image_key(data), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                entries.append((ImageRecord("web", label, "urls", f"x{number}", **facts), data))
                self.number[facts["key"]] = number
            write_pool(*self.pool("web", label), entries)
        self.curate("web")
        self.find_pairs("base_pairs", ["web"])
        split_images(
            {"web": folder / "web.parquet"}, folder / "base_pairs.parquet", folder / "base.parquet",
            classes={"web": LABELS}, labels=LABELS, wanted={"test": {"web": 6}, "val": {"web": 4}, "train": {"web": 6}},
            seed=0, shortfall="error", curation={"min_side": 32, "duplicates": "drop"}, refusals=folder / "base.json",
        )  # fmt: skip

    def pool(self, source, label):
        (self.folder / source).mkdir(exist_ok=True)
        return self.folder / source / f"{label}.tar", self.folder / source / f"{label}.jsonl"

    def curate(self, source):
        pools = [self.pool(source, label) for label in LABELS]
        files = [self.folder / f"{source}{end}" for end in (".npy", ".thumbs.npy", ".parquet")]
        curate(pools, *files, side=SIDE, min_side=32, duplicates="off")

    def find_pairs(self, name, sources):
        files = [(self.folder / f"{source}.thumbs.npy", self.folder / f"{source}.parquet") for source in sources]
        tabulate_near_duplicates(files, self.folder / f"{name}.parquet")

    def numbers(self, *splits):
        """The numbers of the base images in some splits."""
        table = read_parquet(self.folder / "base.parquet", ("key", "split"))
        return {self.number[key] for key, split in zip(*table.values(), strict=True) if split in splits}

    def traces(self, pixels):
        """The numbers of the base images that are most similar to some images (uint8 [N, S, S, 3])."""
        web, numbers = map_pixels(self.folder / "web.npy").astype(float), self.numbers_by_row()
        distances = [np.square(web - image).mean(axis=(1, 2, 3)) for image in pixels]
        return [numbers[row] for row in np.argmin(distances, axis=1)]

    def numbers_by_row(self):
        table = read_parquet(self.folder / "web.parquet", ("key", "row"))
        return {row: self.number[key] for key, row in zip(*table.values(), strict=True)}

    def derive(self, source):
        """Generate, curate and split the derived source `varied`; returns its records."""
        shards = [self.pool("web", label)[0] for label in LABELS]
        parents = train_images_of("web", LABELS, self.folder / "base.parquet", self.folder / "base.json", shards)
        records = []
        for label, entries in generate(source, "varied", WORDS, self.folder / "store", 0, parents):
            write_pool(*self.pool("varied", label), entries)
            records += [record for record, _ in entries]
        self.curate("varied")
        self.find_pairs("pairs", ["web", "varied"])
        split_derived_images(
            self.folder / "base.parquet", {"varied": self.folder / "varied.parquet"},
            self.folder / "pairs.parquet", self.folder / "splits.parquet",
            records=[self.pool("varied", label)[1] for label in LABELS],
            labels=LABELS, seed=0, base_refusals=self.folder / "base.json",
            refusals=self.folder / "refusals.json",
        )  # fmt: skip
        return records

    def planned_traces(self):
        """The numbers of the base images that are visible in derived images of a scenario's plan."""
        plan_scenario(
            self.folder / "splits.parquet", self.folder / "plan.parquet", scenario="s", train={"varied": 10},
            classes={"web": LABELS, "varied": LABELS}, common=["web"], augmented=False, shortfall="error",
        )  # fmt: skip
        plan = read_parquet(self.folder / "plan.parquet", ("source", "row", "split"))
        rows = plan["row"][(plan["source"] == "varied") & (plan["split"] == "train")]
        return self.traces(map_pixels(self.folder / "varied.npy")[rows])


def follow(study, source):
    """Assert that every derived image is most similar to the parent that it names, and none to a held-out image."""
    held_out, train = study.numbers("test", "val", "unused"), study.numbers("train")
    assert len(held_out) >= 10 and not held_out & train
    records = study.derive(source)
    pixels = map_pixels(study.folder / "varied.npy")
    table = read_parquet(study.folder / "varied.parquet", ("key", "row", "kept"))
    row_of = dict(zip(table["key"], table["row"], strict=True))
    found = study.traces(pixels[[row_of[record.key] for record in records]])
    assert found == [study.number[record.parent] for record in records]
    assert set(found) == train  # all train images are found, so a held-out image would be found too
    planned = study.planned_traces()
    assert len(planned) == 10 and not set(planned) & held_out


def test_no_test_image_is_followed_into_a_derived_source(tmp_path, monkeypatch):
    class Square(VaryingPipeline):
        side = SIDE

    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: Square())
    source = SOURCE | {"from": {"source": "web", "strength": 0.5}, "per_class": 8, "size": SIDE}
    follow(FollowedStudy(tmp_path), source)


def test_a_model_is_adapted_to_no_test_image(tmp_path, monkeypatch):
    study, seen = FollowedStudy(tmp_path), []

    def look(denoiser, pairs, images, *others):
        records = [ImageRecord("", label, "diffusion", "", size=SIDE, parent=key) for label, key in pairs]
        seen.extend(study.traces(np.stack([np.asarray(image) for image in read_starts(records, images.shards)])))
        return {}

    monkeypatch.setattr(adapting, "load_pipeline", lambda settings: None)
    monkeypatch.setattr(adapting, "denoiser_of", lambda pipeline, model: None)
    monkeypatch.setattr(adapting, "_trained", look)
    shards = [study.pool("web", label)[0] for label in LABELS]
    parents = train_images_of("web", LABELS, tmp_path / "base.parquet", tmp_path / "base.json", shards)
    recipe = {"adapt": {"source": "web", "steps": 1, "rank": 1, "batch": 1, "lr": 0.1}}
    adapting.train_adapter(SOURCE | recipe, parents, tmp_path / "adapted.safetensors", checkpoints=tmp_path)
    assert set(seen) == study.numbers("train") and len(seen) == len(set(seen))


@pytest.mark.slow
def test_no_test_image_is_followed_through_the_demonstration_s_model(tmp_path):
    from pathlib import Path

    model = Path(__file__).parents[2] / "demo" / "model"
    # little noise, so that the pattern of the start image stays visible
    source = SOURCE | {"model": str(model), "steps": 20, "guidance": 1.0, "size": SIDE, "per_class": 8}
    follow(FollowedStudy(tmp_path), source | {"from": {"source": "web", "strength": 0.1}})
