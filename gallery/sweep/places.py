"""Whose an object is, read from its key."""

from __future__ import annotations

import re

from gallery.names import GALLERY_ID, UPLOAD_ID

_OWNER = rf"(?P<gallery>{GALLERY_ID.pattern})/(?P<upload>{UPLOAD_ID.pattern})"
# {gallery_id}/{upload_id}/{entry number}/original.jpg, .../large-0123abcd.webp
_LIBRARY = re.compile(rf"{_OWNER}/[1-9][0-9]*/(?:original(?:\.[a-z0-9]+)?|[a-z0-9-]+-[0-9a-f]{{8}}\.[a-z0-9]+)")
_STAGED = re.compile(rf"{_OWNER}/.+", re.DOTALL)

Owner = tuple[str, str]
"""(gallery_id, upload_id)"""


def library_owner(key: str) -> Owner | None:
    """Whose an original or a rendition is; `None` for what no run of ours writes."""
    return _owner(_LIBRARY, key)


def staged_owner(key: str) -> Owner | None:
    """Whose a staged file is; `None` for a key that no upload could name."""
    return _owner(_STAGED, key)


def _owner(shape: re.Pattern[str], key: str) -> Owner | None:
    match = shape.fullmatch(key)
    return match and (match["gallery"], match["upload"])
