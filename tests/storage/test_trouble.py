"""Stores that are slow, half broken, or closed to us: what is said, and that nothing counts as done."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from gallery.errors import ConfigurationError, TransientError
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from tests.conftest import Servers
from tests.faulty_s3 import FaultyS3, Request
from tests.storage.conftest import CONTENT, Store

Call = Callable[[], object]


@pytest.fixture
def calls(own_proxy: FaultyS3, embedded: Store, tmp_path: Path) -> dict[str, tuple[str, Call]]:
    """Every call that a stage makes, through the proxy, and its HTTP method."""
    assert own_proxy
    storage, staged, path = embedded.storage, embedded.stage("a.jpg"), tmp_path / "large"
    path.write_bytes(b"x")
    return {
        "list": ("GET", lambda: list(storage.list_staged(embedded.prefix))),
        "download": ("GET", lambda: storage.download(staged.key, staged.etag, tmp_path / "1")),
        "put": ("PUT", lambda: storage.put(embedded.key("x"), path, "image/jpeg")),
        "write": ("PUT", lambda: storage.write_bytes(embedded.key("x"), b"{}")),
        "copy": ("PUT", lambda: storage.copy_original(staged.key, staged.etag, embedded.key("y"), "image/jpeg")),
        "head": ("HEAD", lambda: storage.head(storage.uploads_bucket, staged.key)),
        "delete": (
            "POST",
            lambda: storage.delete([Deletion(1, storage.uploads_bucket, staged.key)]).raise_left(),
        ),
    }


CALLED = ["list", "download", "put", "write", "copy", "head", "delete"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests")])
@pytest.mark.parametrize("name", CALLED)
def test_an_error_of_the_store_passes(
    own_proxy: FaultyS3, calls: dict[str, tuple[str, Call]], name: str, status: int, code: str
) -> None:
    method, call = calls[name]
    soon = {"Retry-After": "1"}
    with own_proxy.fault(method, "", status=status, code=code, headers=soon), pytest.raises(TransientError) as error:
        call()
    assert error.value.reason == "storage_unavailable"
    call()


@pytest.mark.usefixtures("impatient")
def test_a_copy_that_fails_after_the_answer_has_begun_is_no_copy(embedded: Store, own_proxy: FaultyS3) -> None:
    """S3 answers 200 to a long copy, and may say only then that it has failed."""
    staged, key = embedded.stage("a.jpg"), embedded.key("1/original.jpg")
    late = b"<Error><Code>InternalError</Code><Message>late</Message></Error>"
    with own_proxy.fault("PUT", "original", status=200, content=late), pytest.raises(TransientError):
        embedded.storage.copy_original(staged.key, staged.etag, key, "image/jpeg")
    assert embedded.storage.head(embedded.storage.library_bucket, key) is None
    embedded.storage.copy_original(staged.key, staged.etag, key, "image/jpeg")
    assert embedded.read(key) == CONTENT


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("cut", [1, 40])
@pytest.mark.parametrize("name", ["list", "delete", "copy"])
def test_an_answer_that_is_cut_off_is_no_answer(
    own_proxy: FaultyS3, calls: dict[str, tuple[str, Call]], name: str, cut: int
) -> None:
    method, call = calls[name]
    with own_proxy.fault(method, "", cut=cut), pytest.raises(TransientError):
        call()
    call()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", [b"<ListBucketResult><Contents><Key>a", b"<html>busy</html", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["list", "delete", "copy"])
def test_an_answer_that_is_no_xml_is_no_answer(
    own_proxy: FaultyS3, calls: dict[str, tuple[str, Call]], name: str, content: bytes
) -> None:
    method, call = calls[name]
    with own_proxy.fault(method, "", status=200, content=content), pytest.raises(TransientError):
        call()


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not thirty seconds."""
    monkeypatch.setattr("gallery.storage.s3.READ_TIMEOUT", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", CALLED)
def test_a_store_that_stalls_is_not_waited_for_without_end(
    short_patience: None, own_proxy: FaultyS3, calls: dict[str, tuple[str, Call]], name: str
) -> None:
    method, call = calls[name]
    going_on = Event()

    def stall() -> None:
        going_on.wait(60)

    with own_proxy.fault(method, "", before=stall), pytest.raises(TransientError) as error:
        call()
    going_on.set()
    assert "Timeout" in str(error.value)
    call()


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "may not do that"),
        (403, "RequestTimeTooSkewed", "clocks"),
        (403, "InvalidAccessKeyId", "does not know this access key"),
        (403, "SignatureDoesNotMatch", "secret key is wrong"),
        (400, "ExpiredToken", "have expired"),
        (400, "InvalidToken", "session token"),
        (400, "AuthorizationHeaderMalformed", "AWS_DEFAULT_REGION"),
    ],
)
@pytest.mark.parametrize("name", ["list", "download", "put", "copy"])
def test_what_somebody_has_to_mend_is_said(
    own_proxy: FaultyS3, calls: dict[str, tuple[str, Call]], name: str, status: int, code: str, says: str
) -> None:
    method, call = calls[name]
    with own_proxy.fault(method, "", status=status, code=code), pytest.raises(TransientError) as error:
        call()
    assert code in str(error.value)
    assert says in str(error.value)
    call()


class Clerk:
    """Hands out credentials as an instance's role does: others each time, which expire within a minute."""

    def __init__(self) -> None:
        self.given = 0
        clerk = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                clerk.given += 1
                body = json.dumps(
                    {
                        "AccessKeyId": f"ROLE{clerk.given}",
                        "SecretAccessKey": f"secret-{clerk.given}",
                        "Token": f"token-{clerk.given}",
                        "Expiration": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
                    }
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/role"


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Clerk]:
    clerk = Clerk()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", clerk.url)
    yield clerk
    clerk.server.shutdown()
    clerk.server.server_close()


def test_credentials_of_a_role_are_renewed_while_a_process_runs(
    stores: Servers, settings: Settings, role: Clerk
) -> None:
    proxy = FaultyS3(stores.s3.upstream.geturl())
    used: list[tuple[str, str]] = []

    def note(request: Request) -> bool:
        key = re.search(r"Credential=(\w+)/", request.headers["authorization"])
        used.append((key[1] if key else "", request.headers["x-amz-security-token"]))
        return True

    storage = Storage(settings.model_copy(update={"s3_endpoint_url": proxy.url}))
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    with proxy.fault("GET", "", when=note, status=200, content=listing):
        for _ in range(3):
            assert list(storage.list_staged("g/")) == []
    assert len({key for key, _ in used}) == 3
    assert all(token == f"token-{key.removeprefix('ROLE')}" for key, token in used)
    _, fields = storage.presign_post(
        ObjectKey("g/u/\N{DOG}.jpg"), size=1, content_type="image/jpeg", expires_seconds=60
    )
    number = fields["x-amz-credential"].split("/")[0].removeprefix("ROLE")
    assert fields["x-amz-security-token"] == f"token-{number}"
    storage.close()
    proxy.close()


@pytest.mark.parametrize(
    "name", ["\N{DOG}", "\N{CJK UNIFIED IDEOGRAPH-20BB7}\N{CJK UNIFIED IDEOGRAPH-91CE}", "ü+%41 &=", "a"]
)
def test_the_policy_of_a_presigned_post_is_in_utf8_and_is_taken(embedded: Store, name: str) -> None:
    key = embedded.key(f"{name}.jpg")
    url, fields = embedded.storage.presign_post(key, size=len(CONTENT), content_type="image/jpeg", expires_seconds=60)
    # Ceph's radosgw does not join two escaped surrogates.
    policy = base64.b64decode(fields["policy"])
    assert key.encode() in policy
    assert b"\\u" not in policy
    answer = httpx.post(url, data=fields, files={"file": CONTENT})
    assert answer.is_success, answer.text
    assert embedded.storage.head(embedded.storage.uploads_bucket, key) is not None


class TestSetup:
    """What `gallery setup` says of a store, and what it tries."""

    @pytest.fixture
    def fresh(
        self, stores: Servers, settings: Settings, gallery_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[Storage, FaultyS3]]:
        proxy = FaultyS3(stores.s3.upstream.geturl())
        own = {
            "s3_endpoint_url": proxy.url,
            "uploads_bucket": f"{gallery_id}-uploads",
            "library_bucket": f"{gallery_id}-library",
        }
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, stores.environment[name])
        # Left in the shell, of a project on AWS.
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        storage = Storage(settings.model_copy(update=own))
        yield storage, proxy
        storage.close()
        proxy.close()

    def test_a_store_that_knows_no_regions_gets_none(self, fresh: tuple[Storage, FaultyS3]) -> None:
        storage, proxy = fresh

        def names_region(request: Request) -> bool:
            return b"LocationConstraint" in request.body

        code = "InvalidLocationConstraint"
        # The embedded store keeps AWS's rule, and would refuse a bucket without its region.
        with (
            proxy.fault("PUT", "", when=names_region, status=400, code=code) as refused,
            proxy.fault(
                "PUT", "", when=lambda request: not names_region(request), status=200, content=b"<x/>"
            ) as taken,
        ):
            storage.create_buckets()
        assert (refused.seen, taken.seen) == (2, 2)

    @pytest.mark.parametrize(
        ("method", "status", "code", "says"),
        [
            ("GET", 403, "SignatureDoesNotMatch", "secret key is wrong"),
            ("GET", 403, "AccessDenied", "may not do that"),
            ("PUT", 403, "AccessDenied", "may not do that"),
            ("PUT", 409, "BucketAlreadyExists", "cannot be created"),
            ("PUT", 400, "InvalidLocationConstraint", "AWS_DEFAULT_REGION"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, fresh: tuple[Storage, FaultyS3], method: str, status: int, code: str, says: str
    ) -> None:
        storage, proxy = fresh
        expected = pytest.raises((ConfigurationError, TransientError))
        with proxy.fault(method, "", status=status, code=code), expected as error:
            storage.create_buckets()
        assert storage.uploads_bucket in str(error.value)
        assert says in str(error.value)
