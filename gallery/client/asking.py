"""Asks a person at a terminal about files whose names belong to other photographs of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TextIO
from uuid import UUID

from gallery.amounts import bytes_in_words, count_in_words
from gallery.client.comparing import ComparedPhotograph
from gallery.client.conflicts import Choices
from gallery.client.file_names import printable
from gallery.client.progress import JobProgress
from gallery.client.types import ReportedVersion
from gallery.models import Choice

KEYS: Mapping[str, Choice] = {"k": "keep_both", "r": "replace", "s": "skip"}
LEGEND = "[k]eep both, [r]eplace, [s]kip; K, R, S: the same for all the rest; q: stop, nothing is sent"


def ask_on_terminal(
    photographs: Sequence[ComparedPhotograph],
    progress: JobProgress,
    answers: TextIO,
    out: TextIO,
    current_version: Callable[[UUID], ReportedVersion | None],
) -> Choices | None:
    """Ask on `out` about each photograph, and read a line of `answers` for it; `None` where the person stops.

    `current_version` tells what the gallery shows of an image; `None` where that is not known.
    """
    names = [photograph.file.file_name for photograph in photographs]
    choices: dict[str, Choice] = {}
    with progress.paused():
        print(f"{count_in_words(len(names), 'file')} would replace others in the gallery.\n{LEGEND}", file=out)
        for number, photograph in enumerate(photographs):
            print(f"{number + 1:,} of {len(names):,}  {_in_words(photograph, current_version)}", file=out)
            key = _key(answers, out)
            if key == "q":
                return None
            concerned = names[number:] if key.isupper() else [names[number]]
            choices.update(dict.fromkeys(concerned, KEYS[key.lower()]))
            if key.isupper():
                break
    return choices


def _in_words(photograph: ComparedPhotograph, current_version: Callable[[UUID], ReportedVersion | None]) -> str:
    there = "an upload under way has a file of this name"
    if photograph.there.would != "unknown":
        image_id = photograph.there.image_id
        version = None if image_id is None else current_version(image_id)
        there = "the gallery has another photograph of this name"
        if version is not None:
            there += f", {bytes_in_words(version.size)}, added {version.created_at.astimezone():%Y-%m-%d %H:%M}"
    return f"{printable(photograph.file.file_name)}, {bytes_in_words(photograph.file.size)}: {there}"


def _key(answers: TextIO, out: TextIO) -> str:
    """One of the keys, in lower or upper case, or `q`, also for the end of all input."""
    while True:
        print("k, r, s, K, R, S or q? ", end="", file=out, flush=True)
        line = answers.readline()
        key = line.strip()
        if not line or key == "q":
            return "q"
        if key.lower() in KEYS:
            return key
