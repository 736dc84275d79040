"""The rules for every name that comes from outside; nothing else becomes a key or is stored.

`gallery_id` and `upload_id` are slugs. A `file_name` is the path relative to the folder that was dropped,
`card1/IMG_0001.JPG`; it is only ever part of an S3 key and a column, never of a local path.
"""

from __future__ import annotations

import re
import unicodedata

from gallery.errors import RefusedRequest

GALLERY_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
UPLOAD_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
STYLE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
MAX_FILE_NAME_BYTES = 255
# XML, by which objects are listed and deleted, carries none of these; nor do we show them.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
LONGEST_EXTENSION = 16  # bytes; what follows a dot and is longer is no extension


def check_gallery_id(gallery_id: str) -> str:
    """Return `gallery_id` if it is a slug of 1-63 characters, else raise `RefusedRequest`."""
    if not GALLERY_ID.fullmatch(gallery_id):
        raise RefusedRequest(
            "invalid_gallery_id",
            "gallery_id must be a slug: 1-63 lower-case letters, digits and hyphens, like summer-wedding",
        )
    return gallery_id


def check_upload_id(upload_id: str) -> str:
    """Return `upload_id` if it is 1-64 letters, digits, `.`, `_`, `-`, else raise `RefusedRequest`."""
    if not UPLOAD_ID.fullmatch(upload_id):
        raise RefusedRequest(
            "invalid_upload_id",
            "upload_id must be 1-64 letters, digits, dots, underscores and hyphens, and begin and end "
            "with a letter or digit",
        )
    return upload_id


def numbered(file_name: str, number: int) -> str:
    """`card1/IMG_0001.JPG` as `card1/IMG_0001 (2).JPG`, its stem cut where the name would be too long.

    Where the folder alone leaves no room for that, the name goes without it.
    """
    folder, slash, base = file_name.rpartition("/")
    stem, dot, extension = base.rpartition(".")
    if not stem or len(extension.encode()) > LONGEST_EXTENSION:
        stem, dot, extension = base, "", ""
    tail = f" ({number}){dot}{extension}"
    if len(f"{folder}{slash}{tail}".encode()) >= MAX_FILE_NAME_BYTES:
        folder = slash = ""
    room = MAX_FILE_NAME_BYTES - len(f"{folder}{slash}{tail}".encode())
    cut = stem
    while len(cut.encode()) > room:
        cut = cut[:-1]
    # Never between a letter and the accents that belong to it.
    while len(cut) < len(stem) and cut and unicodedata.category(stem[len(cut)]).startswith("M"):
        cut = cut[:-1]
    return f"{folder}{slash}{cut}{tail}"


def check_file_name(file_name: str) -> str:
    """Return `file_name` in Unicode NFC, or raise `RefusedRequest` that says which rule it breaks."""

    def refuse(rule: str) -> RefusedRequest:
        return RefusedRequest("invalid_file_name", f"file_name {file_name[:80]!r} {rule}")

    try:
        name = unicodedata.normalize("NFC", file_name)
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise refuse("is not valid Unicode") from None
    if not 1 <= size <= MAX_FILE_NAME_BYTES:
        raise refuse(f"must be 1-{MAX_FILE_NAME_BYTES} bytes long in UTF-8")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise refuse("must have no empty, '.' or '..' part between its slashes")
    if "\\" in name:
        raise refuse("must use '/' between folders, not a backslash")
    if CONTROL.search(name) or any(separator in name for separator in "\u2028\u2029"):
        raise refuse("must have no control characters, and neither U+FFFE nor U+FFFF")
    if "${" in name:
        # S3 replaces ${filename} in a POST policy's key by what the browser says.
        raise refuse("must not contain '${'")
    return name
