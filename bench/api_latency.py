"""Answer times of the API under a steady rate of requests: `python bench/api_latency.py --json`.

Measures the local stack that runs (`gallery up`), best while it processes a gallery: start `gallery ingest` first.
Requests are sent at their times whether or not earlier ones have been answered, and each time counts from when the
request was due, so that a stall is not left out of the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psutil
from standardwebhooks.webhooks import Webhook

from gallery.storage.keys import StagedKey

FILES = 1361  # the gallery of the article
THREADS = 64
# How long new uploads are announced at the rate: each gets a run, which takes a processor for seconds.
NEW_SECONDS = 4


class FrontDoor:
    """The API of the running local stack."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.gallery_id = f"bench-{uuid4().hex[:8]}"
        self._webhook = Webhook(info["webhook_secret"])
        self._api_process = psutil.Process(info["pids"]["api"])
        limits = httpx.Limits(max_connections=THREADS, max_keepalive_connections=THREADS)
        self.http = httpx.Client(
            base_url=info["api_url"],
            headers={"Authorization": f"Bearer {info['api_key']}"},
            limits=limits,
            timeout=60,
            trust_env=False,
        )

    def memory_mb(self) -> float:
        return self._api_process.memory_info().rss / 2**20

    def cpu_ms(self) -> float:
        times = self._api_process.cpu_times()
        return (times.user + times.system) * 1000

    def presign(self, files: int) -> str:
        body = {"files": [{"file_name": f"card1/IMG_{n:04}.JPG", "size": 8_000_000 + n} for n in range(files)]}
        upload_id: str = self._expect(201, self.http.post(f"/v1/galleries/{self.gallery_id}/uploads", json=body))[
            "upload_id"
        ]
        return upload_id

    def complete(self, upload_id: str) -> None:
        self._expect(202, self.http.post(f"/v1/uploads/{upload_id}/complete"))

    def status(self, upload_id: str) -> None:
        self._expect(200, self.http.get(f"/v1/uploads/{upload_id}"))

    def cancel_all(self, upload_ids: Sequence[str]) -> None:
        """Their files are nowhere: what has not begun need not."""
        for upload_id in upload_ids:
            answer = self.http.post(f"/v1/uploads/{upload_id}/cancel")
            if answer.status_code != 409:
                self._expect(202, answer)

    def webhook(self, upload_id: str, files: int) -> None:
        """Announce an upload: the first time it is stored and gets a run, again it is only looked up."""
        names = [f"IMG_{n:04}.JPG" for n in range(files)]
        staged = [{"key": StagedKey(self.gallery_id, upload_id, name).key, "file_name": name} for name in names]
        body = json.dumps({"gallery_id": self.gallery_id, "upload_id": upload_id, "files": staged})
        message, now = f"msg_{uuid4().hex}", datetime.now(UTC)
        headers = {
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message, now, body),
            "content-type": "application/json",
        }
        self._expect(202, self.http.post("/v1/webhooks/uploads", content=body, headers=headers))

    @staticmethod
    def _expect(status: int, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code != status:
            raise SystemExit(f"{answer.request.url.path}: {answer.status_code} {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found


def at_rate(call: Callable[[int], object], per_second: float, seconds: float) -> dict[str, float]:
    """Call at a steady rate; percentiles of the milliseconds from when each call was due to its end."""
    began = time.perf_counter() + 0.1

    def one(number: int) -> float:
        due = began + number / per_second
        time.sleep(max(0.0, due - time.perf_counter()))
        call(number)
        return (time.perf_counter() - due) * 1000

    with ThreadPoolExecutor(THREADS) as threads:
        return percentiles(list(threads.map(one, range(int(per_second * seconds)))))


def one_by_one(call: Callable[[int], object], times: int) -> dict[str, float]:
    """Call again and again; percentiles of the milliseconds."""
    taken = []
    for number in range(times):
        began = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - began) * 1000)
    return percentiles(taken)


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(milliseconds)}
    return {"count": len(milliseconds)} | {name: round(value, 1) for name, value in found.items()}


def measure(door: FrontDoor, *, rate: float, seconds: float) -> dict[str, Any]:
    before = door.memory_mb()
    uploads: list[str] = []
    presign = one_by_one(lambda _: uploads.append(door.presign(FILES)), 10)
    small = [door.presign(1) for _ in range(10)]
    complete = one_by_one(lambda number: door.complete(small[number]), len(small))
    door.cancel_all(small)

    def steady(call: Callable[[int], object], seconds: float) -> dict[str, float]:
        # The processor time of the API itself, which other load on the machine hardly changes.
        spent = door.cpu_ms()
        found = at_rate(call, rate, seconds)
        return found | {"api_cpu_ms_each": round((door.cpu_ms() - spent) / found["count"], 2)}

    new = [f"bench-{uuid4().hex}" for _ in range(int(rate * NEW_SECONDS))]
    first_webhook = steady(lambda number: door.webhook(new[number], 20), NEW_SECONDS)
    door.cancel_all(new)
    webhook = steady(lambda number: door.webhook(new[number % len(new)], 20), seconds)
    status = steady(lambda number: door.status(uploads[number % len(uploads)]), seconds)
    return {
        "presign_1361_files_ms": presign,
        "complete_ms": complete,
        "new_webhook_at_rate_ms": first_webhook,
        "same_webhook_at_rate_ms": webhook,
        "status_at_rate_ms": status,
        "requests_per_second": rate,
        "api_memory_mb": {"before": round(before, 1), "after": round(door.memory_mb(), 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each steady measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = [sys.executable, "-m", "gallery.cli", "status", "--json"]
    info = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    result = measure(FrontDoor(info), rate=options.rate, seconds=options.seconds)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<24}{value}")


if __name__ == "__main__":
    main()
