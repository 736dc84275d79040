"""JPEGs with odd headers: a segment that no picture needs costs no picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from gallery.notes import notes_in
from tests.imaging.pictures import UPRIGHT, corner_colours, near, quarters, rendered

SEGMENTS = {
    0xE0: b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    0xE1: b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x05\0\0\0\x1a\0\0\0\0\0\0\0abcd\0",
    0xE2: b"ICC_PROFILE\0\x01\x01" + b"x" * 20,
    0xED: b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x048BIM\x03\xed",
    0xEE: b"Adobe\0d\0\0\0\0\x01",
    0xFE: b"a comment",
}


@pytest.mark.parametrize("marker", SEGMENTS)
def test_a_segment_that_is_cut_costs_only_itself(tmp_path: Path, marker: int) -> None:
    file = BytesIO()
    quarters(64, 64).save(file, "JPEG", quality=95)
    plain = file.getvalue()
    for length in range(len(SEGMENTS[marker]) + 1):
        body = SEGMENTS[marker][:length]
        segment = bytes((0xFF, marker)) + (length + 2).to_bytes(2, "big") + body
        (tmp_path / "in.jpg").write_bytes(plain[:2] + segment + plain[2:])
        made = rendered(tmp_path / "in.jpg", tmp_path)
        assert "damaged" not in notes_in(made.metadata)
        assert all(map(near, corner_colours(made.renditions[0].path), UPRIGHT, [12] * 4)), length
