"""Tries every setting and permission that the project needs, and says which one is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Thread

from sqlalchemy import Engine

from gallery import runs
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import check_revision
from gallery.errors import GalleryError, NotFoundError, PrefectUnavailable
from gallery.imaging import jpeg
from gallery.imaging.styles_file import load_recipe
from gallery.ingest.scratch import check_scratch_dir
from gallery.settings import Settings
from gallery.storage.contract import StoreContract

# Seconds; a store that answers byte by byte never ends.
LONGEST_TRIAL = 90


@dataclass(frozen=True, slots=True)
class Checked:
    """One trial and its result; `problem` says what is wrong and how to fix it, `None` where all is well.

    `reminder` is something to do some day that is no problem now.
    """

    name: str
    problem: str | None
    reminder: str | None = None


def check(settings: Settings) -> Iterator[Checked]:
    """Try one thing after the other; a problem with one holds up no other."""
    yield _try("styles and watermark", lambda: load_recipe(settings))
    yield _try("decoders", jpeg.decoder, reminds=_remind_of_simplejpeg)
    yield _try("scratch folder", lambda: check_scratch_dir(settings.scratch_dir))
    engine = connect(settings, application="gallery-check", connections=1)
    try:
        yield _try("database: catalogue and its version", lambda: _check_catalogue(engine))
    finally:
        engine.dispose()
    yield from _check_storage(settings)
    yield _try("Prefect: server", runs.check_reachable)
    yield _try("Prefect: pool, queues, deployments", runs.check_set_up, reminds=_remind_of_former_limit)
    yield _try("Prefect: a worker", _check_workers)


def _try(name: str, step: Callable[[], object], reminds: Callable[[], str | None] = lambda: None) -> Checked:
    """Try it for at most `LONGEST_TRIAL` seconds; what does not end by then ends with the process."""
    found: list[Checked] = []

    def attempt() -> None:
        try:
            step()
            found.append(Checked(name, None, reminds()))
        except GalleryError as error:
            found.append(Checked(name, str(error)))
        except Exception as error:
            # Its type alone: what a foreign error says may hold a password. One problem holds up no other.
            found.append(Checked(name, f"unexpected {type(error).__name__}: this is a defect, please report it"))

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(LONGEST_TRIAL)
    return found[0] if found else Checked(name, f"it did not end within {LONGEST_TRIAL} seconds")


def _remind_of_simplejpeg() -> str | None:
    return None if jpeg.decoder() else "simplejpeg is not installed: JPEGs that are damaged inside get no note"


def _remind_of_former_limit() -> str | None:
    if not runs.has_former_limit():
        return None
    return (
        f"the limit {runs.FORMER_LIMIT} of release 0.1.0 is still there. Runs of 0.1.0 fail without it; once no worker "
        "of 0.1.0 is left, remove it with `gallery setup --remove-former-limit`"
    )


def _check_storage(settings: Settings) -> Iterator[Checked]:
    try:
        contract = StoreContract(settings)
    except GalleryError as error:
        yield Checked("S3: settings", str(error))
        return
    with closing(contract):
        permissions = [_try(demand.name, demand.attempt) for demand in contract.permissions()]
        yield from permissions
        yield _try("store: what it keeps", lambda: None, reminds=lambda: "; ".join(contract.reminders()) or None)
        if any(checked.problem for checked in permissions):
            yield Checked("store: what it must refuse", "not tried: without these permissions it refuses all")
            return
        for demand in contract.refusals():
            yield _try(demand.name, demand.attempt)


def _check_catalogue(engine: Engine) -> None:
    with transaction(engine) as session:
        check_revision(session.connection())


def _check_workers() -> None:
    try:
        ready = runs.pool_state().has_worker
    except NotFoundError:
        ready = False
    if not ready:
        raise PrefectUnavailable(
            f"no worker of pool {runs.POOL} gives a sign of life: prefect worker start --pool {runs.POOL}"
        )
