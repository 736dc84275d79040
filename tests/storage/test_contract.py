"""What a store must refuse: kept by the embedded server; a store that ignores a condition fails by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from moto import mock_aws

from gallery.errors import ConfigurationError, GalleryError
from gallery.models import Deleted
from gallery.settings import Settings
from gallery.storage.contract import StoreContract
from gallery.storage.keys import CHECK_PREFIX
from tests.conftest import Servers

COMMON = [
    "If-Match",
    "x-amz-copy-source-if-match",
    "signature: a request without one",
    "signature: a request signed with another secret",
    "presigned GET: the link shows",
    "presigned GET: an expired link",
]
POST = [
    *COMMON,
    *("presigned POST: the file as declared", "presigned POST: a larger", "presigned POST: a smaller"),
    *("presigned POST: another key", "presigned POST: another type", "presigned POST: an expired one"),
    "presigned POST: a policy signed otherwise",
]
PUT = [
    *COMMON,
    *("presigned PUT: the file as declared", "presigned PUT: another size", "presigned PUT: another key"),
    *("presigned PUT: another type", "presigned PUT: an expired one"),
]


def given(endpoint: str | None, **settings: str) -> Settings:
    environment = {
        "GALLERY_DATABASE_URL": "postgresql://nobody@nowhere/none",
        "GALLERY_UPLOADS_BUCKET": "contract-uploads",
        "GALLERY_LIBRARY_BUCKET": "contract-library",
        **settings,
    }
    return Settings.from_environment({**environment, "GALLERY_S3_ENDPOINT_URL": endpoint} if endpoint else environment)


@contextmanager
def the_contract(settings: Settings) -> Iterator[StoreContract]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "ACCESS_KEY_ID": "id",
            "SECRET_ACCESS_KEY": "key",
            "DEFAULT_REGION": "eu-central-1",
        }.items():
            patch.setenv(f"AWS_{name}", value)
        contract = StoreContract(settings)
        yield contract
        contract.close()


def problems(contract: StoreContract) -> dict[str, str]:
    found = {}
    for demand in [*contract.permissions(), *contract.refusals()]:
        try:
            demand.attempt()
        except GalleryError as error:
            found[demand.name] = str(error)
    return found


def answering(status: int) -> type[BaseHTTPRequestHandler]:
    """A store that gives everybody one answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = b"<Result/>"
            self.send_response(status)
            self.send_header("ETag", '"0123"')
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815 -- http.server looks for these names.

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def store_answering() -> Iterator[Callable[[int], str]]:
    with ExitStack() as servers:
        yield lambda status: servers.enter_context(serving(answering(status)))


@pytest.mark.parametrize(("method", "refusals"), [("post", POST), ("put", PUT)])
def test_a_store_that_lets_everything_pass_fails_by_every_condition_name(
    store_answering: Callable[[int], str], method: str, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.storage.contract.EXPIRES_WITHIN", 0)
    with the_contract(given(store_answering(200), GALLERY_PRESIGN_METHOD=method)) as contract:
        found = problems(contract)
    # Nothing is as it was written, and what was deleted is still there.
    failed = [name for name in found if " bucket " not in name]
    assert len(failed) == len(refusals)
    for name, condition in zip(failed, refusals, strict=True):
        assert name.startswith(condition)
        if "refuse" in name:
            assert any(words in found[name] for words in ("ignored the condition", "let", "refused, and wrote")), name
    assert len(found) == len(failed) + 2


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_store_that_refuses_everything_does_not_pass_either(
    store_answering: Callable[[int], str], method: str
) -> None:
    with the_contract(given(store_answering(403), GALLERY_PRESIGN_METHOD=method)) as contract:
        found = problems(contract)
    assert any(name.endswith("the file as declared is accepted") for name in found)
    assert len([name for name in found if " bucket " in name]) == 2


def test_an_error_of_the_store_is_no_refusal(
    store_answering: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with the_contract(given(store_answering(501))) as contract:
        demands = [demand for demand in contract.refusals() if demand.name.startswith("presigned POST")]
        # Without a store that works, there is nothing to delete.
        monkeypatch.setattr(contract.storage, "delete", lambda deletions: Deleted())
        for demand in demands:
            with pytest.raises(GalleryError, match="501"):
                demand.attempt()
        assert len(demands) == 7


class Odd(BaseHTTPRequestHandler):
    """Answers that no S3 server gives: something else listens there."""

    protocol_version = "HTTP/1.1"
    kind = ""

    def do_any(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.kind == "redirects":
            self.send_response(301)
            self.send_header("Location", self.path)
        else:
            self.send_response(200)
        if self.kind != "endless":
            self.send_header("Content-Length", "0")
        self.end_headers()
        with suppress(OSError):
            while self.kind == "endless" and self.command != "HEAD":
                self.wfile.write(bytes(64 * 1024))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "said"), [("empty", "the answer has no ETag"), ("redirects", "redirects without end")]
)
def test_what_is_no_s3_server_at_all_is_a_problem_with_a_sentence(kind: str, said: str) -> None:
    with serving(type("Handler", (Odd,), {"kind": kind})) as url, the_contract(given(url)) as contract:
        told = []
        for demand in [*contract.permissions(), *contract.refusals()]:
            with pytest.raises(GalleryError) as error:
                demand.attempt()
            told.append(str(error.value))
    assert said in told[0]


def test_an_answer_without_end_is_cut_off() -> None:
    with (
        serving(type("Handler", (Odd,), {"kind": "endless"})) as url,
        the_contract(given(url)) as contract,
        pytest.raises(GalleryError, match="without end"),
    ):
        contract._send("GET", url)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    with pytest.raises(ConfigurationError, match=re.escape(str(file))):
        StoreContract(given("https://127.0.0.1:9"))


def test_a_condition_that_moto_ignores_is_kept_all_the_same() -> None:
    with mock_aws(), the_contract(given(None)) as contract:
        contract.storage.create_buckets()
        # Presigned and unsigned requests are sent by another client, which moto does not see.
        refusals = {demand.name.partition(":")[0]: demand.attempt for demand in contract.refusals()}
        refusals["If-Match"]()
        refusals["x-amz-copy-source-if-match"]()
        for demand in contract.permissions():
            demand.attempt()
        buckets = (contract.storage.uploads_bucket, contract.storage.library_bucket)
        assert [list(contract.storage.list_pages(bucket, CHECK_PREFIX)) for bucket in buckets] == [[[]], [[]]]


@pytest.mark.servers
@pytest.mark.parametrize(("method", "refusals"), [("post", POST), ("put", PUT)])
def test_the_embedded_store_keeps_all_and_nothing_is_left(
    stores: Servers, method: str, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, stores.environment[name])
    settings = given(
        stores.environment["GALLERY_S3_ENDPOINT_URL"],
        GALLERY_PRESIGN_METHOD=method,
        # Where browsers reach it: not from here.
        GALLERY_S3_PUBLIC_ENDPOINT_URL="https://s3.invalid",
    )
    contract = StoreContract(settings)
    contract.storage.create_buckets()
    assert problems(contract) == {}
    assert len(list(contract.refusals())) == len(refusals)
    assert list(contract.reminders()) == []
    for bucket in (contract.storage.uploads_bucket, contract.storage.library_bucket):
        assert [list(page) for page in contract.storage.list_pages(bucket)] == [[]]
    contract.close()
