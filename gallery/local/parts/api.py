"""The HTTP API, as `gallery serve` runs it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.ports import HOST
from gallery.local.supervisor.readiness import answers


def api_part(environment: Mapping[str, str], project: Path, port: int) -> Part:
    """The API on `port` of 127.0.0.1; `environment` has the stack's addresses."""
    return Part(
        name="api",
        port=port,
        command=(sys.executable, "-m", "gallery.cli", "serve"),
        environment={**environment, "GALLERY_API_HOST": HOST, "GALLERY_API_PORT": str(port)},
        folder=project,
        is_ready=lambda: answers(f"http://{HOST}:{port}/readyz"),
        start_seconds=90.0,
    )
