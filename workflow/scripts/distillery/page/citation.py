"""BibTeX entries of a study's citation file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def bibtex(path: str | Path) -> str:
    """BibTeX entries of the software and of its references, from a `CITATION.cff`."""
    about = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    entries = [_bibtex_entry("software", "distillery", about)]
    for i, reference in enumerate(about.get("references", ()), 1):
        entries.append(_bibtex_entry("article", f"reference{i}", reference))
    return "\n\n".join(entries)


def _bibtex_entry(kind: str, key: str, about: Mapping[str, Any]) -> str:
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in about["authors"]
    )
    fields = {"title": about["title"], "author": authors, "year": about.get("year"), "version": about.get("version")}
    fields["url"] = about.get("url")
    fields["note"] = ", ".join(one["value"] for one in about.get("identifiers", ()))
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
