"""Each invariant holds where everything is in order, and finds what breaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from sqlalchemy import Engine, text

from gallery.catalogue.connect import transaction
from gallery.catalogue.migrate import migrate
from gallery.catalogue.tables import (
    AttemptRow,
    EntryRow,
    GalleryRow,
    ImageRow,
    OutboxRow,
    RenditionRow,
    UploadRow,
    VersionRow,
)
from gallery.models import ObjectKey
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from tests.catalogue.conftest import NewDatabase, databases  # noqa: F401 - a fixture
from tests.chaos import invariants
from tests.chaos.actions import Book, Removal, Sent
from tests.chaos.invariants import INVARIANTS, State
from tests.chaos.pictures import content, file_name
from tests.conftest import Servers

GALLERY, UPLOAD, BAD = "a-gallery", "an-upload", 2
PLAN = {"upload": 5, "gallery": 0, "way": "webhook", "first": 1, "images": 2, "bad": [BAD], "content": 5}
KEYS = {name: ObjectKey(f"{GALLERY}/{UPLOAD}/1/{name}") for name in ("original.jpg", "thumb-0123abcd.jpg")}
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def catalogue(databases: NewDatabase) -> Engine:  # noqa: F811
    engine = databases()
    migrate(engine)
    return engine


@pytest.fixture
def state(
    stores: Servers,
    settings: Settings,
    catalogue: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[State]:
    """An upload of two files, a picture that is saved and a bad file that is rejected, and nothing that waits."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, stores.environment[name])
    buckets = {"uploads_bucket": f"uploads-{uuid4().hex[:8]}", "library_bucket": f"library-{uuid4().hex[:8]}"}
    storage = Storage(settings.model_copy(update=buckets))
    storage.create_buckets()
    picture = content(PLAN["content"], 1, False)
    for key in KEYS.values():
        storage.write_bytes(key, picture)
    image, version = uuid4(), uuid4()
    with transaction(catalogue) as session:
        session.execute(text("TRUNCATE gallery.galleries, gallery.outbox CASCADE"))
        session.add(GalleryRow(gallery_id=GALLERY))
        session.add(
            UploadRow(
                upload_id=UPLOAD,
                gallery_id=GALLERY,
                state="completed_with_rejects",
                trigger="webhook",
                requested_by="webhook",
                files_fingerprint="",
                image_count=2,
                accepted_seq=1,
                accepted_at=NOW,
                saved=1,
                rejected=1,
                attempt=1,
            )
        )
        session.flush()
        session.add(ImageRow(image_id=image, gallery_id=GALLERY, file_name=file_name(1), last_seq=1))
        session.flush()
        outcomes = {1: ("saved", None, image), 2: ("rejected", "truncated", None)}
        for number, (outcome, reason, image_id) in outcomes.items():
            session.add(
                EntryRow(
                    upload_id=UPLOAD,
                    number=number,
                    file_name=file_name(number),
                    staged_key=ObjectKey(f"{GALLERY}/{UPLOAD}/{file_name(number)}"),
                    outcome=outcome,
                    reason=reason,
                    image_id=image_id,
                    attempt=1,
                )
            )
        session.flush()
        session.add(
            VersionRow(
                version_id=version,
                image_id=image,
                upload_id=UPLOAD,
                entry_number=1,
                sha256=hashlib.sha256(picture).hexdigest(),
                etag="",
                size=len(picture),
                recipe_id="",
                original_key=KEYS["original.jpg"],
                source_format="JPEG",
                width=1,
                height=1,
            )
        )
        session.flush()
        session.add(
            RenditionRow(
                version_id=version,
                style="thumb",
                key=KEYS["thumb-0123abcd.jpg"],
                width=1,
                height=1,
                bytes=len(picture),
                content_type="image/jpeg",
            )
        )
        session.execute(text("UPDATE gallery.images SET current_version_id = :it"), {"it": version})
        session.add(
            AttemptRow(
                upload_id=UPLOAD, attempt=1, state="completed", trigger="webhook", started_at=NOW, finished_at=NOW
            )
        )
    book = Book(sent={5: Sent(PLAN, GALLERY, UPLOAD)}, accepted={UPLOAD})
    prefect = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[])), base_url="http://it")
    yield State(book, catalogue, storage, prefect, list, [tmp_path])
    storage.close()


def sql(*statements: str) -> Callable[[State], State]:
    def spoil(state: State) -> State:
        with state.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        return state

    return spoil


def was_asked(state: State, *, accepted: str | None = None, removal: Removal | None = None) -> State:
    state.book.accepted |= {accepted} if accepted else set()
    state.book.removals += [removal] if removal else []
    return state


def put(state: State, key: str, *, bucket: str | None = None) -> State:
    file = state.scratch[0].with_name("put")
    file.write_bytes(b"something else")
    state.storage.put(ObjectKey(key), file, "text/plain", bucket=bucket)
    return state


def leave_deletion(state: State) -> State:
    with transaction(state.engine) as session:
        session.add(OutboxRow(bucket="library", key=ObjectKey("left"), upload_id=UPLOAD, entry_number=1))
    return state


def prefect_runs(state: State) -> State:
    run = {"id": "1", "name": "a run", "state": {"type": "PENDING", "name": "Pending"}}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=[run]))
    return replace(state, prefect=httpx.Client(transport=answer, base_url="http://it"))


def leave_scratch(state: State) -> State:
    (state.scratch[0] / "1.source").write_bytes(b"")
    return state


SPOILT: dict[Callable[[State], Iterator[str]], Callable[[State], State]] = {
    invariants.no_accepted_upload_is_lost: lambda state: was_asked(state, accepted="another-upload"),
    invariants.every_entry_has_one_outcome: sql("UPDATE gallery.entries SET outcome = NULL WHERE number = 2"),
    invariants.only_what_was_cancelled_is_cancelled: sql("UPDATE gallery.uploads SET state = 'cancelled'"),
    invariants.nothing_failed_that_could_be_done: sql(
        "UPDATE gallery.entries SET outcome = 'failed', reason = 'storage_unavailable' WHERE number = 2"
    ),
    invariants.nothing_met_a_defect: sql(
        "INSERT INTO gallery.entry_attempts (upload_id, number, attempt, gallery_id, file_name, outcome, stage, reason)"
        f" VALUES ('{UPLOAD}', 1, 1, '{GALLERY}', '{file_name(1)}', 'failed', 'save', 'internal_error')"
    ),
    invariants.only_bad_files_are_rejected: sql(
        "UPDATE gallery.entries SET outcome = 'rejected', reason = 'truncated' WHERE number = 1"
    ),
    invariants.every_image_has_one_current_version: sql("UPDATE gallery.versions SET superseded_at = now()"),
    invariants.the_later_content_is_current: sql("UPDATE gallery.versions SET sha256 = 'another'"),
    invariants.superseded_is_only_what_something_later_has_overtaken: sql(
        "UPDATE gallery.entries SET outcome = 'superseded' WHERE number = 1"
    ),
    invariants.what_was_deleted_stays_deleted: lambda state: was_asked(
        state, removal=Removal(GALLERY, file_name(1), NOW + timedelta(seconds=1), is_answered=True)
    ),
    invariants.every_object_that_a_row_names_is_there: lambda state: put(state, KEYS["original.jpg"]),
    invariants.no_object_of_the_library_is_without_a_row: lambda state: put(
        state, f"{GALLERY}/{UPLOAD}/2/original.jpg"
    ),
    invariants.staged_files_are_of_open_uploads_only: lambda state: put(
        state, f"{GALLERY}/{UPLOAD}/{file_name(1)}", bucket=state.storage.uploads_bucket
    ),
    invariants.no_deletion_is_left_to_do: leave_deletion,
    invariants.no_upload_waits: sql("UPDATE gallery.uploads SET state = 'running'"),
    invariants.no_claim_is_held: sql("UPDATE gallery.entries SET todo_attempt = 1 WHERE number = 2"),
    invariants.every_attempt_has_ended: sql("UPDATE gallery.attempts SET finished_at = NULL"),
    invariants.an_upload_counts_what_its_entries_say: sql("UPDATE gallery.uploads SET saved = 2"),
    invariants.prefect_has_nothing_at_work: prefect_runs,
    invariants.no_process_of_a_run_is_left: lambda state: replace(state, runs=lambda: [psutil.Process()]),
    invariants.no_scratch_file_is_left: leave_scratch,
}


def test_all_hold_where_everything_is_in_order(state: State) -> None:
    assert {invariant.__name__: list(invariant(state)) for invariant in INVARIANTS} == {
        invariant.__name__: [] for invariant in INVARIANTS
    }


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_it_finds_what_breaks_it(state: State, invariant: Callable[[State], Iterator[str]]) -> None:
    assert len(list(invariant(SPOILT[invariant](state)))) == 1


@pytest.mark.parametrize(
    "statement",
    [
        # A deletion that nobody asked for.
        "UPDATE gallery.images SET last_seq = 2",
        # A save that did not move the order.
        "UPDATE gallery.images SET last_seq = 0",
        # Nothing has settled it.
        "UPDATE gallery.entries SET outcome = 'superseded'",
    ],
    ids=["removed", "not-in-order", "not-settled"],
)
def test_the_later_content_is_that_of_the_last_upload_that_settled_it(state: State, statement: str) -> None:
    assert list(invariants.the_later_content_is_current(sql(statement)(state)))


def test_a_rendition_that_shows_another_picture_is_found(state: State) -> None:
    other = content(6, 1, False)
    state.storage.write_bytes(KEYS["thumb-0123abcd.jpg"], other)
    sql(f"UPDATE gallery.renditions SET bytes = {len(other)}")(state)
    (offender,) = invariants.every_object_that_a_row_names_is_there(state)
    assert "another picture" in offender
