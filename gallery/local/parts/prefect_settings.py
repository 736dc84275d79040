"""Every Prefect setting the local stack makes, and why. The names were checked against Prefect 3.9.1.

What is FIXED holds the stack together. What is TUNED may be overridden by the same variable in the caller's
environment. Deployments elsewhere should take over the tuned ones: docs and compose file refer to this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# A file of certificate authorities without any: its one certificate is expired, is no CA's, and its key was not kept.
# For clients that read such a file although they talk plain HTTP.
NO_AUTHORITY = Path(__file__).with_name("no_authority.pem")


class Setting(NamedTuple):
    """A value and the reason for it."""

    value: str
    why: str


SERVER_TUNED: Mapping[str, Setting] = {
    # Measured (PREFECT 3.8.8, PostgreSQL, two processors): with these four, the server's share of a task
    # run falls from 33 to 9-13 ms of CPU. A gallery of 1,361 images makes 5,444 task runs.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": Setting("200", "events read at once; default 1"),
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": Setting("200", "task runs per transaction; default 1"),
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": Setting("200", "events read at once; default 1"),
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": Setting("200", "events per transaction; default 20"),
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": Setting(
        "false",
        "an image makes nine events, each a row with seven others, for the UI's event feed alone: 16 ms of CPU. Runs, "
        "task runs, their states and automations do without. `true` fills the feed",
    ),
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": Setting(
        "1", "seconds that the UI may lag behind a batch that does not fill; default 5"
    ),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": Setting(
        "events,flow_runs,orphans",
        "by default runs are kept for ever, at 5,444 task runs a gallery; the history is in the catalogue",
    ),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": Setting(
        "7776000", "seconds, 90 days: as long as a run can be looked at and retried in the UI"
    ),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": Setting(
        "P3D", "an event, where it is kept, is of use while its run is watched; a gallery makes 12,000; default 7 days"
    ),
    "PREFECT_SERVER_DATABASE_TIMEOUT": Setting(
        "60", "seconds; the default of 10 is too short on a machine whose processors all decode images"
    ),
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": Setting("30", "seconds, for the same reason; default 5"),
    "PREFECT_SERVER_LOGGING_LEVEL": Setting("WARNING", "a line per request would fill the disk"),
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": Setting("false", "ops look at runs, not at advertisements"),
}

CLIENT_TUNED: Mapping[str, Setting] = {
    "PREFECT_WORKER_QUERY_SECONDS": Setting("2", "seconds between a run's start and its pick-up; default 10"),
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": Setting(
        "30", "seconds; an automation takes a run without heartbeats for crashed"
    ),
    "PREFECT_LOGGING_COLORS": Setting("false", "the output goes to files"),
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": Setting(
        "false", "samples CPU and memory every 10 s for Prefect Cloud; nobody here reads it"
    ),
}

# For server and clients: nothing is sent to anybody.
PRIVACY: Mapping[str, Setting] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": Setting("false", "usage statistics to Prefect"),
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": Setting("false", "traces to Prefect Cloud"),
    "DO_NOT_TRACK": Setting("1", "usage statistics of Prefect's SDK and CLI"),
}


def server_fixed(host: str, port: int, home: Path, database_url: str) -> Mapping[str, Setting]:
    """Settings that the embedded server needs: its address, its database, and the origins that may call it."""
    url = f"http://{host}:{port}"
    return {
        **client_fixed(f"{url}/api", home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": Setting(database_url, "here, for arguments are public"),
        "PREFECT_SERVER_UI_API_URL": Setting(f"{url}/api", "off port 4200 the UI does not find its API"),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": Setting(
            f"{url},http://localhost:{port}", "the default `*` lets any web page that is open start runs here"
        ),
    }


def client_fixed(api_url: str, home: Path) -> Mapping[str, Setting]:
    """Settings that clients of the embedded server need; the server is a client of itself."""
    return {
        "PREFECT_API_URL": Setting(api_url, "no profile, and no other server, has a say"),
        "PREFECT_HOME": Setting(str(home / "prefect"), "~/.prefect and its profiles stay untouched"),
        "PREFECT_API_SSL_CERT_FILE": Setting(
            str(NO_AUTHORITY),
            "a file of certificates is read for HTTP, too: all public ones, 20 ms of CPU for each of 12 clients a run",
        ),
    }


def values(*settings: Mapping[str, Setting]) -> dict[str, str]:
    """The settings as environment variables; later ones win."""
    return {name: setting.value for mapping in settings for name, setting in mapping.items()}
