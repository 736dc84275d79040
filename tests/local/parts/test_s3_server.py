"""Who may use the embedded S3 server: holders of its keys, and of what they presigned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import boto3
import httpx
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gallery.local.info import StackInfo
from gallery.local.stack import LocalStack
from tests.conftest import PROJECT, clean_environment

pytestmark = pytest.mark.servers

BUCKET = "guarded"


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    home: Path = tmp_path_factory.mktemp("s3") / "home"
    stack = LocalStack(home, PROJECT, clean_environment())
    started = stack.start(attached=True, parts=["s3"])
    client(started).create_bucket(Bucket=BUCKET)
    yield started
    stack.stop()


def client(info: StackInfo, service: Literal["s3", "sqs", "sns"] = "s3", /, **keys: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=info.s3_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys.get("access", info.s3_access_key),
        aws_secret_access_key=keys.get("secret", info.s3_secret_key),
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}) if service == "s3" else None,
    )


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"access": "AKIANOBODY"}, "InvalidAccessKeyId"),
        # ministack alone takes these two for its root, whatever the signature.
        ({"access": "test", "secret": "test"}, "InvalidAccessKeyId"),
        ({"access": "000000000000"}, "InvalidAccessKeyId"),
    ],
)
def test_wrong_keys_are_refused(info: StackInfo, keys: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        client(info, **keys).list_objects_v2(Bucket=BUCKET)
    assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError):
        client(info, **keys).put_object(Bucket=BUCKET, Key="k", Body=b"x")


@pytest.mark.parametrize("key", ["plain", "a b+c&d=é~(1)!*'.jpg", "päth/ /x%20y"])
def test_signed_requests_with_any_key_pass(info: StackInfo, key: str) -> None:
    s3 = client(info)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"body", Metadata={"spaced": "a   b"}, ContentType="image/jpeg")
    assert s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=0-1")["Body"].read() == b"bo"
    s3.copy_object(Bucket=BUCKET, Key=f"copy/{key}", CopySource={"Bucket": BUCKET, "Key": key})
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"copy/{key}")["KeyCount"] == 1
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}, {"Key": f"copy/{key}"}]})


def test_an_upload_of_several_parts_passes(info: StackInfo, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 9_000_000)
    client(info).upload_file(str(file), BUCKET, "large")
    assert client(info).head_object(Bucket=BUCKET, Key="large")["ContentLength"] == 9_000_000


def test_signed_queue_requests_pass_and_others_do_not(info: StackInfo) -> None:
    url = client(info, "sqs").create_queue(QueueName="q")["QueueUrl"]
    client(info, "sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert client(info, "sns").create_topic(Name="t")["TopicArn"].endswith(":t")
    with pytest.raises(ClientError):
        client(info, "sqs", secret="wrong").send_message(QueueUrl=url, MessageBody="hello")


def test_the_unsigned_get_nothing(info: StackInfo) -> None:
    url = info.s3_endpoint_url
    for method, path in [("GET", "/"), ("GET", f"/{BUCKET}"), ("PUT", f"/{BUCKET}/k"), ("POST", "/_ministack/reset")]:
        assert httpx.request(method, url + path).status_code == 403, path
    assert httpx.get(f"{url}/_ministack/health").status_code == 200


def test_presigned_requests_hold_as_signed_and_not_otherwise(info: StackInfo) -> None:
    client(info).put_object(Bucket=BUCKET, Key="signed", Body=b"body")
    url = client(info).generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed"})
    assert httpx.get(url).content == b"body"
    assert httpx.get(url.replace("/signed?", "/large?")).status_code == 403
    foreign = client(info, access="test", secret="test")
    url = foreign.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed"})
    assert httpx.get(url).status_code == 403


def post(form: dict[str, Any], body: bytes, **fields: str) -> int:
    return httpx.post(form["url"], data={**form["fields"], **fields}, files={"file": ("f", body)}).status_code


def test_presigned_forms_hold_to_key_size_and_signature(info: StackInfo) -> None:
    conditions = [["content-length-range", 4, 4]]
    form = client(info).generate_presigned_post(BUCKET, "form", Conditions=conditions)
    assert post(form, b"four") == 204
    assert post(form, b"fives") == 400
    assert post(form, b"four", key="other") == 403
    assert post(form, b"four", **{"x-amz-signature": "0" * 64}) == 403
    assert post({"url": form["url"], "fields": {"key": "unsigned"}}, b"four") == 403
    forged = client(info, access="test", secret="test").generate_presigned_post(BUCKET, "form")
    assert post(forged, b"four") == 403


def test_a_connection_that_its_client_has_closed_is_given_up_at_once(info: StackInfo) -> None:
    # 1,024 open files are usual, and clients that send each photograph on a connection of its own are, too.
    for _ in range(20):
        httpx.get(f"{info.s3_endpoint_url}/_ministack/ready").raise_for_status()
    server = psutil.Process(info.pids["s3"])
    deadline = time.monotonic() + 10
    while any(connection.status == psutil.CONN_CLOSE_WAIT for connection in server.net_connections()):
        assert time.monotonic() < deadline, "the server has kept what its clients have closed"
        time.sleep(0.1)
