"""Ceph's radosgw on loopback: one monitor, one OSD that keeps everything in memory, and the gateway before them.

`make s3-second` unpacks them. They start in some ten seconds, for any user, and end with this process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from tests.second_api import free_port

UNPACKED = Path(__file__).resolve().parents[2] / ".second-s3"
PROGRAMS = (
    *("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "osdmaptool", "ceph-authtool"),
    "setpriv",
)
HOST = "127.0.0.1"
# It knows no regions, but requests have to be signed for one.
REGION = "us-east-1"
# Seconds.
PATIENCE = 60

CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v2:{host}:{monitor}/0
public_addr = {host}
cluster_addr = {host}

# Without keys nothing can be encrypted, which radosgw otherwise demands of its connection to the monitor.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc

mon_data = {folder}/monitor
osd_data = {folder}/osd
rgw_data = {folder}
keyring = {folder}/keyring
log_file = {folder}/$name.log
crash_dir = {folder}
run_dir = {folder}
# The paths of the tests' folders are too long for sockets.
admin_socket =
pid_file =

plugin_dir = {libraries}/ceph
erasure_code_dir = {libraries}/ceph/erasure-code
osd_class_dir = {libraries}/rados-classes

# One OSD, where Ceph would have three.
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
# The monitor ends where its disk is nearly full.
mon_data_avail_crit = 0

[client.rgw]
rgw_frontends = beast endpoint={host}:{gateway}
# As behind a proxy that ends TLS: passwords of topics are refused otherwise.
rgw_trust_forwarded_https = true
"""


@dataclass(frozen=True)
class Radosgw:
    """A running radosgw, and the keys of a user of it."""

    url: str
    access_key: str = "gallery-access-key"
    secret_key: str = "gallery-secret-key"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name it to the stack."""
        return {
            "GALLERY_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }


def missing() -> list[str]:
    """Those of the programs that are neither unpacked nor installed."""
    return [program for program in PROGRAMS if _where(program) is None]


@contextmanager
def radosgw(folder: Path) -> Iterator[Radosgw]:
    """One that runs while the block does, with its configuration and logs in `folder`, which is empty."""
    monitor, gateway, fsid = free_port(), free_port(), str(uuid4())
    server = Radosgw(f"http://{HOST}:{gateway}")
    libraries = next(_folders("usr/lib/*-linux-gnu/rados-classes")).parent
    configuration = CONFIGURATION.format(
        fsid=fsid, host=HOST, monitor=monitor, gateway=gateway, folder=folder, libraries=libraries
    )
    (folder / "ceph.conf").write_text(configuration)
    (folder / "monitor").mkdir()
    (folder / "osd").mkdir()
    keyring, monitors, osds = (str(folder / name) for name in ("keyring", "monitors", "osds"))
    _run(folder, "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.")
    _run(folder, "monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{HOST}:{monitor}]", monitors)
    _run(folder, "osdmaptool", "--createsimple", "1", osds)
    _run(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--osdmap", osds, "--keyring", keyring)
    with ExitStack() as running:
        _start(running, folder, "ceph-mon", "-f", "-i", "a")
        _run(folder, "ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", str(uuid4()))
        _start(running, folder, "ceph-osd", "-f", "-i", "0")
        keys = ("--access-key", server.access_key, "--secret-key", server.secret_key)
        _run(folder, "radosgw-admin", "user", "create", "--uid", "gallery", "--display-name", "gallery", *keys)
        _start(running, folder, "radosgw", "-f", "-n", "client.rgw")
        _wait_for(server.url)
        yield server


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        _command(command), env=_environment(folder), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"


def _start(running: ExitStack, folder: Path, *command: str) -> None:
    """Start a program that ends with `running`, and with this process, however that ends."""
    log = running.enter_context((folder / f"{command[0]}.out").open("wb"))
    command = ("setpriv", "--pdeathsig", "KILL", "--", *_command(command))
    process = subprocess.Popen(command, env=_environment(folder), stdout=log, stderr=log)
    running.callback(process.wait)
    # An OSD that is ended more gently writes its memory to disk.
    running.callback(process.kill)


def _command(command: tuple[str, ...]) -> tuple[str, ...]:
    program = _where(command[0])
    assert program is not None, f"there is no {command[0]}"
    return (program, *command[1:])


def _where(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join(map(str, [*_folders("usr/bin", "usr/sbin"), os.environ["PATH"]])))


def _environment(folder: Path) -> Mapping[str, str]:
    libraries = [*UNPACKED.glob("lib/*-linux-gnu"), *UNPACKED.glob("usr/lib/*-linux-gnu")]
    libraries += UNPACKED.glob("usr/lib/*-linux-gnu/ceph")
    return {
        "PATH": os.environ["PATH"],
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "CEPH_CONF": str(folder / "ceph.conf"),
    }


def _folders(*patterns: str) -> Iterator[Path]:
    """Unpacked ones before those of the system."""
    return (found for root in (UNPACKED, Path("/")) for pattern in patterns for found in root.glob(pattern))


def _wait_for(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"radosgw did not answer within {PATIENCE} seconds")
