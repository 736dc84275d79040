"""The rules for names from outside, over whatever text may come."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gallery.errors import RefusedRequest
from gallery.names import check_file_name, check_gallery_id, check_upload_id, numbered
from gallery.storage.keys import StagedKey

# Far from likely in plain random text: what the rules are about.
PIECES = [
    "/",
    ".",
    "..",
    "\\",
    "${",
    "}",
    "\0",
    "\n",
    "\x85",
    "a",
    "é",
    "e\u0301",
    "\ud800",
    "\ufffe",
    "\uffff",
    "ä" * 100,
    "\u2028",
    "😀",
]
# The second name of each; the page makes the same ones.
NUMBERED = {
    "IMG_0001.JPG": "IMG_0001 (2).JPG",
    "card1/IMG_0001.JPG": "card1/IMG_0001 (2).JPG",
    "card.1/IMG": "card.1/IMG (2)",
    ".jpg": ".jpg (2)",
    "a.tar.gz": "a.tar (2).gz",
    "a (2).jpg": "a (2) (2).jpg",
    "x\u0302.jpg": "x\u0302 (2).jpg",
    "y" * 245 + "x\u0302" * 2 + ".jpg": "y" * 245 + " (2).jpg",
    "x" * 251 + ".jpg": "x" * 247 + " (2).jpg",
    "ä" * 125 + ".jpg": "ä" * 123 + " (2).jpg",
    "a." + "x" * 253: "a." + "x" * 249 + " (2)",
    "x" * 248 + "/a.jpg": "a (2).jpg",
    "x" * 253 + "/a": "a (2)",
    "y" * 244 + "ก\u0e31.jpg": "y" * 244 + " (2).jpg",
}
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=8).map("".join)


@given(NAMES)
@example("card1/IMG_0001.JPG")
@example("a" * 255)
@example("\u0344" * 100)  # longer in NFC than before
def test_whatever_is_accepted_keeps_every_rule(given_name: str) -> None:
    try:
        name = check_file_name(given_name)
    except RefusedRequest as error:
        assert error.code == "invalid_file_name"
        str(error).encode()  # can be told to the caller
        return
    assert unicodedata.is_normalized("NFC", name)
    assert name == unicodedata.normalize("NFC", given_name)
    assert 1 <= len(name.encode()) <= 255
    assert not {"", ".", ".."} & set(name.split("/"))
    assert not re.search(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|\$\{", name)
    # What was accepted once is accepted as it is.
    assert check_file_name(name) == name
    assert len(StagedKey("g" * 63, "u" * 64, name).key.encode()) <= 1024


@given(st.from_regex(r"[A-Za-z0-9 äöü_.()#&%+!,;=@'~^\[\]-]{1,60}(\.jpg|\.JPG)", fullmatch=True))
def test_names_as_cameras_and_people_write_them_are_accepted(name: str) -> None:
    assert check_file_name(f"card 1/{name}") == unicodedata.normalize("NFC", f"card 1/{name}")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "1-255 bytes"),
        ("a" * 256, "1-255 bytes"),
        ("a/../b", "no empty, '.' or '..' part"),
        ("/a", "no empty, '.' or '..' part"),
        ("a\\b", "not a backslash"),
        ("a\tb", "no control characters"),
        ("${x}", "must not contain '${'"),
        ("\udfff", "not valid Unicode"),
    ],
)
def test_the_message_names_the_rule(name: str, rule: str) -> None:
    with pytest.raises(RefusedRequest, match=re.escape(rule)):
        check_file_name(name)


@given(st.text(max_size=70))
def test_ids_are_slugs(text: str) -> None:
    for check, pattern in (
        (check_gallery_id, r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
        (check_upload_id, r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"),
    ):
        if re.fullmatch(pattern, text):
            assert check(text) == text
        else:
            with pytest.raises(RefusedRequest):
                check(text)


@pytest.mark.parametrize("gallery_id", ["summer-wedding", "a", "2026", "a" * 63, "a--b"])
def test_good_gallery_ids(gallery_id: str) -> None:
    assert check_gallery_id(gallery_id) == gallery_id


@pytest.mark.parametrize("gallery_id", ["", "-a", "a-", "A", "a\n", "a/b", "a" * 64, "ä", "²"])
def test_bad_gallery_ids(gallery_id: str) -> None:
    with pytest.raises(RefusedRequest, match="must be a slug"):
        check_gallery_id(gallery_id)


@pytest.mark.parametrize(("name", "second"), NUMBERED.items(), ids=range(len(NUMBERED)))
def test_a_second_name_is_numbered_before_its_extension(name: str, second: str) -> None:
    assert numbered(name, 2) == second
    assert check_file_name(second) == second
