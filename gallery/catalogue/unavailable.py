"""Database errors: which are worth another try, and the advice that a person gets for each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gallery.errors import TransientError
from gallery.settings import variable

# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection trouble (PgBouncer's own errors are of
# that class as well), a server that has become a replica, a deadlock, no resources, a lock wait that ran out, a server
# that shuts down. What is not here, and leaves the connection as it was, is a defect of ours.
READ_ONLY = "25006"
TRANSIENT_SQLSTATES = ("08", READ_ONLY, "40", "53", "55P03", "57", "58")

# What to do, by what PostgreSQL, libpq or PgBouncer say. A refused login has no SQLSTATE: libpq keeps it to itself.
ADVICE: Sequence[tuple[str, str]] = (
    (
        r"password authentication failed|SASL authentication failed|no password supplied|no such user"
        r"|role .+ does not exist",
        "correct the user or the password in {setting}",
    ),
    (
        r"database .+ does not exist|no such database",
        "create this database, or correct its name in {setting}",
    ),
    (
        r"no pg_hba\.conf entry.+no encryption|SSL required|requires TLS",
        "the server accepts encrypted connections only: put sslmode=require into {setting}",
    ),
    (
        r"no pg_hba\.conf entry",
        "the server does not accept this user from this machine: add a line to its pg_hba.conf",
    ),
    (
        r"does not support SSL",
        "switch TLS on at the server, or remove sslmode from {setting}",
    ),
    (
        r"certificate verify failed|root certificate",
        "put sslrootcert=FILE into {setting}, with the certificate of the authority that signed the server's",
    ),
    (
        r"server certificate for .+ does not match",
        "the server's certificate is for another host name: use that name in {setting}",
    ),
    (
        r"too many (clients|connections)|connection slots are reserved|no more connections allowed|max clients",
        "raise the limit at the server or its pooler, or run fewer processes",
    ),
    (
        r"query_wait_timeout",
        "no connection to the server became free in time: see the log of PgBouncer, or raise its default_pool_size",
    ),
    (
        r"unsupported startup parameter",
        "remove it from {setting}, or name it in PgBouncer's ignore_startup_parameters",
    ),
    (
        r"in a read-only transaction",
        "the server is a read-only replica, as after a failover: {setting} must name the primary, or all hosts and "
        "target_session_attrs=read-write",
    ),
)


def sqlstate(error: object) -> str:
    """The SQLSTATE of a driver's error, or an empty string: an error of a login has none."""
    return getattr(error, "sqlstate", None) or ""


def unavailable(error: object, setting: str = variable("database_url")) -> TransientError:
    """A driver's error as `TransientError`, in one line. `setting`: the variable that names the database."""
    said = str(error).strip()
    first_line = said.partition("\n")[0] or type(error).__name__
    advice = next((advice for pattern, advice in ADVICE if re.search(pattern, said)), None)
    message = f"the catalogue's database: {first_line}" + (f": {advice.format(setting=setting)}" if advice else "")
    return TransientError("database_unavailable", message)
