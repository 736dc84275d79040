"""The S3 server: ministack behind our own signature check, objects as files below `home`."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gallery.errors import ConfigurationError
from gallery.local.credentials import Credentials
from gallery.local.definition import NAMES
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.ports import HOST
from gallery.local.supervisor.readiness import answers

REGION = "us-east-1"


@dataclass(frozen=True)
class S3Server:
    """The embedded S3 server, its objects below `home`, its port and its one pair of keys."""

    home: Path
    port: int
    credentials: Credentials

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def part(self) -> Part:
        """Raises `ConfigurationError` where ministack is not installed."""
        if importlib.util.find_spec("ministack") is None:
            raise ConfigurationError(
                "ministack is not installed: pip install 'gallery-ingest[local]', "
                "or set GALLERY_S3_ENDPOINT_URL to an S3 elsewhere"
            )
        return Part(
            name="s3",
            port=self.port,
            command=(sys.executable, "-m", "gallery.local.parts.s3_server"),
            environment=self._environment(),
            folder=self._folder,
            prepare=self._prepare,
            is_ready=lambda: answers(f"{self.url}/_ministack/ready"),
            start_seconds=60.0,
        )

    @property
    def _folder(self) -> Path:
        return self.home / "s3"

    def _prepare(self) -> None:
        make_private_folder(self._folder, NAMES.home_variable)
        for name in ("objects", "state", "tmp"):
            make_private_folder(self._folder / name, NAMES.home_variable)

    def _environment(self) -> dict[str, str]:
        return {
            # Where `gallery` can be imported from, installed or not.
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]),
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),  # it looks for AWS files there
            "TMPDIR": str(self._folder / "tmp"),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3,sqs,sns",
            "AUTH": "true",  # verifies presigned requests and the policies of posted forms
            "AWS_ACCESS_KEY_ID": self.credentials.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.s3_secret_key,
            "MINISTACK_REGION": REGION,
            # Objects and buckets are files, there after a SIGKILL. Bucket settings (CORS, lifecycle,
            # notifications) are written at an orderly end only: `gallery setup` makes them again.
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "objects"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "LOG_LEVEL": "WARNING",  # INFO is a line per request
            # Its other listeners: MQTT would open port 8883.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # At start it removes what it takes for its containers; another ministack's are not ours.
            "DOCKER_HOST": f"unix://{self._folder / 'no-docker'}",
        }
