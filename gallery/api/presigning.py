"""Presigned requests for the files of an upload, as Uppy and Shrine know them: method, url, fields, headers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gallery.api.schemas import ANY_TYPE, PresignAnswer, PresignedFile
from gallery.api.services import Services
from gallery.catalogue.uploads import DeclaredEntry

# A presigned request's life; `sign` gives fresh ones, for as long as the upload is open.
PRESIGNED_FOR = timedelta(hours=12)


def presigned_answer(services: Services, upload_id: str, files: Sequence[DeclaredEntry]) -> PresignAnswer:
    """A request for each file, limited to its key, exact size and type; about 0.1 ms each."""
    expires_at = datetime.now(UTC) + PRESIGNED_FOR
    sign = _put if services.settings.presign_method == "put" else _post
    presigned = [sign(services, file) for file in files]
    return PresignAnswer(upload_id=upload_id, files=presigned, expires_at=expires_at.isoformat())


def _post(services: Services, file: DeclaredEntry) -> PresignedFile:
    url, fields = services.storage.presign_post(
        file.key,
        size=file.size or 0,
        content_type=file.content_type or ANY_TYPE,
        expires_seconds=int(PRESIGNED_FOR.total_seconds()),
    )
    return PresignedFile(file_name=file.file_name, key=file.key, method="POST", url=url, fields=fields, headers={})


def _put(services: Services, file: DeclaredEntry) -> PresignedFile:
    content_type = file.content_type or ANY_TYPE
    url = services.storage.presign_put(
        file.key,
        size=file.size or 0,
        content_type=content_type,
        expires_seconds=int(PRESIGNED_FOR.total_seconds()),
    )
    # Content-Length is signed, too, but browsers set it themselves and let nobody else.
    headers = {"Content-Type": content_type}
    return PresignedFile(file_name=file.file_name, key=file.key, method="PUT", url=url, fields={}, headers=headers)
