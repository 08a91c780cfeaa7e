"""Prompts from titles are cleaned, unique, only of train images, and in a file that the user may edit."""

import pytest
from fake_generation import SOURCE, FakePipeline

from distillery.curation.curated import CURATED_SCHEMA
from distillery.generation import diffusion
from distillery.generation.diffusion import generate
from distillery.generation.titles import clean_title, collect_titles, words_of_job
from distillery.jobs import UserError
from distillery.splits.refused_sources import write_refusals
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import write_parquet


@pytest.mark.parametrize(
    "title, prompt",
    [
        ("A tabby cat asleep on a sofa", "A tabby cat asleep on a sofa"),
        ("Cute Cat Sleeping | Pixabay", "Cute Cat Sleeping"),
        ("Black cat in the snow - Wikipedia", "Black cat in the snow"),
        ("Cat &amp; dog in a garden", "Cat & dog in a garden"),
        ("White cat on a wall HD Wallpaper 1920x1080 #cute", "White cat on a wall"),
        ("Royalty-Free stock photo of an old cat, 12345678", "of an old cat"),
        ("see www.cats.example.com/a.jpg for a sleeping kitten", "a cat, see for a sleeping kitten"),
        ("Sunset over the sea", "a cat, Sunset over the sea"),
        ("IMG_2034.jpg", ""),
        ("cat", ""),
        ("1234 5678", ""),
        ("", ""),
        ("cat " * 100, " ".join(["cat"] * 30)),
    ],
)
def test_a_title_becomes_a_prompt(title, prompt):
    assert clean_title(title, "cat") == prompt


def test_a_title_names_a_class_of_several_words_by_its_last_word():
    assert clean_title("An old truck on a farm", "fire_truck") == "An old truck on a farm"
    assert clean_title("Sirens at night", "fire_truck") == "a fire truck, Sirens at night"


def test_a_class_is_named_only_by_a_whole_word():
    assert clean_title("Oscar in a cartoon", "car") == "a car, Oscar in a cartoon"
    assert clean_title("Two cars on a road", "car") == "Two cars on a road"


@pytest.fixture
def collect(tmp_path):
    """Collects prompts from (class, split, title) in the order of ranks; returns the lines of the file."""

    def write(images, refused=(), labels=("cat", "dog")):
        names = ("source", "row", "class", "label", "key", "group", "split", "rank")
        rows = [("bing", i, label, 0, f"k{i}", i, split, i) for i, (label, split, _) in enumerate(images)]
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        write_parquet(tmp_path / "splits.parquet", columns, SPLITS_SCHEMA)
        filler = {f.name: ["" if str(f.type) == "string" else 0] * len(images) for f in CURATED_SCHEMA}
        filler |= {"key": [f"k{i}" for i in range(len(images))], "title": [title for *_, title in images]}
        write_parquet(tmp_path / "bing.parquet", filler, CURATED_SCHEMA)
        write_refusals(tmp_path / "refusals.json", {"bing": dict.fromkeys(refused, "captcha")})
        files = [tmp_path / name for name in ("splits.parquet", "bing.parquet", "refusals.json", "prompts.csv")]
        collect_titles(*files, source="bing", labels=list(labels))
        return (tmp_path / "prompts.csv").read_text().splitlines()

    return write


IMAGES = [
    ("cat", "train", "A cat on a sofa"),
    ("cat", "test", "A secret cat of the test"),
    ("cat", "train", "a CAT on a sofa | Site"),
    ("dog", "train", 'A dog, "Rex", running'),
    ("cat", "val", "A cat of the validation"),
    ("cat", "unused", "A cat like one of the test"),
    ("cat", "train", "A cat in a box"),
]


def test_titles_are_of_train_images_alone_and_each_once(collect):
    lines = collect(IMAGES)
    assert lines == ["class,prompt", "cat,A cat on a sofa", "cat,A cat in a box", 'dog,"A dog, ""Rex"", running"']


def test_a_class_without_a_title_ends_in_one_line_unless_its_source_refused_it(collect, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="source bing: no image of class dog came with a title that can be a prompt"):
        collect(IMAGES[:3])
    collect(IMAGES[:3], refused=["dog"])
    words = words_of_job({"cat": {}, "dog": {}}, {"prompts": tmp_path / "prompts.csv"})
    assert words == {"cat": {"prompts": ["A cat on a sofa"]}, "dog": {"refused": True}}
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: FakePipeline())
    pools = dict(generate(SOURCE, "sd", words, tmp_path / "store", 0))
    assert [record.prompt for record, _ in pools["cat"]] == ["A cat on a sofa"] * 3
    assert [record.failure for record, _ in pools["dog"]] == ["refused: parent refused"]


def test_an_edited_file_decides_the_prompts(tmp_path):
    path = tmp_path / "sd.edited.csv"
    path.write_text("\ufeffclass,prompt\ncat, my own cat \ncat,another cat\ndog,a dog\n", encoding="utf-8")
    words = words_of_job({"cat": {}, "dog": {}}, {"prompts": path})
    assert words == {"cat": {"prompts": ["my own cat", "another cat"]}, "dog": {"prompts": ["a dog"]}}
    path.write_text("class,prompt\neel,an eel\n")
    with pytest.raises(UserError, match="unknown class eel; known are cat, dog. Correct that row"):
        words_of_job({"cat": {}, "dog": {}}, {"prompts": path})
    for text in ("label,text\ncat,a cat\n", "class,prompt\ncat\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="is not a table of class and prompt"):
            words_of_job({"cat": {}, "dog": {}}, {"prompts": path})
    path.write_bytes(b"class,prompt\ncat,\xff\xfe\n")
    with pytest.raises(UserError, match="is not a table of class and prompt"):
        words_of_job({"cat": {}}, {"prompts": path})
    assert words_of_job({"cat": {"prompts": ["a cat"]}}, {}) == {"cat": {"prompts": ["a cat"]}}
