"""Classify image files with a student that was taken along.

    PYTHONPATH=workflow/scripts python -m distillery.deployment.classify results/models/web.kd.onnx images/ one.jpg

Prints a line a file: its path, its class and that class's probability, with tabs between; --csv writes every class's
probability as well. A file that cannot be read gets a line on stderr, the others go on, and the exit status is 1.
Needs onnxruntime, numpy and Pillow alone.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.jobs import UserError, one_line
from distillery.parallel import batched
from distillery.sources.folders import MAX_BYTES, may_be_image
from distillery.storage.files import atomic_write

BATCH = 64


@dataclass(frozen=True)
class Model:
    """A student as exported.

    Attributes:
        session: `images` uint8 [N, S, S, 3] → `probabilities` float32 [N, K].
        classes: K names.
        side: S, pixels.
    """

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]
    side: int


@dataclass(frozen=True)
class Prediction:
    """What a model says of a file: float32 [K], or why it says nothing."""

    path: Path
    probabilities: np.ndarray | None = None
    failure: str = ""


def load_model(path: str | Path) -> Model:
    """Read a student that `distillery.deployment.export` wrote.

    Raises:
        UserError: no such file, no ONNX file, or none of this program's.
    """
    if not Path(path).is_file():
        raise UserError(f"model {path} does not exist. Give the path of an exported .onnx.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; warnings would stand between the predictions
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common base but this
        reason = one_line(error, 120)
        raise UserError(f"model {path} is damaged or no ONNX file ({reason}). Export it again.") from error
    about = session.get_modelmeta().custom_metadata_map
    try:
        classes, side = tuple(json.loads(about["classes"])), int(about["image_size"])
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        known = (taken.name, taken.shape[1:], given.name, given.shape[1:])
        if known != ("images", [side, side, 3], "probabilities", [len(classes)]):
            raise ValueError(known)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"model {path} is not a student of this program's ({error!r}). Export one.") from error
    return Model(session, classes, side)


def find_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The files named, and of folders named what may be an image, by path; a folder without any is given itself."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        inside = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        yield from [file for name, file in sorted(inside.items()) if may_be_image(name)] or [path]


def read_image(path: Path, side: int) -> np.ndarray:
    """A file as curation would have it: uint8 [side, side, 3].

    Raises:
        Rejected: it is no image that can be used; says why.
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


def classify(model: Model, paths: Iterable[Path]) -> Iterator[Prediction]:
    """An answer for every file, in order."""
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
        for batch in batched(paths, BATCH):
            images = list(pool.map(partial(_read_or_not, side=model.side), batch))
            readable = [image for image in images if isinstance(image, np.ndarray)]
            said = iter(_probabilities(model, readable))
            for path, image in zip(batch, images, strict=True):
                yield (
                    Prediction(path, failure=str(image))
                    if isinstance(image, Rejected)
                    else Prediction(path, next(said))
                )


def _read_or_not(path: Path, side: int) -> np.ndarray | Rejected:
    try:
        return read_image(path, side)
    except Rejected as rejected:
        return rejected


def _probabilities(model: Model, images: Sequence[np.ndarray]) -> np.ndarray:
    if not images:
        return np.empty((0, len(model.classes)), np.float32)
    (found,) = model.session.run(["probabilities"], {"images": np.stack(images)})
    return found


def to_csv(predictions: Iterable[Prediction], classes: Sequence[str]) -> str:
    """One row a file that was classified: path, class, probability, and `probability_{class}` of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "class", "probability", *(f"probability_{name}" for name in classes)])
    for answer in predictions:
        best, chances = int(answer.probabilities.argmax()), [f"{chance:.6f}" for chance in answer.probabilities]
        writer.writerow([shown(answer.path), classes[best], chances[best], *chances])
    return text.getvalue()


def shown(path: Path) -> str:
    """A path as text, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="replace")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a student, such as results/models/web.kd.onnx")
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--csv", help="write a table of all probabilities as well")
    options = parser.parse_args(arguments)
    try:
        model = load_model(options.model)
    except UserError as error:
        sys.exit(str(error))
    classified, failed = [], 0
    for answer in classify(model, find_files(options.paths)):
        if answer.failure:
            failed += 1
            print(f"{shown(answer.path)}: {answer.failure}", file=sys.stderr)
            continue
        classified.append(answer)
        best = int(answer.probabilities.argmax())
        print(shown(answer.path), model.classes[best], f"{answer.probabilities[best]:.4f}", sep="\t")
    if options.csv:
        try:
            atomic_write(options.csv, to_csv(classified, model.classes))
        except OSError as error:
            sys.exit(f"table {options.csv} cannot be written ({error.strerror}).")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it without a trace
    main()
