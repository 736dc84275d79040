"""Notes: what was done for an image that is saved, and that a person should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Note = Literal["damaged", "hdr_tone_mapped", "profile_unusable", "colours_approximate", "one_of_several"]
NOTES: tuple[Note, ...] = ("damaged", "hdr_tone_mapped", "profile_unusable", "colours_approximate", "one_of_several")


@dataclass(frozen=True, slots=True)
class ImageNote:
    """One note about one image, with a sentence that says more: which of several pictures was taken, for example."""

    note: Note
    message: str


def with_notes(metadata: Mapping[str, Any], notes: Iterable[ImageNote]) -> dict[str, Any]:
    """An image's metadata with its notes, as JSON values; each note once, without any where there are none."""
    by_name = {each.note: asdict(each) for each in notes}
    return {**metadata, "notes": list(by_name.values())} if by_name else dict(metadata)


def notes_in(metadata: Mapping[str, Any]) -> list[Note]:
    """The notes that an image's metadata have; none in those of release 0.1.0, which were sentences alone."""
    return [each["note"] for each in metadata.get("notes", ()) if isinstance(each, dict)]
