"""Check that version 0.2 changed nothing in `results/tables/*.csv` except the names of columns and text values.

    python tests/renamed_tables.py OLD_RESULTS NEW_RESULTS

Renames columns and values of the old tables by the mapping below, and compares them with the new ones byte for byte, as
well as all weights (`*.safetensors`). The measured columns of costs.csv, which differ from run to run, are left out.
Prints every difference; the exit status is 1 if there is one.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path

from compare_results import MEASURED

# table → old column → new column
COLUMNS = {
    "audit": {"judged": "audited", "suspect": "label_issues"},
    "comparisons": {
        "pictures_low": "low_given_trainings",
        "pictures_high": "high_given_trainings",
        "p_pictures": "p_given_trainings",
        "p_pictures_holm": "p_given_trainings_holm",
        "detectable_pictures": "detectable_given_trainings",
        "seeds_low": "low_given_images",
        "seeds_high": "high_given_images",
        "p_seeds": "p_given_images",
        "p_seeds_least": "p_given_images_least",
        "p_seeds_holm": "p_given_images_holm",
        "detectable_seeds": "detectable_given_images",
    },
    "costs": {"pictures": "images", "pictures_per_second": "images_per_second"},
    "counts": {
        "offered": "candidates",
        "dropped_claimed_by_two_classes": "dropped_conflicting_labels",
        "dropped_not_a_picture": "dropped_not_an_image",
        "dropped_unsaid": "dropped_without_reason",
    },
    "diversity": {"pictures": "images"},
    "runs": {"train_asked": "train_requested", "n_train_asked": "n_train_requested"},
    "summary": {"n_train_asked": "n_train_requested"},
}
# column → old value → new value, in every table that has the column
VALUES = {
    "arm": {"kd_standardised": "kd_standardized"},
    "versus_arm": {"kd_standardised": "kd_standardized"},
    "augment": {"colour": "color"},
    "verdict": {"not told apart": "no significant difference"},
    "rule": {
        "try_settings": "run_trial",
        "tune": "select_hyperparameters",
        "try_settings_of_arm": "run_arm_trial",
        "tune_arm": "select_arm_hyperparameters",
    },
    "question": {
        "Is kd better than scratch?": "Does distilling help?",
        "Is published_kd better than published_scratch?": "Does distilling help with the published recipe?",
        "Is scratch better than published_scratch?": "Does correcting the published recipe help from scratch?",
        "Is kd better than published_kd?": "Does correcting the published recipe help distilling?",
        "Does mending the recipe help from scratch?": "Does correcting the recipe help from scratch?",
        "Does mending the recipe help distilling?": "Does correcting the recipe help distilling?",
    },
    "note": {"Demonstration on drawn pictures": "Demonstration on drawn images"},
}
# column → (pattern, replacement) in its text, in every table that has the column
PHRASES = {
    "train": [(r"\bcolour-altered\b", "color-altered"), (r"\bno pictures\b", "no images")],
    "train_requested": [(r"\bcolour-altered\b", "color-altered"), (r"\bno pictures\b", "no images")],
    "explanation": [
        (
            r"Theirs is one training tested on (.*?); ours on ",
            r"The published number is of one training tested on \1, ours is tested on ",
        ),
        (r": the published number is what chance explains\b", ": chance explains the published number"),
        (r": the published number is not what chance explains\b", ": chance does not explain the published number"),
        (r"With its faults corrected the arm gives ", "With its faults corrected, the arm reaches "),
    ],
}


def renamed(table: str, text: str) -> str:
    """The text of an old table with its columns and values renamed."""
    columns, *rows = csv.reader(io.StringIO(text, newline=""))
    columns = [COLUMNS.get(table, {}).get(name, name) for name in columns]
    rows = [[_value(name, value) for name, value in zip(columns, row, strict=True)] for row in rows]
    return _written(columns, rows)


def _value(column: str, value: str) -> str:
    value = VALUES.get(column, {}).get(value, value)
    for pattern, replacement in PHRASES.get(column, ()):
        value = re.sub(pattern, replacement, value)
    return value


def unmeasured(text: str) -> str:
    """The text of a table of costs without its measured columns."""
    columns, *rows = csv.reader(io.StringIO(text, newline=""))
    kept = [i for i, name in enumerate(columns) if name not in MEASURED]
    return _written([columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _written(columns: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def differences(old: Path, new: Path) -> list[str]:
    """The differences between tables and weights of two folders of results, one line each."""
    found = _only_in_one(old, new, "tables/*.csv") + _only_in_one(old, new, "**/*.safetensors")
    for path in sorted(old.glob("tables/*.csv")):
        if (other := new / path.relative_to(old)).exists():
            texts = [renamed(path.stem, path.read_bytes().decode()), other.read_bytes().decode()]
            if path.stem == "costs":
                texts = [unmeasured(text) for text in texts]
            found += _different_lines(f"tables/{path.name}", *texts)
    for path in sorted(old.glob("**/*.safetensors")):
        other = new / path.relative_to(old)
        if other.exists() and path.read_bytes() != other.read_bytes():
            found.append(f"{path.relative_to(old)}: other bytes")
    return found


def _only_in_one(old: Path, new: Path, pattern: str) -> list[str]:
    names = [{path.relative_to(folder).as_posix() for path in folder.glob(pattern)} for folder in (old, new)]
    return [f"{name}: only in one of the folders" for name in sorted(names[0] ^ names[1])]


def _different_lines(name: str, old: str, new: str) -> list[str]:
    if old == new:
        return []
    lines = [text.split("\n") for text in (old, new)]
    if len(lines[0]) != len(lines[1]):
        return [f"{name}: {len(lines[0])} lines before, {len(lines[1])} now"]
    numbers = [i for i, (before, now) in enumerate(zip(*lines, strict=True), 1) if before != now]
    return [f"{name}: {len(numbers)} lines differ, the first is line {numbers[0]}"]


def main(old: str, new: str) -> None:
    for folder in map(Path, (old, new)):
        if not list(folder.glob("tables/*.csv")):
            sys.exit(f"{folder} has no tables/*.csv. Give the `results` folder of a finished study.")
    found = differences(Path(old), Path(new))
    tables, weights = (len(list(Path(old).glob(pattern))) for pattern in ("tables/*.csv", "**/*.safetensors"))
    print(*found, f"{tables} tables and {weights} weights compared: {len(found) or 'no'} differences", sep="\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
