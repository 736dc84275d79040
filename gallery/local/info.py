"""Addresses and keys of a running stack, as `gallery status --json` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from gallery.local.supervisor.environments import bypassing_proxies, without

# Of a caller who otherwise works with other servers; next to the stack's own they would only confuse.
OTHER_AWS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
OTHER_PREFECT = ("PREFECT_PROFILE", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")


@dataclass(frozen=True)
class StackInfo:
    """The addresses, keys and processes of one local stack."""

    api_url: str
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    prefect_api_url: str
    prefect_ui_url: str
    database_url: str = field(repr=False)
    analytics_database_url: str | None = field(repr=False)
    s3_endpoint_url: str
    s3_access_key: str | None
    """None where S3 is external and its keys are not in the environment, but e.g. in a profile."""
    s3_secret_key: str | None = field(repr=False)
    uploads_bucket: str
    library_bucket: str
    pids: Mapping[str, int]
    """Process ids of the parts that run, by part."""
    variables: Mapping[str, str] = field(repr=False, metadata={"internal": True})
    dropped: tuple[str, ...] = field(default=(), repr=False, metadata={"internal": True})

    def as_json(self) -> dict[str, object]:
        """Exactly the fields of `gallery status --json`."""
        public = [f.name for f in fields(self) if not f.metadata.get("internal")]
        values: dict[str, object] = {name: getattr(self, name) for name in public}
        return {**values, "pids": dict(self.pids)}

    def environment(self) -> dict[str, str]:
        """The GALLERY_, AWS_ and PREFECT_ variables for a process that uses the stack."""
        return dict(self.variables)

    def process_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """All of a process's environment: `base`, less what points to other servers, and `environment()`."""
        return bypassing_proxies({**without(base, self.dropped), **self.variables})
