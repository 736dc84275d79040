"""Where the history is read from, and how: read-only, from the schema `analytics` alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from gallery.catalogue.unavailable import unavailable
from gallery.errors import ConfigurationError, GalleryError
from gallery.settings import postgresql_url, variable

CONNECT_SECONDS = 5
# One transaction with settings of its own: a pooler may give the next one another session.
BEGIN = (
    b"BEGIN READ ONLY; SET LOCAL search_path = analytics; "
    b"SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = '60s'"
)
# One of them named it, or the local stack did.
SETTING = f"{variable('analytics_database_url')} or {variable('database_url')}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the names of their columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as objects."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def only(self, columns: Sequence[str]) -> Table:
        """These columns alone, in this order."""
        places = [self.columns.index(column) for column in columns]
        return Table(tuple(columns), [tuple(row[place] for place in places) for row in self.rows])


class History:
    """An open connection to the views."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def ask(self, query: str, parameters: dict[str, Any]) -> Table:
        """Ask one question; values are bound, never written into the query."""
        cursor = self._connection.execute(query.encode(), parameters)
        return Table(tuple(column.name for column in cursor.description or ()), cursor.fetchall())


@contextmanager
def open_history(database_url: str) -> Iterator[History]:
    """Connect as an analyst or as the catalogue's own user.

    Raises `ConfigurationError` for an address that is none, `GalleryError` where there is no history or it may not
    be read, `TransientError` where the database does not answer.
    """
    try:
        url = postgresql_url(database_url)
    except ValueError as error:
        raise ConfigurationError(f"the database's address is wrong: {error}") from None
    try:
        with psycopg.connect(
            url,
            connect_timeout=CONNECT_SECONDS,
            application_name="gallery-history",
            autocommit=True,
            prepare_threshold=None,
        ) as connection:
            connection.execute(BEGIN)
            yield History(connection)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
        raise GalleryError(f"no history to read: {_first_line(error)}; run `gallery setup`") from error
    except psycopg.OperationalError as error:
        raise unavailable(error, SETTING) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
