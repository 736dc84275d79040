"""The table of file formats: what is refused by extension is refused by contents, and nothing that is decoded is."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from gallery.errors import RejectedImage
from gallery.imaging import formats
from gallery.imaging.formats import DECODED_FORMATS, UNSUPPORTED_EXTENSIONS, content_type_of, identify
from tests.imaging.pictures import quarters

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
    registered = Image.registered_extensions()
    # Pillow registers writers for WMF and EMF, but has them on Windows only; a BLP is of palette mode.
    return [
        one for one in ALL_EXTENSIONS if one not in ("wmf", "emf", "blp") and registered.get(f".{one}") in Image.SAVE
    ]


@pytest.mark.parametrize("extension", _written_by_pillow())
def test_what_pillow_writes_under_a_refused_extension_is_refused_by_its_contents(extension: str) -> None:
    content = BytesIO()
    quarters(64, 64).save(content, Image.registered_extensions()[f".{extension}"])
    with pytest.raises(RejectedImage):
        identify(content.getvalue())


# By what their contents are called when they are refused: the extensions that such files usually have.
USUAL_EXTENSIONS = {
    "PSD": "psd psb",
    "RAF (camera RAW)": "raf",
    "ORF (camera RAW)": "orf",
    "RW2 (camera RAW)": "rw2",
    "X3F (camera RAW)": "x3f",
    "MRW (camera RAW)": "mrw",
    "CR3 (camera RAW)": "cr3",
    "JPEG 2000": "jp2 jpf jpx jpm j2k j2c jpc",
    "JPEG XL": "jxl",
    "MKV or WebM video": "mkv webm",
    "PostScript": "ps",
    "EPS": "eps",
    "XCF": "xcf",
    "OpenEXR": "exr",
    "Radiance HDR": "hdr",
    "QOI": "qoi",
    "ICO": "ico",
    "CUR": "cur",
    "ICNS": "icns",
    "DDS": "dds",
    "JPEG XR": "jxr wdp hdp",
    "Sun raster": "ras",
    "SGI": "sgi rgb",
    "FITS": "fits",
    "WMF": "wmf",
    "XPM": "xpm",
    "BLP": "blp",
    "FLV video": "flv",
    "Ogg video": "ogv ogg ogm",
    "WMV video": "wmv asf",
    "MPEG video": "mpg mpeg mpe m1v m2v vob",
    "MOV video": "mov qt",
    "MP4 video": "mp4 m4v 3gp 3g2",
    "AVI video": "avi",
    "PDF": "pdf ai",
    "BMP": "bmp dib",
    "SVG": "svg",
    "PNM": "pbm pgm ppm pnm pam",
}


def test_what_is_refused_by_contents_is_refused_by_its_usual_extensions() -> None:
    recognised = {name for _, name in formats._NAMED} | set(formats._BRANDS.values())
    recognised |= set(re.findall(r'name = "([^"]+)"', inspect.getsource(formats._recognise)))
    recognised |= set(re.findall(r'_BRANDS\.get\(.*, "([^"]+)"\)', inspect.getsource(formats._recognise)))
    assert recognised == set(USUAL_EXTENSIONS)
    usual = {one for extensions in USUAL_EXTENSIONS.values() for one in extensions.split()}
    assert usual - set(ALL_EXTENSIONS) == set()


def test_videos_and_raws_that_have_no_signature_here_are_refused_by_extension() -> None:
    assert {"ts", "dv", "divx", "mod", "tod", "360", "mts", "m2ts"} <= set(UNSUPPORTED_EXTENSIONS["video"])
    assert {"cap", "rwz", "nef", "cr2", "arw", "dng"} <= set(UNSUPPORTED_EXTENSIONS["raw"])


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
