"""Notes: what was done for an image that is saved, and that a person should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Note = Literal["damaged", "hdr_tone_mapped", "profile_unusable", "colours_approximate", "one_of_several"]
NOTES: tuple[Note, ...] = ("damaged", "hdr_tone_mapped", "profile_unusable", "colours_approximate", "one_of_several")
# For those who look after a gallery; photographers read the page's own words.
MEANINGS: Mapping[str, str] = {
    "damaged": "parts of the file could not be decoded: compare the picture with the original on the card",
    "hdr_tone_mapped": "an HDR picture: its renditions show it in the standard range",
    "profile_unusable": "its colour profile is broken or incomplete: colours may be off",
    "colours_approximate": "CMYK without a profile: colours may be off",
    "one_of_several": "the file holds several pictures: one was taken",
}


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
