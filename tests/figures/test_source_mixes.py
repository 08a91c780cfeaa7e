"""Scenarios that differ only in how many images of the same sources they train on share a mix."""

import numpy as np
import pandas as pd
import pytest

from distillery.figures.source_mixes import source_fractions, source_mix, source_mixes


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("800 Google", "Google"), ("1,000 each of Google, Bing, SD2", "Google, Bing, SD2"),
        ("200 SD2 + 400 rotated", "SD2 + rotated"), ("400 my images", "my images"),
        ("800 crawl 2023 + 800 x", "crawl 2023 + x"), ("800 2024 photos", "2024 photos"),
        ("no images", "no images"),
    ],
)  # fmt: skip
def test_a_source_mix_is_the_description_without_counts(train, expected):
    assert source_mix(train) == expected


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("100 Google + 300 my 2024 photos", {"Google": 0.25, "my 2024 photos": 0.75}),
        ("1,000 each of Google, Bing + 2,000 rotated", {"Google": 0.25, "Bing": 0.25, "rotated": 0.5}),
        ("no images", {"no images": 1}),
    ],
)
def test_fractions_of_sources(train, expected):
    assert source_fractions(train) == expected


def test_scenarios_of_one_mix_differ_only_in_the_number_of_images():
    rows = [
        ("ten", "4,000 Google", 4000, 10, "Google, 10 classes"),
        ("large", "8,000 Google", 8000, 10, "Google, 10 classes"),
        ("two", "800 Google", 800, 2, "Google, 2 classes"),
        ("ten_again", "3,600 Google", 4000, 10, "Google, 10 classes, ten_again"),
        ("large_again", "7,100 Google", 8000, 10, "Google, 10 classes, ten_again"),
        ("tiny_clean", "80 Google", 100, 10, "Google, 10 classes, without flagged labels"),
        ("large_clean", "7,200 Google", 8000, 10, "Google, 10 classes, without flagged labels"),
        ("tiny_photos", "80 Google", 100, 10, "Google, 10 classes, photo only"),
        ("half", "400 Google + 400 Bing", 800, 10, "50 % Google + 50 % Bing"),
        ("half_large", "4,000 Google + 3,700 Bing", 8000, 10, "50 % Google + 50 % Bing"),
        ("mostly_bing", "100 Google + 700 Bing", 800, 10, "12 % Google + 88 % Bing"),
        ("all", "100 each of Google, Bing, SD2", 300, 10, "Google, Bing, SD2"),
        ("all_large", "1,000 Google + 1,000 Bing + 980 SD2", 3000, 10, "Google, Bing, SD2"),
        ("turned", "400 Google + 400 rotated", 800, 10, "Google + rotated"),
    ]
    table = pd.DataFrame(rows, columns=["scenario", "train", "n_train_requested", "n_classes", "expected"])
    cleaned = {"clean": "yes", "photos": "photo only"}
    table["clean"] = [cleaned.get(name.rpartition("_")[2], np.nan) for name in table["scenario"]]
    assert source_mixes(table).tolist() == table["expected"].tolist()
    assert source_mixes(table.astype(str)).tolist() == table["expected"].tolist()  # as the page reads tables
    twice = pd.concat([table, table], ignore_index=True)  # of two arms
    assert source_mixes(twice).tolist() == twice["expected"].tolist()
