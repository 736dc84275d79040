"""Reads the recipe and the limits of a run: from the settings, and from the TOML file of styles that they may name.

A mistake in the file is reported with its line and how to fix it.

[styles.large]
width = 2048
height = 2048
watermark = true

[watermark]
file = "mark.png"        # beside this file; without it the mark that is shipped
anchor = "bottom-right"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from gallery.errors import ConfigurationError
from gallery.imaging.formats import is_built_in
from gallery.imaging.recipe import Anchor, FileFormat, Fit, Limits, Recipe, Style, Subsampling, Watermark
from gallery.names import STYLE_NAME

if TYPE_CHECKING:
    from gallery.settings import ProcessingSettings

_LARGEST_SIDE = 16_384  # pixels; the largest that all output formats can hold


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a key may hold, in a check and in words, and what it becomes."""

    allows: Callable[[Any], bool]
    words: str
    convert: Callable[[Any], Any] = lambda value: value


def _whole(low: int, high: int) -> _Rule:
    return _Rule(lambda v: type(v) is int and low <= v <= high, f"a whole number from {low} to {high}")


def _part(low: float) -> _Rule:
    return _Rule(lambda v: type(v) in (int, float) and low <= v <= 1, f"a number from {low:g} to 1", float)


def _one_of(choices: tuple[str, ...]) -> _Rule:
    return _Rule(lambda v: v in choices, "one of " + ", ".join(choices))


_FLAG = _Rule(lambda v: type(v) is bool, "true or false")
_STYLE_RULES = {
    "width": _whole(1, _LARGEST_SIDE),
    "height": _whole(1, _LARGEST_SIDE),
    "fit": _one_of(get_args(Fit)),
    "format": _Rule(
        lambda v: v in get_args(FileFormat) and is_built_in(v),
        f"one of {', '.join(get_args(FileFormat))} (webp and avif only where Pillow was built with them)",
    ),
    "quality": _whole(1, 100),
    "progressive": _FLAG,
    "subsampling": _one_of(get_args(Subsampling)),
    "sharpening": _whole(0, 300),
    "watermark": _FLAG,
    "background": _Rule(
        lambda v: isinstance(v, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", v) is not None,
        'a colour like "#ffffff"',
        lambda v: tuple(bytes.fromhex(v[1:])),
    ),
}
_WATERMARK_RULES = {
    "file": _Rule(lambda v: isinstance(v, str) and v != "", "the path of a PNG or WebP file"),
    "anchor": _one_of(get_args(Anchor)),
    "scale": _part(0.01),
    "margin": _Rule(lambda v: type(v) in (int, float) and 0 <= v <= 0.4, "a number from 0 to 0.4", float),
    "opacity": _part(0),
    "smallest": _whole(1, _LARGEST_SIDE),
}


def load_recipe(settings: ProcessingSettings) -> Recipe:
    """Read the recipe of `GALLERY_STYLES_FILE`, or return the built-in one.

    Raises `ConfigurationError` that names the file, the line and the fix.
    """
    return default_recipe() if settings.styles_file is None else read_styles_file(settings.styles_file)


def load_limits(settings: ProcessingSettings) -> Limits:
    """Return the limits of `GALLERY_MAX_PIXELS`, `GALLERY_MAX_FILE_BYTES` and `GALLERY_MEMORY_BUDGET`."""
    return Limits(settings.max_pixels, settings.max_file_bytes, settings.memory_budget)


def default_recipe() -> Recipe:
    """Return the built-in styles: large and medium with the watermark, thumb without."""
    return Recipe(
        styles=(
            Style("large", 2048, 2048, watermark=True),
            Style("medium", 1024, 1024, watermark=True),
            Style("thumb", 320, 320),
        ),
        watermark=default_watermark(),
    )


def default_watermark() -> Watermark:
    """Read the watermark that is part of the package."""
    return Watermark(resources.files("gallery.imaging").joinpath("watermark.png").read_bytes())


def read_styles_file(path: Path) -> Recipe:
    """Read `path`. Raises `ConfigurationError` that names the file, the line and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"GALLERY_STYLES_FILE: cannot read {path}: {error}") from error
    return _StylesFile(path, text).recipe()


class _StylesFile:
    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()
        try:
            self._tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path}: {error}") from error

    def recipe(self) -> Recipe:
        for key in self._tables:
            if key not in ("styles", "watermark"):
                self._refuse(key, None, "is not known: the file has [styles.NAME] tables and one [watermark]")
        styles = self._tables.get("styles")
        if not isinstance(styles, dict) or not styles:
            self._refuse("styles", None, "is missing: add at least one [styles.NAME] with width and height")
        return Recipe(
            styles=tuple(self._style(name, table) for name, table in styles.items()),
            watermark=self._watermark() if any(s.get("watermark") for s in styles.values()) else None,
        )

    def _style(self, name: str, table: object) -> Style:
        section = f"styles.{name}"
        if not STYLE_NAME.fullmatch(name):
            self._refuse(section, None, "must be named in a-z, 0-9 and hyphens, at most 32 signs")
        if name == "versions":
            self._refuse(section, None, "must have another name: at this address the API has an image's versions")
        values = self._checked(section, table, _STYLE_RULES)
        for key in ("width", "height"):
            if key not in values:
                self._refuse(section, None, f"needs {key}: {_STYLE_RULES[key].words}")
        return Style(name, **values)

    def _watermark(self) -> Watermark:
        values = self._checked("watermark", self._tables.get("watermark", {}), _WATERMARK_RULES)
        if (file := values.pop("file", None)) is None:
            return Watermark(default_watermark().image, **values)
        from gallery.imaging.watermark import open_mark  # noqa: PLC0415 - else a parent needs no Pillow

        try:
            image = (self._path.parent / file).read_bytes()
            open_mark(image)
        except Exception as error:  # whatever a broken image makes a decoder raise
            self._refuse("watermark", "file", f"cannot be used: {error}: name a PNG or WebP file")
        return Watermark(image, **values)

    def _checked(self, section: str, table: object, rules: dict[str, _Rule]) -> dict[str, Any]:
        if not isinstance(table, dict):
            self._refuse(section, None, f"must be a table: [{section}]")
        values = {}
        for key, value in table.items():
            if key not in rules:
                self._refuse(section, key, "is not known: use " + ", ".join(rules))
            if not rules[key].allows(value):
                self._refuse(section, key, f"is {value!r}: it must be {rules[key].words}")
            values[key] = rules[key].convert(value)
        return values

    def _refuse(self, section: str, key: str | None, problem: str) -> NoReturn:
        where = f"{section}.{key}" if key else section
        raise ConfigurationError(f"{self._path}, line {self._line(section, key)}: {where} {problem}")

    def _line(self, section: str, key: str | None) -> int:
        """Where `key` of `section` stands, as tomllib does not tell; the section's line, else 1."""
        found = 1
        inside = False
        for number, line in enumerate(self._lines, 1):
            if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
                inside = header[1].replace('"', "") == section
                found = number if inside else found
            elif re.match(rf"\s*\"?{re.escape(key or section)}\"?\s*[.=]", line) and (inside or not key):
                return number
        return found
