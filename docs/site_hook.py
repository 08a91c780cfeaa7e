"""Makes a site of docs: README is its first page, and files of the project that pages link to are part of it."""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def _in_site(link: str, folder: str) -> str:
    """Where the site has what a page in a folder of the project links to."""
    if "://" in link or link.startswith("mailto:"):
        return link
    path = posixpath.normpath(posixpath.join(folder, link))
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"project/{path}"


def _page(source: Path) -> tuple[str, set[str]]:
    """A page's text with its links as the site has them, and the files of the project that it links to."""
    folder = source.parent.relative_to(ROOT).as_posix()
    here = posixpath.dirname(_in_site(source.relative_to(ROOT).as_posix(), "")) or "."
    linked = set()

    def rewritten(found: re.Match) -> str:
        target = _in_site(found[1], folder)
        if target == found[1]:
            return found[0]
        if target.startswith("project/"):
            linked.add(target)
        return f"]({posixpath.relpath(target, here)}{found[2] or ''})"

    return LINK.sub(rewritten, source.read_text()), linked


def on_files(files, config):
    """Add README and what pages link to outside docs."""
    pages = {"index.md": ROOT / "README.md"}
    wanted = {f"project/{name}" for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")}
    for source in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        wanted |= _page(source)[1]
    while more := {name for name in wanted if name not in pages and name.endswith(".md")}:
        for name in more:
            pages[name] = ROOT / name.removeprefix("project/")
            wanted |= _page(pages[name])[1]
    for name in sorted(wanted - set(pages)):
        files.append(File.generated(config, name, content=(ROOT / name.removeprefix("project/")).read_bytes()))
    for name, source in pages.items():
        files.append(File.generated(config, name, content=_page(source)[0]))
    return files


def on_page_markdown(markdown, page, **_):
    """The links of pages in docs."""
    source = ROOT / "docs" / page.file.src_uri
    return _page(source)[0] if source.is_file() else markdown
