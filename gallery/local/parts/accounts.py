"""The account PostgreSQL runs under: it refuses to run as root.

As root, it gets an unprivileged account. That account can usually not reach the stack's folders: a home
of mode 0700, a checkout below /root or a `mktemp -d`. Opening those up would be wrong, so `setpriv` hands the
process the one capability that lets it look up and read paths, and nothing else of root's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gallery.errors import ConfigurationError

# Bits in /proc/PID/status, linux/capability.h.
CAPABILITY_BITS: Mapping[str, int] = {"dac_override": 1, "dac_read_search": 2}


@dataclass(frozen=True)
class Account:
    """A user account, and the command prefix that runs a process under it."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


def postgres_account(data: Path, binary: Path) -> Account:
    """The account for the data folder `data`: one's own, or as root an unprivileged one.

    As root that is the owner of `data`, else of the folder above it (a checkout by a user, later run as
    root) if it has a name, else `nobody`. Raises `ConfigurationError` where `data` belongs to another user, or this
    machine does not let root hand on a capability.
    """
    own = os.geteuid()
    if own != 0:
        if data.exists() and data.stat().st_uid != own:
            raise ConfigurationError(
                f"{data} belongs to user {data.stat().st_uid}, not to you ({own}): the local stack was started "
                "by another user (root?) before; run as that user, or set GALLERY_HOME to a folder of your own"
            )
        return Account(own, os.getegid())
    uid, gid = _unprivileged(data)
    return Account(uid, gid, _setpriv(uid, gid, _capability(binary)))


def _unprivileged(data: Path) -> tuple[int, int]:
    if data.exists() and (status := data.stat()).st_uid != 0:
        return status.st_uid, status.st_gid
    # initdb insists on a user that has a name, which the owner of a mounted folder often has not.
    for user in pwd.getpwall():
        if user.pw_uid == data.parent.stat().st_uid != 0:
            return user.pw_uid, user.pw_gid
    with contextlib.suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid
    raise ConfigurationError(
        "PostgreSQL cannot run as root, and this machine has no user `nobody` for it: run as an ordinary user"
    )


def _capability(binary: Path) -> str:
    """The least capability that does.

    Looking up and reading closed folders takes `dac_read_search`. Containers do not grant that, only
    `dac_override`; and that is also what it takes to run binaries that were installed under umask 077.
    """
    bounding = _bounding_set()
    wanted = ["dac_read_search"] if binary.stat().st_mode & 0o001 else []
    for name in [*wanted, "dac_override"]:
        if bounding >> CAPABILITY_BITS[name] & 1:
            return name
    raise ConfigurationError(
        "PostgreSQL cannot run as root, and this root has no capability (CAP_DAC_READ_SEARCH or "
        "CAP_DAC_OVERRIDE) to let an unprivileged account reach the stack's folder: run as an ordinary user, "
        "or set GALLERY_DATABASE_URL and PREFECT_API_URL to servers elsewhere"
    )


def _bounding_set() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return 0


def _setpriv(uid: int, gid: int, capability: str) -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigurationError(
            "PostgreSQL cannot run as root, and `setpriv` (package util-linux) is not installed to start it under "
            "another account: install it, or run as an ordinary user"
        )
    return (
        setpriv,
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        f"--inh-caps=-all,+{capability}",
        f"--ambient-caps=-all,+{capability}",
        f"--bounding-set=-all,+{capability}",
        # PostgreSQL finds its own files with access(2), which for other users than root ignores
        # capabilities unless this bit is set (fs/open.c, access_override_creds).
        "--securebits=+no_setuid_fixup",
        "--no-new-privs",
        "--",
    )
