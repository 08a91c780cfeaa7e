"""List the licenses of the packages that Distillery installs, as the metadata of each package states them.

    python -m distillery.licenses requirements.txt docs/licenses.md

The page has a table of the named packages and one of their dependencies on this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LONGEST = 60  # characters of a license's name: some packages have the whole license text in its place
NONE = "not stated"
PAGE = """# Licenses of the packages

Made by `make licenses` from the packages' own metadata. If it states no license, see the files of
the package. Distillery's own license is in [LICENSE](../LICENSE). Models, data sets and images have
licenses of their own: see a study's `results/attribution.csv` and the page of each model.

## Named in requirements.txt

{direct}

## Their dependencies on Linux

On Linux, PyTorch from the package index brings NVIDIA's libraries for CUDA, which are not free software.

{indirect}
"""


def stated_license(package: Distribution) -> str:
    """A package's license: its SPDX expression, else its classifiers, else the first line of its license field."""
    about = package.metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    names = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    names = [name for name in names if name != "OSI Approved"]
    if names:
        return ", ".join(dict.fromkeys(names))
    lines = (about["License"] if "License" in about else "").strip().splitlines()
    return lines[0].strip() if lines and 0 < len(lines[0].strip()) <= LONGEST else NONE


def named_packages(requirements: str | Path) -> list[str]:
    """The names in a file of requirements, sorted."""
    lines = (line.partition("#")[0].strip() for line in Path(requirements).read_text(encoding="utf-8").splitlines())
    return sorted(canonicalize_name(Requirement(line).name) for line in lines if line)


def needed_packages(names: Iterable[str]) -> list[str]:
    """The dependencies of installed packages, direct and indirect, without the packages themselves; sorted."""
    given = list(names)
    found, waiting = set(given), list(given)
    while waiting:
        for line in distribution(waiting.pop()).requires or ():
            need = Requirement(line)
            name = canonicalize_name(need.name)
            # requirements of optional extras have the marker `extra`
            if name not in found and (need.marker is None or need.marker.evaluate({"extra": ""})) and _present(name):
                found.add(name)
                waiting.append(name)
    return sorted(found - set(given))


def license_table(names: Iterable[str]) -> str:
    """A Markdown table of installed packages with their licenses."""
    rows = ((name, stated_license(distribution(name)).replace("|", "/")) for name in names)
    return "\n".join(["| package | license |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])


def _present(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m distillery.licenses", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("requirements", help="the file that names the packages")
    parser.add_argument("page", type=Path, help="the .md to write")
    given = parser.parse_args(arguments)
    direct = named_packages(given.requirements)
    tables = {"direct": license_table(direct), "indirect": license_table(needed_packages(direct))}
    given.page.write_text(PAGE.format(**tables), encoding="utf-8")


if __name__ == "__main__":
    main()
