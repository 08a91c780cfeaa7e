"""Find out which sources refused which classes, and whether the study can continue without them.

The curated table of a source that refused a class has one row without an image for it, with a reason such as
`refused: captcha`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from distillery.jobs import UserError, log
from distillery.splits.quotas import Quota
from distillery.storage.files import atomic_write
from distillery.storage.parquet import read_parquet
from distillery.storage.retrieved.refusals import refusal_of

Refusals = Mapping[str, Mapping[str, str]]  # source → class → reason
NONE_REFUSED: Refusals = MappingProxyType({})
RETRY = "Get access and run python -m distillery.retry"


def refused_classes(tables: Mapping[str, str | Path]) -> dict[str, dict[str, str]]:
    """The refused classes of each source with their reasons. Sources that refused nothing are not in it.

    Args:
        tables: curated table of each source.
    """
    found: dict[str, dict[str, str]] = {}
    for source, path in tables.items():
        table = read_parquet(path, ("class", "reason"))
        for label, reason in zip(table["class"].tolist(), table["reason"].tolist(), strict=True):
            if refusal := refusal_of(reason):
                found.setdefault(source, {})[label] = refusal
    return found


def write_refusals(path: str | Path, refused: Refusals) -> None:
    """Write the refusals of all sources as JSON: source → class → reason; `{}` if none refused."""
    atomic_write(path, json.dumps(refused, indent=2, ensure_ascii=False) + "\n")


def read_refusals(path: str | Path) -> dict[str, dict[str, str]]:
    """Read what `write_refusals` wrote.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return {source: dict(reasons) for source, reasons in json.loads(Path(path).read_text("utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and run again.") from error


def refusals_text(refused: Refusals, sources: Iterable[str]) -> str:
    """Which of some sources refused a class, and why: `google refused (captcha), sd3 refused (gated)`."""
    return ", ".join(
        f"{source} refused ({', '.join(dict.fromkeys(refused[source].values()))})"
        for source in sources
        if refused.get(source)
    )


def without_refused(classes: Mapping[str, Sequence[str]], refused: Refusals) -> dict[str, list[str]]:
    """The classes of each source without the refused ones. A source that refused all its classes is not in it."""
    left = {source: [c for c in names if c not in refused.get(source, {})] for source, names in classes.items()}
    return {source: names for source, names in left.items() if names}


def without_partial_validation(quotas: Mapping[str, Quota], refused: Refusals) -> dict[str, Quota]:
    """Quotas without validation images of sources that refused a class, if other sources have validation images.

    So the validation images, on which every training depends, do not change when the class becomes available.
    """
    if not any(quota.val and not refused.get(source) for source, quota in quotas.items()):
        return dict(quotas)
    return {source: replace(quota, val=0) if refused.get(source) else quota for source, quota in quotas.items()}


def log_refusals(refused: Refusals, quotas: Mapping[str, Quota]) -> None:
    """Warn of each source that refused classes, and of the test, validation and train images that are missing."""
    for source, reasons in refused.items():
        quota = quotas[source]
        log.warning(
            "source %s refused %s: the study continues without its test (%d), validation (%d) and train images (%d) of"
            " each of these classes",
            *(source, ", ".join(f"{label} ({reason})" for label, reason in reasons.items())),
            *(quota.test, quota.val, quota.train),
        )


def require_sources(
    refused: Refusals,
    classes: Mapping[str, Sequence[str]],
    common: Sequence[str],
    val: Mapping[str, int],
    tuned: bool,
) -> None:
    """Check that there are test images, and validation images if the study needs them.

    Args:
        refused: refused classes of each source.
        classes: the classes of each source.
        common: sources of the common test set.
        val: number of validation images of each source.
        tuned: whether hyperparameters are chosen by validation accuracy.

    Raises:
        UserError: every source of the common test set, or of a tuned study's validation images, refused all its
            classes.
    """
    left = without_refused(classes, refused)
    needed = {"split.common": list(common)}
    if tuned:
        needed["split.val"] = [name for name in common if val.get(name)]
    for key, sources in needed.items():
        if sources and not set(sources) & set(left):
            what = "test" if key == "split.common" else "validation"
            raise UserError(
                f"{key}: there are no {what} images, because {refusals_text(refused, sources)}. {RETRY}, or name other"
                f" sources in {key}."
            )


def lacking_images(
    refused: Refusals, classes: Mapping[str, Sequence[str]], common: Sequence[str], val: Mapping[str, int]
) -> str:
    """Which sources are missing in the common test set and in validation: `google (captcha) in the common test; …`.

    If a source refused only some of its classes, these are named: `google (captcha: cat, dog)`. It still gives no
    validation images if another source does.
    """
    validating = [name for name in common if val.get(name)]
    texts = []
    for part, sources in {"the common test": list(common), "validation": validating}.items():
        whole = part == "validation" and any(not refused.get(name) for name in validating)
        names = [_lacking(name, refused[name], [] if whole else classes[name]) for name in sources if refused.get(name)]
        if names:
            texts.append(f"{', '.join(names)} in {part}")
    return "; ".join(texts)


def _lacking(source: str, reasons: Mapping[str, str], classes: Sequence[str]) -> str:
    why = ", ".join(dict.fromkeys(reasons.values()))
    if set(classes) <= set(reasons):
        return f"{source} ({why})"
    return f"{source} ({why}: {', '.join(label for label in classes if label in reasons)})"
