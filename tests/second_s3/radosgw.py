"""Ceph's radosgw on loopback: one monitor, one OSD that keeps everything in memory, and the gateway before them.

`make s3-second` unpacks them. It takes ten seconds to start, as whatever user, and leaves nothing behind.
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
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "osdmaptool", "ceph-authtool")
HOST = "127.0.0.1"
# It knows none, and calls itself by none; requests have to be signed for one.
REGION = "us-east-1"
# Seconds.
PATIENCE = 60

CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v2:{host}:{monitor}/0
public_addr = {host}
cluster_addr = {host}

# Nobody else is here to be kept out, and without keys nothing can be encrypted.
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
# A path too long for a socket, in the tests' folders.
admin_socket =
pid_file =

plugin_dir = {libraries}/ceph
erasure_code_dir = {libraries}/ceph/erasure-code
osd_class_dir = {libraries}/rados-classes

# One OSD has to do for everything.
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
# It refuses to write on disks that are nearly full; it writes to memory.
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
    monitor, gateway = free_port(), free_port()
    fsid, libraries = uuid4(), next(UNPACKED.glob("usr/lib/*-linux-gnu"), Path("/usr/lib"))
    configuration = CONFIGURATION.format(
        fsid=fsid, host=HOST, monitor=monitor, gateway=gateway, folder=folder, libraries=libraries
    )
    (folder / "ceph.conf").write_text(configuration)
    (folder / "monitor").mkdir()
    (folder / "osd").mkdir()
    server = Radosgw(f"http://{HOST}:{gateway}")
    with ExitStack() as running:

        def run(*command: str) -> None:
            done = subprocess.run(
                _command(command),
                env=_environment(folder),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"

        def start(*command: str) -> None:
            log = running.enter_context((folder / f"{command[0]}.out").open("wb"))
            # It has nothing to lose; and an OSD that ends as it should writes its memory to disk.
            process = subprocess.Popen(_command(command), env=_environment(folder), stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.kill)

        keyring, monitors, osds = (str(folder / name) for name in ("keyring", "monitors", "osds"))
        run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.")
        run("monmaptool", "--create", "--fsid", str(fsid), "--addv", "a", f"[v2:{HOST}:{monitor}]", monitors)
        run("osdmaptool", "--createsimple", "1", osds)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--osdmap", osds, "--keyring", keyring)
        start("ceph-mon", "-f", "-i", "a")
        run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", str(uuid4()))
        start("ceph-osd", "-f", "-i", "0")
        keys = ("--access-key", server.access_key, "--secret-key", server.secret_key)
        run("radosgw-admin", "user", "create", "--uid", "gallery", "--display-name", "gallery", *keys)
        start("radosgw", "-f", "-n", "client.rgw")
        _wait_for(server.url)
        yield server


def _where(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join(map(str, [*_folders("usr/bin", "usr/sbin"), os.environ["PATH"]])))


def _command(command: tuple[str, ...]) -> list[str]:
    program = _where(command[0])
    assert program is not None, f"there is no {command[0]}"
    # They end with this process, however it ends.
    return ["setpriv", "--pdeathsig", "KILL", "--", program, *command[1:]]


def _environment(folder: Path) -> Mapping[str, str]:
    libraries = _folders("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/ceph", "usr/lib/ceph")
    return {
        "PATH": os.environ["PATH"],
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "CEPH_CONF": str(folder / "ceph.conf"),
    }


def _folders(*patterns: str) -> list[Path]:
    return [folder for pattern in patterns for folder in UNPACKED.glob(pattern)]


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
