"""The stack as it should be: which parts are embedded, which are elsewhere, and the addresses of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit

from gallery.catalogue.analyst import ROLE
from gallery.local.credentials import Credentials
from gallery.local.definition import PartName
from gallery.local.info import OTHER_AWS, OTHER_PREFECT, StackInfo
from gallery.local.parts import prefect_settings
from gallery.local.parts.api import api_part
from gallery.local.parts.postgres import Postgres
from gallery.local.parts.prefect_server import PrefectServer
from gallery.local.parts.s3 import REGION, S3Server
from gallery.local.parts.worker import worker_part
from gallery.local.record import AWS
from gallery.local.supervisor.parts import Part
from gallery.local.supervisor.ports import HOST
from gallery.settings import InheritedSettings, load_inherited_settings

UPLOADS_BUCKET, LIBRARY_BUCKET = "gallery-uploads", "gallery-library"


def external_prefect_url(environment: Mapping[str, str]) -> str | None:
    return environment.get("PREFECT_API_URL") or None


def embedded(parts: frozenset[str], environment: Mapping[str, str]) -> frozenset[str]:
    """Those of `parts` that the environment does not say to be elsewhere."""
    inherited = load_inherited_settings(environment)
    elsewhere: set[str] = set()
    if inherited.s3_endpoint_url:
        elsewhere.add("s3")
    if external_prefect_url(environment):
        elsewhere.add("prefect_server")
    if inherited.database_url and "prefect_server" not in parts - elsewhere:
        elsewhere.add("postgres")
    return parts - elsewhere


@dataclass(frozen=True)
class StackPlan:
    """A stack as it should be, derived from its folder, its ports and the caller's environment."""

    home: Path
    project: Path
    environment: Mapping[str, str]
    credentials: Credentials
    ports: Mapping[str, int]

    @cached_property
    def inherited(self) -> InheritedSettings:
        return load_inherited_settings(self.environment)

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.home, self.ports["postgres"], self.credentials)

    @property
    def s3(self) -> S3Server:
        return S3Server(self.home, self.ports["s3"], self.credentials)

    @property
    def prefect_server(self) -> PrefectServer:
        return PrefectServer(self.home, self.ports["prefect_server"], self.postgres.prefect_url())

    def part(self, name: PartName) -> Part:
        """How to run part `name`. Raises `ConfigurationError` where it cannot be run here."""
        environment = self.info({}).process_environment(self.environment)
        match name:
            case "postgres":
                return self.postgres.part()
            case "s3":
                return self.s3.part()
            case "prefect_server":
                return self.prefect_server.part(environment)
            case "worker":
                return worker_part(environment, self.project, self.log("worker"), self.home / "tmp")
            case "api":
                return api_part(environment, self.project, self.ports["api"])

    def log(self, name: PartName) -> Path:
        return self.home / "logs" / f"{name}.log"

    def info(self, pids: Mapping[str, int]) -> StackInfo:
        outer, own = self.environment, self.credentials
        inherited, prefect_url = self.inherited, external_prefect_url(outer)
        s3_url = inherited.s3_endpoint_url
        api_url = prefect_url or self.prefect_server.api_url
        return StackInfo(
            api_url=f"http://{HOST}:{self.ports['api']}",
            api_key=own.api_key,
            webhook_secret=own.webhook_secret,
            prefect_api_url=api_url,
            prefect_ui_url=outer.get("PREFECT_UI_URL") or api_url.rstrip("/").removesuffix("/api"),
            database_url=self._database_url(),
            analytics_database_url=self._analytics_url(),
            s3_endpoint_url=s3_url or self.s3.url,
            s3_access_key=outer.get("AWS_ACCESS_KEY_ID") if s3_url else own.s3_access_key,
            s3_secret_key=outer.get("AWS_SECRET_ACCESS_KEY") if s3_url else own.s3_secret_key,
            uploads_bucket=inherited.uploads_bucket or UPLOADS_BUCKET,
            library_bucket=inherited.library_bucket or LIBRARY_BUCKET,
            pids=pids,
            variables={**self._gallery_variables(), **self._aws_variables(), **self._prefect_variables()},
            dropped=(() if s3_url else OTHER_AWS) + (() if prefect_url else OTHER_PREFECT),
        )

    def _database_url(self) -> str:
        return self.inherited.database_url or self.postgres.catalogue_url()

    def _analytics_password(self) -> str | None:
        """Of the analysts' role; None where the catalogue is elsewhere and it was not given."""
        own = None if self.inherited.database_url else self.credentials.analytics_password
        return self.inherited.analytics_password or own

    def _analytics_url(self) -> str | None:
        if (password := self._analytics_password()) is None:
            return None
        address = urlsplit(self._database_url())
        hosts = address.netloc.rpartition("@")[2]
        return address._replace(scheme="postgresql", netloc=f"{ROLE}:{quote(password, safe='')}@{hosts}").geturl()

    def _gallery_variables(self) -> dict[str, str]:
        inherited, own = self.inherited, self.credentials
        return {
            "GALLERY_HOME": str(self.home),
            "GALLERY_SCRATCH_DIR": inherited.scratch_dir or str(self.home / "scratch"),
            "GALLERY_DATABASE_URL": self._database_url(),
            **({"GALLERY_ANALYTICS_PASSWORD": password} if (password := self._analytics_password()) else {}),
            "GALLERY_S3_ENDPOINT_URL": inherited.s3_endpoint_url or self.s3.url,
            "GALLERY_UPLOADS_BUCKET": inherited.uploads_bucket or UPLOADS_BUCKET,
            "GALLERY_LIBRARY_BUCKET": inherited.library_bucket or LIBRARY_BUCKET,
            # The page at `/` is served by the API and sends its files to the S3 server, another origin.
            "GALLERY_CORS_ORIGINS": _joined(
                f"http://{HOST}:{self.ports['api']},http://localhost:{self.ports['api']}",
                inherited.cors_origins,
            ),
            # The caller's own keys and secrets are still accepted beside the generated ones.
            "GALLERY_API_KEYS": _joined(f"local:{own.api_key}", inherited.api_keys),
            "GALLERY_WEBHOOK_SECRETS": _joined(own.webhook_secret, inherited.webhook_secrets),
        }

    def _aws_variables(self) -> dict[str, str]:
        if self.inherited.s3_endpoint_url:
            return {name: self.environment[name] for name in AWS if name in self.environment}
        return {
            "AWS_ACCESS_KEY_ID": self.credentials.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.s3_secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def _prefect_variables(self) -> dict[str, str]:
        outer = self.environment
        tuned = prefect_settings.values(prefect_settings.PRIVACY, prefect_settings.CLIENT_TUNED)
        chosen = {name: outer.get(name) or value for name, value in tuned.items()}
        if (url := external_prefect_url(outer)) is not None:
            passed = ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_HOME", "PREFECT_PROFILE")
            return {**chosen, **{name: outer[name] for name in passed if name in outer}, "PREFECT_API_URL": url}
        return chosen | prefect_settings.values(prefect_settings.client_fixed(self.prefect_server.api_url, self.home))


def _joined(first: str, more: str | None) -> str:
    return first if not more or first in more.split(",") else f"{first},{more}"
