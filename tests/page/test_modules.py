"""The unit tests of the page's modules, by Node.js's own runner; by hand: `node --test tests/page/*.test.js`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.test.js")))
def test_modules(node: str, name: str) -> None:
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", name], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    # A file without a test counts as one that passed.
    assert int(passed[1]) == len(re.findall(r"^# Subtest: ", done.stdout, re.MULTILINE)) > 1
