"""Turns the answers of the gallery API (RFC 9457 problem details) and of S3 (XML) into errors of one line."""

from __future__ import annotations

import re

import httpx
from pydantic import TypeAdapter, ValidationError

from gallery.client.types import ReportedFault
from gallery.errors import ConfigurationError, ConflictError, GalleryError, NotFoundError, RefusedRequest


class UnreachableError(GalleryError):
    """Raised when the gallery API or S3 did not answer at all, after all retries."""


class SendRefusedError(GalleryError):
    """Raised when S3 answered and did not store a file. `status` 403: the signature may have expired."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RefusedFilesError(RefusedRequest):
    """Raised when the API refuses files of a request one by one: `faults` has all of them, `code` is the first's."""

    def __init__(self, code: str, message: str, faults: tuple[ReportedFault, ...]) -> None:
        super().__init__(code, message)
        self.faults = faults


def error_of(response: httpx.Response, where: str) -> GalleryError:
    """The error that an answer stands for; reads RFC 9457 problem details."""
    code, message = _problem(response)
    if response.status_code == 401:
        return ConfigurationError(f"{where} does not accept this API key: {message}")
    if response.status_code == 404:
        return NotFoundError(message)
    if response.status_code == 409:
        return ConflictError(message)
    if response.status_code in (400, 413, 415, 422):
        faults = _faults(response)
        return RefusedFilesError(code, message, faults) if faults else RefusedRequest(code, message)
    return GalleryError(f"{where} answered {response.status_code}: {message}")


def _problem(response: httpx.Response) -> tuple[str, str]:
    """Its code (a member `code`, else the end of `type`) and one line for a person."""
    fallback = f"{response.status_code} {response.reason_phrase}".strip()
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "refused", fallback
    detail = body.get("detail")
    if isinstance(detail, list):  # FastAPI's own validation errors
        detail = "; ".join(str(item.get("msg", item) if isinstance(item, dict) else item) for item in detail)
    kind = re.split(r"[/:#]", str(body.get("type", "")))[-1]
    code = str(body.get("code") or (kind if kind not in ("", "blank") else "refused"))
    return code, one_line(str(detail or body.get("title") or fallback))


def _faults(response: httpx.Response) -> tuple[ReportedFault, ...]:
    """The faulty files that a refusal lists; none where it is about something else."""
    try:
        return tuple(TypeAdapter(list[ReportedFault]).validate_python(response.json()["errors"]))
    except (ValueError, KeyError, TypeError, ValidationError):
        return ()


def s3_refusal(response: httpx.Response) -> str:
    """S3's XML error in one line, by pattern: an XML parser is not for answers from anywhere."""
    said = [
        found[1]
        for tag in ("Code", "Message")
        if (found := re.search(rf"<{tag}>([^<]{{1,300}})</{tag}>", response.text[:10_000]))
    ]
    return one_line(f"S3 answered {response.status_code} " + ": ".join(said))


def one_line(text: str) -> str:
    return " ".join(text.split())
