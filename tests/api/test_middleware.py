"""What every request passes: ids, limits, headers, logs, counts, readiness."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import httpx
import psutil
from sqlalchemy import Engine, func, update

from gallery.api.rate_limit import RateLimit
from gallery.api.readiness import Readiness
from gallery.api.routes.page import page_headers
from gallery.catalogue.conditions import WORKERS, note_condition
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from gallery.errors import TransientError
from gallery.settings import Settings
from tests.conftest import PARTNER_KEY, Servers
from tests.journeys import wait_until
from tests.second_api import ORIGIN, SecondApi, running_api


def test_a_request_has_an_id_in_answer_problem_and_log(second_api: SecondApi) -> None:
    answer = second_api.http.get("/v1/uploads/unknown-one?token=secret-in-a-query", headers={"X-Request-ID": "req-17"})
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "req-17"

    def logged() -> dict[str, object] | None:
        lines = (json.loads(line) for line in second_api.log.read_text().splitlines() if line.endswith("}"))
        return next((line for line in lines if line.get("request_id") == "req-17"), None)

    # Written once the answer is out.
    line = wait_until(logged, "the log's line")
    assert (line["path"], line["status"], line["caller"], line["method"]) == (
        "/v1/uploads/unknown-one",
        404,
        "local",
        "GET",
    )
    assert "secret-in-a-query" not in second_api.log.read_text()
    made = second_api.http.get("/healthz", headers={"X-Request-ID": 'not "one"\tword'}).headers["x-request-id"]
    assert made.isalnum()


def test_no_secret_gets_into_the_log(second_api: SecondApi, servers: Servers, gallery_id: str) -> None:
    token = second_api.http.post(f"/v1/galleries/{gallery_id}/upload-links").json()["token"]
    second_api.http.get(f"/v1/galleries/{gallery_id}/images", headers={"Authorization": f"Bearer {token}"})
    text = second_api.log.read_text()
    for secret in (servers.info.api_key, servers.info.webhook_secret, token, servers.info.s3_secret_key):
        assert secret
        assert secret not in text


def test_security_headers_are_on_every_answer(second_api: SecondApi) -> None:
    for path in ("/healthz", "/nowhere", "/v1/limits", "/v1/uploads/x"):
        headers = httpx.get(second_api.url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_page_may_talk_to_its_server_and_to_s3_only(settings: Settings, servers: Servers) -> None:
    headers = page_headers(settings)
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == f"'self' {servers.s3.url}"
    assert policy["img-src"] == f"'self' {servers.s3.url} blob: data:"
    assert "unsafe" not in headers["Content-Security-Policy"]
    elsewhere = settings.model_copy(update={"s3_public_endpoint_url": "https://s3.example.org:9000/path"})
    assert "https://s3.example.org:9000 blob:" in page_headers(elsewhere)["Content-Security-Policy"]


def test_ten_thousand_files_can_be_compared_and_decided_about(second_api: SecondApi, gallery_id: str) -> None:
    names = [f"{'folder/' * 30}{number}.jpg" for number in range(10_000)]
    files = [{"file_name": name, "size": 1, "sha256": "0" * 64} for name in names]
    compared = second_api.http.post(f"/v1/galleries/{gallery_id}/compare", json={"files": files}, timeout=60)
    assert (compared.status_code, len(compared.json()["files"])) == (200, 10_000)
    decisions = [{"file_name": name, "choice": "keep_both"} for name in names]
    decided = second_api.http.post("/v1/uploads/unknown-one/decide", json={"files": decisions}, timeout=60)
    assert decided.status_code == 404


def test_listed_origins_may_call_and_no_others(second_api: SecondApi) -> None:
    def preflight(origin: str) -> httpx.Response:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        }
        return httpx.options(f"{second_api.url}/v1/galleries/g/uploads", headers=headers)

    assert preflight(ORIGIN).headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in preflight("https://evil.example").headers
    refused = httpx.get(f"{second_api.url}/v1/uploads/x", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


def test_metrics_count_requests_by_route_and_tell_what_waits(second_api: SecondApi, gallery_id: str) -> None:
    second_api.open_upload(gallery_id, {"a.jpg": b"x"})
    second_api.http.get("/v1/uploads/unknown-two")
    text = second_api.http.get("/metrics").text
    assert 'gallery_http_requests_total{method="GET",route="/v1/uploads/{upload_id}",status="404"}' in text
    assert "unknown-two" not in text
    for name in (
        'gallery_uploads{state="open"}',
        "gallery_starts_due ",
        "gallery_outbox_due ",
        "gallery_callbacks_due ",
    ):
        assert name in text
    assert "gallery_catalogue_up 1.0" in text


def test_a_key_may_burst_and_then_has_to_wait() -> None:
    now = 0.0
    limit = RateLimit(10, clock=lambda: now)
    assert [limit.wait("a") for _ in range(20)] == [0.0] * 20
    assert 0 < limit.wait("a") <= 0.1
    assert limit.wait("b") == 0.0
    now = 0.1
    assert limit.wait("a") == 0.0
    assert limit.wait("a") > 0
    assert all(RateLimit(0).wait("a") == 0.0 for _ in range(1000))


def test_readiness_names_the_part_that_is_missing(second_api: SecondApi, servers: Servers) -> None:
    ready = second_api.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "missing": []})
    with servers.s3.fault("HEAD", f"^/{servers.info.library_bucket}/?$", status=503):
        answer = second_api.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "missing": ["storage"]})


def test_readiness_is_told_within_seconds_also_where_a_part_hangs() -> None:
    go, asked = Event(), []

    def hang() -> None:
        asked.append("storage")
        go.wait()

    def fail() -> None:
        raise TransientError("database_unavailable", "it is away")

    readiness = Readiness({"storage": hang, "database": fail, "prefect": lambda: None})
    for _ in range(3):
        failures = readiness.failures(seconds=0.05)
        assert {name: type(error) for name, error in failures.items()} == {
            "storage": TimeoutError,
            "database": TransientError,
        }
    # However many probes there are, one thread waits for it.
    assert asked == ["storage"]
    go.set()
    wait_until(lambda: "storage" not in readiness.failures(seconds=0.05) or None, "its answer")


def test_a_frozen_store_or_database_is_named_by_readiness(second_api: SecondApi, servers: Servers) -> None:
    for part, name in (("s3", "storage"), ("postgres", "database")):
        frozen = [psutil.Process(servers.pids[part])]
        frozen += frozen[0].children(recursive=True)
        for process in frozen:
            process.suspend()
        try:
            answer = second_api.http.get("/readyz")
        finally:
            for process in frozen:
                process.resume()
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert name in answer.json()["missing"]
        wait_until(lambda: second_api.http.get("/readyz").json()["status"] == "ok" or None, f"{part} to be back")


def test_without_prefect_uploads_are_accepted_and_another_process_starts_them(
    second_api: SecondApi, servers: Servers, warm: list[str], engine: Engine, gallery_id: str, tmp_path: Path
) -> None:
    with running_api(
        warm, {**servers.environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}, tmp_path / "log"
    ) as url:
        ready = httpx.get(f"{url}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "missing": ["prefect"]})
        opened = second_api.open_upload(gallery_id, {"a.jpg": b"x"})
        authorization = {"Authorization": second_api.http.headers["Authorization"]}
        path = f"/v1/uploads/{opened['upload_id']}"
        assert httpx.post(f"{url}{path}/complete", headers=authorization).status_code == 202
        retried = httpx.post(f"{url}{path}/retry", headers=authorization)
        # Nothing to retry until it is started; the other process may have done so.
        assert retried.status_code in (202, 503)
    with transaction(engine) as session:
        # The pause after the failed start is over.
        mine = UploadRow.upload_id == opened["upload_id"]
        session.execute(update(UploadRow).where(mine, UploadRow.flow_run_id.is_(None)).values(start_after=func.now()))
    wait_until(lambda: second_api.status(opened["upload_id"])["flow_run_id"], "the other process to start it")


def test_without_workers_it_is_ready_and_says_so(second_api: SecondApi, engine: Engine) -> None:
    def told() -> bool | None:
        # The watch, which sees the stack's worker, soon notes that it is there.
        with transaction(engine) as session:
            note_condition(session, WORKERS, is_well=False)
        ready = second_api.http.get("/readyz")
        return (ready.status_code, ready.json()) == (200, {"status": "degraded", "missing": ["workers"]}) or None

    wait_until(told, "the missing workers to be told")
    wait_until(lambda: second_api.http.get("/readyz").json()["status"] == "ok" or None, "the watch to note them")


def test_one_key_that_asks_too_often_is_told_so_and_no_other_is(
    servers: Servers, warm: list[str], tmp_path: Path
) -> None:
    environment = {**servers.environment, "GALLERY_RATE_LIMIT": "5"}
    with running_api(warm, environment, tmp_path / "api.log") as url, httpx.Client(base_url=url) as http:
        eager, other = ({"Authorization": f"Bearer {key}"} for key in (servers.info.api_key, PARTNER_KEY))
        answers = [http.get("/v1/uploads/none", headers=eager) for _ in range(40)]
        assert answers[0].status_code == 404
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        assert http.get("/v1/uploads/none", headers=other).status_code == 404
        assert http.get("/healthz").status_code == 200
