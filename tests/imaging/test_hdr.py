"""HDR stills come out as the SDR picture that they hold: diffuse white is white, and all below is as it was."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from gallery.imaging.containers import CodedColour
from gallery.imaging.hdr import on_display
from tests.imaging.pictures import near, plain_recipe, rendered
from tests.imaging.test_named_colour import TO_2020, _light, cicp, iccp, shown, write_coded, write_png

PQ, HLG = 16, 18
MEANT = [(255, 255, 255), (128, 128, 128), (20, 20, 20), (200, 40, 40), (40, 160, 60), (40, 60, 190), (250, 220, 40)]


def _pq(light: float) -> float:
    """The signal for light in cd/m2 (SMPTE ST 2084)."""
    power = (light / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def _hlg(scene: float) -> float:
    """The signal for light of the scene, from 0 to 1 (BT.2100, table 5)."""
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def _stored(meant: tuple[int, ...], transfer: int, white: float = 203) -> tuple[int, ...]:
    """How a colour of sRGB, its white at `white` cd/m2, is coded with the primaries of BT.2020."""
    light = [_light(value / 255) for value in meant]
    display = [white * sum(m * v for m, v in zip(row, light, strict=True)) for row in TO_2020]
    if transfer == PQ:
        return tuple(round(255 * _pq(value)) for value in display)
    luminance = sum(w * v for w, v in zip((0.2627, 0.6780, 0.0593), display, strict=True)) / 1000
    return tuple(round(255 * _hlg(value / 1000 * luminance ** (-0.2 / 1.2))) for value in display)


@pytest.mark.parametrize("file_format", ["PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
def test_an_hdr_picture_comes_out_as_its_sdr_picture(tmp_path: Path, file_format: str, transfer: int) -> None:
    # Of 8 bits, YCbCr loses what such a green's red is made of; real files have 10.
    for meant in MEANT if file_format == "PNG" else [each for each in MEANT if each != (40, 160, 60)]:
        if file_format == "PNG":
            write_png(tmp_path / "in", _stored(meant, transfer), cicp(9, transfer))
        else:
            write_coded(tmp_path / "in", file_format, _stored(meant, transfer), 9, transfer)
        colour, notes = shown(tmp_path / "in", tmp_path)
        assert (near(colour, meant, 12), notes) == (True, ["hdr_tone_mapped"]), (colour, meant)


@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
def test_what_is_brighter_than_white_is_white_and_never_darker(tmp_path: Path, transfer: int) -> None:
    greys = []
    for code in range(_stored((255, 255, 255), transfer, 150)[0], 256, 8):
        write_png(tmp_path / "in", (code,), cicp(9, transfer))
        greys.append(shown(tmp_path / "in", tmp_path)[0][1])
    assert greys == sorted(greys)
    assert greys[-1] == 255


def test_the_numbers_of_hdr_come_before_a_profile_for_others(tmp_path: Path) -> None:
    write_png(tmp_path / "in", _stored((128, 128, 128), PQ), iccp(2.2), cicp(9, PQ))
    colour, notes = shown(tmp_path / "in", tmp_path)
    assert (near(colour, (128, 128, 128), 4), notes) == (True, ["hdr_tone_mapped"])


@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
def test_grey_and_transparent_hdr_keep_their_shape(tmp_path: Path, transfer: int) -> None:
    colour = CodedColour(9, transfer)
    assert on_display(Image.new("L", (4, 4), 140), colour).mode == "RGB"
    turned = on_display(Image.new("LA", (4, 4), (140, 77)), colour)
    assert (turned.mode, turned.getpixel((1, 1))[3]) == ("RGBA", 77)  # type: ignore[index]
    write_png(tmp_path / "in", _stored((128, 128, 128), transfer)[:1], cicp(9, transfer))
    assert near(shown(tmp_path / "in", tmp_path)[0], (128, 128, 128), 3)


def test_an_sdr_picture_with_a_gain_map_is_taken_as_it_is(tmp_path: Path) -> None:
    base, gain_map = Image.new("RGB", (64, 64), (128, 90, 60)), Image.new("L", (32, 32), 200)
    base.save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[gain_map], quality=95)
    result = rendered(tmp_path / "in.jpg", tmp_path, plain_recipe(64, format="png"))
    assert "notes" not in result.metadata
    assert near(shown(tmp_path / "in.jpg", tmp_path)[0], (128, 90, 60), 2)
