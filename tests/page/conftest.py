"""Node.js, which runs the page's modules without a browser."""

from __future__ import annotations

import shutil
import subprocess

import pytest

# The first with browsers' `File`.
OLDEST = 20


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed: it runs the page's modules without a browser")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"Node.js {version} lacks what browsers have: {OLDEST} or newer runs the page's modules")
    return found
