"""The recipe's fingerprint, held against the bytes of renditions: it changes when they do, and only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gallery.imaging.recipe import Limits, Recipe, Style, Watermark
from gallery.imaging.render import render

# Few values of each, so that two recipes often share them.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "width": st.sampled_from([40, 41]),
    "height": st.sampled_from([40, 41]),
    "fit": st.sampled_from(["inside", "cover", "pad"]),
    "format": st.sampled_from(["jpeg", "png", "webp"]),
    "quality": st.sampled_from([40, 80, 90]),
    "progressive": st.booleans(),
    "subsampling": st.sampled_from(["auto", "4:4:4", "4:2:2", "4:2:0"]),
    "sharpening": st.sampled_from([0, 120]),
    "watermark": st.booleans(),
    "background": st.sampled_from([(255, 255, 255), (10, 20, 200)]),
}
STYLES = st.fixed_dictionaries(VALUES).map(lambda values: Style("one", **values))
MARKS = st.sampled_from([None, 0.5, 1, 1.0])


def test_every_option_of_a_style_is_tried() -> None:
    assert set(VALUES) == set(Style.__slots__) - {"name"}


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with all degrees of transparency, wider than high: everything that a style does can be seen on it."""
    path = tmp_path_factory.mktemp("probe") / "in.png"
    noise = Image.effect_noise((96, 64), 90)
    picture = Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_180), noise))
    picture.putalpha(Image.linear_gradient("L").resize((96, 64)))
    picture.save(path)
    return path


def _mark(opacity: float | None) -> Watermark | None:
    if opacity is None:
        return None
    mark = Path(__file__).parents[2] / "gallery" / "imaging" / "watermark.png"
    return Watermark(mark.read_bytes(), opacity=opacity)


def _bytes_of(recipe: Recipe, probe: Path, out: Path) -> dict[str, bytes]:
    renditions = render(probe, out, recipe, Limits()).renditions
    return {rendition.path.name: rendition.path.read_bytes() for rendition in renditions}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(style=STYLES, mark=MARKS, data=st.data())
def test_one_change_changes_the_fingerprint_exactly_where_it_changes_bytes(
    probe: Path, tmp_path: Path, style: Style, mark: float | None, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([*VALUES, "mark"]))
    before = Recipe((style,), _mark(mark))
    if name == "mark":
        after = replace(before, watermark=_mark(data.draw(MARKS)))
    else:
        after = replace(before, styles=(replace(style, **{name: data.draw(VALUES[name])}),))
    same_bytes = _bytes_of(before, probe, tmp_path) == _bytes_of(after, probe, tmp_path)
    same_id = before.recipe_id == after.recipe_id
    # A box that is larger across than this very picture reaches changes others' bytes, if not this one's.
    assert same_id == same_bytes or (name in ("width", "height") and same_bytes)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=STYLES, other=STYLES, mark=MARKS)
def test_recipes_of_one_fingerprint_make_the_same_bytes(
    probe: Path, tmp_path: Path, one: Style, other: Style, mark: float | None
) -> None:
    first, second = Recipe((one,), _mark(mark)), Recipe((other,), _mark(mark))
    if _bytes_of(first, probe, tmp_path) != _bytes_of(second, probe, tmp_path):
        assert first.recipe_id != second.recipe_id


@settings(max_examples=60, deadline=None)
@given(
    styles=st.permutations([Style("a", 10, 10), Style("b", 20, 20, watermark=True), Style("c", 30, 30, format="png")])
)
def test_the_order_of_styles_does_not_count(styles: list[Style]) -> None:
    assert Recipe(tuple(styles)).recipe_id == Recipe(tuple(sorted(styles, key=lambda one: one.name))).recipe_id
