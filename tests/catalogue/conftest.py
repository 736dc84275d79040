"""A catalogue of its own beside the stack's, so that no API and no worker takes part in what is tested."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import URL, Engine, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from gallery.catalogue import attempts, claims, outbox, outcomes, save, uploads
from gallery.catalogue.connect import connect, transaction
from gallery.catalogue.migrate import migrate
from gallery.catalogue.tables import (
    WRITE_NUMBERS,
    EntryRow,
    ImageRow,
    OutboxRow,
    OwnerRow,
    RenditionRow,
    UploadRow,
    VersionRow,
)
from gallery.models import (
    Attempt,
    Deletion,
    Entry,
    EntryProblem,
    ObjectKey,
    Outcome,
    ProcessedImage,
    Rendition,
    SaveReceipt,
    Terms,
)
from gallery.settings import Settings
from gallery.storage.keys import StagedKey, upload_prefix
from gallery.timings import Timing
from tests.conftest import Servers, as_superuser
from tests.journeys import wait_until

UPLOADS, LIBRARY = "uploads-bucket", "library-bucket"
RECIPE, JUDGES = "recipe-one", "limits-one"
TERMS = Terms(RECIPE, JUDGES, 10**9)

NewDatabase = Callable[[], Engine]


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def etag(content: str) -> str:
    return f"etag-{content}"


def prefix_of(attempt: Attempt) -> str:
    """What the keys of all objects of the attempt's upload begin with."""
    return upload_prefix(attempt.gallery_id, attempt.upload_id)


@dataclass(frozen=True)
class Catalogue:
    """The repository's functions, each call a transaction of its own; contents are words."""

    engine: Engine
    uploads_bucket: str = UPLOADS
    library_bucket: str = LIBRARY

    def open(self, gallery_id: str, *names: str, expect: str | None = None, size: int | None = None) -> str:
        upload_id = f"u-{uuid4().hex[:12]}"
        files = [
            uploads.DeclaredEntry(name, StagedKey(gallery_id, upload_id, name).key, size=size, expect=expect)
            for name in names or ("a.jpg",)
        ]
        with transaction(self.engine) as session:
            uploads.open_upload(
                session,
                upload_id=upload_id,
                gallery_id=gallery_id,
                files=files,
                trigger="api",
                requested_by="tests",
                metadata={},
                expires_at=None,
            )
        return upload_id

    def accept(self, upload_id: str) -> UploadRow:
        with transaction(self.engine) as session:
            return uploads.accept(session, upload_id)

    def begin(self, gallery_id: str, upload_id: str | None, *, force: bool = False) -> Attempt:
        with transaction(self.engine) as session:
            return attempts.begin_attempt(
                session, gallery_id=gallery_id, upload_id=upload_id, flow_run_id=uuid4(), force=force
            )

    def begun(self, gallery_id: str, *names: str, expect: str | None = None) -> Attempt:
        """The first attempt of a new upload of these files."""
        upload_id = self.open(gallery_id, *names, expect=expect)
        self.accept(upload_id)
        return self.begin(gallery_id, upload_id)

    def entries(self, attempt: Attempt, content: str = "") -> list[Entry]:
        with transaction(self.engine) as session:
            rows = session.scalars(
                select(EntryRow).where(EntryRow.upload_id == attempt.upload_id).order_by(EntryRow.number)
            )
            return [
                Entry(row.number, row.file_name, row.staged_key, etag(content), 100, row.write_number or 0)
                for row in rows
            ]

    def keys(self, attempt: Attempt, number: int = 1, recipe: str = RECIPE) -> set[str]:
        """The library keys that the latest save of this entry wrote."""
        prefix = f"{prefix_of(attempt)}{number}/{self.entry(attempt, number).write_number}/"
        return {f"{prefix}original.jpg", f"{prefix}large-{recipe}.jpg", f"{prefix}thumb-{recipe}.jpg"}

    def save(
        self,
        attempt: Attempt,
        content: str,
        *,
        number: int = 1,
        recipe: str = RECIPE,
        keep_replaced: timedelta = timedelta(0),
    ) -> SaveReceipt:
        with transaction(self.engine) as session:
            return commit(
                session,
                attempt,
                self.entries(attempt, content)[number - 1],
                content,
                recipe,
                keep_replaced,
                (self.uploads_bucket, self.library_bucket),
            )

    def settle(self, attempt: Attempt, content: str, *, recipe: str = RECIPE) -> dict[int, Outcome]:
        entries = self.entries(attempt, content)
        with transaction(self.engine) as session:
            hold(session, attempt, *(entry.number for entry in entries))
            return outcomes.settle_known(session, attempt, Terms(recipe, JUDGES, 10**9), entries)

    def complain(self, attempt: Attempt, outcome: str = "failed", number: int = 1) -> None:
        with transaction(self.engine) as session:
            hold(session, attempt, number)
            outcomes.record_problems(session, attempt, JUDGES, [problem(outcome, number)])

    def entry(self, attempt: Attempt, number: int = 1) -> EntryRow:
        with transaction(self.engine) as session:
            return session.get_one(EntryRow, (attempt.upload_id, number))

    def image(self, gallery_id: str, name: str = "a.jpg") -> ImageRow:
        with transaction(self.engine) as session:
            return session.scalars(
                select(ImageRow).where(ImageRow.gallery_id == gallery_id, ImageRow.file_name == name)
            ).one()

    def current(self, gallery_id: str, name: str = "a.jpg") -> VersionRow:
        with transaction(self.engine) as session:
            return session.get_one(VersionRow, self.image(gallery_id, name).current_version_id)

    def current_keys(self, gallery_id: str, name: str = "a.jpg") -> set[str]:
        version = self.current(gallery_id, name)
        with transaction(self.engine) as session:
            keys = session.scalars(select(RenditionRow.key).where(RenditionRow.version_id == version.version_id))
            return {version.original_key, *keys}

    def versions(self, gallery_id: str) -> list[VersionRow]:
        with transaction(self.engine) as session:
            query = select(VersionRow).join(ImageRow, ImageRow.image_id == VersionRow.image_id)
            return list(session.scalars(query.where(ImageRow.gallery_id == gallery_id)))

    def outbox(self, *uploaded: Attempt) -> list[OutboxRow]:
        """All outbox rows of these uploads, done or not, due or not."""
        with transaction(self.engine) as session:
            query = select(OutboxRow).where(OutboxRow.upload_id.in_([attempt.upload_id for attempt in uploaded]))
            return list(session.scalars(query.order_by(OutboxRow.outbox_id)))

    def due(self, attempt: Attempt) -> set[tuple[str, str, str | None]]:
        with transaction(self.engine) as session:
            return places(outbox.due_deletions(session, upload_id=attempt.upload_id))

    def put_back(self, column: Any, when: datetime | timedelta, **where: Any) -> None:
        """Move a time of an upload or of outbox rows into the past."""
        table = column.class_
        with transaction(self.engine) as session:
            session.execute(update(table).filter_by(**where).values({column: column - when}))


def hold(session: Session, attempt: Attempt, *numbers: int) -> list[int]:
    """Plan these entries and claim them, as the attempt's owner; returns their write numbers."""
    mine = update(EntryRow).where(EntryRow.upload_id == attempt.upload_id, EntryRow.number.in_(numbers))
    mine = mine.values(todo_attempt=attempt.number, claimed_by=attempt.owner, write_number=WRITE_NUMBERS.next_value())
    return [number or 0 for number in session.scalars(mine.returning(EntryRow.write_number))]


def commit(
    session: Any,
    attempt: Attempt,
    entry: Entry,
    content: str,
    recipe: str = RECIPE,
    keep_replaced: timedelta = timedelta(0),
    buckets: tuple[str, str] = (UPLOADS, LIBRARY),
    timing: Timing | None = None,
    metadata: Mapping[str, Any] = MappingProxyType({}),
    *,
    held: bool = True,
) -> SaveReceipt:
    if held:
        entry = replace(entry, write_number=hold(session, attempt, entry.number)[0])
    prefix = f"{prefix_of(attempt)}{entry.number}/{entry.write_number}/"
    renditions = [
        Rendition(
            style=style,
            key=f"{prefix}{style}-{recipe}.jpg",
            width=10,
            height=10,
            bytes=9,
            content_type="image/jpeg",
            etag="e",
        )
        for style in ("large", "thumb")
    ]
    image = ProcessedImage(
        sha256=sha256(content),
        recipe_id=recipe,
        width=20,
        height=10,
        source_format="jpeg",
        extension=".jpg",
        metadata=dict(metadata),
        renditions=tuple(renditions),
    )
    if timing is not None:
        timing.processed = image
    return save.commit_version(
        session,
        attempt,
        entry,
        image,
        original_key=ObjectKey(f"{prefix}original.jpg"),
        uploads_bucket=buckets[0],
        library_bucket=buckets[1],
        keep_replaced=keep_replaced,
        timing=timing,
    )


def problem(outcome: str = "failed", number: int = 1) -> EntryProblem:
    if outcome == "rejected":
        return EntryProblem(number, "a.jpg", "rejected", "process", "not_an_image", "no image")
    return EntryProblem(number, "a.jpg", "failed", "download", "storage_unavailable", "storage is away")


def places(deletions: Any) -> set[tuple[str, str, str | None]]:
    """(bucket, key, etag) of deletions or outbox rows."""
    return {(item.bucket, item.key, item.etag) for item in deletions}


def in_library(keys: set[str]) -> set[tuple[str, str, str | None]]:
    return {(LIBRARY, key, None) for key in keys}


def deletions_of(receipt: SaveReceipt) -> set[tuple[str, str, str | None]]:
    assert all(isinstance(item, Deletion) for item in receipt.deletions)
    return places(receipt.deletions)


def address_of(settings: Settings, database: str, user: str = "gallery") -> SecretStr:
    """The address of another database of the same server; another user's password is the user's name."""
    url = make_url(settings.database_url.get_secret_value()).set(database=database)
    if user != url.username:
        url = url.set(username=user, password=user)
    return SecretStr(url.render_as_string(hide_password=False))


def url_of(engine: Engine) -> str:
    """The address of the database that an engine is connected to."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        its = driver.info
    url = URL.create("postgresql", its.user, its.password, its.host, its.port, its.dbname)
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def databases(stores: Servers, settings: Settings) -> Iterator[NewDatabase]:
    """Makes empty databases beside the stack's, and drops them in the end."""
    made: list[Engine] = []

    def make() -> Engine:
        name = f"scratch_{uuid4().hex[:8]}"
        # A connection each time: between two, a test may have killed the server and started it again.
        with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        own = settings.model_copy(update={"database_url": address_of(settings, name)})
        made.append(connect(own, application="tests", connections=24))
        return made[-1]

    yield make
    for one in made:
        one.dispose()
    # Its owner may not end PostgreSQL's own processes, such as one that vacuums it just then.
    with as_superuser(stores.info, stores.home) as admin:
        for one in made:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(one.url.database or "")))


@pytest.fixture(scope="session")
def catalogue_engine(databases: NewDatabase) -> Engine:
    engine = databases()
    migrate(engine)
    return engine


@pytest.fixture
def catalogue(catalogue_engine: Engine) -> Catalogue:
    return Catalogue(catalogue_engine)


def lapse(catalogue: Catalogue, attempt: Attempt) -> None:
    """Let an owner's lease run out."""
    with transaction(catalogue.engine) as session:
        session.execute(
            update(OwnerRow)
            .where(OwnerRow.owner_id == attempt.owner)
            .values(lease_until=OwnerRow.lease_until - 2 * claims.LEASE)
        )


def wait_until_waiting(catalogue: Catalogue, number: int) -> None:
    """Wait until so many sessions wait for a lock."""
    query = text(
        "SELECT count(*) >= :number FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def waiting() -> bool | None:
        with catalogue.engine.connect() as connection:
            return connection.scalar(query, {"number": number}) or None

    wait_until(waiting, f"{number} sessions that wait for a lock")
