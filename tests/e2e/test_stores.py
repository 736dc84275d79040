"""Whole galleries on stores that demand, refuse or delay what the embedded one does not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from gallery.settings import Settings
from gallery.sweep.run import sweep
from tests.command import gallery
from tests.faulty_s3 import Fault, Request
from tests.journeys import Journeys, photo, wait_until
from tests.storage.odd_stores import demanding_content_md5

pytestmark = pytest.mark.usefixtures("warm_runs")


def test_a_gallery_comes_and_goes_on_a_store_that_demands_content_md5(journeys: Journeys, gallery_id: str) -> None:
    with demanding_content_md5(journeys.servers.s3):
        for command in ("setup", "check"):
            checked = gallery(command, home=journeys.servers.home)
            assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "this store demands Content-MD5 with DeleteObjects: it is sent" in checked.stdout
        journeys.send(gallery_id, {"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3)})
        assert journeys.send(gallery_id, {"a.jpg": photo(4)}).counts["replaced"] == 1
        current = journeys.current(gallery_id)
        assert journeys.library(gallery_id) == set().union(*(version.keys for version in current.values()))
        assert journeys.due(gallery_id) == []
        image, *_ = journeys.api.get(f"/v1/galleries/{gallery_id}/images").json()["images"]
        assert journeys.api.delete(f"/v1/galleries/{gallery_id}/images/{image['image_id']}").is_success
        assert journeys.api.delete(f"/v1/galleries/{gallery_id}").is_success
        wait_until(lambda: not journeys.due(gallery_id) or None, "the deletions of the gallery")
        assert (journeys.library(gallery_id), journeys.staged(gallery_id)) == (set(), set())


def test_what_a_store_refuses_to_delete_is_left_with_the_reason_and_asked_again_by_the_sweep(
    journeys: Journeys, settings: Settings, gallery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, journeys.servers.environment[name])
    journeys.send(gallery_id, {"IMG.jpg": photo(1)})
    before = journeys.current(gallery_id)["IMG.jpg"]
    with refusing_deletions(journeys, gallery_id) as refused:
        result = journeys.send(gallery_id, {"IMG.jpg": photo(2)})
        assert (result.state, result.counts["replaced"]) == ("completed", 1)
        assert {row.refusal for row in journeys.due(gallery_id)} == {"AccessDenied"}
        asked = refused.seen
        # Neither the task nor the run asks again what has just been refused.
        assert journeys.retry(result.flow_run_id)["state"]["type"] == "COMPLETED"
        assert refused.seen == asked
        assert "gallery_outbox_refused 0.0" not in journeys.api.get("/metrics").text
        found = sweep(settings, dry_run=False)
        assert "in the way: deletion_refused (AccessDenied)" in found.message
        assert before.keys <= set(found.kept.first)
        assert before.keys <= journeys.library(gallery_id)
    found = sweep(settings, dry_run=False)
    assert found.is_whole, found.message
    assert journeys.due(gallery_id) == []
    assert journeys.library(gallery_id) == journeys.current(gallery_id)["IMG.jpg"].keys


@contextmanager
def refusing_deletions(journeys: Journeys, gallery_id: str) -> Iterator[Fault]:
    """A legal hold, or a policy: objects of this gallery stay."""
    held = f"{gallery_id}/".encode()

    def is_held(request: Request) -> bool:
        return request.query.startswith("delete") and held in request.body

    with journeys.servers.s3.fault("POST", "", when=is_held, status=403) as fault:
        yield fault


def test_a_store_that_asks_to_slow_down_again_and_again_loses_nothing(journeys: Journeys, gallery_id: str) -> None:
    turn = itertools.count()
    with ExitStack() as faults:
        for method in ("GET", "PUT", "HEAD", "POST"):
            faults.enter_context(
                journeys.servers.s3.fault(
                    method,
                    f"/{gallery_id}/",
                    when=lambda _: next(turn) % 3 == 0,
                    status=503,
                    code="SlowDown",
                    headers={"Retry-After": "1"},
                )
            )
        result = journeys.send(gallery_id, {f"{number}.jpg": photo(number) for number in range(6)})
    assert result.counts["saved"] == 6, result.problems
    current = journeys.current(gallery_id)
    assert journeys.library(gallery_id) >= set().union(*(version.keys for version in current.values()))
