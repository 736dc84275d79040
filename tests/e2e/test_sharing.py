"""Two processes of one attempt: they share its entries, and what one leaves undone the other does."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import EntryRow, OwnerRow
from tests.conftest import PROJECT
from tests.journeys import WAIT_SECONDS, Journeys, photo, wait_until

# A run claims 8, 16 and 32 entries before the first ones are saved.
OF_THE_RUN, OF_THE_SECOND = range(1, 57), range(57, 69)


class Sharing:
    """An upload under way, as the catalogue has it."""

    def __init__(self, journeys: Journeys, upload_id: str) -> None:
        self.engine, self.upload_id = journeys.engine, upload_id

    def owners(self) -> dict[UUID, list[int]]:
        """What each process has claimed, in the order in which they have joined."""
        with transaction(self.engine) as session:
            joined = select(OwnerRow.owner_id).where(OwnerRow.upload_id == self.upload_id)
            found: dict[UUID, list[int]] = {owner: [] for owner in session.scalars(joined)}
            for number, owner in session.execute(
                select(EntryRow.number, EntryRow.claimed_by)
                .where(EntryRow.upload_id == self.upload_id, EntryRow.todo_attempt.is_not(None))
                .order_by(EntryRow.number)
            ):
                if owner is not None:
                    found[owner].append(number)
            return found

    def wait_for_claims(self, *claims: range) -> list[UUID]:
        """Wait until these are claimed, each range by one process; returns their owners."""
        wanted = [list(numbers) for numbers in claims]

        def claimed() -> list[UUID] | None:
            found = {tuple(numbers): owner for owner, numbers in self.owners().items()}
            return [found[tuple(numbers)] for numbers in wanted] if {*map(tuple, wanted)} == found.keys() else None

        return wait_until(claimed, f"{len(claims)} processes to claim their share")

    def move_lease(self, owner: UUID, by: timedelta) -> None:
        """Have an owner's lease run out later, or earlier."""
        with transaction(self.engine) as session:
            mine = update(OwnerRow).where(OwnerRow.owner_id == owner)
            session.execute(mine.values(lease_until=OwnerRow.lease_until + by))

    def write_numbers(self) -> dict[int, int | None]:
        with transaction(self.engine) as session:
            rows = select(EntryRow.number, EntryRow.write_number).where(EntryRow.upload_id == self.upload_id)
            return {row.number: row.write_number for row in session.execute(rows)}


@pytest.mark.parametrize("ends", ["by itself", "killed"])
def test_two_processes_of_an_attempt_share_its_entries_and_each_is_done_once(
    journeys: Journeys, gallery_id: str, ends: str
) -> None:
    files = {f"IMG_{number:02}.jpg": photo(number, (64, 48)) for number in range(1, OF_THE_SECOND.stop)}
    with journeys.held(gallery_id) as go:
        sharing = Sharing(journeys, journeys.accept(gallery_id, files))
        (run,) = sharing.wait_for_claims(OF_THE_RUN)
        # It is held, and makes no progress.
        sharing.move_lease(run, timedelta(minutes=10))
        second = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.second_process", sharing.upload_id],
            cwd=PROJECT,
            env=journeys.servers.info.process_environment(journeys.servers.given),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _, other = sharing.wait_for_claims(OF_THE_RUN, OF_THE_SECOND)
            claimed = sharing.write_numbers()
            if ends == "killed":
                second.kill()
                sharing.move_lease(other, -timedelta(minutes=10))
            go.set()
            said, _ = second.communicate(timeout=WAIT_SECONDS)
        finally:
            second.kill()
    assert second.returncode == (-9 if ends == "killed" else 0), said

    run_state = journeys.ended(journeys.upload(sharing.upload_id).flow_run_id)["state"]
    count = len(files)
    assert (run_state["type"], run_state["message"]) == ("COMPLETED", f"{count} of {count} saved")
    assert journeys.outcomes(sharing.upload_id) == dict.fromkeys(files, ("saved", None))
    assert [row["outcome"] for row in journeys.history("image_history", sharing.upload_id, "1")] == ["saved"] * count
    # What the second process had claimed it did, or the run took over; nobody took anything else.
    taken_over = {number for number, written in sharing.write_numbers().items() if written != claimed[number]}
    assert taken_over == (set(OF_THE_SECOND) if ends == "killed" else set())
    versions = journeys.current(gallery_id)
    assert set(versions) == set(files)
    shown = frozenset().union(*(version.keys for version in versions.values()))
    left = journeys.library(gallery_id) - shown
    assert ends == "killed" or left == set()
    assert shown <= journeys.library(gallery_id)
    assert journeys.due(gallery_id) == []
