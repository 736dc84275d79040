"""The grammar of object keys: building and parsing are inverse, whatever text comes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gallery.names import GALLERY_ID, STYLE_NAME, UPLOAD_ID
from gallery.storage.keys import (
    CHECK_PREFIX,
    RESULTS_PREFIX,
    EntryKeys,
    LibraryKey,
    StagedKey,
    owner_of,
    short_recipe,
    upload_prefix,
)

GALLERIES = st.from_regex(GALLERY_ID, fullmatch=True)
UPLOADS = st.from_regex(UPLOAD_ID, fullmatch=True)
STYLES = st.from_regex(STYLE_NAME, fullmatch=True)
NUMBERS = st.integers(1, 999_999_999)
DIGITS = st.text("0123456789abcdef", min_size=8, max_size=8)
EXTENSIONS = st.sampled_from([".jpg", ".webp", ".png", ".avif", ".tif", ".heic"])
NAMES = st.text(min_size=1).filter(lambda name: "\0" not in name)
STAGED = st.builds(StagedKey, GALLERIES, UPLOADS, NAMES)
WRITES = st.integers(1, 10**18)
ORIGINALS = st.builds(LibraryKey, GALLERIES, UPLOADS, NUMBERS, WRITES | st.none(), EXTENSIONS | st.just(""))
RENDITIONS = st.builds(LibraryKey, GALLERIES, UPLOADS, NUMBERS, WRITES | st.none(), EXTENSIONS, STYLES, DIGITS)
# What keys are made of, put together in any order.
PIECES = st.sampled_from(
    ["g", "u", "1", "0", "/", "original", "large", "-", "0123abcd", ".jpg", ".", "..", "_", "\n", "é"]
)
TEXTS = st.text() | st.lists(PIECES, max_size=12).map("".join)


@given(STAGED)
@example(StagedKey("g", "u", "card1/IMG_0001.JPG"))
@example(StagedKey("g", "u", "a\nb"))
def test_a_staged_key_is_parsed_into_what_it_was_built_from(key: StagedKey) -> None:
    assert StagedKey.parse(key.key) == key
    assert owner_of(key.key) == key.owner == (key.gallery_id, key.upload_id)
    assert key.key == upload_prefix(key.gallery_id, key.upload_id) + key.name


@given(ORIGINALS | RENDITIONS)
@example(LibraryKey("g", "u", 1, 7, ".jpg", "original", "0123abcd"))
@example(LibraryKey("g", "u", 1, None, ".jpg", "a-0123abcd", "0123abcd"))
def test_a_library_key_is_parsed_into_what_it_was_built_from(key: LibraryKey) -> None:
    assert LibraryKey.parse(key.key) == key
    assert owner_of(key.key) == key.owner == (key.gallery_id, key.upload_id)


@given(TEXTS)
@example("g/u/1/original")
@example("g/u/01/original.jpg")
@example("g/u/1/02/original.jpg")
@example("g/u/1/0/original.jpg")
@example("g/u/1/2/3/original.jpg")
@example("g/u/1/large-0123ABCD.jpg")
@example("g/u/1/large-0123abcd")
@example("g/u/1/sub/original.jpg")
@example("g/u/" + "9" * 5000 + "/original.jpg")
def test_whatever_is_parsed_is_built_again_as_it_was(text: str) -> None:
    for grammar in (StagedKey, LibraryKey):
        key = grammar.parse(text)
        assert key is None or key.key == text


@given(GALLERIES, UPLOADS, NUMBERS, WRITES, STYLES, DIGITS, EXTENSIONS)
def test_an_entrys_keys_belong_to_it_alone(
    gallery_id: str, upload_id: str, number: int, write: int, style: str, digits: str, extension: str
) -> None:
    keys, recipe_id = EntryKeys(gallery_id, upload_id, number, write), digits + "0" * 56
    for key in (keys.original(extension), keys.rendition(style, recipe_id, extension)):
        parsed = LibraryKey.parse(key)
        assert parsed is not None
        assert (*parsed.owner, parsed.entry_number, parsed.write_number) == (gallery_id, upload_id, number, write)
    parsed = LibraryKey.parse(keys.rendition(style, recipe_id, extension))
    assert parsed is not None
    assert (parsed.style, parsed.recipe, short_recipe(recipe_id)) == (style, digits, digits)


@pytest.mark.parametrize("prefix", [RESULTS_PREFIX, CHECK_PREFIX])
@given(ORIGINALS | RENDITIONS | STAGED)
def test_what_is_no_uploads_meets_no_uploads_keys(prefix: str, key: LibraryKey | StagedKey) -> None:
    assert not key.key.startswith(prefix)
    assert StagedKey.parse(f"{prefix}{key.key}") is None
    assert LibraryKey.parse(f"{prefix}{key.key}") is None


@pytest.mark.parametrize(
    ("key", "built"),
    [
        (
            "summer-wedding/20260620-3f9c/1/original.jpg",
            LibraryKey("summer-wedding", "20260620-3f9c", 1, None, ".jpg").key,
        ),
        ("g/u/2/large-0123abcd.webp", LibraryKey("g", "u", 2, None, ".webp", "large", "0123abcd").key),
        ("g/u/3/s-r", EntryKeys("g", "u", 3, 5).result_path("s", "r")),
        ("g/u/card1/IMG_0001.JPG", StagedKey("g", "u", "card1/IMG_0001.JPG").key),
    ],
)
def test_keys_of_release_0_1_0_stay_valid(key: str, built: str) -> None:
    assert built == key


def test_what_is_written_under_another_number_has_other_keys() -> None:
    one, other = EntryKeys("g", "u", 3, 5), EntryKeys("g", "u", 3, 6)
    assert one.original(".jpg") == "g/u/3/5/original.jpg"
    assert one.rendition("large", "0123abcd" + "e" * 56, ".webp") == "g/u/3/5/large-0123abcd.webp"
    assert {one.original(".jpg"), one.rendition("large", "0" * 64, ".webp")}.isdisjoint(
        {other.original(".jpg"), other.rendition("large", "0" * 64, ".webp")}
    )
