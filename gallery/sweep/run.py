"""One sweep, from top to bottom."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.maintenance import UpkeepAttempt
from gallery.catalogue.migrate import check_tables
from gallery.errors import RefusedRequest
from gallery.settings import Settings
from gallery.storage.s3 import Storage
from gallery.sweep.buckets import sweep_library, sweep_staged
from gallery.sweep.context import SweepContext
from gallery.sweep.findings import Findings
from gallery.sweep.outbox import sweep_outbox
from gallery.sweep.scratch import sweep_scratch


def sweep(
    settings: Settings,
    *,
    dry_run: bool,
    grace_days: int | None = None,
    now: datetime | None = None,
    upkeep: UpkeepAttempt | None = None,
) -> Findings:
    """Delete what nothing needs any more, or in a dry run only find it.

    Never a key that a current version refers to, never anything of an upload with an open run, nothing that was
    written within the grace: `settings.sweep_grace_days`, or `grace_days` where that is longer. What storage or
    database did not let it do is in the findings, after everything else was done.

    `upkeep` is the attempt of the flow run that this is. Raises `RefusedRequest` for a shorter grace,
    `ConfigurationError`, `MissingBucket`, and `StaleUpkeep` where that attempt has been overtaken.
    """
    grace = settings.sweep_grace_days if grace_days is None else grace_days
    if grace < settings.sweep_grace_days:
        raise RefusedRequest(
            "grace_too_short",
            f"the grace may be longer than GALLERY_SWEEP_GRACE_DAYS ({settings.sweep_grace_days}), not shorter",
        )
    findings = Findings(dry_run=dry_run)
    engine = connect(settings, application="gallery-sweep", connections=1)
    try:
        with closing(Storage(settings)) as storage:
            moment = now or datetime.now(UTC)
            context = SweepContext(settings, engine, storage, findings, timedelta(days=grace), moment, upkeep)
            with context.reporting(), transaction(engine) as session:
                check_tables(session.connection())
            # First what is known to be due, so that the listings need not look at it.
            for part in (sweep_outbox, sweep_library, sweep_staged, sweep_scratch):
                with context.reporting():
                    part(context)
    finally:
        engine.dispose()
    return findings
