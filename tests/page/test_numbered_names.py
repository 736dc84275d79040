"""The page numbers a second photograph of one name as the server does."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import gallery
from gallery.names import check_file_name, numbered
from tests.test_names import NUMBERED

PAGE = Path(gallery.__file__).parent / "page"
PROGRAM = """
import { readFileSync } from "node:fs";
import { numberedName } from "./names.js";
const given = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(given.map(([name, copy]) => numberedName(name, copy))));
"""


def odd_names(count: int) -> list[str]:
    """Names around the limits of length, of letters that are one to four bytes long, with accents, dots and folders."""
    chance = random.Random(22)
    letters = ["x", "ä", "\u0302", "\u0e31", "\u20ac", "\U0001f600", "\u20dd", ".", " "]
    names: list[str] = []
    while len(names) < count:
        lengths = (
            chance.choice([0, 3, 120, 238, 244, 248]),
            chance.choice([1, 5, 100, 240, 250]),
            chance.choice([0, 3, 16, 17]),
        )
        folder, stem, extension = (
            "".join(chance.choices(letters, weights=[20, *[2] * 8], k=length)) for length in lengths
        )
        name = f"{folder}/{stem}.{extension}" if folder else f"{stem}.{extension}" if extension else stem
        while len(name.encode()) > 255:
            name = name[1:]
        names.append(name.strip("/") or "x")
    return names


def test_both_make_the_same_valid_names(node: str) -> None:
    given = [(name, copy) for name in [*NUMBERED, *odd_names(1000)] for copy in (2, 12345)]
    done = subprocess.run(
        [node, "--input-type=module", "--eval", PROGRAM],
        cwd=PAGE,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made == [numbered(name, copy) for name, copy in given]
    for name in made:
        check_file_name(name)
