"""Callbacks: signed, repeated until taken, never lost, replayable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from gallery.catalogue import callbacks
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import CallbackRow
from gallery.catalogue.uploads import DeclaredEntry, open_upload
from gallery.models import ObjectKey
from gallery.storage.keys import StagedKey
from tests.journeys import photo, wait_until
from tests.second_api import SecondApi


def make_due(engine: Engine, upload_id: str) -> None:
    """Let the pause before the next try be over."""
    with transaction(engine) as session:
        session.execute(update(CallbackRow).where(CallbackRow.upload_id == upload_id).values(due_at=func.now()))


def row_of(engine: Engine, upload_id: str) -> CallbackRow:
    with transaction(engine) as session:
        return session.scalars(select(CallbackRow).where(CallbackRow.upload_id == upload_id)).one()


def test_the_end_of_an_upload_is_told_signed_and_with_its_status(second_api: SecondApi, gallery_id: str) -> None:
    status = second_api.ingest(gallery_id, {"a.jpg": photo(1), "b.jpg": b"no image"}, metadata={"order": 7})
    (received,) = second_api.application.wait_for(status["upload_id"])
    message = received.verified()
    assert (message.pop("type"), datetime.fromisoformat(message.pop("timestamp")) <= datetime.now(UTC)) == (
        "upload.completed",
        True,
    )
    assert message == status
    assert message["metadata"] == {"order": 7}
    assert received.headers["webhook-id"].startswith("msg_")


def expired_upload(engine: Engine, gallery_id: str, upload_id: str) -> None:
    """The shortest way to an end: an upload that nobody sent anything for."""
    with transaction(engine) as session:
        open_upload(
            session,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=[DeclaredEntry("a.jpg", StagedKey(gallery_id, upload_id, "a.jpg").key, 5)],
            trigger="api",
            requested_by="tests",
            metadata={},
            expires_at=datetime.now(UTC) - timedelta(seconds=1),
        )


@pytest.mark.parametrize("refusal", [500, 404, 302])
def test_a_callback_is_repeated_under_its_id_until_it_is_taken_and_follows_no_redirect(
    second_api: SecondApi, engine: Engine, gallery_id: str, refusal: int
) -> None:
    upload_id = f"u-{gallery_id}"
    second_api.application.statuses.append(refusal)
    expired_upload(engine, gallery_id, upload_id)
    second_api.application.wait_for(upload_id)
    refused = wait_until(lambda: row if (row := row_of(engine, upload_id)).last_error else None, "the refusal")
    assert (refused.last_error, refused.sent_at, refused.tries) == (f"HTTP {refusal}", None, 1)
    make_due(engine, upload_id)
    first, second = second_api.application.wait_for(upload_id, 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (first.path, second.path) == ("/callbacks", "/callbacks")
    assert second.verified()["type"] == "upload.failed"
    assert second.verified()["state"] == "expired"
    wait_until(lambda: row_of(engine, upload_id).sent_at, "the callback to be noted as sent")


def test_a_callback_is_sent_again_when_asked_for(second_api: SecondApi, engine: Engine, gallery_id: str) -> None:
    upload_id = f"u-{gallery_id}"
    expired_upload(engine, gallery_id, upload_id)
    second_api.application.wait_for(upload_id)
    wait_until(lambda: row_of(engine, upload_id).sent_at, "the callback to be noted as sent")
    assert second_api.http.post(f"/v1/uploads/{upload_id}/callback").status_code == 202
    first, second = second_api.application.wait_for(upload_id, 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_an_upload_that_has_not_ended_has_nothing_to_tell(second_api: SecondApi, gallery_id: str) -> None:
    opened = second_api.open_upload(gallery_id, {"a.jpg": photo(1)})
    answer = second_api.http.post(f"/v1/uploads/{opened['upload_id']}/callback")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_two_processes_never_take_the_same_callback(engine: Engine, gallery_id: str) -> None:
    upload_id = f"u-{gallery_id}"
    with transaction(engine) as holder:
        open_upload(
            holder,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=[DeclaredEntry("a.jpg", ObjectKey("k"))],
            trigger="api",
            requested_by="tests",
            metadata={},
            expires_at=None,
        )
        callbacks.queue_callback(holder, upload_id, "failed")
        taken = [item for item in callbacks.claim_due_callbacks(holder, limit=1000) if item.upload_id == upload_id]
        assert len(taken) == 1
        with transaction(engine) as other:
            assert not [
                item for item in callbacks.claim_due_callbacks(other, limit=1000) if item.upload_id == upload_id
            ]
        callbacks.sent(holder, taken[0])


def test_a_callback_nobody_takes_for_three_days_is_given_up_and_can_be_replayed(
    engine: Engine, gallery_id: str
) -> None:
    upload_id = f"u-{gallery_id}"
    total: Any = sum(callbacks.PAUSES, timedelta())
    assert timedelta(days=3) < total < timedelta(days=4)
    with transaction(engine) as session:
        upload = open_upload(
            session,
            upload_id=upload_id,
            gallery_id=gallery_id,
            files=[DeclaredEntry("a.jpg", ObjectKey("k"))],
            trigger="api",
            requested_by="tests",
            metadata={},
            expires_at=None,
        )
        upload.state = "failed"
        callbacks.queue_callback(session, upload_id, "failed")
        callbacks.queue_run_alert(session, upload, "run_failed", "1 of 1 failed")
        session.flush()
        rows = {row.audience: row for row in session.scalars(select(CallbackRow).filter_by(upload_id=upload_id))}
        assert {audience: row.type for audience, row in rows.items()} == {
            "application": "upload.failed",
            "ops": "alert.run_failed",
        }
        row = rows["application"]
        row.tries = len(callbacks.PAUSES)
        session.flush()
        mine = [item for item in callbacks.claim_due_callbacks(session, limit=1000) if item.upload_id == upload_id]
        callbacks.refused(session, mine[0], "HTTP 500")
        session.refresh(row)
        given_up_at = row.given_up_at
        assert given_up_at is not None
        callbacks.replay_callback(session, upload_id)
        assert (row.given_up_at, row.tries) == (None, 0)
        session.rollback()
