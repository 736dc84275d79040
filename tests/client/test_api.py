"""The client against a real HTTP server that answers what the test wrote down, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest

from gallery.client.api import BACKOFF, GalleryClient
from gallery.client.errors import RefusedFilesError, SendRefusedError, UnreachableError
from gallery.client.types import (
    DeclaredFile,
    FileInQuestion,
    PresignedRequest,
    ReportedFault,
    ReportedStatus,
    ReportedVersion,
)
from gallery.errors import ConfigurationError, ConflictError, GalleryError, NotFoundError, RefusedRequest
from gallery.models import Choice

KEY = "a-key-that-is-long-enough"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Server:
    """Answers each request with the next (status, body, headers) of `answers`; the last one for ever."""

    url: str
    answers: list[tuple[int, object, dict[str, str]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def answer(self, status: int, body: object = None, **headers: str) -> None:
        self.answers.append((status, body, headers))


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append(Request(self.command, self.path, self.headers, body))
            status, answer, headers = state.answers[0] if len(state.answers) == 1 else state.answers.pop(0)
            if status == 0:  # drop the connection without an answer
                self.close_connection = True
                return
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            data = b"" if status == 204 else data
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(server: Server, pauses: list[float]) -> Iterator[GalleryClient]:
    with GalleryClient(server.url, KEY, pause=pauses.append) as client:
        yield client


def status_body(state: str = "running", **more: object) -> dict[str, object]:
    return {
        "upload_id": "u1",
        "gallery_id": "g",
        "state": state,
        "flow_run_id": None,
        "flow_run_url": None,
        "image_count": 2,
        "counts": {"saved": 1, "pending": 1},
        "problems": [],
        "metadata": None,
        **more,
    }


def form_parts(request: Request) -> list[tuple[str, bytes]]:
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + request.body).get_payload()
    assert isinstance(parts, list)
    named = []
    for part in parts:
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        named.append((str(part.get_param("name", header="Content-Disposition")), content))
    return named


def test_presign_declares_the_files_under_the_key_and_the_idempotency_key(
    server: Server, client: GalleryClient
) -> None:
    post = {"file_name": "a.jpg", "key": "g/u1/a.jpg", "method": "POST", "url": "http://s3/", "headers": {}}
    fields = {"key": "g/u1/a.jpg", "policy": "p"}
    server.answer(
        201,
        {"upload_id": "u1", "files": [{**post, "fields": fields}], "expires_at": "2026-01-01T00:00:00Z"},
    )
    files = [DeclaredFile("a.jpg", 3, "image/jpeg"), DeclaredFile("b.jpg", 4, "image/jpeg", "absent")]
    upload = client.presign("g", files, "once")
    assert (upload.upload_id, upload.files[0].fields) == ("u1", fields)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/galleries/g/uploads")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Idempotency-Key"] == "once"
    assert json.loads(request.body)["files"] == [
        {"file_name": "a.jpg", "size": 3, "content_type": "image/jpeg"},
        {"file_name": "b.jpg", "size": 4, "content_type": "image/jpeg", "expect": "absent"},
    ]


def test_limits_are_those_of_the_api(server: Server, client: GalleryClient) -> None:
    server.answer(200, {"max_file_bytes": 9, "max_files": 5, "unsupported_extensions": ["txt"], "more": 1})
    limits = client.limits()
    assert (limits.max_file_bytes, limits.max_files, limits.unsupported_extensions) == (9, 5, frozenset({"txt"}))


def test_compare_asks_about_names_sizes_and_hashes(server: Server, client: GalleryClient) -> None:
    image = "0191d2f0-0000-7000-8000-000000000001"
    add = {"file_name": "a.jpg", "would": "add", "sha256": None, "image_id": None, "recipe": None}
    there = {"file_name": "b.jpg", "would": "leave_unchanged", "sha256": "ab", "image_id": image, "recipe": "former"}
    answers = [
        {**add, "same_content_as": [], "hash_wanted": True},
        {**there, "same_content_as": ["c.jpg"], "hash_wanted": False},
    ]
    server.answer(200, {"files": answers})
    one, other = client.compare("g", [FileInQuestion("a.jpg", 3), FileInQuestion("b.jpg", 4, "ab")])
    assert (one.would, one.hash_wanted, one.image_id) == ("add", True, None)
    assert (other.would, other.sha256, str(other.image_id), other.recipe) == ("leave_unchanged", "ab", image, "former")
    assert other.same_content_as == ("c.jpg",)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/galleries/g/compare")
    assert json.loads(request.body)["files"] == [
        {"file_name": "a.jpg", "size": 3},
        {"file_name": "b.jpg", "size": 4, "sha256": "ab"},
    ]
    with pytest.raises(GalleryError, match="did not answer for each file"):
        client.compare("g", [FileInQuestion("b.jpg", 4), FileInQuestion("a.jpg", 3)])


def test_of_an_image_the_current_version_is_told_and_of_a_deleted_one_none(
    server: Server, client: GalleryClient
) -> None:
    version = {"size": 7, "created_at": "2026-05-23T14:05:00Z", "is_current": True, "sha256": "ab"}
    server.answer(200, {"versions": [version | {"is_current": False, "size": 8}, version]})
    server.answer(200, {"versions": []})
    server.answer(404, {"code": "not_found", "detail": "no such image"})
    found = client.current_version("g", UUID(int=7))
    assert found == ReportedVersion(7, datetime(2026, 5, 23, 14, 5, tzinfo=UTC), is_current=True)
    assert server.requests[0].path == f"/v1/galleries/g/images/{UUID(int=7)}/versions"
    assert [client.current_version("g", UUID(int=7)) for _ in range(2)] == [None, None]


@pytest.mark.parametrize(
    ("choices", "rest", "body"),
    [
        ({"a.jpg": "keep_both"}, None, {"files": [{"file_name": "a.jpg", "choice": "keep_both"}]}),
        ({}, "skip", {"choice": "skip"}),
    ],
    ids=["of one file", "of all"],
)
def test_decisions_are_sent_and_the_new_names_told(
    server: Server, client: GalleryClient, choices: dict[str, Choice], rest: Choice | None, body: object
) -> None:
    decided = {"file_name": "a.jpg", "choice": "keep_both", "new_name": "a (2).jpg"}
    server.answer(202, {"upload_id": "u1", "state": "accepted", "status_url": "/v1/uploads/u1", "files": [decided]})
    (decision,) = client.decide("u1", choices, rest=rest)
    assert (decision.file_name, decision.choice, decision.new_name) == ("a.jpg", "keep_both", "a (2).jpg")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/uploads/u1/decide")
    assert json.loads(request.body) == body


def test_a_refusal_of_files_carries_every_one_of_them(server: Server, client: GalleryClient) -> None:
    errors = [
        {"index": 0, "file_name": "a.jpg", "code": "file_too_large", "message": "too large"},
        {"index": 7, "file_name": "b.txt", "code": "unsupported_type", "message": "no photograph"},
    ]
    server.answer(422, {"detail": "two files are refused", "code": "file_too_large", "errors": errors})
    with pytest.raises(RefusedFilesError, match="two files are refused") as refused:
        client.presign("g", [DeclaredFile("a.jpg", 3, "image/jpeg")], "once")
    assert refused.value.code == "file_too_large"
    assert refused.value.faults == (
        ReportedFault(0, "file_too_large", "too large"),
        ReportedFault(7, "unsupported_type", "no photograph"),
    )


@pytest.mark.parametrize("errors", [[], [{"loc": ["body", "files"], "msg": "Field required"}], "none", None])
def test_a_refusal_of_something_else_names_no_files(server: Server, client: GalleryClient, errors: object) -> None:
    server.answer(422, {"detail": "no", "code": "invalid_request", "errors": errors})
    with pytest.raises(RefusedRequest, match="no") as refused:
        client.sign("u1")
    assert not isinstance(refused.value, RefusedFilesError)


def test_send_posts_every_policy_field_before_the_file_and_its_exact_bytes(
    server: Server, client: GalleryClient, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 2000 + b"\r\n--end"
    path = tmp_path / 'Zoë "1".jpg'
    path.write_bytes(content)
    fields = {"key": "g/u1/Zoë.jpg", "Content-Type": "image/jpeg", "policy": "cA==", "x-amz-signature": "ab"}
    server.answer(204)
    client.send(PresignedRequest("Zoë.jpg", "k", server.url + "/uploads", "POST", fields, {}), path)
    (request,) = server.requests
    parts = form_parts(request)
    assert parts[:-1] == [(name, value.encode()) for name, value in fields.items()]
    assert parts[-1] == ("file", content)
    assert request.headers["Authorization"] is None, "the API key is not for S3"
    assert int(request.headers["Content-Length"]) == len(request.body), "S3 takes no chunked form"


def test_send_puts_where_the_presigned_request_says_so(server: Server, client: GalleryClient, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 200_000)
    server.answer(200)
    put = PresignedRequest("a.jpg", "k", server.url + "/k?sig=1", "PUT", None, {"Content-Type": "image/jpeg"})
    client.send(put, path)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", "/k?sig=1", path.read_bytes())
    assert request.headers["Content-Type"] == "image/jpeg"
    assert request.headers["Content-Length"] == "200000"


def test_send_begins_anew_after_a_5xx_and_after_a_lost_connection(
    server: Server, client: GalleryClient, pauses: list[float], tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    for status in (503, 0, 204):
        server.answer(status, "")
    client.send(PresignedRequest("a.jpg", "k", server.url, "POST", {"key": "k"}), path)
    assert [form_parts(request)[-1][1] for request in server.requests] == [b"content"] * 3
    assert len(pauses) == 2
    assert all(pause <= most for pause, most in zip(pauses, BACKOFF, strict=False))


def test_a_refusal_of_s3_is_told_in_its_words_and_not_repeated(
    server: Server, client: GalleryClient, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    server.answer(400, "<Error>\n<Code>EntityTooLarge</Code><Message>Your upload\nis too large</Message></Error>")
    with pytest.raises(SendRefusedError) as refused:
        client.send(PresignedRequest("a.jpg", "k", server.url + "/?X-Amz-Signature=secret", "PUT"), path)
    assert str(refused.value) == "a.jpg: S3 answered 400 EntityTooLarge: Your upload is too large"
    assert refused.value.status == 400
    assert len(server.requests) == 1


def test_a_file_that_cannot_be_read_is_named(client: GalleryClient, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r"cannot read .*gone\.jpg: No such file"):
        client.send(PresignedRequest("gone.jpg", "k", client.api_url), tmp_path / "gone.jpg")


@pytest.mark.parametrize(
    ("status", "problem", "error", "says"),
    [
        (404, {"title": "Not Found", "detail": "no upload u1"}, NotFoundError, "no upload u1"),
        (409, {"title": "Conflict", "detail": "other\n files"}, ConflictError, "other files"),
        (
            422,
            {"type": "https://g/problems/duplicate_file_name", "detail": "a and a"},
            RefusedRequest,
            "a and a",
        ),
        (422, {"detail": [{"msg": "Field required"}, {"msg": "too long"}]}, RefusedRequest, "too long"),
        (401, {"title": "Unauthorized"}, ConfigurationError, "does not accept this API key"),
        (418, "<html>teapot</html>", GalleryError, "answered 418"),
    ],
)
def test_problem_details_become_errors_of_one_line(
    server: Server, client: GalleryClient, status: int, problem: object, error: type[Exception], says: str
) -> None:
    server.answer(status, problem, Content_Type="application/problem+json")
    with pytest.raises(error, match=says) as raised:
        client.status("u1")
    assert "\n" not in str(raised.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("problem", [{"type": "urn:gallery:bad_size"}, {"code": "bad_size", "type": "about:blank"}])
def test_the_stable_code_of_a_problem_is_kept(server: Server, client: GalleryClient, problem: dict[str, str]) -> None:
    server.answer(422, problem)
    with pytest.raises(RefusedRequest) as refused:
        client.sign("u1")
    assert refused.value.code == "bad_size"


def test_an_answer_of_something_else_is_no_traceback(server: Server, client: GalleryClient) -> None:
    server.answer(200, "<html>It works!</html>")
    with pytest.raises(GalleryError, match="something else than a gallery API"):
        client.status("u1")


def test_5xx_answers_are_repeated_with_growing_pauses_until_they_are_an_error(
    server: Server, client: GalleryClient, pauses: list[float]
) -> None:
    server.answer(503, {"detail": "starting"})
    with pytest.raises(GalleryError, match="answered 503: starting"):
        client.complete("u1")
    assert len(server.requests) == len(BACKOFF) + 1
    assert pauses == sorted(pauses)


def test_retry_after_is_respected(server: Server, client: GalleryClient, pauses: list[float]) -> None:
    server.answer(429, "", Retry_After="20")
    server.answer(200, status_body())
    client.status("u1")
    assert len(pauses) == 1
    assert 10 <= pauses[0] <= 20


def test_an_api_that_does_not_run_is_told_at_once_and_how_to_start_it(pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else gets it
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with GalleryClient(url, KEY, pause=pauses.append) as client, pytest.raises(UnreachableError) as raised:
            client.status("u1")
    assert str(raised.value) == f"cannot reach the gallery API at {url}: start it with `gallery up`"
    assert pauses == []


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        GalleryClient("localhost:8000", KEY)


def test_wait_tells_each_change_once_and_returns_the_final_status(server: Server, client: GalleryClient) -> None:
    problem = {"file_name": "b.jpg", "outcome": "rejected", "stage": "process", "reason": "truncated"}
    for state in ("accepted", "running", "running"):
        server.answer(200, status_body(state))
    server.answer(200, status_body("completed_with_rejects", problems=[{**problem, "message": "ends early"}]))
    seen: list[ReportedStatus] = []
    final = client.wait("u1", seen.append)
    assert [status.state for status in seen] == ["accepted", "running", "completed_with_rejects"]
    assert final == seen[-1]
    assert (final.problems[0].reason, final.problems[0].message) == ("truncated", "ends early")


def test_wait_gives_up_after_its_timeout_and_says_where_to_look(server: Server, client: GalleryClient) -> None:
    server.answer(200, status_body("running", flow_run_url="http://prefect/runs/1"))
    with pytest.raises(GalleryError, match="still running after 0 s; it goes on: see http://prefect/runs/1"):
        client.wait("u1", lambda status: None, timeout=0)
