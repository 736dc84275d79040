"""The fingerprint changes when, and only when, pixels or metadata of a rendition do; and the styles file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, features

from gallery.errors import ConfigurationError
from gallery.imaging import recipe as recipe_module
from gallery.imaging.recipe import Limits, Recipe, Style, Watermark
from gallery.imaging.styles_file import default_recipe, read_styles_file

DEFAULT = default_recipe()
STYLE = Style("large", 2048, 2048, watermark=True)
MARK = Watermark(b"one")
RECIPE = Recipe((STYLE, Style("thumb", 320, 320)), MARK)


def test_the_default_recipe_is_what_the_design_says() -> None:
    assert [(s.name, s.width, s.height, s.fit, s.format, s.watermark) for s in DEFAULT.styles] == [
        ("large", 2048, 2048, "inside", "jpeg", True),
        ("medium", 1024, 1024, "inside", "jpeg", True),
        ("thumb", 320, 320, "inside", "jpeg", False),
    ]


def test_the_default_recipe_keeps_its_fingerprint() -> None:
    # With another one, every rendition of every gallery is made again. Only a new PROCESSING_VERSION may do that, or a
    # change of the default styles: an option that is added leaves the fingerprint alone where it has its default.
    assert DEFAULT.recipe_id == "3567004de0c3858a5143bd1c6f452edef454bdcbb06d7fc63d7936b6952895ae"


@pytest.mark.parametrize(
    "changed",
    [
        replace(STYLE, name="big"),
        replace(STYLE, width=2047),
        replace(STYLE, height=2047),
        replace(STYLE, fit="cover"),
        replace(STYLE, format="webp"),
        replace(STYLE, quality=84),
        replace(STYLE, progressive=True),
        replace(STYLE, subsampling="4:4:4"),
        replace(STYLE, watermark=False),
        replace(STYLE, sharpening=50),
        replace(STYLE, background=(0, 0, 0)),
    ],
)
def test_whatever_changes_a_style_changes_the_fingerprint(changed: Style) -> None:
    assert replace(RECIPE, styles=(changed, RECIPE.styles[1])).recipe_id != RECIPE.recipe_id


@pytest.mark.parametrize(
    "changed",
    [
        replace(MARK, image=b"other"),
        replace(MARK, anchor="center"),
        replace(MARK, scale=0.5),
        replace(MARK, margin=0.1),
        replace(MARK, opacity=1.0),
        replace(MARK, smallest=5),
    ],
)
def test_whatever_changes_the_mark_changes_the_fingerprint(changed: Watermark) -> None:
    assert replace(RECIPE, watermark=changed).recipe_id != RECIPE.recipe_id


def test_the_processing_version_changes_both_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RECIPE.recipe_id, Limits().fingerprint
    monkeypatch.setattr(recipe_module, "PROCESSING_VERSION", recipe_module.PROCESSING_VERSION + 1)
    assert RECIPE.recipe_id != before[0]
    assert Limits().fingerprint != before[1]


def test_what_changes_no_pixel_leaves_the_fingerprint() -> None:
    assert replace(RECIPE, styles=RECIPE.styles[::-1]).recipe_id == RECIPE.recipe_id
    unmarked = Recipe((Style("a", 10, 10, format="png"),))
    assert replace(unmarked, watermark=MARK).recipe_id == unmarked.recipe_id
    assert Recipe((Style("a", 10, 10, format="png", quality=3),)).recipe_id == unmarked.recipe_id


def test_each_limit_changes_the_limits_fingerprint() -> None:
    limits = [Limits(), Limits(max_pixels=1), Limits(max_file_bytes=1), Limits(max_memory_bytes=1)]
    limits += [Limits(max_side=1), Limits(max_frames=1)]
    assert len({limit.fingerprint for limit in limits}) == len(limits)


def test_a_styles_file_is_read(tmp_path: Path) -> None:
    Image.new("RGBA", (10, 5)).save(tmp_path / "mark.png")
    (tmp_path / "styles.toml").write_text(
        '[styles.hero]\nwidth = 100\nheight = 50\nfit = "cover"\nformat = "webp"\nquality = 70\n'
        'background = "#0a0B0c"\nwatermark = true\n[watermark]\nfile = "mark.png"\nopacity = 1\n'
    )
    read = read_styles_file(tmp_path / "styles.toml")
    hero = Style("hero", 100, 50, "cover", "webp", 70, watermark=True, background=(10, 11, 12))
    assert read == Recipe((hero,), Watermark((tmp_path / "mark.png").read_bytes(), opacity=1.0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "styles is missing"),
        ("[styles.a]\nwidth = 1\n", "line 1: styles.a needs height"),
        ("[styles.a]\nwidth = 1\nheight = 0\n", "line 3: styles.a.height is 0: it must be a whole number from 1"),
        ("[styles.a]\nwidth = true\nheight = 1\n", "line 2: styles.a.width is True"),
        (
            '[styles.a]\nwidth = 1\nheight = 1\n\nfit = "fill"\n',
            "line 5: styles.a.fit is 'fill': it must be one of inside",
        ),
        ("[styles.a]\nwidth = 1\nheight = 1\nwitdh = 2\n", "line 4: styles.a.witdh is not known"),
        ('[styles."../x"]\nwidth = 1\nheight = 1\n', "line 1: styles.../x must be named"),
        ("[styles.versions]\nwidth = 1\nheight = 1\n", "line 1: styles.versions must have another name"),
        (
            "[styles.a]\nwidth = 1\nheight = 1\nsharpening = 1.5\n",
            "line 4: styles.a.sharpening is 1.5: it must be a whole",
        ),
        ("[styles.a\n", "line 1"),
        ("[style.a]\nwidth = 1\n", "style is not known"),
        (
            '[styles.a]\nwidth = 1\nheight = 1\nwatermark = true\n[watermark]\nfile = "none.png"\n',
            "line 6: watermark.file cannot be used",
        ),
    ],
)
def test_a_wrong_styles_file_names_the_line_and_the_mend(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "styles.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_styles_file(tmp_path / "styles.toml")
    assert told in str(caught.value)


def test_a_format_that_pillow_was_built_without_is_a_mistake_in_the_styles_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "styles.toml").write_text('[styles.a]\nwidth = 1\nheight = 1\nformat = "avif"\n')
    assert read_styles_file(tmp_path / "styles.toml").styles[0].format == "avif"
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    with pytest.raises(ConfigurationError, match=r"line 4: .* only where Pillow was built with them"):
        read_styles_file(tmp_path / "styles.toml")


def test_a_watermark_that_is_no_picture_stops_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "mark.png").write_bytes(b"no picture")
    (tmp_path / "styles.toml").write_text(
        '[styles.a]\nwidth = 1\nheight = 1\nwatermark = true\n[watermark]\nfile = "mark.png"\n'
    )
    with pytest.raises(ConfigurationError, match=r"line 6: watermark\.file"):
        read_styles_file(tmp_path / "styles.toml")
