"""The gallery in the documentation: small figures, with sentences from the tables."""

import pandas as pd
import pytest
from PIL import Image

from distillery.page import docs_gallery
from distillery.page.sentences import insights
from distillery.page.sentences.quoting import Sentence

SUMMARY = pd.DataFrame([
    {"scenario": s, "arm": "kd", "train": f"{n} Google", "n_train": n, "n_train_requested": n, "clean": "",
     "n_test": "9", "n_classes": "2", "size": "small", "mean_percent": m, "low": "", "high": ""}
    for s, n, m in [("a", "400", "30.00"), ("b", "800", "40.00")]
]).astype(str)  # fmt: skip
CURVES = pd.DataFrame(
    {"scenario": "b", "arm": "kd", "step": ["5", "10"], "loss": ["2.0", "1.0"], "val_percent": ["", "41.00"]}
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A finished study with two figures; sentences of other tables are tested with the page."""
    (tmp_path / "results" / "tables").mkdir(parents=True)
    (tmp_path / "results" / "figures").mkdir()
    for name, table in {"summary": SUMMARY, "curves": CURVES}.items():
        table.to_csv(tmp_path / "results" / "tables" / f"{name}.csv", index=False)
    for name in ("sizes", "curves"):
        Image.effect_noise((3000, 600), 90).save(tmp_path / "results" / "figures" / f"{name}.png")
    monkeypatch.setattr(docs_gallery, "answer", lambda tables: [Sentence("The answer.", ("summary",))])
    monkeypatch.setattr(docs_gallery, "insights", lambda tables: list(insights._more_images(tables)))
    return tmp_path / "results"


def test_the_gallery_shows_each_existing_figure_with_its_sentences(results):
    docs = results.parent / "docs"
    docs_gallery.write_gallery(results, docs)
    lines = (docs / "gallery.md").read_text().splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(lines)
    assert "The answer." in text and text.count("](gallery/") == 2
    assert "Google (distilled) most: accuracy rises from 30.00 % with 400 images to 40.00 % with 800." in text
    # the validation accuracy was measured at only one step
    assert "From step 10 to step 10 the validation accuracy of b (distilled) goes from 41.00 % to 41.00 %." in text
    with Image.open(docs / "gallery" / "sizes.png") as image:
        assert image.width == docs_gallery.WIDTH and len(image.getcolors()) <= docs_gallery.COLORS


def test_without_validation_the_sentence_is_about_the_loss(results):
    tables = {"summary": SUMMARY, "curves": CURVES.assign(val_percent="")}
    (sentence,) = docs_gallery.figure_sentences("curves", tables)
    assert sentence.text == "From step 5 to step 10 the training loss of b (distilled) goes from 2.0 to 1.0."
    assert sentence.tables == ("curves",)
