"""Pools of sources that refused: curation, leakage and the teacher's data."""

import numpy as np
import pytest
from PIL import Image

from distillery.curation.curated import curate
from distillery.curation.leakage import find_leakage
from distillery.curation.teacher_data.source_images import load_sources
from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet
from distillery.storage.retrieved.pools import write_pool
from distillery.storage.retrieved.refusals import refused_record


@pytest.fixture
def curated(tmp_path):
    """Pixels and table of a source that refused both classes."""
    pools = []
    for label in ("cat", "dog"):
        pools.append((tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl"))
        write_pool(*pools[-1], [(refused_record("google", label, "google", "captcha"), None)])
    pixels, table = tmp_path / "google.npy", tmp_path / "google.parquet"
    curate(pools, pixels, tmp_path / "google.thumbs.npy", table, side=16, min_side=8)
    return pixels, tmp_path / "google.thumbs.npy", table


def test_a_refused_pool_has_one_row_that_is_not_kept_and_no_image(curated):
    table = read_parquet(curated[2], ["class", "kept", "reason", "row", "key", "kind"])
    assert table["class"].tolist() == ["cat", "dog"] and not table["kept"].any()
    assert (
        set(table["reason"]) == {"refused: captcha"} and set(table["row"]) == {-1} and set(table["kind"]) == {"google"}
    )
    assert np.load(curated[0]).shape == (0, 16, 16, 3)


def test_leakage_is_found_without_the_images_of_a_source_that_refused(curated, tmp_path):
    pixels = np.stack([np.asarray(Image.linear_gradient("L").resize((16, 16)).convert("RGB"))] * 2)
    arrays = {
        f"{part}_{kind}": value
        for part in ("train", "test")
        for kind, value in (("pixels", pixels), ("labels", [0, 1]))
    }
    np.savez(tmp_path / "data.npz", classes=np.array(["cat", "dog"]), **arrays)
    find_leakage([(curated[0], curated[2])], tmp_path / "data.npz", tmp_path / "leakage.parquet")
    assert not len(read_parquet(tmp_path / "leakage.parquet", ["row"])["row"])


def test_the_teacher_s_own_source_that_refused_stops_the_study_in_one_line(curated):
    message = r"^teacher.data: source google refused cat \(captcha\), and the teacher needs it\. Get access"
    with pytest.raises(UserError, match=message):
        load_sources([curated], [curated], ["cat", "dog"], (0, 0), seed=0)
