"""Which TCP port of 127.0.0.1 a part listens on."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from gallery.errors import ConfigurationError
from gallery.local.supervisor.parts import TITLES, PartName

HOST = "127.0.0.1"

VARIABLES: Mapping[PartName, str] = {
    "postgres": "GALLERY_POSTGRES_PORT",
    "s3": "GALLERY_S3_PORT",
    "prefect_server": "GALLERY_PREFECT_PORT",
    "api": "GALLERY_API_PORT",
}

# Taken where they are free. 5432 is left to a PostgreSQL of the machine's own.
PREFERRED: Mapping[PartName, int] = {"postgres": 5433, "s3": 9000, "prefect_server": 4200, "api": 8000}


def choose_port(
    part: PartName,
    environment: Mapping[str, str],
    recorded: int | None,
    taken: frozenset[int] = frozenset(),
    *,
    used: bool = True,
) -> int:
    """The configured port, else the one used last time, else the preferred one, else any free one.

    A configured port that is not `used` now may be busy: it is where others will look for the part later.
    Raises `ConfigurationError` where the configured port is no port, or is busy.
    """
    variable = VARIABLES[part]
    configured = environment.get(variable, "").strip()
    if configured:
        if not configured.isdigit() or not 0 < int(configured) < 65536:
            raise ConfigurationError(f"{variable} is wrong: {configured!r} is not a port (1 to 65535)")
        if used and (int(configured) in taken or not is_free(int(configured))):
            raise ConfigurationError(
                f"port {configured} for {TITLES[part]} is busy: another program listens on it; "
                f"stop that one, or set {variable} to a free port or unset it"
            )
        return int(configured)
    for port in (recorded, PREFERRED[part]):
        if port is not None and port not in taken and is_free(port):
            return port
    return _any_free_port(taken)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a former server in TIME_WAIT do not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _any_free_port(taken: frozenset[int]) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
