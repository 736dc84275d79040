"""What is found in a folder, and what is left out."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from gallery.client.folder import find_photographs
from gallery.client.types import ReportedLimits
from gallery.errors import GalleryError
from tests.client.conftest import write


def names_in(folder: Path) -> list[str]:
    return [file.file_name for file in find_photographs(folder).files]


def test_every_regular_file_is_found_by_its_path_in_order(tmp_path: Path) -> None:
    write(tmp_path, "card2/IMG_1.JPG", "card1/IMG_2.JPG", "card1/IMG_10.JPG", "notes.txt", "a.heic")
    found = find_photographs(tmp_path)
    assert [file.file_name for file in found.files] == [
        "a.heic",
        "card1/IMG_10.JPG",
        "card1/IMG_2.JPG",
        "card2/IMG_1.JPG",
        "notes.txt",
    ]
    assert [file.content_type for file in found.files][::4] == ["image/heic", "text/plain"]
    assert found.files[0].size == 6
    assert found.notes == ()


def test_hidden_files_and_litter_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", ".DS_Store", "._a.jpg", "x/Thumbs.db", "__MACOSX/a.jpg", ".git/a.jpg", "Icon\r")
    found = find_photographs(tmp_path)
    assert [file.file_name for file in found.files] == ["a.jpg"]
    (note,) = found.notes
    for name in (".DS_Store", "._a.jpg", "__MACOSX/", ".git/", "1 more"):
        assert name in note
    assert note.isprintable()


def test_links_are_followed_to_files_inside_only(tmp_path: Path) -> None:
    write(tmp_path, "in/a.jpg", "out/secret.jpg")
    (tmp_path / "in" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "out" / "secret.jpg")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(".")
    (tmp_path / "in" / "self.jpg").symlink_to("self.jpg")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    found = find_photographs(tmp_path / "in")
    assert [file.file_name for file in found.files] == ["a.jpg", "b.jpg"]
    assert "; ".join(found.notes) == (
        "skipped, broken link: self.jpg; skipped, link to outside the folder: c.jpg; "
        "skipped, linked folder: loop/, out/; skipped, not a regular file: pipe.jpg"
    )


def test_names_are_in_nfc_and_of_two_that_become_one_the_first_counts(tmp_path: Path) -> None:
    write(tmp_path, unicodedata.normalize("NFD", "Zoë.jpg"))
    assert names_in(tmp_path) == [unicodedata.normalize("NFC", "Zoë.jpg")]
    write(tmp_path, unicodedata.normalize("NFC", "Zoë.jpg"), "a.jpg")
    found = find_photographs(tmp_path)
    assert [file.path.name for file in found.files] == [unicodedata.normalize("NFD", "Zoë.jpg"), "a.jpg"]
    (problem,) = found.left_out
    assert (problem.outcome, problem.reason) == ("rejected", "duplicate_file_name")
    assert problem.file_name == unicodedata.normalize("NFC", "Zoë.jpg")
    assert r"'Zoe\u0308.jpg' and 'Zo\xeb.jpg'" in (problem.message or "")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\\b.jpg", "a\\b.jpg"),
        ("a\nb.jpg", "a\nb.jpg"),
        ("${filename}.jpg", "${filename}.jpg"),
        ("\udcff.jpg", "\\udcff.jpg"),
    ],
    ids=["backslash", "newline", "S3's variable", "no UTF-8"],
)
def test_a_name_that_breaks_a_rule_is_left_out_by_name_and_holds_up_no_other(
    tmp_path: Path, name: str, told: str
) -> None:
    write(tmp_path, name, "good.jpg")
    found = find_photographs(tmp_path)
    assert [file.file_name for file in found.files] == ["good.jpg"]
    (problem,) = found.left_out
    assert (problem.file_name, problem.outcome, problem.reason) == (told, "rejected", "invalid_file_name")
    assert "rename the file" in (problem.message or "")


def test_kinds_and_sizes_that_the_api_refuses_are_left_out_and_told_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.CR2", "c.MOV", "d.txt", "e.txt.jpg", "just right.jpg", "too large.jpg", "movie")
    (tmp_path / "just right.jpg").write_bytes(b"x" * 1000)
    (tmp_path / "too large.jpg").write_bytes(b"x" * 1001)
    kinds = {"raw": frozenset({"cr2"}), "video": frozenset({"mov"}), "new": frozenset({"txt"})}
    limits = ReportedLimits(1000, 10_000, frozenset({"cr2", "mov", "txt"}), kinds)
    found = find_photographs(tmp_path).within(limits)
    assert [file.file_name for file in found.files] == ["a.jpg", "e.txt.jpg", "just right.jpg", "movie"]
    assert {problem.file_name: (problem.reason, problem.message) for problem in found.left_out} == {
        "b.CR2": (
            "unsupported_format",
            "the file is camera RAW (.cr2), which is not supported: develop it, and export it as JPEG, TIFF or PNG",
        ),
        "c.MOV": ("unsupported_format", "the file is a video (.mov): a gallery takes photographs only"),
        "d.txt": (
            "unsupported_format",
            "files of this kind (.txt) are not supported: if it is a photograph, export it as JPEG, TIFF or PNG",
        ),
        "too large.jpg": (
            "too_many_bytes",
            "the file has 1,001 bytes; at most 1,000 are accepted: export it smaller",
        ),
    }
    assert {(problem.outcome, problem.stage) for problem in found.left_out} == {("rejected", "download")}


def test_a_folder_with_nothing_to_send_is_a_clear_error(tmp_path: Path) -> None:
    write(tmp_path, ".DS_Store", "file.jpg/a")
    (tmp_path / "file.jpg" / "a").unlink()
    with pytest.raises(GalleryError, match=r"has no files to send; skipped, hidden or system: \.DS_Store"):
        find_photographs(tmp_path)
    with pytest.raises(GalleryError, match="is not there"):
        find_photographs(tmp_path / "nowhere")
    with pytest.raises(GalleryError, match="is not a folder"):
        find_photographs(tmp_path / ".DS_Store")
