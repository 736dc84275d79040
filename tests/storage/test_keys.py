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
ORIGINALS = st.builds(LibraryKey, GALLERIES, UPLOADS, NUMBERS, EXTENSIONS | st.just(""))
RENDITIONS = st.builds(LibraryKey, GALLERIES, UPLOADS, NUMBERS, EXTENSIONS, STYLES, DIGITS)
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
@example(LibraryKey("g", "u", 1, ".jpg", "original", "0123abcd"))
@example(LibraryKey("g", "u", 1, ".jpg", "a-0123abcd", "0123abcd"))
def test_a_library_key_is_parsed_into_what_it_was_built_from(key: LibraryKey) -> None:
    assert LibraryKey.parse(key.key) == key
    assert owner_of(key.key) == key.owner == (key.gallery_id, key.upload_id)


@given(TEXTS)
@example("g/u/1/original")
@example("g/u/01/original.jpg")
@example("g/u/1/large-0123ABCD.jpg")
@example("g/u/1/large-0123abcd")
@example("g/u/1/sub/original.jpg")
@example("g/u/" + "9" * 5000 + "/original.jpg")
def test_whatever_is_parsed_is_built_again_as_it_was(text: str) -> None:
    for grammar in (StagedKey, LibraryKey):
        key = grammar.parse(text)
        assert key is None or key.key == text


@given(GALLERIES, UPLOADS, NUMBERS, STYLES, DIGITS, EXTENSIONS)
def test_an_entrys_keys_belong_to_it_alone(
    gallery_id: str, upload_id: str, number: int, style: str, digits: str, extension: str
) -> None:
    keys, recipe_id = EntryKeys(gallery_id, upload_id, number), digits + "0" * 56
    for key in (keys.original(extension), keys.rendition(style, recipe_id, extension)):
        parsed = LibraryKey.parse(key)
        assert parsed is not None
        assert (*parsed.owner, parsed.entry_number) == (gallery_id, upload_id, number)
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
            EntryKeys("summer-wedding", "20260620-3f9c", 1).original(".jpg"),
        ),
        ("g/u/2/large-0123abcd.webp", EntryKeys("g", "u", 2).rendition("large", "0123abcd" + "e" * 56, ".webp")),
        ("g/u/3/s-r", EntryKeys("g", "u", 3).result_path("s", "r")),
        ("g/u/card1/IMG_0001.JPG", StagedKey("g", "u", "card1/IMG_0001.JPG").key),
    ],
)
def test_keys_are_those_of_release_0_1_0(key: str, built: str) -> None:
    assert built == key
