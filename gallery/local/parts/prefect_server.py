"""Prefect's server, with its data in the embedded PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gallery.local.definition import NAMES
from gallery.local.parts import prefect_settings
from gallery.local.supervisor.environments import without
from gallery.local.supervisor.files import make_private_folder
from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.ports import HOST
from gallery.local.supervisor.readiness import answers

# Of a caller who otherwise works with another server.
OTHER_SERVERS = ("PREFECT_PROFILE", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")


@dataclass(frozen=True)
class PrefectServer:
    """The embedded server: API, UI and background services in one process."""

    home: Path
    port: int
    database_url: str

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}/api"

    def part(self, environment: Mapping[str, str]) -> Part:
        command = ("-m", "prefect", "server", "start", "--host", HOST, "--port", str(self.port))
        tuned = prefect_settings.values(prefect_settings.PRIVACY, prefect_settings.SERVER_TUNED)
        fixed = prefect_settings.server_fixed(HOST, self.port, self.home, self.database_url)
        return Part(
            name="prefect_server",
            port=self.port,
            command=(sys.executable, *command),
            environment={
                **tuned,
                **without(environment, OTHER_SERVERS),
                **prefect_settings.values(fixed),
            },
            # Not the project: Prefect reads .env, prefect.toml and pyproject.toml where it starts.
            folder=self.home / "prefect",
            prepare=lambda: _make_folder(self.home / "prefect"),
            is_ready=lambda: answers(f"{self.api_url}/ready"),
            start_seconds=120.0,  # the first time it makes its tables: 10 s here
        )


def _make_folder(folder: Path) -> None:
    make_private_folder(folder, NAMES.home_variable)
