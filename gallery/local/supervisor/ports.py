"""The choice of a part's TCP port on 127.0.0.1."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from gallery.errors import ConfigurationError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class PortSpec:
    """How the port of a part is chosen."""

    variable: str
    """The setting that fixes it; for messages."""
    preferred: int
    """Taken if it is free and no other is configured."""


def choose_port(
    spec: PortSpec,
    title: str,
    configured: str | None,
    recorded: int | None,
    taken: frozenset[int] = frozenset(),
    *,
    used: bool = True,
) -> int:
    """The configured port, else the one used last time, else the preferred one, else any free one.

    A configured port that is not `used` now may be busy: it is where others will look for the part later.
    `title` is the part's name in messages.
    Raises `ConfigurationError` if the configured port is not a port number, or is busy.
    """
    if configured:
        if not configured.isdigit() or not 0 < int(configured) < 65536:
            raise ConfigurationError(f"{spec.variable} is wrong: {configured!r} is not a port (1 to 65535)")
        if used and (int(configured) in taken or not is_free(int(configured))):
            raise ConfigurationError(
                f"port {configured} for {title} is busy: another program listens on it; "
                f"stop that one, or set {spec.variable} to a free port or unset it"
            )
        return int(configured)
    for port in (recorded, spec.preferred):
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
