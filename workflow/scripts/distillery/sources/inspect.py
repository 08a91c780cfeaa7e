"""List the records in a saved page of Google's image search.

`python -m distillery.sources.inspect FILE_OR_FOLDER …`
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from distillery.jobs import UserError, one_line
from distillery.sources.engines.google import block_of
from distillery.sources.engines.google_records import PageRecord, count_cards, page_records
from distillery.sources.pages.saved import PageText, page_texts, saved_files, shortcoming


def describe(path: Path) -> tuple[list[str], int]:
    """Describe the records in a saved file.

    Args:
        path: an HTML, MHTML or HAR file.

    Returns:
        Lines of text, and the number of different results.

    Raises:
        UserError: the file cannot be read.
    """
    texts = list(page_texts(path))
    lines, seen = [f"{path}: {path.stat().st_size:,} bytes, {len(texts)} texts"], set[str]()
    forms: Counter[str] = Counter()
    for text in texts:
        records = page_records(text.markup)
        if records or len(texts) == 1:
            lines.append(
                f"  {text.where}{f' ({one_line(text.url, 80)})' if text.url else ''}: {_summary(text, records)}"
            )
        for record in records:
            problem = record.problem or ("seen before" if record.result.url in seen else "")
            lines.append(_line(record, problem))
            if not problem:
                seen.add(record.result.url)
                forms[record.form] += 1
    counts = ", ".join(f"{count} {form}" for form, count in forms.items())
    lines.append(f"  results: {len(seen)}{f' ({counts})' if counts else ''}")
    if not seen:
        lines.append(f"  {path.name} {shortcoming(texts)}.")
    return lines, len(seen)


def _summary(text: PageText, records: Sequence[PageRecord]) -> str:
    parts = [f"{len(text.markup):,} characters", f"{len(records)} records"]
    parts += [f"{cards} result cards"] if (cards := count_cards(text.markup)) else []
    # good pages may contain a sign of a refusal too
    parts += [reason] if not records and (reason := block_of(text.markup, text.url)) else []
    return ", ".join(parts)


def _line(record: PageRecord, problem: str) -> str:
    result = record.result
    size = f"{result.width}x{result.height}" if result.width else "size unknown"
    about = " | ".join(one_line(part, 60) for part in (result.title, result.page) if part)
    outcome = f"left out ({problem})" if problem else "result"
    return f"    {outcome}: {record.form}, {size}, {one_line(result.url, 120)}{f' | {about}' if about else ''}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the records in the given files; returns 1 if a file has no result or cannot be read, else 0."""
    parser = argparse.ArgumentParser(prog="python -m distillery.sources.inspect", description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a saved page (.html, .mhtml, .har), or a folder of them"
    )
    failed, given = False, parser.parse_args(arguments).files
    for lines, count in _described([file for path in given for file in _pages_in(path)]):
        print("\n".join(lines))
        failed |= not count
    return int(failed)


def _pages_in(path: Path) -> list[Path]:
    """The saved pages in a folder; the path itself if it is a file, or a folder without saved pages."""
    return (saved_files(path, "") if path.is_dir() else []) or [path]


def _described(files: Sequence[Path]) -> Iterator[tuple[list[str], int]]:
    for path in files:
        try:
            yield describe(path)
        except UserError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            yield [], 0


if __name__ == "__main__":
    sys.exit(main())
