"""Pillow's own test images, among them those that once crashed it: for every file the outcome checked in.

They are found by `GALLERY_PILLOW_CORPUS`, the folder `Tests/images` of the source distribution that `corpus.py`
says how to get. Read through when it was checked in; what may surprise:

- `apng/chunk_no_fctl.png`, `apng/syntax_num_frames_zero.png`: Pillow's tests expect them to fail, too.
- `unknown_compression_method.png`: `ok`, without the profile, which is noted; libpng leaves it out, too.
- `png_decompression_dos.png`: `ok`, as its text unpacks to less than the 16 MiB that are allowed.
- `ultrahdr.jpg`, `broken.png`, `truncated_*.png`: cut short for Pillow's tests; Pillow does not load them either.
- `zero_width.gif`: its only frame lies at the far end of a screen of nothing: a side beyond 65,535 pixels.
- `16bit.s.tif`, `16_bit_binary_pgm.tiff`, `10ct_32bit_128.tiff`: signed or 32-bit samples, of which nothing tells
  which value is white: `unsupported_format` rather than a guess.
- `timeout-*`, `oom-*`, `crash-*`, `*segfault*`: whatever the outcome, it comes at once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import __version__ as pillow_version

from tests.imaging.corpus import outcomes
from tests.imaging.pictures import DATA

CORPUS = Path(os.environ.get("GALLERY_PILLOW_CORPUS", f"pillow-{pillow_version}/Tests/images"))


def test_every_file_of_pillows_corpus_has_the_outcome_that_is_checked_in() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}: set GALLERY_PILLOW_CORPUS to Tests/images of Pillow's source distribution")
    expected = (DATA / "corpus.txt").read_text(encoding="utf-8").splitlines()
    assert list(outcomes(CORPUS)) == expected


def test_every_line_of_the_checked_in_outcomes_is_one_of_the_two() -> None:
    lines = [line.split("\t") for line in (DATA / "corpus.txt").read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 1000
    assert {(outcome, reason == "-", size == "-") for _, outcome, reason, size in lines} == {
        ("ok", True, False),
        ("rejected", False, True),
    }
