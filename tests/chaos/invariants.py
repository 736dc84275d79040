"""What must hold once nothing is at work any more and the sweep has been: each a function that lists the offenders."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import Engine, text

from gallery.models import FINAL_STATES, GOOD_OUTCOMES
from gallery.storage.s3 import Storage, StoredObject
from tests.chaos.actions import KEPT, Book, Sent
from tests.chaos.pictures import files_of, number_of, shows

Row = Mapping[str, Any]
# The style without a watermark.
PLAIN_STYLE = "thumb"
# Whatever else a decoder does, it may have been killed; a file that kills it twice is rejected.
NOT_THE_FILES_FAULT = ("decoder_failed",)
# A deletion, or a replacement, may have taken the staged file that a later attempt asks for.
GONE_FOR_GOOD = ("missing_object",)


@dataclass(frozen=True)
class State:
    """Everything that there is in the end; what several invariants ask for is read once."""

    book: Book
    engine: Engine
    storage: Storage
    prefect: httpx.Client
    runs: Callable[[], Sequence[psutil.Process]]
    """The processes of flow runs."""
    scratch: Sequence[Path]
    """The workers' scratch folders."""

    def rows(self, query: str) -> list[Row]:
        """The rows of a query of the catalogue."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]

    @cached_property
    def entries(self) -> list[Row]:
        """Entries of accepted uploads."""
        return self.rows(
            "SELECT gallery_id, upload_id, number, file_name, accepted_seq, accepted_at, state, outcome, reason,"
            " entries.attempt FROM gallery.entries JOIN gallery.uploads USING (upload_id)"
            " WHERE accepted_seq IS NOT NULL ORDER BY accepted_seq, number"
        )

    @cached_property
    def images(self) -> list[Row]:
        """Images with their current version, if they have one."""
        return self.rows(
            "SELECT images.*, versions.upload_id, versions.sha256, versions.original_key, uploads.accepted_at"
            " FROM gallery.images LEFT JOIN gallery.versions ON version_id = current_version_id"
            " LEFT JOIN gallery.uploads USING (upload_id) ORDER BY images.gallery_id, file_name"
        )

    @cached_property
    def library(self) -> dict[str, StoredObject]:
        """Objects of the library bucket by key."""
        return self._listed(self.storage.library_bucket)

    @cached_property
    def staged(self) -> dict[str, StoredObject]:
        """Objects of the uploads bucket by key."""
        return self._listed(self.storage.uploads_bucket)

    def _listed(self, bucket: str) -> dict[str, StoredObject]:
        return {item.key: item for page in self.storage.list_pages(bucket) for item in page if item.key != KEPT}

    @cached_property
    def named(self) -> list[Row]:
        """Objects that current versions name; `style` is None for an original."""
        return self.rows(
            "SELECT original_key AS key, NULL AS style, sha256, size AS bytes, upload_id, file_name FROM gallery.images"
            " JOIN gallery.versions ON version_id = current_version_id UNION ALL"
            " SELECT key, style, sha256, bytes, upload_id, file_name FROM gallery.images"
            " JOIN gallery.versions ON version_id = current_version_id"
            " JOIN gallery.renditions USING (version_id) ORDER BY key"
        )

    @cached_property
    def sent(self) -> dict[str, Sent]:
        """What was sent, by upload_id."""
        return {sent.upload_id: sent for sent in self.book.sent.values()}

    @cached_property
    def hashes(self) -> dict[str, dict[str, str]]:
        """The SHA-256 of what was sent, by upload_id and file name."""
        return {
            upload_id: {name: hashlib.sha256(content).hexdigest() for name, content in files_of(sent.plan).items()}
            for upload_id, sent in self.sent.items()
        }


Offenders = Iterator[str]


def no_accepted_upload_is_lost(state: State) -> Offenders:
    """What was answered 202 is in the catalogue, with a place in the order."""
    known = {row["upload_id"] for row in state.entries}
    yield from sorted(state.book.accepted - known)


def every_entry_has_one_outcome(state: State) -> Offenders:
    """Of every upload that was accepted and not cancelled; there is one column for it, so there are no two."""
    for row in state.entries:
        if row["outcome"] is None and row["state"] != "cancelled":
            yield f"{row['upload_id']} ({row['state']}): {row['file_name']}"


def only_what_was_cancelled_is_cancelled(state: State) -> Offenders:
    for row in state.rows("SELECT upload_id FROM gallery.uploads WHERE state = 'cancelled' AND accepted_seq > 0"):
        if row["upload_id"] not in state.book.cancelled:
            yield row["upload_id"]


def nothing_failed_that_could_be_done(state: State) -> Offenders:
    """After a retry with every part at work."""
    for row in state.entries:
        if row["outcome"] == "failed" and row["reason"] not in GONE_FOR_GOOD and row["state"] != "cancelled":
            yield f"{row['upload_id']}: {row['file_name']}, {row['reason']}"


def nothing_met_a_defect(state: State) -> Offenders:
    """Neither in the end nor in an attempt before: every fault has a reason of its own."""
    for row in state.rows(
        "SELECT upload_id, number, attempt, message FROM gallery.entry_attempts WHERE reason = 'internal_error'"
        " ORDER BY upload_id, number, attempt"
    ):
        yield f"{row['upload_id']}, entry {row['number']}, attempt {row['attempt']}: {row['message']}"


def only_bad_files_are_rejected(state: State) -> Offenders:
    for row in state.entries:
        if row["outcome"] != "rejected" or row["reason"] in NOT_THE_FILES_FAULT:
            continue
        if not _was_bad(state, row):
            yield f"{row['upload_id']}: {row['file_name']}, {row['reason']}"


def _was_bad(state: State, row: Row) -> bool:
    return number_of(row["file_name"]) in state.sent[row["upload_id"]].plan["bad"]


def every_image_has_one_current_version(state: State) -> Offenders:
    """None where it was deleted."""
    for row in state.rows(
        "SELECT gallery_id, file_name, current_version_id IS NOT NULL AS shown,"
        " count(*) FILTER (WHERE version_id IS NOT NULL AND superseded_at IS NULL) AS versions,"
        " coalesce(bool_or(version_id = current_version_id AND superseded_at IS NULL), false) AS is_it"
        " FROM gallery.images LEFT JOIN gallery.versions USING (image_id)"
        " GROUP BY images.image_id ORDER BY gallery_id, file_name"
    ):
        if row["versions"] != row["shown"] or row["is_it"] != row["shown"]:
            yield f"{row['gallery_id']} {row['file_name']}: {row['versions']} not superseded"


def the_later_content_is_current(state: State) -> Offenders:
    """Of the uploads that settled an image, the one that was accepted last; nothing where a deletion came later."""
    settled: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in state.entries:
        if row["outcome"] in GOOD_OUTCOMES:
            settled[row["gallery_id"], row["file_name"]].append(row)
    images = {(row["gallery_id"], row["file_name"]): row for row in state.images}
    for (gallery_id, name), rows in settled.items():
        # In the order of their acceptance.
        last, image = rows[-1], images.get((gallery_id, name))
        if image is None:
            yield f"{gallery_id} {name}: {last['upload_id']} has settled it, and there is no image"
            continue
        wanted = state.hashes[last["upload_id"]][name]
        if image["last_seq"] > last["accepted_seq"]:
            asked = any(
                item.gallery_id == gallery_id and item.file_name in (None, name) for item in state.book.removals
            )
            if image["sha256"] is not None or not asked:
                yield f"{gallery_id} {name}: shows {image['upload_id']}, and something came after {last['upload_id']}"
        elif image["last_seq"] < last["accepted_seq"] or image["sha256"] != wanted:
            yield f"{gallery_id} {name}: shows {image['upload_id']}, not {last['upload_id']}"
    for key, image in images.items():
        if image["sha256"] is not None and key not in settled:
            yield f"{key[0]} {key[1]}: shows {image['upload_id']}, and no upload has settled it"


def superseded_is_only_what_something_later_has_overtaken(state: State) -> Offenders:
    last = {(row["gallery_id"], row["file_name"]): row["last_seq"] for row in state.images}
    for row in state.entries:
        if row["outcome"] == "superseded" and last[row["gallery_id"], row["file_name"]] <= row["accepted_seq"]:
            yield f"{row['upload_id']}: {row['file_name']}"


def what_was_deleted_stays_deleted(state: State) -> Offenders:
    """Unless it was uploaded again, later."""
    for removal in state.book.removals:
        for image in state.images:
            named = image["gallery_id"] == removal.gallery_id and removal.file_name in (None, image["file_name"])
            if removal.is_answered and named and image["sha256"] and image["accepted_at"] < removal.asked_at:
                yield f"{image['gallery_id']} {image['file_name']}: shows {image['upload_id']}, accepted before"


def every_object_that_a_row_names_is_there(state: State) -> Offenders:
    """With its size; originals byte for byte, renditions of their original's colour."""
    for row in state.named:
        found = state.library.get(row["key"])
        if found is None:
            yield f"{row['key']} is not there"
        elif found.size != row["bytes"]:
            yield f"{row['key']} has {found.size} bytes, not {row['bytes']}"
        elif row["style"] is None:
            if hashlib.sha256(state.storage.read_bytes(found.key)).hexdigest() != row["sha256"]:
                yield f"{row['key']} is not what was saved"
        elif row["style"] == PLAIN_STYLE and not _was_bad(state, row):
            upload = state.sent[row["upload_id"]].plan["content"]
            if not shows(state.storage.read_bytes(found.key), upload):
                yield f"{row['key']} shows another picture than that of upload {upload}"


def no_object_of_the_library_is_without_a_row(state: State) -> Offenders:
    yield from sorted(state.library.keys() - {row["key"] for row in state.named})


def staged_files_are_of_open_uploads_only(state: State) -> Offenders:
    """For the sweep was told that the days have passed for which they are kept."""
    rows = state.rows(
        "SELECT staged_key FROM gallery.entries JOIN gallery.uploads USING (upload_id) WHERE state = 'open'"
    )
    yield from sorted(state.staged.keys() - {row["staged_key"] for row in rows})


def no_deletion_is_left_to_do(state: State) -> Offenders:
    in_use = {row["key"] for row in state.named}
    for row in state.rows("SELECT key, tries FROM gallery.outbox WHERE done_at IS NULL ORDER BY outbox_id"):
        if row["key"] not in in_use:
            yield f"{row['key']}, after {row['tries']} tries"


def no_upload_waits(state: State) -> Offenders:
    """Neither for its run nor to be tried again."""
    for row in state.rows(
        "SELECT upload_id, state, flow_run_id, restart_after FROM gallery.uploads WHERE accepted_seq IS NOT NULL"
    ):
        if row["state"] not in FINAL_STATES or row["restart_after"] is not None:
            yield f"{row['upload_id']} is {row['state']}, run {row['flow_run_id']}, again at {row['restart_after']}"


def no_claim_is_held(state: State) -> Offenders:
    for row in state.rows("SELECT owner_id, upload_id, attempt FROM gallery.owners ORDER BY upload_id"):
        yield f"{row['upload_id']}, attempt {row['attempt']}: owner {row['owner_id']}"
    for row in state.rows(
        "SELECT upload_id, number, todo_attempt, claimed_by FROM gallery.entries"
        " WHERE claimed_by IS NOT NULL OR todo_attempt IS NOT NULL ORDER BY upload_id, number"
    ):
        yield f"{row['upload_id']}, entry {row['number']}: of attempt {row['todo_attempt']}, by {row['claimed_by']}"


def every_attempt_has_ended(state: State) -> Offenders:
    for row in state.rows("SELECT upload_id, attempt, state FROM gallery.attempts WHERE finished_at IS NULL"):
        yield f"{row['upload_id']}, attempt {row['attempt']}: {row['state']}"


def an_upload_counts_what_its_entries_say(state: State) -> Offenders:
    """In the row that analysts read."""
    for row in state.rows(
        "SELECT upload_id, uploads.state, image_count, counted.* FROM gallery.uploads JOIN LATERAL (SELECT"
        " string_agg(outcome || ' ' || n, ', ' ORDER BY outcome) AS entries,"
        " bool_and(n = CASE outcome WHEN 'saved' THEN saved WHEN 'replaced' THEN replaced WHEN 'unchanged' THEN"
        " unchanged WHEN 'superseded' THEN superseded WHEN 'rejected' THEN rejected ELSE failed END) AS same FROM"
        " (SELECT outcome, count(*) AS n FROM gallery.entries WHERE entries.upload_id = uploads.upload_id"
        " AND outcome IS NOT NULL GROUP BY outcome) AS found) AS counted ON true WHERE accepted_seq IS NOT NULL"
    ):
        if row["same"] is False:
            yield f"{row['upload_id']} ({row['state']}): its entries are {row['entries']}"


def prefect_has_nothing_at_work(state: State) -> Offenders:
    for run in waiting_runs(state.prefect):
        yield f"{run['name']} ({run['id']}) is {run['state']['name']}"


def no_process_of_a_run_is_left(state: State) -> Offenders:
    for process in state.runs():
        yield f"process {process.pid}"


def no_scratch_file_is_left(state: State) -> Offenders:
    for folder in state.scratch:
        yield from sorted(str(path) for path in folder.rglob("*"))


def waiting_runs(prefect: httpx.Client) -> list[dict[str, Any]]:
    """Runs that have not ended, but for those that are scheduled for later, as the next nights' sweeps are."""
    states = {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]}}
    wanted = {"state": states, "expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
    found = prefect.post("/flow_runs/filter", json={"flow_runs": wanted, "limit": 200})
    runs: list[dict[str, Any]] = found.raise_for_status().json()
    return runs


INVARIANTS: tuple[Callable[[State], Offenders], ...] = (
    no_accepted_upload_is_lost,
    every_entry_has_one_outcome,
    only_what_was_cancelled_is_cancelled,
    nothing_failed_that_could_be_done,
    nothing_met_a_defect,
    only_bad_files_are_rejected,
    every_image_has_one_current_version,
    the_later_content_is_current,
    superseded_is_only_what_something_later_has_overtaken,
    what_was_deleted_stays_deleted,
    every_object_that_a_row_names_is_there,
    no_object_of_the_library_is_without_a_row,
    staged_files_are_of_open_uploads_only,
    no_deletion_is_left_to_do,
    no_upload_waits,
    no_claim_is_held,
    every_attempt_has_ended,
    an_upload_counts_what_its_entries_say,
    prefect_has_nothing_at_work,
    no_process_of_a_run_is_left,
    no_scratch_file_is_left,
)
