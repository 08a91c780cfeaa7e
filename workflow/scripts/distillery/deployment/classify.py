"""Classify image files with an exported student.

    .venv/bin/python -m distillery.deployment.classify results/models/web.kd.onnx images/ one.jpg

Prints one line a file: path, predicted class and its probability, separated by tabs; --csv writes the probabilities of
all classes as well. A file that cannot be read gets a line on stderr, the others are still classified, and the exit
status is 1. Needs only onnxruntime, numpy and Pillow.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.jobs import UserError, forbidden_in_one_line, one_line
from distillery.parallel import batched
from distillery.sources.folders.importing import MAX_BYTES
from distillery.sources.folders.names import may_be_image
from distillery.storage.files import atomic_write, files_below
from distillery.storage.onnx_digest import onnx_is_whole
from distillery.storage.texts import as_cell

BATCH = 64
BREAKS = ("Cc", "Zl", "Zp")  # categories of letters that would break a line or its columns
NO_PROBABILITIES = np.empty(0, np.float32)


@dataclass(frozen=True)
class ExportedModel:
    """An exported student of K classes.

    Attributes:
        session: `images` uint8 [N, S, S, 3] → `probabilities` float32 [N, K].
        classes: K names.
        side: S, the side of its images in pixels.
    """

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]
    side: int


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for a file.

    Attributes:
        path: of the file.
        probabilities: float32 [K]; empty if the file could not be read.
        failure: why it could not be read, else empty.
    """

    path: Path
    probabilities: np.ndarray
    failure: str = ""


def load_model(path: str | Path) -> ExportedModel:
    """Read a student that `distillery.deployment.export` wrote.

    Raises:
        UserError: the file does not exist, is no ONNX file, or was not exported by Distillery.
    """
    if not Path(path).is_file():
        raise UserError(f"model {path} does not exist. Give the path of an exported .onnx.")
    data = Path(path).read_bytes()
    if not onnx_is_whole(data):
        raise UserError(f"model {path} is damaged: its bytes are not those that were written. Export or copy it again.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings would mix with the predictions
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no narrower base class
        reason = one_line(error, 120)
        raise UserError(f"model {path} is damaged or no ONNX file ({reason}). Export it again.") from error
    about = session.get_modelmeta().custom_metadata_map
    try:
        classes, side = tuple(json.loads(about["classes"])), int(about["image_size"])
        (entry,), (result,) = session.get_inputs(), session.get_outputs()
        known = (entry.name, entry.shape[1:], result.name, result.shape[1:])
        if known != ("images", [side, side, 3], "probabilities", [len(classes)]):
            raise UserError(f"model {path} was exported by another version of Distillery. Export it again.")
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"model {path} was not exported by Distillery ({error!r}). Export a student and give its .onnx."
        ) from error
    return ExportedModel(session, classes, side)


def find_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The given files, and the files in given folders that may be images, by path.

    A folder without any is yielded itself, so that it is reported as a failure.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        yield from [file for name, file in files_below(path).items() if may_be_image(name)] or [path]


def read_image(path: Path, side: int) -> np.ndarray:
    """A file prepared as curation prepares images: uint8 [side, side, 3].

    Raises:
        Rejected: the reason why the file is not a usable image.
    """
    try:
        if path.is_dir():
            raise Rejected("no image in this folder")
        if path.stat().st_size > MAX_BYTES:
            raise Rejected("too large")
        data = path.read_bytes()
    except OSError as error:
        raise Rejected(error.strerror or "unreadable") from error
    return to_square(decode(data, side=side).image, side)


def classify(model: ExportedModel, paths: Iterable[Path]) -> Iterator[Prediction]:
    """A prediction for every file, in order."""
    with ThreadPoolExecutor() as pool:  # Pillow releases the GIL while it decodes
        for batch in batched(paths, BATCH):
            images = list(pool.map(partial(_read_or_not, side=model.side), batch))
            readable = [image for image in images if isinstance(image, np.ndarray)]
            found = iter(_probabilities(model, readable))
            for path, image in zip(batch, images, strict=True):
                rejected = isinstance(image, Rejected)
                yield Prediction(path, NO_PROBABILITIES, str(image)) if rejected else Prediction(path, next(found))


def _read_or_not(path: Path, side: int) -> np.ndarray | Rejected:
    try:
        return read_image(path, side)
    except Rejected as rejected:
        return rejected


def _probabilities(model: ExportedModel, images: Sequence[np.ndarray]) -> np.ndarray:
    """float32 [N, K] of images uint8 [S, S, 3]."""
    if not images:
        return np.empty((0, len(model.classes)), np.float32)
    try:
        (found,) = model.session.run(["probabilities"], {"images": np.stack(images)})
    except Exception as error:  # the runtime's errors share no narrower base class
        raise UserError(f"the model cannot be run here ({one_line(error, 120)}). Export it again.") from error
    return found


def to_csv(predictions: Iterable[Prediction], classes: Sequence[str]) -> str:
    """One row a classified file: path, class, probability, and `probability_{class}` of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "class", "probability", *(f"probability_{name}" for name in classes)])
    for prediction in predictions:
        best, cells = int(prediction.probabilities.argmax()), [f"{p:.6f}" for p in prediction.probabilities]
        writer.writerow([as_cell(shown(prediction.path)), classes[best], cells[best], *cells])
    return text.getvalue()


def shown(path: Path) -> str:
    """A path as one line of text: bytes that are no UTF-8 are replaced, line breaks and tabs escaped."""
    text = os.fsencode(path).decode(errors="replace")
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in BREAKS else letter
        for letter in text
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a student, such as results/models/web.kd.onnx")
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--csv", help="also write a table of all probabilities")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name may have letters that the output's encoding lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if "" in options.paths:
            raise UserError("one of the paths is empty, as an unset variable gives. Name a file or folder.")
        with forbidden_in_one_line():
            sys.exit(1 if _classify_all(options.model, options.paths, options.csv) else 0)
    except UserError as error:
        sys.exit(str(error))


def _classify_all(path: str, paths: Sequence[str], table: str | None) -> int:
    """Print the class of every file, and write the table; returns how many files could not be read."""
    model = load_model(path)
    classified, failed = [], 0
    for prediction in classify(model, find_files(paths)):
        if prediction.failure:
            failed += 1
            print(f"{shown(prediction.path)}: {prediction.failure}", file=sys.stderr)
            continue
        classified.append(prediction)
        best = int(prediction.probabilities.argmax())
        print(shown(prediction.path), model.classes[best], f"{prediction.probabilities[best]:.4f}", sep="\t")
    if table:
        try:
            atomic_write(table, to_csv(classified, model.classes))
        except OSError as error:
            raise UserError(f"table {table} cannot be written ({error.strerror}).") from error
    return failed


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command without a traceback
    main()
