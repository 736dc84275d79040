"""The grammar of object keys: the only module that builds or parses one.

| bucket | key | here |
| --- | --- | --- |
| uploads | `{gallery_id}/{upload_id}/{file_name}` | `StagedKey` |
| library | `{gallery_id}/{upload_id}/{entry number}/{write number}/original{extension}` | `LibraryKey`, style `None` |
| library | `{gallery_id}/{upload_id}/{entry number}/{write number}/{style}-{recipe}{extension}` | `LibraryKey` |
| library | `_results/{gallery_id}/{upload_id}/{entry number}/{SHA-256}-{recipe_id}` | `result_key` |
| both | `_check/...` | `check_key` |

No gallery_id begins with an underscore, so the last two can never meet a gallery's objects. A write number is drawn
once for each claim of an entry, each image that is rebuilt and each version that is restored: whoever writes late meets
no other content. Release 0.1.0 had none in its keys, which stay valid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from gallery.errors import RefusedRequest
from gallery.models import ObjectKey
from gallery.names import CONTROL, GALLERY_ID, STYLE_NAME, UPLOAD_ID

# Cached results of the process stage, in the library bucket.
RESULTS_PREFIX = "_results/"
# What `gallery check` writes and deletes again.
CHECK_PREFIX = "_check/"
# Hexadecimal digits of a recipe_id that stand in a rendition's key.
RECIPE_DIGITS = 8
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024

_UPLOAD = rf"(?P<gallery>{GALLERY_ID.pattern})/(?P<upload>{UPLOAD_ID.pattern})/"
# A key is text without NUL, which neither XML nor PostgreSQL can carry.
_STAGED = re.compile(rf"{_UPLOAD}(?P<name>[^\0]+)")
_LIBRARY = re.compile(
    rf"{_UPLOAD}(?P<number>[1-9][0-9]{{0,8}})/(?:(?P<write>[1-9][0-9]{{0,18}})/)?"
    rf"(?:original|(?P<style>{STYLE_NAME.pattern})-(?P<recipe>[0-9a-f]{{{RECIPE_DIGITS}}}))"
    # An original may lack its extension, a rendition may not.
    r"(?P<extension>\.[a-z0-9]+|(?<=/original))"
)

Owner = tuple[str, str]
"""The upload that an object belongs to: (gallery_id, upload_id)."""


def gallery_prefix(gallery_id: str) -> str:
    """What the keys of all objects of a gallery begin with, in both buckets: `summer-wedding/`."""
    return f"{gallery_id}/"


def upload_prefix(gallery_id: str, upload_id: str) -> str:
    """What the keys of all objects of an upload begin with, in both buckets: `summer-wedding/20260620-3f9c/`."""
    return f"{gallery_prefix(gallery_id)}{upload_id}/"


def short_recipe(recipe_id: str) -> str:
    """The part of a recipe's fingerprint that stands in keys."""
    return recipe_id[:RECIPE_DIGITS]


@dataclass(frozen=True, slots=True)
class StagedKey:
    """A staged file in the uploads bucket. `name` is the entry's `file_name`, or what a webhook's caller chose."""

    gallery_id: str
    upload_id: str
    name: str

    @property
    def key(self) -> ObjectKey:
        """The key as stores have it."""
        return ObjectKey(f"{upload_prefix(self.gallery_id, self.upload_id)}{self.name}")

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """The parts of a key; `None` for one that no upload can have."""
        found = _STAGED.fullmatch(key)
        return found and cls(found["gallery"], found["upload"], found["name"])

    @property
    def owner(self) -> Owner:
        """The upload it belongs to."""
        return self.gallery_id, self.upload_id


@dataclass(frozen=True, slots=True)
class LibraryKey:
    """An original (`style` and `recipe` are `None`) or a rendition in the library bucket.

    `recipe` has the first eight digits of the recipe's fingerprint; `extension` begins with its dot, and may be empty
    for an original. `write_number` is `None` in keys of release 0.1.0.
    """

    gallery_id: str
    upload_id: str
    entry_number: int
    write_number: int | None
    extension: str
    style: str | None = None
    recipe: str | None = None

    @property
    def key(self) -> ObjectKey:
        """The key as stores have it."""
        stem = "original" if self.style is None else f"{self.style}-{self.recipe}"
        write = "" if self.write_number is None else f"{self.write_number}/"
        folder = f"{upload_prefix(self.gallery_id, self.upload_id)}{self.entry_number}/{write}"
        return ObjectKey(f"{folder}{stem}{self.extension}")

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """The parts of a key; `None` for one that no run writes."""
        found = _LIBRARY.fullmatch(key)
        if found is None:
            return None
        return cls(
            found["gallery"],
            found["upload"],
            int(found["number"]),
            int(found["write"]) if found["write"] else None,
            found["extension"],
            found["style"],
            found["recipe"],
        )

    @property
    def owner(self) -> Owner:
        """The upload it belongs to."""
        return self.gallery_id, self.upload_id


def rewritten(key: ObjectKey, write_number: int) -> ObjectKey:
    """The key in the library for a copy of this object of it, under another write number."""
    return replace(_parsed(key), write_number=write_number).key


def extension_of(key: ObjectKey) -> str:
    """The extension of an object of the library, with its dot; may be empty."""
    return _parsed(key).extension


def _parsed(key: ObjectKey) -> LibraryKey:
    parsed = LibraryKey.parse(key)
    if parsed is None:
        raise ValueError(f"{key!r} is no key of the library")
    return parsed


@dataclass(frozen=True, slots=True)
class EntryKeys:
    """The library keys of one entry under one write number, which it shares with no other."""

    gallery_id: str
    upload_id: str
    entry_number: int
    write_number: int

    def original(self, extension: str) -> ObjectKey:
        """The key of the untouched file; `extension` belongs to its contents, such as `.jpg`."""
        return LibraryKey(self.gallery_id, self.upload_id, self.entry_number, self.write_number, extension).key

    def rendition(self, style: str, recipe_id: str, extension: str) -> ObjectKey:
        """The key of one style's file."""
        place = (self.gallery_id, self.upload_id, self.entry_number, self.write_number)
        return LibraryKey(*place, extension, style, short_recipe(recipe_id)).key

    def result_path(self, sha256: str, recipe_id: str) -> str:
        """The path, for `result_key`, of what process made of this content by this recipe, under any write number."""
        return f"{upload_prefix(self.gallery_id, self.upload_id)}{self.entry_number}/{sha256}-{recipe_id}"


def result_key(path: str, prefix: str = RESULTS_PREFIX) -> ObjectKey:
    """The key of a cached result in the library bucket."""
    return ObjectKey(f"{prefix}{path}")


def is_result(key: str) -> bool:
    """Whether a key of the library bucket is that of a cached result."""
    return key.startswith(RESULTS_PREFIX)


def check_key(name: str) -> ObjectKey:
    """The key of something that `gallery check` writes and deletes again."""
    return ObjectKey(f"{CHECK_PREFIX}{name}")


def given_staged_key(key: str, gallery_id: str, upload_id: str) -> ObjectKey:
    """A key that a caller of ours gave for a file that it has staged itself.

    Raises `RefusedRequest` (`invalid_key`) for one outside of its upload, or that no store could have.
    """
    prefix = upload_prefix(gallery_id, upload_id)
    if not key.startswith(prefix) or key == prefix:
        raise RefusedRequest("invalid_key", f"key {key[:80]!r} does not begin with {prefix}")
    staged = StagedKey.parse(key)
    if staged is None or len(key.encode()) > MAX_KEY_BYTES:
        raise RefusedRequest("invalid_key", f"key {key[:80]!r} is not a valid S3 key")
    if CONTROL.search(key):
        # A store could neither list nor delete it.
        raise RefusedRequest("invalid_key", f"key {key[:80]!r} has control characters, U+FFFE or U+FFFF")
    return staged.key


def owner_of(key: str) -> Owner | None:
    """The upload that an object of either bucket belongs to; `None` for what belongs to none."""
    staged = StagedKey.parse(key)
    return None if staged is None else staged.owner
