"""Find the parquet files of a data set's split, in a local folder or on the Hugging Face hub, and download them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from distillery.jobs import UserError, log, one_line
from distillery.sources.license_notes import license_of
from distillery.storage.files import files_below
from distillery.storage.hub_access import ask_hub, hub_or_cache
from distillery.storage.hub_errors import hub_error, model_name
from distillery.storage.retrieved.refusals import Refusal

CONVERTED = "refs/convert/parquet"  # revision in which the hub keeps data sets that it has converted to parquet


@dataclass(frozen=True)
class DatasetSplit:
    """A split of a data set.

    Attributes:
        dataset: a local folder or parquet file, or an id on the hub.
        revision: on the hub; empty for the newest.
        subset: of a data set that has several; the hub also calls it a configuration; empty if there is only one.
        split: such as train.
    """

    dataset: str
    revision: str
    subset: str
    split: str

    @classmethod
    def of(cls, settings: Mapping[str, Any], split: str = "split") -> DatasetSplit:
        """The split that the settings of a source or of the teacher's data name, under the key `split`."""
        return cls(settings["dataset"], settings["revision"], settings["subset"], settings[split])

    @property
    def is_local(self) -> bool:
        """Whether it is a folder or file on this machine."""
        return Path(self.dataset).exists()


@dataclass(frozen=True)
class ParquetPart:
    """One parquet file of a split.

    Attributes:
        name: path within the data set.
        path: path on this machine.
        commit: of the data set on the hub; empty for a local one.
        license: as the data set's card states it; empty if it states none.
    """

    name: str
    path: Path
    commit: str = ""
    license: str = ""


def parts_of(split: DatasetSplit, where: str) -> list[ParquetPart]:
    """The parquet files of a split, sorted by name; those on the hub are downloaded into the hub's local cache.

    Args:
        split: of the data set.
        where: how an error names the place in the configuration.

    Raises:
        UserError: there is no such data set, split or subset.
        Refusal: the data set is gated, or the hub does not answer.
    """
    if split.is_local:
        return local_parts(split, where)
    commit, names, license = hub_files(split, where)
    log.info("%s: %d files of %s at %s", where, len(names), split.dataset, commit)
    return [ParquetPart(name, _downloaded(split, commit, name), commit, license) for name in names]


def local_parts(split: DatasetSplit, where: str) -> list[ParquetPart]:
    """As `parts_of`, for a local folder or file."""
    path = Path(split.dataset)
    if path.is_file():
        return [ParquetPart(path.name, path)]
    files, license = files_below(path), license_of(path)
    return [ParquetPart(name, files[name], license=license) for name in choose_files(files, split, where)]


def hub_files(split: DatasetSplit, where: str) -> tuple[str, list[str], str]:
    """The commit on the hub, the names of a split's parquet files there, and the license; downloads nothing.

    Raises: as `parts_of`.
    """
    from huggingface_hub import HfApi

    hub, revision = HfApi(), split.revision or None
    try:
        about = ask_hub(lambda: hub.dataset_info(split.dataset, revision=revision))
        names = [file.rfilename for file in about.siblings or ()]
        licenses = [tag.removeprefix("license:") for tag in about.tags or () if tag.startswith("license:")]
        if not any(name.endswith(".parquet") for name in names) and not split.revision:
            about = ask_hub(lambda: hub.dataset_info(split.dataset, revision=CONVERTED))
            names = [file.rfilename for file in about.siblings or ()]
        ask_hub(lambda: hub.auth_check(split.dataset, repo_type="dataset"))
    except Exception as error:  # the hub's own errors, and those of its network client
        raise _refused(split, error) from error
    return about.sha or "", choose_files(names, split, where), ", ".join(licenses)


def choose_files(names: Iterable[str], split: DatasetSplit, where: str) -> list[str]:
    """Choose the parquet files of a split among all file names, sorted.

    A file belongs to a split if its folder has the split's name, or its own name begins with it: `default/train/0000`,
    `data/train-00000-of-00002`. The path before that is the subset.

    Raises:
        UserError: there is no file of the split, or there are files in several subsets.
    """
    parquet = sorted(name for name in names if name.endswith(".parquet"))
    if not parquet:
        raise UserError(f"{where}: {split.dataset} has no parquet files. Give another `revision`, or convert it.")
    subsets: dict[str, list[str]] = {}
    for name in parquet:
        if (subset := _subset_of(name, split.split)) is not None:
            subsets.setdefault(subset, []).append(name)
    if split.subset:
        subsets = {name: files for name, files in subsets.items() if split.subset in PurePosixPath(name).parts}
    if not subsets:
        subset = f" of subset {split.subset}" if split.subset else ""
        raise UserError(
            f"{where}: {split.dataset} has no split {split.split}{subset}; its files are {', '.join(parquet)[:200]}."
            " Correct `split` or `subset`."
        )
    if len(subsets) > 1:
        raise UserError(
            f"{where}: {split.dataset} has split {split.split} in several subsets ({', '.join(sorted(subsets))[:200]})."
            " Name one with `subset`."
        )
    return next(iter(subsets.values()))


def _subset_of(name: str, split: str) -> str | None:
    """The folder before the split in a file's name; None if the file is of another split."""
    path = PurePosixPath(name)
    folders = path.parts[:-1]
    if folders and folders[-1] in (split, f"partial-{split}"):
        return "/".join(folders[:-1])
    begins = path.stem == split or any(path.stem.startswith(split + mark) for mark in "-_.")
    return "/".join(folders) if begins else None


def _downloaded(split: DatasetSplit, commit: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        with hub_or_cache(split.dataset):
            return Path(hf_hub_download(split.dataset, name, repo_type="dataset", revision=commit))
    except Exception as error:  # errors of the hub and of its network client
        raise _refused(split, error) from error


def _refused(split: DatasetSplit, error: Exception) -> UserError:
    return hub_error(split.dataset, split.revision, error, "dataset") or Refusal(
        f"{model_name(split.dataset, split.revision, 'dataset')}: the hub cannot be reached ({one_line(error, 120)})."
        " Go online and run again.",
        "unreachable",
    )
