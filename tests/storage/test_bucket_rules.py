"""CORS and expiry of the uploads bucket, on the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gallery.settings import Settings
from gallery.storage.bucket_rules import set_bucket_rules
from gallery.storage.s3 import Storage
from tests.conftest import Servers
from tests.faulty_s3 import FaultyS3, Request

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OTHER = {"ID": "theirs", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}


@pytest.fixture
def rules(storage: Storage, settings: Settings, servers: Servers) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, servers.environment[name])
        yield lambda **changed: set_bucket_rules(settings.model_copy(update=changed))
        set_bucket_rules(settings)


def test_rules_are_set_again_without_a_trace_and_others_stay(s3: S3Client, settings: Settings, rules: Any) -> None:
    bucket: dict[str, Any] = {"Bucket": settings.uploads_bucket}
    client: Any = s3
    client.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": [OTHER]})
    for _ in range(2):
        assert rules(cors_origins=["https://photos.example.org"], staged_days=9) == []
        cors = client.get_bucket_cors(**bucket)["CORSRules"]
        assert [rule["ID"] for rule in cors] == ["theirs", "gallery-ingest"]
        assert cors[1]["AllowedOrigins"] == ["https://photos.example.org"]
        lifecycle = client.get_bucket_lifecycle_configuration(**bucket)["Rules"]
        assert [(rule["ID"], rule["Expiration"]["Days"]) for rule in lifecycle] == [("gallery-ingest-staged", 9)]
    assert rules(cors_origins=[]) == []
    assert client.get_bucket_cors(**bucket)["CORSRules"] == [cors[0]]
    client.delete_bucket_cors(**bucket)


def test_a_page_of_a_listed_origin_may_send_files(settings: Settings, servers: Servers) -> None:
    # Set by the stack's own set-up: the page at `/` sends to the S3 server, which is another origin.
    answer = httpx.options(
        f"{servers.s3.url}/{settings.uploads_bucket}/g/u/a.jpg",
        headers={"Origin": servers.info.api_url, "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == servers.info.api_url


def test_a_store_without_such_rules_is_named_and_does_no_harm(servers: Servers, rules: Any) -> None:
    s3: FaultyS3 = servers.s3
    with s3.fault("PUT", rf"^/{servers.info.uploads_bucket}$", status=501):
        said = rules(cors_origins=["https://photos.example.org"])
    assert [sentence.split(" rules")[0].split(" ")[-1] for sentence in said] == ["CORS", "lifecycle"]


def test_a_store_that_takes_rules_for_those_of_a_new_bucket_is_named(servers: Servers, rules: Any) -> None:
    """As Swift does: the question is answered with a listing."""
    bucket = rf"^/{servers.info.uploads_bucket}$"
    listing = b"<ListBucketResult><Name>uploads</Name></ListBucketResult>"
    with (
        servers.s3.fault("GET", bucket, when=about_lifecycle, status=200, content=listing),
        servers.s3.fault("PUT", bucket, when=about_lifecycle, status=400, code="MalformedXML"),
    ):
        said = rules(cors_origins=["https://photos.example.org"])
    assert [sentence.partition(": ")[2] for sentence in said] == [
        "this store has no lifecycle rules of buckets; set them as its manual says"
    ]


def about_lifecycle(request: Request) -> bool:
    return request.query.split("=")[0] == "lifecycle"
