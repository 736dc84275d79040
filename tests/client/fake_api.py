"""A small gallery API and S3 in this process, to talk to over real connections."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class FakeApi:
    """Holds one gallery in `images`, by file name; it saves what arrives as the real one does, at `complete`.

    `faults` has, for each request in turn, the codes of files that it refuses. What arrives under a name of `no_images`
    is rejected. `meanwhile` is called before the save: others may be faster.
    """

    def __init__(self) -> None:
        self.url = ""
        self.images: dict[str, bytes] = {}
        self.under_way: set[str] = set()
        self.under_way_as: dict[str, list[str]] = {}
        self.same_content_under_way: dict[str, list[str]] = {}
        self.looked: Callable[[], None] = lambda: None
        self.no_images: set[str] = set()
        self.max_files = 10_000
        self.can_compare = True
        self.faults: list[dict[str, str]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.signed_times = 0
        self.good_signatures = {"signature-0"}
        self.refused: set[str] = set()
        self.compared: list[list[dict[str, Any]]] = []
        self.idempotency_keys: list[str] = []
        self.declared: list[dict[str, Any]] = []
        self.arrived: dict[str, bytes] = {}
        self.outcomes: dict[str, tuple[str, str | None]] = {}
        self.completed = False
        self.waiting: list[dict[str, Any]] = []
        self.app = FastAPI()
        self.app.get("/v1/limits")(self.limits)
        self.app.post("/v1/galleries/{gallery_id}/compare")(self.compare)
        self.app.post("/v1/galleries/{gallery_id}/uploads", status_code=201)(self.presign)
        self.app.post("/v1/uploads/u1/sign")(self.sign)
        self.app.post("/v1/uploads/u1/complete", status_code=202)(self.complete)
        self.app.get("/v1/uploads/u1")(self.status)
        self.app.post("/s3")(self.store)

    def limits(self) -> dict[str, Any]:
        kinds = {"raw": ["cr2"], "video": ["mov"], "other": ["txt"]}
        return {
            "max_file_bytes": 1000,
            "max_files": self.max_files,
            "unsupported_kinds": kinds,
            "unsupported_extensions": [extension for some in kinds.values() for extension in some],
            "keep_replaced_days": 0,
        }

    async def compare(self, gallery_id: str, request: Request) -> Any:
        if not self.can_compare:
            return JSONResponse({"title": "Not Found", "detail": "Not Found", "code": "not_found"}, 404)
        files = (await request.json())["files"]
        assert 1 <= len(files) <= self.max_files
        self.compared.append(files)
        self.looked()
        return self.refusal(files) or {"files": [self.compared_file(**file) for file in files]}

    def compared_file(self, file_name: str, size: int, sha256: str | None = None) -> dict[str, Any]:
        there = self.images.get(file_name)
        known = {name: digest(content) for name, content in self.images.items()}
        same = sha256 is not None and known.get(file_name) == sha256
        would = "leave_unchanged" if same else "add" if there is None else "replace"
        met = there is not None or any(len(content) == size for content in self.images.values())
        return {
            "file_name": file_name,
            "would": "unknown" if file_name in self.under_way else would,
            "sha256": known.get(file_name),
            "image_id": None if there is None else str(uuid5(NAMESPACE_URL, file_name)),
            "same_content_as": [name for name in known if name != file_name and known[name] == sha256][:5],
            "recipe": "former" if same and file_name.startswith("former") else "current" if same else None,
            "hash_wanted": sha256 is None and met,
            **({"under_way_as": self.under_way_as[file_name]} if file_name in self.under_way_as else {}),
            "same_content_under_way": self.same_content_under_way.get(file_name, []),
        }

    def refusal(self, files: list[dict[str, Any]]) -> JSONResponse | None:
        faults = self.faults.pop(0) if self.faults else {}
        errors = [
            {"index": index, "file_name": file["file_name"], "code": code, "message": f"{code} of {file['file_name']}"}
            for index, file in enumerate(files)
            if (code := faults.get(file["file_name"]))
        ]
        if not errors:
            return None
        body = {"title": "Refused", "detail": errors[0]["message"], "code": errors[0]["code"], "errors": errors}
        return JSONResponse(body, 422)

    async def presign(self, gallery_id: str, request: Request) -> Any:
        files = (await request.json())["files"]
        self.idempotency_keys.append(request.headers["Idempotency-Key"])
        if refusal := self.refusal(files):
            return refusal
        self.declared = files
        return self.requests()

    def sign(self) -> dict[str, Any]:
        self.signed_times += 1
        self.good_signatures = {f"signature-{self.signed_times}"}
        return self.requests()

    def requests(self) -> dict[str, Any]:
        files = [
            {
                "file_name": name,
                "key": name,
                "method": "POST",
                "url": f"{self.url}/s3",
                "fields": {"key": name, "signature": f"signature-{self.signed_times}"},
                "headers": {},
            }
            for file in self.declared
            if (name := file["file_name"]) not in self.arrived
        ]
        return {"upload_id": "u1", "files": files, "expires_at": "2026-11-24T00:00:00Z"}

    async def store(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
        parts = {part.get_param("name", header="Content-Disposition"): part for part in message.iter_parts()}
        form = {name: bytes(part.get_payload(decode=True)) for name, part in parts.items()}
        key = form["key"].decode()
        if form["signature"].decode() not in self.good_signatures or key in self.refused:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)
        self.arrived[key] = form["file"]
        return Response(status_code=204)

    def complete(self) -> dict[str, str]:
        self.meanwhile()
        self.completed = True
        self.outcomes = {file["file_name"]: self.save(file["file_name"], file.get("expect")) for file in self.declared}
        return {"upload_id": "u1", "state": "accepted", "status_url": f"{self.url}/v1/uploads/u1"}

    def save(self, name: str, expect: str | None) -> tuple[str, str | None]:
        if name not in self.arrived:
            return "failed", "missing_object"
        if name in self.no_images:
            return "rejected", "not_an_image"
        there = self.images.get(name)
        if there == self.arrived[name]:
            return "unchanged", None
        if expect not in (None, "absent" if there is None else digest(there)):
            return "rejected", "would_replace"
        self.images[name] = self.arrived[name]
        return "saved" if there is None else "replaced", None

    def status(self) -> dict[str, Any]:
        counts = Counter(outcome for outcome, _ in self.outcomes.values())
        return {
            "upload_id": "u1",
            "gallery_id": "g",
            "state": "failed" if counts["failed"] else "completed_with_rejects" if counts["rejected"] else "completed",
            "waiting": None,
            "flow_run_id": "r1",
            "flow_run_url": "http://prefect/runs/r1",
            "image_count": len(self.declared),
            "counts": counts,
            "to_decide": sum(reason == "would_replace" for _, reason in self.outcomes.values()),
            "problems": [
                {"file_name": name, "outcome": outcome, "stage": "process", "reason": reason, "message": f"[{reason}]"}
                for name, (outcome, reason) in self.outcomes.items()
                if reason
            ],
            **({"state": "accepted", "waiting": self.waiting.pop(0), "counts": {}} if self.waiting else {}),
        }
