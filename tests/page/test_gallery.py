"""The documentation's gallery: figures shrunk, and what they say read from the tables."""

import pandas as pd
import pytest
from PIL import Image

from distillery.page import gallery, sentences
from distillery.page.quoting import Sentence

SUMMARY = pd.DataFrame([
    {"scenario": s, "arm": "kd", "train": f"{n} Google", "n_train": n, "n_train_asked": n, "clean": "", "n_test": "9",
     "n_classes": "2", "size": "small", "mean_percent": m, "low": "", "high": ""}
    for s, n, m in [("a", "400", "30.00"), ("b", "800", "40.00")]
]).astype(str)  # fmt: skip
CURVES = pd.DataFrame(
    {"scenario": "b", "arm": "kd", "step": ["5", "10"], "loss": ["2.0", "1.0"], "val_percent": ["", "41.00"]}
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A finished study of two figures; sentences of other tables are tested with the page."""
    (tmp_path / "results" / "tables").mkdir(parents=True)
    (tmp_path / "results" / "figures").mkdir()
    for name, table in {"summary": SUMMARY, "curves": CURVES}.items():
        table.to_csv(tmp_path / "results" / "tables" / f"{name}.csv", index=False)
    for name in ("sizes", "curves"):
        Image.effect_noise((3000, 600), 90).save(tmp_path / "results" / "figures" / f"{name}.png")
    monkeypatch.setattr(sentences, "answer", lambda tables: [Sentence("The answer.", ("summary",))])
    monkeypatch.setattr(sentences, "insights", lambda tables: list(sentences._more_images(tables)))
    return tmp_path / "results"


def test_figures_that_are_there_with_what_they_say(results):
    docs = results.parent / "docs"
    gallery.write_gallery(results, docs)
    text = (docs / "gallery.md").read_text()
    assert "The answer." in text and text.count("](gallery/") == 2
    assert "Google (distilled): 30.00 % with 400, 40.00 % with 800." in text
    # one step alone was validated
    assert (
        "From step 10 to step 10 the validation accuracy, percent, of b (distilled) goes from 41.00 to 41.00." in text
    )
    with Image.open(docs / "gallery" / "sizes.png") as image:
        assert image.width == gallery.WIDTH and len(image.getcolors()) <= gallery.COLORS


def test_without_validation_the_loss_is_told(results):
    tables = {"summary": SUMMARY, "curves": CURVES.assign(val_percent="")}
    (said,) = gallery.sentences_of("curves", tables)
    assert said.text == "From step 5 to step 10 the training loss of b (distilled) goes from 2.0 to 1.0."
    assert said.tables == ("curves",)
