"""Read files directly from a tar or a zip.

Nothing is extracted to the disk, so names in an archive cannot reach outside it. Links in a tar are not followed.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distillery.jobs import UserError
from distillery.storage.retrieved.pools import members_of

SUFFIXES = (".tar", ".zip")


@dataclass(frozen=True)
class Member:
    """A file in a folder or archive."""

    size: int  # bytes
    read: Callable[[int], bytes]  # reads the first n bytes; all for -1


def read_archive(path: Path, where: str) -> dict[str, Member]:
    """The files of an archive by their names within it, without `.` and leading `/`; the last file of a name counts.

    Args:
        path: of a `.zip`, or else a plain tar.
        where: how an error names the place in the configuration.

    Raises:
        UserError: the archive is damaged, compressed as a whole or encrypted.
    """
    try:
        return _zip_members(path) if zipfile.is_zipfile(path) else _tar_members(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:  # NotImplementedError: an impossible zip version
        raise UserError(f"{where}: {path} cannot be read as a .zip ({error}). Download or make it again.") from error
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if path.suffix.lower() == ".zip":
            raise UserError(f"{where}: {path} is not a .zip, or is truncated. Download it again.") from error
        raise UserError(
            f"{where}: {path} cannot be read as a plain .tar ({error}). Decompress it, or make it again with tar -cf."
        ) from error


def _tar_members(path: Path) -> dict[str, Member]:
    with tarfile.open(path, "r:") as tar:
        return {
            _name(member.name): Member(member.size, _tar_reader(path, member))
            for member in members_of(tar)
            if member.isreg() and not member.issparse()
        }


def _tar_reader(path: Path, member: tarfile.TarInfo) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        wanted = member.size if count < 0 else min(count, member.size)
        with open(path, "rb") as file:
            file.seek(member.offset_data)
            data = file.read(wanted)
        if len(data) < wanted:
            raise OSError("truncated")
        return data

    return read


def _zip_members(path: Path) -> dict[str, Member]:
    archive = zipfile.ZipFile(path)  # stays open as long as members can be read
    members = [member for member in archive.infolist() if not member.is_dir()]
    if any(member.flag_bits & 1 for member in members):
        raise zipfile.BadZipFile("it is encrypted")
    names = {_name(member.filename.replace("\\", "/")): member for member in members}
    return {name: Member(member.file_size, _zip_reader(archive, member)) for name, member in names.items()}


def _zip_reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        try:
            # never more than the declared size, even if the compressed data hold more
            with archive.open(member) as file:
                return file.read(member.file_size if count < 0 else min(count, member.file_size))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise OSError(f"damaged ({error})") from error
        except Exception as error:  # each compression has its own type of error
            if type(error).__module__ in ("zlib", "lzma", "_lzma", "bz2", "_bz2"):
                raise OSError(f"damaged ({error})") from error
            raise

    return read


def _name(name: str) -> str:
    return "/".join(part for part in PurePosixPath(name).parts if part not in (".", "/"))
