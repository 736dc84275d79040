"""The checkout and the local stack that a command is about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gallery.errors import ConfigurationError

if TYPE_CHECKING:
    from gallery.local.stack import LocalStack


def the_project() -> Path:
    """The folder with `prefect.yaml`: the checkout this package is in, else the current folder."""
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "prefect.yaml").is_file():
            return folder
    raise ConfigurationError("no prefect.yaml here: run this in the project's folder")


def the_stack() -> LocalStack:
    """The stack in GALLERY_HOME, else in the checkout's `.gallery`."""
    from gallery.local.stack import LocalStack

    home = os.environ.get("GALLERY_HOME")
    project = the_project()
    return LocalStack(Path(home) if home else project / ".gallery", project)
