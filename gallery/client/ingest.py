"""Ingests a folder: finds its files, compares them with the gallery, and sends what is not there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from gallery.amounts import bytes_in_words, count_in_words
from gallery.client.api import GalleryClient
from gallery.client.comparing import (
    ComparedPhotograph,
    FolderComparison,
    are_still_there,
    compare_files,
    wait_for_uploads,
)
from gallery.client.conflicts import Ask, Choices, FileToSend, files_to_send, free_names, settle
from gallery.client.file_names import names_in_words
from gallery.client.folder import FoundPhotographs, find_photographs
from gallery.client.progress import JobProgress
from gallery.client.result import IngestResult, not_sent, result_of
from gallery.client.types import ReportedLimits
from gallery.client.upload import follow, upload_files
from gallery.errors import GalleryError, NotFoundError, RefusedRequest
from gallery.models import Choice
from gallery.names import check_gallery_id, check_upload_id

# Seconds. An upload that is under way for longer may wait for somebody.
LONGEST_WAIT = 600.0
# How often a gallery may change while it is looked at, before what was seen last is acted upon.
LOOKS = 5


def ingest_folder(
    client: GalleryClient,
    folder: Path,
    gallery_id: str,
    progress: JobProgress,
    *,
    on_conflict: Choice | Ask | None = None,
    timeout: float | None = None,
) -> IngestResult:
    """Upload the files of `folder` that `gallery_id` does not have, start their run and wait for the end of it.

    Files that the API would refuse are left out, each with a problem. `on_conflict` decides about files whose names
    belong to other photographs; with `None` nothing is sent where there are such. Where an upload under way may have
    some of the files, its end is waited for first, for at most ten minutes. An API of a release that cannot
    compare gets everything, and what it has under the same names is replaced.
    `timeout`: seconds to wait for the run. Raises `GalleryError` where nothing could be sent or the API refuses; see
    `find_photographs` and `GalleryClient`.
    """
    began = time.monotonic()
    found, limits = _find(client, folder, gallery_id, progress)
    hashes: dict[str, str] = {}
    longest = min(timeout or LONGEST_WAIT, LONGEST_WAIT)
    try:
        compared = compare_files(client, gallery_id, found, limits.max_files, progress, hashes)
    except NotFoundError:
        return _ingest_without_comparing(client, found, gallery_id, progress, began, on_conflict, timeout)
    # What was there may be gone after a wait, or after the time that a person takes to decide.
    for _ in range(LOOKS):
        needs_choice = on_conflict is None and compared.of("replace", "unknown")
        left = began + longest - time.monotonic()
        if not needs_choice and wait_for_uploads(
            client, gallery_id, compared, hashes, limits.max_files, progress, left
        ):
            compared = compare_files(client, gallery_id, found, limits.max_files, progress, hashes)
        _tell_what_is_unchanged(compared, progress)
        choices = settle(compared, _asking(on_conflict), by_name=on_conflict == "replace")
        if choices is None:
            return not_sent(gallery_id, compared, time.monotonic() - began)
        if not callable(on_conflict) or are_still_there(client, gallery_id, compared, limits.max_files, hashes):
            break
        progress.note("the gallery has changed meanwhile")
        compared = compare_files(client, gallery_id, found, limits.max_files, progress, hashes)
    else:
        raise GalleryError(f"gallery {gallery_id} changes all the time: try again later")
    new_names = free_names(client, gallery_id, folder.resolve().name, compared, choices, limits.max_files)
    skipped = [name for name, choice in choices.items() if choice == "skip"]
    _tell(progress, "skipped, the gallery keeps its own", skipped)
    _tell(progress, "kept beside the gallery's own", [f"{name} as {new}" for name, new in new_names.items()])
    to_send = files_to_send(compared, choices, new_names)
    _tell_what_is_elsewhere(compared, to_send, choices, progress)
    if len(to_send) > limits.max_files:
        raise RefusedRequest(
            "too_many_files",
            f"one upload takes {count_in_words(limits.max_files, 'file')}, and {len(to_send):,} are to be sent: "
            "divide the folder",
        )
    status, refused = upload_files(client, gallery_id, to_send, progress, timeout)
    return result_of(
        gallery_id,
        status,
        time.monotonic() - began,
        unchanged=len(compared.photographs) - len(to_send) - len(skipped),
        skipped=len(skipped),
        left_out=(*compared.left_out, *refused),
    )


def compare_folder(client: GalleryClient, folder: Path, gallery_id: str, progress: JobProgress) -> IngestResult:
    """Compare the files of `folder` with `gallery_id`, and send nothing.

    Raises `GalleryError` where the API is of a release that cannot compare; else as `ingest_folder`.
    """
    began = time.monotonic()
    found, limits = _find(client, folder, gallery_id, progress)
    try:
        compared = compare_files(client, gallery_id, found, limits.max_files, progress)
    except NotFoundError:
        raise GalleryError(f"the gallery API at {client.api_url} cannot compare: it is of an earlier release") from None
    return not_sent(gallery_id, compared, time.monotonic() - began)


def retry_upload(client: GalleryClient, upload_id: str, progress: JobProgress) -> IngestResult:
    """Run an ended upload again, which works only on what is not done, and wait for its end."""
    check_upload_id(upload_id)
    began = time.monotonic()
    client.retry(upload_id)
    status = follow(client, upload_id, client.status(upload_id).image_count, progress)
    return result_of(status.gallery_id, status, time.monotonic() - began)


def _find(
    client: GalleryClient, folder: Path, gallery_id: str, progress: JobProgress
) -> tuple[FoundPhotographs, ReportedLimits]:
    check_gallery_id(gallery_id)
    found = find_photographs(folder)
    for note in found.notes:
        progress.note(note)
    limits = client.limits()
    return found.within(limits), limits


def _ingest_without_comparing(
    client: GalleryClient,
    found: FoundPhotographs,
    gallery_id: str,
    progress: JobProgress,
    began: float,
    on_conflict: Choice | Ask | None,
    timeout: float | None,
) -> IngestResult:
    if on_conflict in ("keep_both", "skip"):
        raise GalleryError(
            f"the gallery API at {client.api_url} cannot compare: it is of an earlier release, and replaces whatever "
            "has the same name; pass --on-conflict replace if that is meant"
        )
    progress.note("the gallery API is of an earlier release: all files are sent, and replace those of the same name")
    files = [FileToSend(file) for file in found.files]
    status, refused = upload_files(client, gallery_id, files, progress, timeout)
    return result_of(gallery_id, status, time.monotonic() - began, left_out=(*found.left_out, *refused))


def _asking(on_conflict: Choice | Ask | None) -> Ask:
    """What settles conflicts: one choice for all of them, or somebody who is asked, or nobody."""
    if callable(on_conflict):
        return on_conflict

    def choose(photographs: Sequence[ComparedPhotograph]) -> Choices | None:
        if on_conflict is None:
            return None
        return dict.fromkeys((photograph.file.file_name for photograph in photographs), on_conflict)

    return choose


def _tell_what_is_unchanged(compared: FolderComparison, progress: JobProgress) -> None:
    unchanged = compared.of("unchanged")
    size = bytes_in_words(sum(photograph.file.size for photograph in unchanged))
    _tell(progress, f"in the gallery already, {size} not sent", [one.file.file_name for one in unchanged])
    former = [one.file.file_name for one in unchanged if one.there.recipe == "former"]
    _tell(progress, "made with earlier styles, which a rebuild renews", former)


def _tell_what_is_elsewhere(
    compared: FolderComparison, to_send: Sequence[FileToSend], choices: Choices, progress: JobProgress
) -> None:
    sent = {one.file.path for one in to_send}
    elsewhere = [one for one in compared.of("under_another_name") if choices.get(one.file.file_name) != "skip"]
    for what, is_sent in (("not sent", False), ("sent to have this name", True)):
        names = [
            f"{one.file.file_name} as {one.there.same_content_as[0]}"
            for one in elsewhere
            if (one.file.path in sent) == is_sent
        ]
        _tell(progress, f"in the gallery under another name, {what}", names)


def _tell(progress: JobProgress, what: str, names: Sequence[str]) -> None:
    if names:
        progress.note(f"{what}: {count_in_words(len(names), 'file')}: {names_in_words(names)}")
