"""Damaged files are rendered or rejected; nothing else ever happens.

`GALLERY_FUZZ_EXAMPLES` sets how many of each are tried (default 60); with many, a run takes hours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gallery.errors import RejectedImage
from gallery.imaging.pool import DecoderPool
from gallery.imaging.profiles import srgb_profile
from gallery.imaging.recipe import Limits
from gallery.imaging.render import render
from tests.imaging.pictures import DATA, plain_recipe, quarters

EXAMPLES = int(os.environ.get("GALLERY_FUZZ_EXAMPLES", "60"))
LIMITS = Limits(max_pixels=20_000_000, max_memory_bytes=128 << 20)
FORMATS = ["JPEG", "PROGRESSIVE", "PNG", "WEBP", "TIFF", "LZW", "GIF", "AVIF"]


@cache
def _whole(kind: str) -> bytes:
    if kind == "HEIC":
        return (DATA / "orientation-6.heic").read_bytes()
    exif, written = Image.Exif(), BytesIO()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    options: dict[str, Any] = {"exif": exif, "icc_profile": srgb_profile()}
    if kind == "PROGRESSIVE":
        options["progressive"] = True
    if kind == "LZW":
        options["compression"] = "tiff_lzw"
    file_format = {"PROGRESSIVE": "JPEG", "LZW": "TIFF"}.get(kind, kind)
    quarters(40, 30).save(written, format=file_format, **options)
    return written.getvalue()


def _damaged(content: bytes, data: st.DataObject) -> bytes:
    """Bytes changed, and now and then a piece cut out, doubled or moved."""
    damaged = bytearray(content)
    # Half of the damage goes to the front, where headers are.
    last = len(damaged) - 1
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, last) | st.integers(0, min(last, 200)))
        damaged[at] = data.draw(st.integers(0, 255) | st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    if data.draw(st.integers(0, 3)) == 0:
        start, length = data.draw(st.integers(0, last)), data.draw(st.integers(1, 64))
        piece = damaged[start : start + length]
        to = data.draw(st.integers(0, last))
        damaged[to:to] = piece if data.draw(st.booleans()) else b""
        if data.draw(st.booleans()):
            del damaged[start : start + length]
    return bytes(damaged)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_rendered_or_rejected(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    (tmp_path / "in").write_bytes(_damaged(_whole(kind), data))
    try:
        made = render(tmp_path / "in", tmp_path, plain_recipe(), LIMITS)
    except RejectedImage as rejection:
        assert str(rejection)
        assert str(tmp_path) not in str(rejection)
    else:
        assert made.renditions[0].width <= 64


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1, plain_recipe(), LIMITS, 256 << 20, 30) as started:
        yield started


def _rendered_or_rejected(pool: DecoderPool, path: Path) -> None:
    try:
        made = pool.render(path, path.parent)
    except RejectedImage as rejection:
        assert str(rejection)
    else:
        assert made.renditions[0].width <= 64


# In a subprocess: its decoder may crash, as pi-heif 1.4.0 did at about one damaged header in a thousand.
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_heic_costs_itself_only(pool: DecoderPool, tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "in.heic").write_bytes(_damaged(_whole("HEIC"), data))
    _rendered_or_rejected(pool, tmp_path / "in.heic")


@settings(
    max_examples=max(3, EXAMPLES // 10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_photograph_costs_itself_only(
    pool: DecoderPool, photograph: Path, tmp_path: Path, data: st.DataObject
) -> None:
    (tmp_path / "in.jpg").write_bytes(_damaged(photograph.read_bytes(), data))
    _rendered_or_rejected(pool, tmp_path / "in.jpg")
