"""`gallery demo`: the main job, on embedded parts, from presigned upload to finished renditions."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from sqlalchemy import select

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.tables import ImageRow, VersionRow
from gallery.client.api import GalleryClient
from gallery.client.ingest import ingest_folder
from gallery.client.progress import progress_on
from gallery.client.result import IngestResult
from gallery.client.summary import print_summary
from gallery.demo.photographs import broken_position, make_gallery, photograph_name, rotated_position
from gallery.local.info import StackInfo
from gallery.local.set_up import set_up_stack
from gallery.local.stack import LocalStack
from gallery.models import FINAL_STATES
from gallery.settings import load_settings

MEGAPIXELS = 12.0


def run_demo(stack: LocalStack, *, images: int, photos: Path | None, keep: bool, as_json: bool) -> int:
    """Start the stack, send a gallery through the API, show what happened, stop the stack.

    Returns the exit status: 0 where every image came in, but for the broken one that a made gallery has.
    A stack that ran before is used as it is and left running.
    """

    def say(message: str) -> None:
        if not as_json:
            print(message, file=sys.stderr, flush=True)

    folder = photos or _make_gallery(stack.home / "demo" / f"{images}-images", images, quiet=as_json)
    say("Starting PostgreSQL, S3, Prefect and the API on this machine ...")
    info = stack.start(attached=True, progress=say, set_up=set_up_stack(stack.project))
    stays = keep or not stack.started_here
    try:
        result = _ingest(info, folder, quiet=as_json)
        if as_json:
            print(json.dumps(result.to_json()))
        else:
            print_summary(result, Console())
            if not photos and (line := _rotated(info, result, images)):
                print(line)
            print(_where_to_look(info, stack) if stays else _how_to_look(stack))
        if keep:
            stack.detach()
    finally:
        if not stays:
            say("Stopping ...")
            stack.stop()
    broken = None if photos else broken_position(images)
    expected = {photograph_name(broken)} if broken is not None else set()
    return 0 if _as_expected(result, expected) else 1


def _make_gallery(folder: Path, images: int, *, quiet: bool) -> Path:
    with progress_on(quiet=quiet) as progress:
        progress.step("making photographs", images, "images")
        make_gallery(folder, images, MEGAPIXELS, progress=lambda done, _total: progress.advance(done))
    return folder


def _ingest(info: StackInfo, folder: Path, *, quiet: bool) -> IngestResult:
    gallery_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with GalleryClient(info.api_url, info.api_key) as client, progress_on(quiet=quiet) as progress:
        return ingest_folder(client, folder, gallery_id, progress, on_conflict="replace")


def _as_expected(result: IngestResult, expected: set[str]) -> bool:
    at_fault = {problem.file_name for problem in result.problems}
    return result.state in FINAL_STATES and (result.ok or at_fault == expected)


def _rotated(info: StackInfo, result: IngestResult, images: int) -> str | None:
    """What became of the photograph that was taken with the camera held upright."""
    position = rotated_position(images)
    if position is None:
        return None
    name = photograph_name(position)
    engine = connect(load_settings(info.environment()), application="gallery-demo", connections=1)
    with transaction(engine) as session:
        size = session.execute(
            select(VersionRow.width, VersionRow.height)
            .join(ImageRow, ImageRow.current_version_id == VersionRow.version_id)
            .where(ImageRow.gallery_id == result.gallery_id, ImageRow.file_name == name)
        ).one_or_none()
    engine.dispose()
    if size is None:
        return None
    return f"turned   {name} was taken upright: its renditions stand upright, {size.width} × {size.height}"


def _where_to_look(info: StackInfo, stack: LocalStack) -> str:
    return (
        f"\nlook     {info.prefect_ui_url}\n"
        f"keys     gallery status --json\nlogs     {stack.home / 'logs'}\nstop     gallery down"
    )


def _how_to_look(stack: LocalStack) -> str:
    return f"\nlook     gallery up, then open the run's page above; what was saved is kept in {stack.home}"
