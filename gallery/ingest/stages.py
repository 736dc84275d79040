"""The four stages, for one image each, and the plan before and the accounts after them. No Prefect here.

    plan -> download -> process -> save -> cleanup -> report

`tasks` wraps each stage into a Prefect task; the benchmark's bare loop calls them as they are.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from gallery.catalogue import claims
from gallery.catalogue.attempts import end_run as write_end
from gallery.catalogue.attempts import finish_attempt
from gallery.catalogue.attempts import give_up as give_up_attempt
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.counts import Counts, count_outcomes, list_kept, list_noted, list_problems
from gallery.catalogue.history import NO_TIMINGS, record_cleanup
from gallery.catalogue.locks import lock_attempt
from gallery.catalogue.outbox import due_deletions, note_deleted, still_to_do
from gallery.catalogue.outcomes import record_problems, settle_known
from gallery.catalogue.plan import Plan, make_plan
from gallery.catalogue.retention import summarise_days
from gallery.catalogue.save import commit_version, is_given_up
from gallery.catalogue.uploads import find_upload
from gallery.errors import DeletionRefused, RejectedImage, StagedFileError, TransientError
from gallery.imaging.formats import content_type_of
from gallery.imaging.rendered import RenderedImage, RenditionFile
from gallery.ingest.host import is_gone
from gallery.ingest.report import RunReport, report_run
from gallery.ingest.scratch import on_scratch
from gallery.ingest.workspace import Workspace
from gallery.models import (
    Deletion,
    DownloadedImage,
    Entry,
    EntryProblem,
    ObjectKey,
    ProcessedImage,
    Rendition,
    SaveReceipt,
    UploadState,
)
from gallery.settings import Settings
from gallery.storage.keys import EntryKeys
from gallery.storage.s3 import Storage
from gallery.timings import Timing, camera

log = logging.getLogger(__name__)


def plan(workspace: Workspace) -> Plan:
    """Finish what a killed attempt left due, then decide what is to do: one listing, one transaction.

    Raises `StaleAttempt`, or `TransientError` where storage or database do not answer.
    """
    with transaction(workspace.engine) as session:
        left = due_deletions(session, upload_id=workspace.attempt.upload_id)
    try:
        _delete(workspace, left)
    except DeletionRefused as error:
        log.warning("%s; the run goes on", error)
    workspace.lease.progress()
    staged = {found.key: found for found in workspace.storage.list_staged(workspace.prefix)}
    workspace.lease.progress()
    with transaction(workspace.engine) as session:
        return make_plan(session, workspace.attempt, workspace.terms, staged)


def claim(workspace: Workspace, limit: int) -> list[Entry]:
    """Claim the next entries for this process, at most `limit`; none where others have claimed what is left.

    Raises `StaleAttempt`, `TransientError`.
    """
    with transaction(workspace.engine) as session:
        return claims.claim(session, workspace.attempt, limit)


def count_unfinished(workspace: Workspace) -> int:
    """How many entries the attempt still has to do, whoever has claimed them. Raises `TransientError`."""
    with transaction(workspace.engine) as session:
        return claims.count_unfinished(session, workspace.attempt)


def hand_back(workspace: Workspace, numbers: Sequence[int]) -> None:
    """Let entries that this process has claimed be claimed again, from the start. Raises `TransientError`."""
    if numbers:
        with transaction(workspace.engine) as session:
            claims.hand_back(session, workspace.attempt, numbers)


def download(workspace: Workspace, entry: Entry) -> DownloadedImage:
    """Stream the staged file, only while its ETag is the pinned one, to the scratch folder.

    Raises `StagedFileError` where it is gone or changed, `TransientError` where storage does not answer or the disk
    does not take it.
    """
    source = _source(workspace, entry)
    with on_scratch(), workspace.timings.measure(entry.number, "download") as timing:
        path = workspace.source_path(entry.number)
        sha256 = workspace.storage.download(source.key, source.etag, path, bucket=source.bucket)
        timing.bytes_in = entry.size
    workspace.lease.progress()
    return DownloadedImage(entry, path, sha256)


@dataclass(frozen=True, slots=True)
class SourceObject:
    """The object that an entry's file is read from."""

    bucket: str
    key: ObjectKey
    etag: str


def _source(workspace: Workspace, entry: Entry) -> SourceObject:
    """The staged file; or, for a forced run where that is gone, the original, whose key has one content for good."""
    storage = workspace.storage
    if entry.library_key is None:
        return SourceObject(storage.uploads_bucket, entry.staged_key, entry.etag)
    found = storage.head(storage.library_bucket, entry.library_key)
    if found is None:
        raise StagedFileError("missing_object", "neither the staged file nor the original in the library is there")
    return SourceObject(storage.library_bucket, entry.library_key, found.etag)


def settle_overtaken(workspace: Workspace, entries: Sequence[Entry]) -> set[int]:
    """Give `superseded` to those of these entries that a later upload has overtaken; returns their numbers.

    Raises `StaleAttempt`, `ClaimLost`, `TransientError`.
    """
    if not entries:
        return set()
    with transaction(workspace.engine) as session:
        return set(settle_known(session, workspace.attempt, workspace.terms, entries))


def settle_unchanged(workspace: Workspace, arrived: Sequence[DownloadedImage]) -> list[DownloadedImage]:
    """Settle what needs no processing (see `settle_known`); return the rest. One transaction a window.

    Raises `StaleAttempt`, `ClaimLost`, `TransientError`.
    """
    with transaction(workspace.engine) as session:
        lock_attempt(session, workspace.attempt)
        settled = settle_known(
            session,
            workspace.attempt,
            workspace.terms,
            [image.entry for image in arrived],
            {image.entry.number: image.sha256 for image in arrived},
            workspace.timings,
        )
    workspace.timings.forget(settled)
    for image in arrived:
        if image.entry.number in settled:
            image.path.unlink(missing_ok=True)
    return [image for image in arrived if image.entry.number not in settled]


def process(workspace: Workspace, image: DownloadedImage) -> ProcessedImage:
    """Make all renditions in a decoder subprocess and put them into the library.

    Raises `RejectedImage` where the file is at fault, `TransientError` where storage does not answer or the disk does
    not take them.
    """
    out = workspace.scratch / f"{image.entry.number}.renditions"
    with on_scratch(), workspace.timings.measure(image.entry.number, "process") as timing:
        out.mkdir(exist_ok=True)
        try:
            rendered = workspace.decoders.render(image.path, out)
            keys = workspace.keys_of(image.entry)
            processed = put_renditions(workspace.storage, keys, workspace.recipe.recipe_id, image.sha256, rendered)
        except RejectedImage as rejection:
            timing.camera = camera(rejection.metadata)
            raise
        finally:
            shutil.rmtree(out, ignore_errors=True)
    workspace.lease.progress()
    return processed


def put_renditions(
    storage: Storage, keys: EntryKeys, recipe_id: str, sha256: str, rendered: RenderedImage
) -> ProcessedImage:
    """Put what was rendered from a file with this SHA-256 into the library. Raises `TransientError`."""
    return ProcessedImage(
        sha256=sha256,
        recipe_id=recipe_id,
        width=rendered.width,
        height=rendered.height,
        source_format=rendered.source_format,
        extension=rendered.extension,
        metadata=rendered.metadata,
        renditions=tuple(_put(storage, keys, recipe_id, file) for file in rendered.renditions),
    )


def _put(storage: Storage, keys: EntryKeys, recipe_id: str, file: RenditionFile) -> Rendition:
    key = keys.rendition(file.style, recipe_id, file.path.suffix)
    return Rendition(
        style=file.style,
        key=key,
        width=file.width,
        height=file.height,
        bytes=file.bytes,
        content_type=file.content_type,
        etag=storage.put(key, file.path, file.content_type),
    )


def is_intact(workspace: Workspace, entry: Entry, image: ProcessedImage) -> bool:
    """Whether the library still holds the very renditions that a cached result speaks of, and goes on doing so."""
    library = workspace.storage.library_bucket
    with transaction(workspace.engine) as session:
        if is_given_up(session, library, entry, image):
            return False
    return all(
        (found := workspace.storage.head(library, rendition.key)) is not None and found.etag == rendition.etag
        for rendition in image.renditions
    )


def save(workspace: Workspace, entry: Entry, image: ProcessedImage) -> SaveReceipt:
    """Copy the file into the library, only while its ETag is the pinned one; then commit the version.

    Raises `StagedFileError` where it is gone or changed meanwhile: nothing of it is saved then;
    `TransientError` where storage or database do not answer; `StaleAttempt`, `ClaimLost`, `ResultGone`.
    """
    original_key = workspace.keys_of(entry).original(image.extension)
    content_type = content_type_of(image.extension) or "application/octet-stream"
    source = _source(workspace, entry)
    with workspace.timings.measure(entry.number, "save") as timing:
        timing.processed = image
        workspace.storage.copy_original(source.key, source.etag, original_key, content_type, bucket=source.bucket)
        with transaction(workspace.engine) as session:
            receipt = commit_version(
                session,
                workspace.attempt,
                entry,
                image,
                original_key=original_key,
                uploads_bucket=workspace.storage.uploads_bucket,
                library_bucket=workspace.storage.library_bucket,
                keep_replaced=timedelta(days=workspace.settings.keep_replaced_days),
                timing=timing,
            )
    workspace.timings.forget([entry.number])
    workspace.lease.progress()
    return receipt


def cleanup(workspace: Workspace, receipt: SaveReceipt) -> int:
    """Delete what a committed save made superfluous, and note it as done; returns how many objects.

    Safe to repeat. Raises `DeletionRefused`, and `TransientError` where storage or database do not answer.
    """
    with workspace.timings.measure(receipt.number, "cleanup") as timing:
        _delete(workspace, receipt.deletions, {receipt.number: timing})
    workspace.timings.forget([receipt.number])
    return len(receipt.deletions)


def _delete(workspace: Workspace, deletions: Sequence[Deletion], timings: Mapping[int, Timing] = NO_TIMINGS) -> None:
    if not deletions:
        return
    with transaction(workspace.engine) as session:
        due = still_to_do(session, deletions)
    deleted = workspace.storage.delete(due)
    with transaction(workspace.engine) as session:
        note_deleted(session, deleted)
        record_cleanup(session, workspace.attempt, timings)
    deleted.raise_left()


def write_problems(workspace: Workspace, problems: Sequence[EntryProblem]) -> None:
    """Write a window's `rejected` and `failed`, in one transaction. Raises `StaleAttempt`.

    A cleanup that failed changes no outcome: of it, only seconds and retries are noted.
    """
    if not problems:
        return
    lost = [problem for problem in problems if problem.stage != "cleanup"]
    left = {problem.number: workspace.timings[problem.number] for problem in problems if problem.stage == "cleanup"}
    with transaction(workspace.engine) as session:
        record_problems(session, workspace.attempt, workspace.terms.judged_by, lost, workspace.timings)
        record_cleanup(session, workspace.attempt, left)
    workspace.timings.forget([problem.number for problem in problems])


def report(workspace: Workspace, *, found_work: bool) -> RunReport:
    """Sum the attempt up and write its end. Raises `StaleAttempt`, `TransientError`."""
    # Not worth a run: the next one makes up for it, and until then the views merely take longer.
    with suppress(TransientError), transaction(workspace.engine) as session:
        summarise_days(session)
    with transaction(workspace.engine) as session:
        counts = count_outcomes(session, workspace.attempt.upload_id)
        remaining = list_problems(session, workspace.attempt.upload_id)
        kept = list_kept(session, workspace.attempt)
        noted = list_noted(session, workspace.attempt.upload_id)
        summary = report_run(counts, remaining, kept, noted, found_work=found_work)
        finish_attempt(session, workspace.attempt, summary.state, summary.message)
    return summary


def give_up(workspace: Workspace, error: TransientError) -> RunReport:
    """Write that the attempt stops here, since storage or database do not answer, and sum it up as far as is known.

    The database may be what does not answer: the end is then learnt from Prefect. Raises `StaleAttempt`.
    """
    message = f"stopped before all was done: {error.reason}: {error}"
    counts, problems = Counts({}, workspace.attempt.image_count), []
    with suppress(TransientError), transaction(workspace.engine) as session:
        give_up_attempt(session, workspace.attempt, message)
        counts = count_outcomes(session, workspace.attempt.upload_id)
        problems = list_problems(session, workspace.attempt.upload_id)
    return RunReport("failed", message, counts, tuple(problems))


def current_run(settings: Settings, upload_id: str) -> UUID | None:
    """The flow run that has the upload now. Raises `TransientError`."""
    engine = connect(settings, application="gallery-end-run", connections=1)
    try:
        with transaction(engine) as session:
            return find_upload(session, upload_id).flow_run_id
    finally:
        engine.dispose()


def end_run(settings: Settings, flow_run_id: UUID, state: UploadState, message: str) -> None:
    """Write the end of a run that could not do so itself; does nothing where one is written, or a process works on."""
    engine = connect(settings, application="gallery-end-run", connections=1)
    try:
        with transaction(engine) as session:
            write_end(session, flow_run_id, state, message, is_gone=is_gone)
    finally:
        engine.dispose()
