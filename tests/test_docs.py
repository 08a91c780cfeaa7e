"""Links in README and docs have existing targets, and files and functions that they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "workflow" / "scripts" / "distillery"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_within_the_project_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in headings(target), f"{page.name}: {link} has no such heading"


def test_every_page_of_docs_can_be_reached_from_the_overview_or_readme():
    linked = set(LINK.findall((ROOT / "docs" / "overview.md").read_text()))
    linked |= {link.removeprefix("docs/") for link in LINK.findall((ROOT / "README.md").read_text())}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"overview.md"}
    assert pages <= {link.partition("#")[0] for link in linked}


def test_the_documented_paths_of_one_image_and_one_key_name_functions_that_exist():
    paths = (ROOT / "docs" / "architecture.md").read_text().partition("## One image")[2].partition("## Rules")[0]
    rows = "".join(line for line in paths.splitlines() if line.startswith("|"))
    names = re.findall(r"`([a-z_]+(?:\.\w+)+)`", rows)
    assert len(names) >= 15
    for name in names:
        parts = name.split(".")
        file = next(
            file
            for cut in range(len(parts), 0, -1)
            if (file := LIBRARY.joinpath(*parts[:cut]).with_suffix(".py")).is_file()
        )
        rest = parts[len(file.relative_to(LIBRARY).parts) :]
        for part in rest:
            assert re.search(rf"^ *(def|class) {part}\b", file.read_text(), flags=re.M), name


def test_files_that_contributors_are_sent_to_exist():
    named = re.findall(r"`([\w./]+(?:/|\.py|\.yaml|\.md|\.smk))`", (ROOT / "CONTRIBUTING.md").read_text())
    known = {path.name for path in (*ROOT.rglob("workflow/**/*.py"), *ROOT.rglob("tests/**/*.py"))}
    assert len(named) >= 20
    for name in named:
        assert (ROOT / name).exists() or Path(name).name in known or "example" in name, name
