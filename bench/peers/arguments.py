"""How every variant's program begins, and how it ends: with the upload's report written, or with a status of 1."""

from __future__ import annotations

import sys

from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import Entry


def staged_upload() -> tuple[str, str]:
    """The gallery's and the upload's id, from the command line."""
    _, gallery_id, upload_id = sys.argv
    return gallery_id, upload_id


def plan(workspace: Workspace) -> list[Entry]:
    """Plan the attempt and claim all that it has to do, at once."""
    return stages.claim(workspace, stages.plan(workspace).todo)


def finish(workspace: Workspace) -> None:
    """Write the attempt's end; an image that is not saved ends the program with a message."""
    report = stages.report(workspace, found_work=True)
    if report.state != "completed":
        raise SystemExit(report.message)
