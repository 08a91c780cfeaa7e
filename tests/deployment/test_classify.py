"""Files of every kind are prepared as by curation and classified, or named with a reason."""

import csv
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_up_run import SIDE, probabilities
from PIL import Image

from distillery.curation.decoding import to_square
from distillery.deployment import classify
from distillery.jobs import UserError
from distillery.storage.onnx_digest import LENGTH

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
ORIENTATION = 0x0112


def image(seed, size=(60, 40)):
    """Coarse colors, which survive a JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def command(*arguments):
    """The exit status of the command, in this process."""
    with pytest.raises(SystemExit) as ended:
        classify.main([str(argument) for argument in arguments])
    return ended.value.code


def lines(text):
    return [line.split("\t") for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path):
    """A folder of images in several formats, and of files that are not images."""
    folder = tmp_path / "images"
    (folder / "b").mkdir(parents=True)
    image(0).save(folder / "photo.jpg", quality=95)
    see_through = image(1).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    see_through.save(folder / "alpha.png")
    image(2).quantize(16).save(folder / "b" / "palette.png")
    turned = image(3).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by 270 degrees
    turned.save(folder / "b" / "turned.png", exif=exif)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.jpg").write_bytes(b"no image")
    return folder


def wanted(exported, image):
    """The class and probability that the network predicts."""
    predicted = probabilities(exported.network, to_square(image, SIDE)[None], exported.labels)[0]
    return exported.classes[predicted.argmax()], predicted.max()


def test_files_of_every_kind(exported, folder, capsys):
    assert command(exported.model, folder) == 0
    printed = lines(capsys.readouterr().out)
    names = ["alpha.png", "b/palette.png", "b/turned.png", "photo.jpg"]  # sorted, without hidden and text files
    assert [path for path, _, _ in printed] == [str(folder / name) for name in names]
    white = Image.new("RGBA", (60, 40), "white")
    images = [
        Image.alpha_composite(white, Image.open(folder / "alpha.png")).convert("RGB"),
        Image.open(folder / "b" / "palette.png").convert("RGB"),
        image(3).transpose(Image.Transpose.ROTATE_90).transpose(Image.Transpose.ROTATE_270),
        Image.open(folder / "photo.jpg"),
    ]
    for (path, name, shown), photo in zip(printed, images, strict=True):
        best, probability = wanted(exported, photo)
        assert name == best and float(shown) == pytest.approx(probability, abs=1e-4), path
    # the file without its EXIF orientation gives another probability
    lying = probabilities(exported.network, to_square(Image.open(folder / "b" / "turned.png"), SIDE)[None], (0, 2, 3))
    assert abs(lying.max() - float(printed[2][2])) > 1e-3


def test_unreadable_files_are_named_and_the_others_classified(exported, folder, tmp_path, capsys):
    data = (folder / "photo.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(data[: len(data) // 2])
    (folder / "page.jpg").write_text("<html>")
    (tmp_path / "empty").mkdir()
    assert command(exported.model, tmp_path / "missing.jpg", folder, tmp_path / "empty", folder / "notes.txt") == 1
    printed = capsys.readouterr()
    assert len(lines(printed.out)) == 4
    assert printed.err.splitlines() == [
        f"{tmp_path / 'missing.jpg'}: No such file or directory",
        f"{folder / 'half.jpg'}: broken",
        f"{folder / 'page.jpg'}: not an image",
        f"{tmp_path / 'empty'}: no image in this folder",
        f"{folder / 'notes.txt'}: not an image",
    ]


def test_the_table(exported, folder, tmp_path, capsys):
    (folder / "page.jpg").write_text("<html>")
    table = tmp_path / "new" / "predictions.csv"
    assert command(exported.model, folder, "--csv", table) == 1
    printed = lines(capsys.readouterr().out)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[row["path"], row["class"], f"{float(row['probability']):.4f}"] for row in rows] == printed
    for row in rows:
        found = {name: float(row[f"probability_{name}"]) for name in exported.classes}
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
        assert found[row["class"]] == max(found.values()) == float(row["probability"])
    assert command(exported.model, folder, "--csv", folder / "photo.jpg" / "predictions.csv") != 0


def test_more_files_than_a_batch_come_in_order(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(classify, "BATCH", 3)
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        image(number).save(path)
    paths.insert(4, tmp_path / "missing.png")
    predictions = list(classify.classify(classify.load_model(exported.model), iter(paths)))
    assert [prediction.path for prediction in predictions] == paths and predictions[4].failure
    for number, prediction in enumerate(found for found in predictions if not found.failure):
        alone = probabilities(exported.network, to_square(image(number), SIDE)[None], exported.labels)[0]
        assert np.abs(prediction.probabilities - alone).max() < 1e-5


def test_names_of_any_bytes(exported, tmp_path, capsys):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    image(0).save(tmp_path / "one.png")
    (tmp_path / "one.png").rename(path)
    assert command(exported.model, path, "--csv", tmp_path / "predictions.csv") == 0
    assert "caf\N{REPLACEMENT CHARACTER}.png\t" in capsys.readouterr().out
    assert "caf\N{REPLACEMENT CHARACTER}.png," in (tmp_path / "predictions.csv").read_text()


def test_a_name_keeps_its_line_and_may_have_letters_that_the_output_lacks(exported, tmp_path):
    for name in ("two\nlines\tand a tab.png", "犬.png"):
        image(0).save(tmp_path / name)
    start = [sys.executable, "-m", "distillery.deployment.classify", str(exported.model), str(tmp_path)]
    done = subprocess.run(start, env=environment() | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True)
    names = [line.split("\t")[0].rpartition("/")[2] for line in done.stdout.splitlines()]
    assert names == ["two\\nlines\\tand a tab.png", "\\u72ac.png"], done.stderr
    refused = subprocess.run([*start, ""], env=environment(), capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.startswith("one of the paths is empty")


def test_a_file_that_is_no_exported_model_ends_in_one_line(exported, tmp_path):
    names = ("damaged", "older", "strange", "other")
    damaged, older, strange, other = (tmp_path / f"{name}.onnx" for name in names)
    damaged.write_bytes(exported.model.read_bytes()[:5000])
    older.write_bytes(exported.model.read_bytes()[LENGTH:5000])  # without a digest
    for path, drop in ((strange, {"classes", "image_size"}), (other, set())):
        proto = onnx.load(exported.model)
        known = {prop.key: prop.value for prop in proto.metadata_props if prop.key not in drop}
        if not drop:
            known["image_size"] = "25"
        del proto.metadata_props[:]
        onnx.helper.set_model_props(proto, known)
        onnx.save(proto, path)
    messages = {path: command(path, tmp_path) for path in (tmp_path / "missing.onnx", damaged, older, strange, other)}
    words = (
        "does not exist",
        "is damaged: its bytes are not those that were written",
        "is damaged or no ONNX file",
        "was not exported by Distillery",
        "was exported by another version of Distillery",
    )
    for (path, message), word in zip(messages.items(), words, strict=True):
        assert str(message).startswith(f"model {path} {word}") and "\n" not in message
    with pytest.raises(UserError, match=r"KeyError\('classes'\)"):
        classify.load_model(strange)


def test_no_damaged_model_is_used(exported, tmp_path):
    copy, rng = tmp_path / "copied.onnx", random.Random(0)
    whole = exported.model.read_bytes()
    for _ in range(50):
        place = rng.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        for data in (bytes(flipped), whole[:place]):
            copy.write_bytes(data)
            try:
                used = classify.load_model(copy)
            except UserError as error:
                assert str(error).startswith(f"model {copy} ") and "\n" not in str(error)
            else:  # only the first bytes are damaged, which say that a digest follows
                assert place < LENGTH and len(data) == len(whole) and used.classes == ("cat", "dog", "frog")


def test_a_model_that_asks_for_terabytes_ends_in_one_line(exported, folder, tmp_path):
    """An exported model, whose output is multiplied by the mean of 2^44 zeros that it creates when it runs."""
    model = onnx.load(exported.model)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["inner" if name == output.name else name for name in node.output]
    size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [1], [2**44])
    nodes = [
        onnx.helper.make_node("Constant", [], ["size"], value=size),
        onnx.helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        onnx.helper.make_node("ReduceMean", ["zeros"], ["zero"], keepdims=1),
        onnx.helper.make_node("Mul", ["inner", "zero"], [output.name]),
    ]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "large.onnx")
    with pytest.raises(SystemExit) as end:
        classify.main([str(tmp_path / "large.onnx"), str(folder)])
    message = str(end.value.code)
    assert "\n" not in message and ("cannot be run here" in message or "damaged or no ONNX" in message)


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPTS), os.environ.get("PYTHONPATH", "")])}


def test_a_closed_pipe_ends_the_command_silently(exported, folder):
    start = [sys.executable, "-m", "distillery.deployment.classify", str(exported.model), str(folder)]
    process = subprocess.Popen(start, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == -signal.SIGPIPE


def test_the_command_imports_nothing_heavy(exported, folder):
    program = "import sys; from distillery.deployment import classify\ntry: classify.main()\n"
    program += "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(exported.model), str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 4, done.stderr
    imported = set(done.stderr.split())
    assert {"numpy", "PIL", "onnxruntime"} <= imported
    assert not imported & {"torch", "torchvision", "pandas", "pyarrow", "scipy", "onnx", "onnxscript", "snakemake"}
