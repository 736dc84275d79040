"""The supervisor knows nothing of the project that it belongs to. What it imports is a contract in pyproject.toml."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = "gallery.local.supervisor"
FILES = sorted((PROJECT / "gallery" / "local" / "supervisor").glob("*.py"))
FOREIGN = re.compile(r"postgres|\bs3\b|prefect|minio|ministack|\bgalleries\b|GALLERY_", re.IGNORECASE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_names_no_part_of_the_project(file: Path) -> None:
    assert not FOREIGN.findall(file.read_text(encoding="utf-8"))


def test_the_watchdog_does_not_import_what_starts_it() -> None:
    code = f"import sys, {PACKAGE}.watchdog; print(*(name for name in sys.modules if name.startswith('gallery')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert f"{PACKAGE}.stopping" in imported
    assert not imported & {f"{PACKAGE}.stack", f"{PACKAGE}.starting"}
    assert {name for name in imported if not name.startswith(PACKAGE)} == {"gallery", "gallery.errors", "gallery.local"}
