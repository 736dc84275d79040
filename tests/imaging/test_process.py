"""`process_files`: an outcome for every path, in order, and no output over another's."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gallery.imaging.process import process_files
from gallery.imaging.recipe import Limits
from gallery.imaging.styles_file import default_recipe
from tests.imaging.pictures import quarters


def test_every_path_gets_an_outcome_in_the_order_given(tmp_path: Path) -> None:
    for folder, size in (("a", (400, 300)), ("b", (300, 400))):
        (tmp_path / folder).mkdir()
        quarters(*size).save(tmp_path / folder / "IMG_1.jpg")
    (tmp_path / "text.jpg").write_text("no image")
    whole = (tmp_path / "a" / "IMG_1.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    names = ["a/IMG_1.jpg", "text.jpg", "b/IMG_1.jpg", "cut.jpg", "a", "missing.jpg"]
    files = [tmp_path / name for name in names]

    done = list(process_files(files, tmp_path / "out", default_recipe(), Limits(), processors=2, memory_budget=1 << 30))

    assert [one.file for one in done] == files
    assert [one.reason for one in done] == [None, "not_an_image", None, "truncated", "not_an_image", "not_an_image"]
    first, second = done[0].to_json(), done[2].to_json()
    assert list(first) == ["file", "outcome", "reason", "message", "width", "height", "metadata", "renditions"]
    assert (first["outcome"], first["width"], first["height"]) == ("ok", 400, 300)
    assert [r["style"] for r in first["renditions"]] == ["large", "medium", "thumb"]
    for line in (first, second):
        for rendition in line["renditions"]:
            path = Path(rendition["path"])
            assert path.stat().st_size == rendition["bytes"]
            with Image.open(path) as image:
                assert image.size == (rendition["width"], rendition["height"])
    assert second["renditions"][2]["width"] == 240
    assert done[1].to_json() == {
        "file": str(tmp_path / "text.jpg"),
        "outcome": "rejected",
        "reason": "not_an_image",
        "message": "the file's bytes are not those of an image",
        "width": None,
        "height": None,
        "metadata": {},
        "renditions": [],
    }
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == ["IMG_1", "IMG_1-2"]
