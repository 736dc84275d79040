"""How far a long job is, as lines and as bars."""

from __future__ import annotations

import io

from rich.console import Console

from gallery.client.progress import BarProgress, LineProgress, NoProgress, progress_on


def test_lines_tell_each_tenth_once() -> None:
    out = io.StringIO()
    with progress_on(out) as progress:
        assert isinstance(progress, LineProgress)
        progress.step("ingesting", 1361, "images")
        for done in range(1362):
            progress.advance(done, f"{done} saved")
    lines = out.getvalue().splitlines()
    assert lines[0] == "ingesting: 1,361 images"
    assert lines[-1] == "ingesting: 100 %, 1361 saved"
    assert len(lines) == 12
    assert isinstance(progress_on(out, quiet=True), NoProgress)


def test_bars_show_each_step_with_its_amounts() -> None:
    out = io.StringIO()
    with BarProgress(Console(file=out, force_terminal=True, width=120)) as progress:
        progress.step("sending", 2_500_000_000, "bytes")
        progress.advance(2_500_000_000, "3 of 3 files")
        progress.step("ingesting", 3, "images")
        progress.advance(3, "3 saved")
        progress.note("[a note]")
    assert "2.50 GB of 2.50 GB" in out.getvalue()
    assert "3 of 3 images" in out.getvalue()
    assert "[a note]" in out.getvalue()


def test_bars_give_way_to_a_question_and_come_back_without_what_was_done() -> None:
    out = io.StringIO()
    with BarProgress(Console(file=out, force_terminal=True, width=120)) as progress:
        progress.step("comparing", 2_000_000, "bytes")
        progress.advance(2_000_000, "2 of 2 files")
        with progress.paused():
            before = len(out.getvalue())
            out.write("a question?")
        progress.step("sending", 1_000_000, "bytes")
        progress.advance(1_000_000, "1 of 1 file")
    after = out.getvalue()[before:]
    assert after.startswith("a question?")
    assert "1.0 MB of 1.0 MB" in after
    assert "comparing" not in after
