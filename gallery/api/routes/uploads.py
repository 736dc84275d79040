"""Presign, sign again, complete, status."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy import Select, select

from gallery.api.auth import KeyOrLink
from gallery.api.cursor import read_number_cursor, write_number_cursor
from gallery.api.declared import check_files, limits_of
from gallery.api.presigning import presigned_answer
from gallery.api.schemas import (
    AcceptedAnswer,
    Conflict,
    Cursor,
    EntriesAnswer,
    EntryAnswer,
    GalleryId,
    PresignAnswer,
    PresignRequest,
    StatusAnswer,
    UploadId,
)
from gallery.api.services import services_of
from gallery.catalogue import uploads
from gallery.catalogue.entries import ListedEntry, list_entries
from gallery.catalogue.status import read_status
from gallery.catalogue.tables import EntryRow, UploadRow
from gallery.errors import ConflictError
from gallery.models import Outcome
from gallery.storage.keys import StagedKey, upload_prefix

router = APIRouter(prefix="/v1", tags=["uploads"])
OPEN_FOR = timedelta(days=7)


@router.post("/galleries/{gallery_id}/uploads", status_code=201)
def presign(
    gallery_id: GalleryId,
    body: PresignRequest,
    request: Request,
    caller: KeyOrLink,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> PresignAnswer:
    """Open an upload and presign a request for each of its files, limited to its key, size and type."""
    services = services_of(request)
    caller.check_gallery(gallery_id)
    upload_id = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(8)}"
    files = _declared(gallery_id, upload_id, body, services.settings.max_file_bytes)
    # Nothing stays open for longer than its files are kept.
    open_for = min(OPEN_FOR, timedelta(days=services.settings.staged_days))
    with services.transaction() as session:
        known = uploads.find_by_idempotency_key(session, caller.name, idempotency_key) if idempotency_key else None
        if known is None:
            row = uploads.open_upload(
                session,
                upload_id=upload_id,
                gallery_id=gallery_id,
                files=files,
                trigger="api",
                requested_by=caller.name,
                metadata=body.metadata,
                expires_at=datetime.now(UTC) + open_for,
                idempotency_key=idempotency_key,
            )
        elif known.request_fingerprint == uploads.request_fingerprint(gallery_id, files, body.metadata):
            row = known
            files = _files_of(session.scalars(_entries(known.upload_id)))
        else:
            raise ConflictError("this Idempotency-Key was used for another request; use a new one")
    return presigned_answer(services, row.upload_id, files)


@router.post("/uploads/{upload_id}/sign")
def sign(upload_id: UploadId, request: Request, caller: KeyOrLink) -> PresignAnswer:
    """Sign again what has not arrived: after the requests have expired, after a reload, after a day."""
    services = services_of(request)
    with services.transaction() as session:
        row = uploads.find_upload(session, upload_id)
        caller.check_gallery(row.gallery_id)
        if row.state != "open":
            raise ConflictError(f"upload {upload_id} is {row.state}: it takes no more files")
        files = _files_of(session.scalars(_entries(upload_id)))
    arrived = {found.key for found in services.storage.list_staged(upload_prefix(row.gallery_id, upload_id))}
    return presigned_answer(services, upload_id, [file for file in files if file.key not in arrived])


@router.post("/uploads/{upload_id}/complete", status_code=202)
def complete(upload_id: UploadId, request: Request, caller: KeyOrLink) -> AcceptedAnswer:
    """Accept an upload for ingest. Stored first, then answered; the run starts from what is stored."""
    services = services_of(request)
    with services.transaction() as session:
        caller.check_gallery(uploads.find_upload(session, upload_id).gallery_id)
        row = uploads.accept(session, upload_id)
    if row.flow_run_id is None:
        services.starter.wake()
    return accepted_answer(row)


@router.get("/uploads/{upload_id}")
def status(upload_id: UploadId, request: Request, caller: KeyOrLink) -> StatusAnswer:
    """An upload's state, its entries counted by outcome, and its first 100 problems."""
    services = services_of(request)
    with services.transaction() as session:
        found = read_status(session, upload_id)
    caller.check_gallery(found.gallery_id)
    return StatusAnswer(**found.document(), flow_run_url=services.flow_run_url(found.flow_run_id))


@router.get("/uploads/{upload_id}/entries")
def entries(
    upload_id: UploadId,
    request: Request,
    caller: KeyOrLink,
    outcome: Outcome | None = None,
    reason: Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")] = None,
    note: Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EntriesAnswer:
    """An upload's files and what became of each, in the order in which they were declared, page by page."""
    services = services_of(request)
    after = read_number_cursor(cursor) if cursor else 0
    with services.transaction() as session:
        caller.check_gallery(uploads.find_upload(session, upload_id).gallery_id)
        found = list_entries(
            session, upload_id, outcome=outcome, reason=reason, note=note, after=after, limit=limit + 1
        )
    shown = found[:limit]
    return EntriesAnswer(
        entries=[_entry(one) for one in shown],
        next_cursor=write_number_cursor(shown[-1].number) if len(found) > limit else None,
    )


def _entry(found: ListedEntry) -> EntryAnswer:
    conflict = None
    if found.conflict_sha256 is not None and found.named_image_id is not None:
        conflict = Conflict(image_id=found.named_image_id, sha256=found.conflict_sha256)
    return EntryAnswer(
        number=found.number,
        file_name=found.file_name,
        size=found.size,
        outcome=found.outcome,
        stage=found.stage,
        reason=found.reason,
        message=found.message,
        notes=found.notes,
        image_id=found.image_id,
        conflict=conflict,
        metadata=found.metadata,
    )


def accepted_answer(row: UploadRow) -> AcceptedAnswer:
    """The 202 of complete and webhook."""
    return AcceptedAnswer(
        upload_id=row.upload_id,
        state=row.state,
        status_url=f"/v1/uploads/{row.upload_id}",
    )


def _declared(
    gallery_id: str, upload_id: str, body: PresignRequest, max_file_bytes: int
) -> list[uploads.DeclaredEntry]:
    return [
        uploads.DeclaredEntry(
            name,
            StagedKey(gallery_id, upload_id, name).key,
            file.size,
            file.content_type,
            file.metadata,
            file.expect,
        )
        for name, file in check_files(body.files, limits_of(max_file_bytes))
    ]


def _entries(upload_id: str) -> Select[EntryRow]:
    return select(EntryRow).where(EntryRow.upload_id == upload_id).order_by(EntryRow.number)


def _files_of(rows: Iterable[EntryRow]) -> list[uploads.DeclaredEntry]:
    return [
        uploads.DeclaredEntry(row.file_name, row.staged_key, row.declared_size, row.content_type, row.meta, row.expect)
        for row in rows
    ]
