"""The run history: what each attempt did, how it is shown to analysts, and what is summed up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from gallery.catalogue import attempts, claims, history, outcomes, uploads
from gallery.catalogue.connect import transaction
from gallery.catalogue.locks import lock_upload
from gallery.catalogue.migrate import migrate
from gallery.catalogue.retention import prune_history, summarise_days
from gallery.catalogue.tables import MaintenanceRow
from gallery.models import Attempt, EntryProblem, Stage, UploadState
from gallery.timings import Timing, Timings
from tests.catalogue.conftest import JUDGES, Catalogue, NewDatabase, commit, hold, lapse

COUNTS = ("saved", "replaced", "unchanged", "superseded", "rejected", "failed")
COLUMNS = {
    "upload_history": [
        "upload_id", "gallery_id", "state", "trigger", "requested_by", "requested_at", "finished_at",
        "duration_seconds", "attempts", "image_count", *COUNTS, "bytes_in", "bytes_out",
    ],
    "run_history": [
        "upload_id", "gallery_id", "flow_name", "flow_run_id", "attempt", "state", "requested_at", "started_at",
        "finished_at", "queue_seconds", "duration_seconds", *COUNTS, "bytes_in", "bytes_out", "images_per_second",
    ],
    "image_history": [
        "upload_id", "flow_run_id", "attempt", "gallery_id", "image_id", "file_name", "outcome", "stage", "reason",
        "message", "download_seconds", "process_seconds", "save_seconds", "cleanup_seconds", "retries",
        "process_cached", "bytes_in", "bytes_out", "width", "height", "source_format", "camera", "finished_at",
    ],
    "daily_throughput": ["day", "gallery_id"],
    "stage_latency": ["day", "stage"],
    "failure_reasons": ["day", "stage", "reason"],
}  # fmt: skip


def rows(engine: Engine, query: str, **parameters: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def history_of(catalogue: Catalogue, view: str, upload_id: str, order: str = "1") -> list[dict[str, Any]]:
    return rows(
        catalogue.engine, f"SELECT * FROM analytics.{view} WHERE upload_id = :id ORDER BY {order}", id=upload_id
    )


def counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in COUNTS if row[name]}


def timing(*tries: Stage, bytes_in: int = 0) -> Timing:
    """An timing with these tries, each of some time."""
    made = Timing(bytes_in=bytes_in)
    for stage in tries:
        made.begin(stage)
        made.end(stage)
    return made


def complain(catalogue: Catalogue, attempt: Attempt, problem: EntryProblem, spent: Timing) -> None:
    with transaction(catalogue.engine) as session:
        hold(session, attempt, problem.number)
        outcomes.record_problems(session, attempt, JUDGES, [problem], {problem.number: spent})


def save(catalogue: Catalogue, attempt: Attempt, content: str, number: int, spent: Timing | None = None) -> None:
    with transaction(catalogue.engine) as session:
        commit(session, attempt, catalogue.entries(attempt, content)[number - 1], content, timing=spent)


def finish(catalogue: Catalogue, attempt: Attempt, state: UploadState, message: str = "") -> None:
    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, attempt, state, message)


LOST = EntryProblem(2, "b.jpg", "failed", "save", "storage_unavailable", "storage is away")
BAD = EntryProblem(3, "c.jpg", "rejected", "process", "truncated", "the file is cut off")


def test_every_attempt_is_in_the_history_and_sums_count_no_image_twice(catalogue: Catalogue, gallery_id: str) -> None:
    first = catalogue.begun(gallery_id, "a.jpg", "b.jpg", "c.jpg")
    save(catalogue, first, "A", 1, timing("download", "process", bytes_in=100))
    complain(catalogue, first, LOST, timing("download", "process", "save", "save", "save", bytes_in=100))
    complain(catalogue, first, BAD, timing("download", "process", bytes_in=100))
    # Under way, the numbers are those of this moment.
    (row,) = history_of(catalogue, "run_history", first.upload_id)
    assert (row["state"], counts(row)) == ("running", {"saved": 1, "rejected": 1, "failed": 1})
    (row,) = history_of(catalogue, "upload_history", first.upload_id)
    assert (row["state"], counts(row), row["bytes_in"]) == ("running", {"saved": 1, "rejected": 1, "failed": 1}, 300)
    finish(catalogue, first, "failed", "1 of 3 saved, 1 rejected, 1 failed: storage_unavailable")

    second = catalogue.begin(gallery_id, first.upload_id)
    cached = Timing(bytes_in=100)
    cached.begin("download")
    cached.end("download")
    save(catalogue, second, "B", 2, cached)
    finish(catalogue, second, "completed_with_rejects", "2 of 3 saved, 1 rejected")

    (upload,) = history_of(catalogue, "upload_history", first.upload_id)
    assert counts(upload) == {"saved": 2, "rejected": 1}
    assert (upload["attempts"], upload["image_count"], upload["trigger"]) == (2, 3, "api")
    assert (upload["bytes_in"], upload["bytes_out"]) == (300, 2 * (100 + 9 + 9))
    assert upload["duration_seconds"] == (upload["finished_at"] - upload["requested_at"]).total_seconds()

    one, two = history_of(catalogue, "run_history", first.upload_id, "attempt")
    assert (one["state"], counts(one)) == ("failed", {"saved": 1, "rejected": 1, "failed": 1})
    assert (two["state"], counts(two)) == ("completed_with_rejects", {"saved": 1})
    assert (one["bytes_in"], two["bytes_in"], one["bytes_out"]) == (300, 100, 118)
    assert one["message"] == "1 of 3 saved, 1 rejected, 1 failed: storage_unavailable"
    assert one["images_per_second"] == pytest.approx(3 / one["duration_seconds"])
    assert one["queue_seconds"] >= 0
    assert {one["flow_name"], two["flow_name"]} == {"ingest-gallery"}

    images = history_of(catalogue, "image_history", first.upload_id, "attempt, file_name")
    assert [(row["attempt"], row["file_name"], row["outcome"], row["reason"], row["retries"]) for row in images] == [
        (1, "a.jpg", "saved", None, 0),
        (1, "b.jpg", "failed", "storage_unavailable", 2),
        (1, "c.jpg", "rejected", "truncated", 0),
        (2, "b.jpg", "saved", None, 0),
    ]
    assert [row["process_cached"] for row in images] == [False, False, False, True]
    reached = [[row[f"{stage}_seconds"] is not None for stage in ("download", "process", "save")] for row in images]
    assert reached == [[True, True, False], [True, True, True], [True, True, False], [True, False, False]]
    assert (images[0]["width"], images[0]["source_format"], images[2]["width"]) == (20, "jpeg", None)
    assert images[3]["flow_run_id"] == two["flow_run_id"]

    mine = "WHERE gallery_id = :gallery"
    (day,) = rows(
        catalogue.engine,
        "SELECT sum(images) AS images, sum(failed) AS failed, sum(runs) AS runs"
        f" FROM analytics.daily_throughput {mine}",
        gallery=gallery_id,
    )
    assert (day["images"], day["failed"], day["runs"]) == (3, 1, 2)
    reasons = rows(
        catalogue.engine,
        f"SELECT outcome, stage, reason, images, retries FROM analytics.image_days {mine} AND reason IS NOT NULL",
        gallery=gallery_id,
    )
    assert sorted(tuple(row.values()) for row in reasons) == [
        ("failed", "save", "storage_unavailable", 1, 2),
        ("rejected", "process", "truncated", 1, 0),
    ]


def test_what_needed_no_download_is_in_the_history_too(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    again = catalogue.begun(gallery_id)
    assert catalogue.settle(again, "A") == {1: "unchanged"}
    (row,) = history_of(catalogue, "image_history", again.upload_id)
    assert (row["outcome"], row["bytes_in"], row["bytes_out"], row["process_cached"]) == ("unchanged", 0, 0, None)
    assert row["image_id"] == catalogue.image(gallery_id).image_id
    assert (row["width"], row["source_format"]) == (20, "jpeg"), "as the version that it is the same as"
    assert [row[f"{stage}_seconds"] for stage in ("download", "process", "save", "cleanup")] == [None] * 4


def test_cleanup_adds_its_seconds_and_retries_to_the_row_of_the_save(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    save(catalogue, attempt, "A", 1, timing("download", "download", "process"))
    with transaction(catalogue.engine) as session:
        history.record_cleanup(session, attempt, {1: timing("cleanup", "cleanup")})
    (row,) = history_of(catalogue, "image_history", attempt.upload_id)
    assert row["retries"] == 2
    assert row["cleanup_seconds"] > 0


def test_a_good_outcome_whose_answer_was_lost_stays_in_the_history(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id)
    catalogue.save(attempt, "A")
    catalogue.complain(attempt)
    (row,) = history_of(catalogue, "image_history", attempt.upload_id)
    assert (row["outcome"], row["reason"]) == ("saved", None)


def test_a_forced_redo_that_fails_is_in_the_history_and_the_outcome_stays(
    catalogue: Catalogue, gallery_id: str
) -> None:
    first = catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    finish(catalogue, first, "completed")
    forced = catalogue.begin(gallery_id, first.upload_id, force=True)
    catalogue.complain(forced)
    finish(catalogue, forced, "failed")
    assert [counts(row) for row in history_of(catalogue, "run_history", first.upload_id, "attempt")] == [
        {"saved": 1},
        {"failed": 1},
    ]
    (upload,) = history_of(catalogue, "upload_history", first.upload_id)
    assert (counts(upload), upload["bytes_out"]) == ({"saved": 1}, 118)


@pytest.mark.parametrize(
    ("how", "state", "message"),
    [
        ("lost", "crashed", "it showed no progress any more when the next attempt began"),
        ("overtaken", "cancelled", "overtaken by the next attempt while it was at work"),
        ("suspended", "cancelled", "it stopped before all was done, as when a run is suspended"),
    ],
)
def test_no_attempt_stays_running_once_the_next_has_begun(
    catalogue: Catalogue, gallery_id: str, how: str, state: str, message: str
) -> None:
    former = catalogue.begun(gallery_id, "a.jpg", "b.jpg")
    catalogue.save(former, "A")
    (before,) = history_of(catalogue, "image_history", former.upload_id)
    if how == "lost":
        lapse(catalogue, former)
    elif how == "suspended":
        with transaction(catalogue.engine) as session:
            claims.leave(session, former.owner)
    catalogue.begin(gallery_id, former.upload_id)
    ended, running = history_of(catalogue, "run_history", former.upload_id, "attempt")
    assert (ended["state"], ended["message"]) == (state, message)
    assert (ended["finished_at"], counts(ended)) == (before["finished_at"], {"saved": 1})
    assert (running["state"], running["finished_at"]) == ("running", None)


def test_a_retry_that_never_began_leaves_the_former_attempt_as_it_was(catalogue: Catalogue, gallery_id: str) -> None:
    first = catalogue.begun(gallery_id)
    catalogue.complain(first)
    finish(catalogue, first, "failed", "0 of 1 saved, 1 failed")
    (before,) = history_of(catalogue, "run_history", first.upload_id)
    with transaction(catalogue.engine) as session:
        row = lock_upload(session, first.upload_id)
        uploads.await_retry(row, "web")
    with transaction(catalogue.engine) as session:
        (run,) = (run for run in attempts.runs_under_way(session) if run.upload_id == first.upload_id)
        assert attempts.end_unheard(session, run, "crashed", "the worker died")
    assert history_of(catalogue, "run_history", first.upload_id) == [before]
    (upload,) = history_of(catalogue, "upload_history", first.upload_id)
    assert (upload["state"], upload["attempts"]) == ("failed", 1)
    # Nor does it lend its name to a later one.
    catalogue.begin(gallery_id, first.upload_id)
    assert history_of(catalogue, "run_history", first.upload_id, "attempt")[1]["trigger"] == "ui"


def test_each_attempt_says_who_or_what_started_it(catalogue: Catalogue, gallery_id: str) -> None:
    first = catalogue.begun(gallery_id)
    with transaction(catalogue.engine) as session:
        attempts.finish_attempt(session, first, "failed", "")
        uploads.await_retry(lock_upload(session, first.upload_id), "partner")
    catalogue.begin(gallery_id, first.upload_id)
    pressed = datetime.now(UTC) - timedelta(seconds=5)
    with transaction(catalogue.engine) as session:
        attempts.begin_attempt(
            session, gallery_id=gallery_id, upload_id=first.upload_id, flow_run_id=uuid4(), scheduled_at=pressed
        )
    one, two, three = history_of(catalogue, "run_history", first.upload_id, "attempt")
    assert [(row["trigger"], row["requested_by"]) for row in (one, two, three)] == [
        ("api", "tests"),
        ("api", "partner"),
        ("ui", None),
    ]
    (upload,) = history_of(catalogue, "upload_history", first.upload_id)
    assert one["requested_at"] == upload["requested_at"]
    assert two["requested_at"] > one["requested_at"]
    assert three["requested_at"] == pressed
    assert three["queue_seconds"] >= 5


def test_a_run_that_the_ui_starts_for_an_upload_that_has_its_own_is_the_uis(
    catalogue: Catalogue, gallery_id: str
) -> None:
    upload_id = catalogue.open(gallery_id)
    catalogue.accept(upload_id)
    with transaction(catalogue.engine) as session:
        uploads.started(session, uploads.StartRequest(upload_id, gallery_id, 1), uuid4())
    catalogue.begin(gallery_id, upload_id)  # another run
    (row,) = history_of(catalogue, "run_history", upload_id)
    assert (row["trigger"], row["requested_by"], row["requested_at"]) == ("ui", None, None)


def test_a_run_that_takes_the_place_of_another_is_of_who_started_that(catalogue: Catalogue, gallery_id: str) -> None:
    def begin(*, is_first_of_api: bool) -> None:
        with transaction(catalogue.engine) as session:
            attempts.begin_attempt(
                session,
                gallery_id=gallery_id,
                upload_id=upload_id,
                flow_run_id=uuid4(),
                is_first_of_api=is_first_of_api,
            )

    upload_id = catalogue.open(gallery_id)
    catalogue.accept(upload_id)
    with transaction(catalogue.engine) as session:
        uploads.started(session, uploads.StartRequest(upload_id, gallery_id, 1), uuid4())
    # Replaced, and started all the same; then the one in its place, and a person.
    for is_first_of_api in (True, True, False):
        begin(is_first_of_api=is_first_of_api)
    rows = history_of(catalogue, "run_history", upload_id, "attempt")
    assert [(row["trigger"], row["requested_by"]) for row in rows] == [("api", "tests"), ("api", "tests"), ("ui", None)]


def test_maintenance_runs_are_runs_without_images(catalogue: Catalogue) -> None:
    run_id = uuid4()
    with transaction(catalogue.engine) as session:
        session.add(
            MaintenanceRow(
                flow_run_id=run_id, attempt=1, flow_name="sweep-storage", state="running", counts={"deleted": 3}
            )
        )
    (row,) = rows(catalogue.engine, "SELECT * FROM analytics.run_history WHERE flow_run_id = :id", id=run_id)
    assert (row["flow_name"], row["upload_id"], row["saved"], row["counts"]) == (
        "sweep-storage",
        None,
        None,
        {"deleted": 3},
    )


def test_names_are_stable_and_every_view_and_column_is_explained(catalogue: Catalogue) -> None:
    described = rows(
        catalogue.engine,
        "SELECT c.relname AS view, a.attname AS column, col_description(c.oid, a.attnum) AS comment,"
        " obj_description(c.oid, 'pg_class') AS about FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'analytics'::regnamespace AND a.attnum > 0 ORDER BY c.relname, a.attnum",
    )
    assert [row for row in described if not row["comment"] or not row["about"]] == []
    for view, columns in COLUMNS.items():
        assert [row["column"] for row in described if row["view"] == view][: len(columns)] == columns
    percentiles = {row["column"] for row in described if row["view"] == "stage_latency"}
    assert {"p50", "p95", "p99"} <= percentiles


SHOWN = {
    "image_days": "SELECT * FROM analytics.image_days ORDER BY day, outcome, reason",
    "stage_latency": "SELECT * FROM analytics.stage_latency ORDER BY day, stage",
    "failure_reasons": "SELECT * FROM analytics.failure_reasons ORDER BY day, stage, reason",
    "daily_throughput": "SELECT * FROM analytics.daily_throughput ORDER BY day",
    "upload_history": "SELECT * FROM analytics.upload_history",
    "run_history": "SELECT * FROM analytics.run_history",
}


def shown(engine: Engine) -> dict[str, Any]:
    return {
        view: [
            {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
            for row in rows(engine, query)
        ]
        for view, query in SHOWN.items()
    }


def test_pruning_deletes_image_rows_and_changes_no_sum(databases: NewDatabase, gallery_id: str) -> None:
    catalogue = Catalogue(databases())
    engine = catalogue.engine
    migrate(engine)
    names = [f"{n}.jpg" for n in range(12)]
    old = catalogue.begun(gallery_id, *names)
    for number in range(1, 11):
        spent = timing(*["download"] * (1 + number % 2), "process", bytes_in=number)  # type: ignore[arg-type]
        save(catalogue, old, f"{number}", number, spent)
    complain(
        catalogue, old, EntryProblem(11, names[10], "rejected", "process", "truncated", "cut off"), timing("download")
    )
    complain(
        catalogue, old, EntryProblem(12, names[11], "failed", "save", "storage_unavailable", "away"), timing("save")
    )
    finish(catalogue, old, "failed")
    with transaction(engine) as session:
        session.execute(text("UPDATE gallery.entry_attempts SET finished_at = finished_at - interval '500 days'"))
    young = catalogue.begun(gallery_id)
    catalogue.save(young, "young")
    finish(catalogue, young, "completed")

    live = shown(engine)
    assert [row["images"] for row in live["failure_reasons"]] == [1, 1]
    with transaction(engine) as session:
        (day,) = summarise_days(session)
    assert shown(engine) == live
    with transaction(engine) as session:
        assert summarise_days(session) == [], "a day is summed up once"

    before = (datetime.now(UTC) - timedelta(days=400)).date()
    images = "SELECT upload_id FROM analytics.image_history"
    would = prune_history(engine, before, dry_run=True)
    assert (would.rows, would.first_day, would.last_day) == (12, day, day)
    assert len(rows(engine, images)) == 13
    assert prune_history(engine, before).rows == 12
    assert [row["upload_id"] for row in rows(engine, images)] == [young.upload_id]
    assert shown(engine) == live
    assert prune_history(engine, before).rows == 0


def test_a_day_that_may_still_get_rows_is_never_pruned(databases: NewDatabase, gallery_id: str) -> None:
    catalogue = Catalogue(databases())
    migrate(catalogue.engine)
    catalogue.save(catalogue.begun(gallery_id), "A")
    assert prune_history(catalogue.engine, datetime.now(UTC).date() + timedelta(days=9)).rows == 0
    assert len(rows(catalogue.engine, "SELECT 1 FROM analytics.image_history")) == 1


def test_the_migration_takes_over_what_was_known(databases: NewDatabase) -> None:
    engine = databases()
    migrate(engine, "0003")
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO gallery.galleries (gallery_id) VALUES ('g')",
            "INSERT INTO gallery.uploads (upload_id, gallery_id, state, trigger, requested_by, files_fingerprint,"
            " image_count, accepted_at, attempt, finished_at)"
            " VALUES ('u', 'g', 'completed_with_rejects', 'webhook', 'shop', 'x', 2, now(), 2, now())",
            "INSERT INTO gallery.attempts (upload_id, attempt, state) VALUES ('u', 1, 'failed'), ('u', 2, 'completed')",
            "INSERT INTO gallery.entries (upload_id, number, file_name, staged_key, outcome, stage, reason, attempt)"
            " VALUES ('u', 1, 'a', 'a', 'saved', NULL, NULL, 2),"
            " ('u', 2, 'b', 'b', 'rejected', 'process', 'truncated', 1)",
        ):
            connection.execute(text(statement))
    migrate(engine)
    (upload,) = rows(engine, "SELECT * FROM analytics.upload_history")
    assert (counts(upload), upload["trigger"]) == ({"saved": 1, "rejected": 1}, "webhook")
    one, two = rows(engine, "SELECT * FROM analytics.run_history ORDER BY attempt")
    assert [(row["trigger"], counts(row)) for row in (one, two)] == [("webhook", {"rejected": 1}), ("ui", {"saved": 1})]
    assert len(rows(engine, "SELECT 1 FROM analytics.image_history")) == 2


def test_an_effort_counts_tries_and_the_seconds_of_the_one_under_way() -> None:
    timings = Timings()
    with pytest.raises(OSError, match="away"), timings.measure(1, "save"):
        raise OSError("away")
    with timings.measure(1, "save") as spent:
        first = spent.seconds("save")
        assert first is not None
        assert (spent.seconds("save") or 0) > first
    assert (spent.retries, spent.seconds("process"), spent.process_cached) == (1, None, None)
    assert timings[1] is spent
    timings.forget([1])
    assert timings == {}


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("SONY", "ILCE-7M4", "SONY ILCE-7M4"),
        (None, "Pixel 8", "Pixel 8"),
        ("Leica", None, "Leica"),
        (None, None, None),
    ],
)
def test_a_camera_is_make_and_model_without_saying_the_make_twice(
    catalogue: Catalogue, gallery_id: str, make: str | None, model: str | None, name: str | None
) -> None:
    attempt = catalogue.begun(gallery_id)
    metadata = {"camera_make": make, "camera_model": model}
    with transaction(catalogue.engine) as session:
        commit(session, attempt, catalogue.entries(attempt, "A")[0], "A", metadata=metadata)
    (row,) = history_of(catalogue, "image_history", attempt.upload_id)
    assert row["camera"] == name
