"""The table of file formats: what is refused by extension is refused by contents, and nothing that is decoded is."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO

import pytest
from pi_heif import register_heif_opener
from pictures import quarters
from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.formats import DECODED_FORMATS, UNSUPPORTED_EXTENSIONS, content_type_of, identify

ALL_EXTENSIONS = [extension for extensions in UNSUPPORTED_EXTENSIONS.values() for extension in extensions]
# JPEGs under other names: multi-picture and stereo files, and those of 360-degree cameras.
MORE_JPEGS = {"mpo", "jps", "insp"}


def test_each_extension_has_one_kind() -> None:
    assert len(set(ALL_EXTENSIONS)) == len(ALL_EXTENSIONS)
    assert [one for one in ALL_EXTENSIONS if not re.fullmatch(r"[a-z0-9]+", one)] == []
    assert all(UNSUPPORTED_EXTENSIONS.values())


def test_no_extension_of_a_decoded_format_is_refused() -> None:
    register_heif_opener()
    decoded = {source_format.name for source_format in DECODED_FORMATS}
    theirs = {one.removeprefix(".") for one, name in Image.registered_extensions().items() if name in decoded}
    assert {"jpg", "jpeg", "jfif", "apng", "webp", "gif", "tif", "tiff", "heic", "heif", "hif", "avif"} <= theirs
    assert not (theirs | MORE_JPEGS) & set(ALL_EXTENSIONS)


def _written_by_pillow() -> list[str]:
    formats = Image.registered_extensions()
    # Pillow registers a writer for WMF, but has one on Windows only.
    return [one for one in ALL_EXTENSIONS if one != "wmf" and formats.get(f".{one}") in Image.SAVE]


@pytest.mark.parametrize("extension", _written_by_pillow())
def test_what_pillow_writes_under_a_refused_extension_is_refused_by_its_contents(extension: str) -> None:
    content = BytesIO()
    quarters(64, 64).save(content, Image.registered_extensions()[f".{extension}"])
    with pytest.raises(RejectedImage):
        identify(content.getvalue())


def test_content_types_are_known_by_extension() -> None:
    types = [content_type_of(source_format.extension) for source_format in DECODED_FORMATS]
    assert types == [source_format.content_type for source_format in DECODED_FORMATS]
    assert content_type_of(".JPEG") == "image/jpeg"
    assert content_type_of(".heif") == "image/heif"
    assert content_type_of(".cr3") is None
    assert content_type_of("") is None


def test_the_table_is_read_without_pillow() -> None:
    program = "import sys, gallery.imaging.formats; print('PIL' in sys.modules, 'gallery.settings' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]
