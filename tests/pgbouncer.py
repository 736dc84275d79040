"""PgBouncer before a PostgreSQL, as Debian packages it: a process of its own, in a folder of the test's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from gallery.local.parts.accounts import postgres_account
from tests.conftest import free_ports
from tests.journeys import wait_until

BINARY = Path("/usr/sbin/pgbouncer")


@dataclass(frozen=True)
class PgBouncer:
    """A running PgBouncer. `server` is the PostgreSQL behind it."""

    server: URL
    port: int

    def url(self, database: str) -> str:
        """The address of a database, by the name that PgBouncer has for it."""
        return self.server.set(port=self.port, database=database).render_as_string(hide_password=False)

    def order(self, command: str) -> list[tuple[Any, ...]]:
        """A command of its console, such as `SHOW POOLS`; returns its rows."""
        with psycopg.connect(self.url("pgbouncer"), autocommit=True, prepare_threshold=None) as console:
            cursor = console.cursor()
            cursor.execute(command.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def pgbouncer(folder: Path, urls: list[str], databases: Mapping[str, str], **settings: object) -> Iterator[PgBouncer]:
    """Start it before the server of `urls`, whose users may log in. `databases`: each name's parameters."""
    if not BINARY.exists():
        pytest.skip("pgbouncer is not installed")
    users = [make_url(url) for url in urls]
    server = users[0]
    port = int(free_ports()["GALLERY_API_PORT"])
    folder.mkdir()
    (folder / "users").write_text("".join(f'"{user.username}" "{user.password}"\n' for user in users))
    lines = [
        "[databases]",
        *(f"{name} = host={server.host} port={server.port} {more}" for name, more in databases.items()),
        "[pgbouncer]",
        f"listen_addr = {server.host}",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        f"auth_file = {folder / 'users'}",
        f"admin_users = {server.username}",
        "server_login_retry = 1",
        *(f"{name} = {value}" for name, value in settings.items()),
    ]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    # As PostgreSQL, it refuses to run as root.
    account = postgres_account(folder, BINARY)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*account.prefix, BINARY, folder / "pgbouncer.ini"], stdout=log, stderr=log) as process,
    ):
        running = PgBouncer(server, port)

        def ready() -> bool | None:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                running.order("SHOW VERSION")
            except psycopg.OperationalError:
                return None
            return True

        try:
            wait_until(ready, "PgBouncer")
            yield running
        finally:
            process.kill()
