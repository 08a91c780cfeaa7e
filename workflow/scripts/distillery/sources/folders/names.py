"""Tell by a file's name whether it is an image, an image in an unsupported format, or another file."""

from __future__ import annotations

from pathlib import PurePosixPath

from distillery.storage.files import is_hidden

IMAGES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .gif .bmp .dib .tif .tiff .avif .avifs .jp2 .j2k .jpx .jpf .jpc".split()
)
# images in unsupported formats, of Apple, cameras and editors; they get a record with that failure
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
    """Whether a file may be an image: not hidden, not a system file, and without the suffix of another kind of file."""
    path = PurePosixPath(name)
    return not any(map(is_hidden, path.parts)) and path.suffix.lower() not in OTHERS


def is_image_by_name(name: str) -> bool:
    """Whether the suffix is one of an image, supported or not; a file with an unknown suffix may be an image too."""
    return suffix_of(name) in IMAGES | UNREAD_IMAGES


def is_unread(name: str) -> bool:
    """Whether the suffix is one of an image in an unsupported format."""
    return suffix_of(name) in UNREAD_IMAGES


def suffix_of(name: str) -> str:
    """The suffix in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()
