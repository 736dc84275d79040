"""Different photographs of the same names, and the same photographs again, by `gallery ingest`."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gallery.client.api import GalleryClient
from gallery.client.comparing import ComparedPhotograph
from gallery.client.conflicts import Choices
from gallery.client.ingest import ingest_folder
from gallery.client.progress import NoProgress
from tests.command import gallery as run
from tests.conftest import PROJECT, clean_environment
from tests.journeys import WAIT_SECONDS, Journeys, photo, write_folder

pytestmark = pytest.mark.usefixtures("warm_runs")


def contents(journeys: Journeys, gallery_id: str) -> dict[str, str]:
    """SHA-256 of each image that the gallery shows."""
    return {name: version.sha256 for name, version in journeys.current(gallery_id).items()}


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def test_two_cards_with_the_same_names(journeys: Journeys, gallery_id: str, tmp_path: Path) -> None:
    first = {f"IMG_{number:04}.JPG": photo(number) for number in range(3)}
    second = {"IMG_0000.JPG": photo(10), "IMG_0001.JPG": photo(11), "IMG_0007.JPG": photo(17), "IMG_0002.JPG": photo(2)}
    write_folder(tmp_path / "card1", first)
    write_folder(tmp_path / "card2", second)
    any_file_sent = ("POST", rf"^/{journeys.storage.uploads_bucket}/?$")

    def ingest(card: str, *options: str) -> tuple[int, dict[str, Any], str]:
        command: list[str | Path] = ["ingest", tmp_path / card, "--gallery", gallery_id, "--json", *options]
        done = run(*command, home=journeys.servers.home)
        return done.returncode, json.loads(done.stdout), done.stderr

    with journeys.servers.s3.fault(*any_file_sent) as sent:
        status, result, _ = ingest("card1")
        assert (status, result["counts"]["saved"], sent.seen) == (0, 3, 3)

    with journeys.servers.s3.fault(*any_file_sent) as sent:
        # Different photographs of the same names: nothing happens without a choice.
        status, result, said = ingest("card2")
        assert (status, result["state"], result["upload_id"]) == (3, "not_sent", None)
        assert "2 files would replace others in the gallery" in said
        assert "IMG_0000.JPG, IMG_0001.JPG" in said
        assert "--on-conflict keep-both, skip or replace" in said
        status, compared, _ = ingest("card2", "--dry-run")
        assert status == 0
        assert {kind: [file["file_name"] for file in some] for kind, some in compared["comparison"].items()} == {
            "add": ["IMG_0007.JPG"],
            "unchanged": ["IMG_0002.JPG"],
            "under_another_name": [],
            "replace": ["IMG_0000.JPG", "IMG_0001.JPG"],
            "unknown": [],
            "left_out": [],
        }
        # The same folder again: nothing is sent.
        status, result, _ = ingest("card1")
        assert (status, result["state"], result["upload_id"]) == (0, "completed", None)
        assert (result["counts"]["unchanged"], result["image_count"]) == (3, 3)
        assert sent.seen == 0
    assert contents(journeys, gallery_id) == hashes(first)
    assert journeys.upload_of(gallery_id).state == "completed", "another upload was opened"

    status, result, _ = ingest("card2", "--on-conflict", "keep-both")
    assert (status, result["counts"]["saved"], result["counts"]["unchanged"]) == (0, 3, 1)
    kept = {f"card2/{name}": second[name] for name in ("IMG_0000.JPG", "IMG_0001.JPG")}
    both = first | kept | {"IMG_0007.JPG": second["IMG_0007.JPG"]}
    assert contents(journeys, gallery_id) == hashes(both)

    # Edited, with a video and a note beside them.
    edited = {"IMG_0000.JPG": photo(20), "CLIP.MOV": b"a video", "notes.txt": b"a note"}
    write_folder(tmp_path / "card1", edited)
    with journeys.servers.s3.fault(*any_file_sent) as sent:
        status, result, _ = ingest("card1", "--on-conflict", "skip")
        assert (status, result["upload_id"], result["skipped"], result["image_count"]) == (1, None, 1, 4)
        reasons = {problem["file_name"]: problem["reason"] for problem in result["problems"]}
        assert reasons == {"CLIP.MOV": "unsupported_format", "notes.txt": "unsupported_format"}
        assert sent.seen == 0
    assert contents(journeys, gallery_id) == hashes(both)
    status, result, _ = ingest("card1", "--on-conflict", "replace")
    assert (status, result["counts"]["replaced"], result["counts"]["rejected"]) == (1, 1, 2)
    assert set(journeys.outcomes(result["upload_id"])) == {"IMG_0000.JPG"}, "only what was edited is sent"
    assert contents(journeys, gallery_id) == hashes(both | {"IMG_0000.JPG": photo(20)})


def test_who_is_overtaken_between_comparison_and_save_replaces_nothing(
    journeys: Journeys, gallery_id: str, tmp_path: Path
) -> None:
    before, of_others, mine = photo(1), photo(2), photo(3)
    journeys.send(gallery_id, {"a.jpg": before, "b.jpg": before})
    folder = write_folder(tmp_path / "mine", {"a.jpg": mine, "b.jpg": photo(4), "new.jpg": photo(5)})

    def choose(photographs: Sequence[ComparedPhotograph]) -> Choices:
        journeys.send(gallery_id, {"a.jpg": of_others, "new.jpg": of_others})
        return dict.fromkeys((one.file.file_name for one in photographs), "replace")

    with GalleryClient(journeys.servers.info.api_url, journeys.servers.info.api_key) as client:
        result = ingest_folder(client, folder, gallery_id, NoProgress(), on_conflict=choose, timeout=WAIT_SECONDS)
        assert (result.to_decide, result.counts["rejected"], result.counts["replaced"]) == (2, 2, 1)
        assert {problem.reason for problem in result.problems} == {"would_replace"}
        assert contents(journeys, gallery_id) == hashes({"a.jpg": of_others, "b.jpg": photo(4), "new.jpg": of_others})

        decided = client.decide(result.upload_id or "", {"a.jpg": "keep_both"}, rest="skip")
        assert {one.file_name: (one.choice, one.new_name) for one in decided} == {
            "a.jpg": ("keep_both", "a (2).jpg"),
            "new.jpg": ("skip", None),
        }
        status = client.wait(result.upload_id or "", lambda status: None, WAIT_SECONDS)
        assert (status.to_decide, status.counts["saved"]) == (0, 1)
    assert contents(journeys, gallery_id)["a (2).jpg"] == sha256(mine).hexdigest()


def test_a_person_at_a_terminal_is_asked(journeys: Journeys, gallery_id: str, tmp_path: Path) -> None:
    names = [f"{letter}.jpg" for letter in "abcd"]
    old, new = ({name: photo(base + number) for number, name in enumerate(names)} for base in (0, 10))
    journeys.send(gallery_id, old)
    folder = write_folder(tmp_path / "again", new)
    command = [sys.executable, "-m", "gallery.cli", "ingest", str(folder), "--gallery", gallery_id]
    environment = clean_environment(GALLERY_HOME=str(journeys.servers.home), PYTHONPATH=str(PROJECT), TERM="xterm")

    def answer(*keys: str) -> tuple[int, str, str]:
        terminal, its_end = pty.openpty()
        with subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdin=its_end, stderr=its_end, stdout=subprocess.PIPE, text=True
        ) as process:
            os.close(its_end)
            said = ""
            for key in keys:
                said += read_until(terminal, "or q? ")
                os.write(terminal, f"{key}\n".encode())
            said += read_until(terminal, None)
            printed = process.stdout.read() if process.stdout else ""
        os.close(terminal)
        return process.returncode, said, printed

    status, said, _ = answer("k", "q")
    assert status == 3
    assert "1 of 4  a.jpg, 0.0 MB: the gallery has another photograph of this name, 0.0 MB, added 20" in said
    assert "nothing was sent" in said
    assert contents(journeys, gallery_id) == hashes(old)

    status, _, printed = answer("k", "s", "R")
    assert status == 0
    assert re.search(r"1 +skipped", printed)
    expected = {**old, "again/a.jpg": new["a.jpg"], "c.jpg": new["c.jpg"], "d.jpg": new["d.jpg"]}
    assert contents(journeys, gallery_id) == hashes(expected)


def read_until(terminal: int, end: str | None) -> str:
    """What a program writes to its terminal, up to `end`, or to its own end."""
    text = ""
    while end is None or not text.endswith(end):
        assert select.select([terminal], [], [], WAIT_SECONDS)[0], text
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux's way to say that the program has ended
            piece = b""
        if not piece:
            assert end is None, text
            break
        text += piece.decode(errors="replace")
    return text
