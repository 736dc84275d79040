"""A decoder that dies, hangs or takes all memory costs its own file only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import psutil
import pytest
from PIL import ExifTags, Image

from gallery.errors import RejectedImage
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits
from tests.imaging import planted
from tests.imaging.pictures import DATA, plain_recipe, quarters

PROJECT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    limits = Limits()
    with DecoderPool(2, plain_recipe(), limits, 256 * MIB, 2, planted.faulty_render) as started:
        yield started


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    quarters(640, 400).save(tmp_path / "good.jpg")
    return tmp_path / "good.jpg"


def _named(picture: Path, name: str) -> Path:
    copy = picture.with_name(name + ".jpg")
    copy.write_bytes(picture.read_bytes())
    return copy


def _report(pool: DecoderPool, picture: Path) -> dict[str, object]:
    facts: dict[str, object] = json.loads(pool.render(_named(picture, "report"), picture.parent).source_format)
    return facts


@pytest.mark.parametrize("fault", ["abort", "loop", "hunger"])
def test_a_fault_costs_its_own_file_only(pool: DecoderPool, picture: Path, fault: str) -> None:
    bad = _named(picture, fault)
    with ThreadPoolExecutor(6) as threads:
        spoilt = threads.submit(pool.render, bad, picture.parent)
        good = [threads.submit(pool.render, picture, picture.parent) for _ in range(20)]
        assert {future.result().width for future in good} == {640}
        with pytest.raises(RejectedImage) as caught:
            spoilt.result()
    assert caught.value.reason == "decoder_failed"


def test_a_heic_that_crashed_an_earlier_decoder_costs_itself_at_most(pool: DecoderPool, picture: Path) -> None:
    # Found by fuzzing: with this one byte changed, pi-heif 1.4.0 died of a segmentation fault; pillow-heif 1.8.1
    # decodes the file.
    damaged = bytearray((DATA / "orientation-6.heic").read_bytes())
    damaged[178] = 0x80
    (picture.parent / "crash.heic").write_bytes(damaged)
    try:
        assert pool.render(picture.parent / "crash.heic", picture.parent).width == 128
    except RejectedImage as rejection:
        assert rejection.reason in ("decoder_failed", "truncated")
    assert pool.render(picture, picture.parent).width == 640


def test_a_child_that_was_killed_from_outside_does_not_cost_its_file(pool: DecoderPool, picture: Path) -> None:
    assert pool.render(_named(picture, "killed-once"), picture.parent).width == 640


def test_a_child_minds_no_signal_that_is_meant_for_its_parent(pool: DecoderPool, picture: Path) -> None:
    assert pool.render(_named(picture, "terminated"), picture.parent).width == 640


def test_the_pool_survives_the_death_of_idle_children(pool: DecoderPool, picture: Path) -> None:
    os.kill(int(str(_report(pool, picture)["pid"])), signal.SIGKILL)
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(pool.render, picture, picture.parent) for _ in range(8)]
        assert {future.result().width for future in futures} == {640}


def test_a_rejection_crosses_the_process_border_with_its_reason(pool: DecoderPool, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(RejectedImage, match="not those of an image") as caught:
        pool.render(tmp_path / "text.jpg", tmp_path)
    assert caught.value.reason == "not_an_image"
    assert caught.value.metadata == {}


def test_a_rejected_file_still_tells_its_camera(pool: DecoderPool, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Kestrel", "K1"
    quarters(640, 400).save(tmp_path / "whole.jpg", exif=exif)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-500])
    with pytest.raises(RejectedImage) as caught:
        pool.render(tmp_path / "cut.jpg", tmp_path)
    assert caught.value.reason == "truncated"
    assert caught.value.metadata == {"camera_make": "Kestrel", "camera_model": "K1"}


def test_no_more_subprocesses_than_images_and_none_before_the_first(picture: Path) -> None:
    ours = psutil.Process()
    before = _decoders(ours)
    with DecoderPool(2, plain_recipe(), Limits(), 256 * MIB) as pool:
        pool.warm_up(0)
        assert _decoders(ours) == before
        pool.warm_up(1)
        assert len(_decoders(ours) - before) == 1
        assert pool.render(picture, picture.parent).width == 640
        assert len(_decoders(ours) - before) == 1
    assert _decoders(ours) == before


def _decoders(parent: psutil.Process) -> set[int]:
    # Of one that has just ended, psutil tells no command line.
    found = [p.info for p in psutil.process_iter(["pid", "ppid", "cmdline"]) if p.info["ppid"] == parent.pid]
    return {info["pid"] for info in found if "multiprocessing.spawn" in " ".join(info["cmdline"] or [])}


def test_a_file_that_needs_more_than_its_share_runs_alone(picture: Path) -> None:
    quarters(3000, 2000).save(picture.with_name("large.png"))
    with (
        DecoderPool(2, plain_recipe(), Limits(), 40 * MIB) as small_pool,
        ThreadPoolExecutor(6) as threads,
    ):
        files = [picture, picture.with_name("large.png")] * 4
        futures = [threads.submit(small_pool.render, file, picture.parent) for file in files]
        assert [future.result().width for future in futures] == [640, 3000] * 4


def test_children_know_nothing_of_their_parents_program(picture: Path, tmp_path: Path) -> None:
    program = tmp_path / "heavy_program.py"
    program.write_text(PARENT.format(project=str(PROJECT), folder=str(tmp_path)))
    _named(picture, "report")
    done = subprocess.run([sys.executable, program, "once"], check=True, capture_output=True, text=True)
    facts = json.loads(done.stdout)
    assert facts["main"] is None
    assert facts["blocks"]
    assert "PIL.Image" in facts["modules"]
    for heavy in ("prefect", "pydantic", "sqlalchemy", "boto3", "heavy_program"):
        assert heavy not in facts["modules"]


def test_children_end_when_their_parent_is_killed(picture: Path, tmp_path: Path) -> None:
    program = tmp_path / "heavy_program.py"
    program.write_text(PARENT.format(project=str(PROJECT), folder=str(tmp_path)))
    _named(picture, "report")
    _named(picture, "loop")
    with subprocess.Popen([sys.executable, program, "stay"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child_pid = json.loads(parent.stdout.readline())["pid"]
        parent.kill()
        # The child inherited this pipe: it reads as ended only once parent and children are gone.
        reader = Thread(target=parent.stdout.read, daemon=True)
        reader.start()
        reader.join(20)
        assert not reader.is_alive(), f"decoder {child_pid} outlives its parent"


PARENT = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, {project!r})
from tests.imaging.planted import faulty_render
from gallery.imaging.pool import DecoderPool
from gallery.imaging.recipe import Limits, Recipe, Style

if __name__ != "__main__":
    raise SystemExit("a decoder has run its parent's program")
folder = Path({folder!r})
recipe = Recipe((Style("small", 64, 64),))
with DecoderPool(1, recipe, Limits(), 256 << 20, 60, faulty_render) as pool:
    print(pool.render(folder / "report.jpg", folder).source_format, flush=True)
    if sys.argv[1] == "stay":
        pool.render(folder / "loop.jpg", folder)
"""
