"""What a file in a folder is by its name: an image, another kind of file, or nothing of the user's at all."""

from __future__ import annotations

from pathlib import PurePosixPath

from distillery.storage.files import is_hidden

IMAGES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .gif .bmp .dib .tif .tiff .avif .avifs .jp2 .j2k .jpx .jpf .jpc".split()
)
# images that are not read: Apple's, those of cameras, and those of editors; they get a record that says so
UNREAD_IMAGES = frozenset(
    ".heic .heif .hif .jxl .svg .psd .xcf .dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .raf .orf .rw2 .pef .srw".split()
)
# videos, sidecars, texts and tables
OTHERS = frozenset(
    ".mov .mp4 .m4v .avi .mkv .webm .mpg .mpeg .3gp .mts .m2ts .wmv .wav .mp3 .m4a .aae .xmp .thm .lrv .pp3 .dop .exif"
    " .json .jsonl .txt .csv .tsv .md .xml .html .htm .cls .yaml .yml .ini .db .mat .npy .npz .pkl .parquet .pdf .zip"
    " .tar .gz .tgz .xz .bz2 .7z .rar .py .ipynb .log .lnk .url .part .crdownload".split()
)


def may_be_image(name: str) -> bool:
    """Whether a file is neither hidden, nor a system's own, nor of another kind by its suffix."""
    path = PurePosixPath(name)
    return not any(map(is_hidden, path.parts)) and path.suffix.lower() not in OTHERS


def is_image_by_name(name: str) -> bool:
    """Whether the suffix is that of an image, read or not; a file with an unknown suffix may be one all the same."""
    return suffix_of(name) in IMAGES | UNREAD_IMAGES


def is_unread(name: str) -> bool:
    """Whether the suffix is that of an image in a format that is not read."""
    return suffix_of(name) in UNREAD_IMAGES


def suffix_of(name: str) -> str:
    """The suffix in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()
