"""All settings, read from the environment when asked for, never at import.

This is the only module that reads variables with the prefix `GALLERY_`. There is one model per reader: the process
stage, the pipeline and its API, `gallery serve`, clients of the API, readers of the history, and the local stack.

A variable that is empty counts as not set. A secret may instead be given as a file that holds it, with `_FILE` behind
the name (the convention of container secrets): `GALLERY_API_KEYS_FILE=/run/secrets/keys`.
AWS credentials and the region come from boto3's own chain.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from gallery.errors import ConfigurationError

PREFIX = "GALLERY_"
# Settings that may be given as a file.
SECRETS = frozenset(
    {
        "database_url",
        "analytics_database_url",
        "analytics_password",
        "api_keys",
        "webhook_secrets",
        "callback_secret",
        "alert_secret",
    }
)
MIB = 1024 * 1024
# How long a cached result of the process stage is good for. The sweep's grace must be longer or the same, so that
# no cached result outlives the objects it speaks of.
CACHE_DAYS = 2


def variable(name: str) -> str:
    """The environment variable of the setting `name`."""
    return PREFIX + name.upper()


def _given(environment: Mapping[str, str], name: str) -> str | None:
    """The setting `name` as it was given, in its variable or in a file; None if it was not."""
    if value := environment.get(variable(name), "").strip():
        return value
    file_variable = variable(name) + "_FILE"
    if name not in SECRETS or not (file := environment.get(file_variable, "").strip()):
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{file_variable}: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file_variable}: {file} is not a text file in UTF-8") from None


def _byte_count(value: object) -> object:
    """`512MiB`, `2GiB` or plain bytes."""
    match = re.fullmatch(r"\s*(\d+)\s*(KiB|MiB|GiB)?\s*", value) if isinstance(value, str) else None
    if match is None:
        return value
    return int(match[1]) * {None: 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}[match[2]]


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", value):
        raise ValueError("must be an address like https://s3.example.org")
    return value.rstrip("/")


def postgresql_url(value: str) -> str:
    """A database's address as libpq takes it, with all of its parameters; `postgres://` is another name for the scheme.

    Raises `ValueError` that says what is wrong, and quotes no more of the address than the name of a parameter.
    """
    like = "must be like postgresql://user:password@host:5432/database, special characters in it percent-encoded"
    scheme, _, rest = value.partition("://")
    if not re.fullmatch(r"postgres(ql)?(\+psycopg)?", scheme):
        raise ValueError(like)
    url = f"postgresql://{rest}"
    try:
        address = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        if unknown := re.search(r'invalid URI query parameter: "([^"]*)"', str(error)):
            raise ValueError(f"PostgreSQL has no parameter {unknown[1]!r}: remove it from the address") from None
        raise ValueError(like) from None
    # What stands behind an @ or / of the password would be taken for host or database, and named in messages.
    ports = str(address.get("port", "")).split(",")
    if not all(port.isdecimal() for port in ports if port) or "@" in f"{address.get('host')}{address.get('dbname')}":
        raise ValueError(like)
    try:
        timeout_from_conninfo(address)
    except psycopg.ProgrammingError:
        raise ValueError("connect_timeout must be a number of seconds") from None
    return url


def _is_webhook_secret(value: str) -> bool:
    encoded = value.removeprefix("whsec_").rstrip("=")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return False
    return value.startswith("whsec_") and len(decoded) >= 24


def _origin(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?|https?://\[[0-9a-fA-F:]+\](:\d+)?", value):
        raise ValueError("must be origins like https://photos.example.org, set off by commas, without a path")
    return value.lower()


ByteCount = Annotated[int, BeforeValidator(_byte_count), Field(gt=0)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]
OriginList = Annotated[list[Annotated[str, AfterValidator(_origin)]], NoDecode, BeforeValidator(_comma_list)]
SecretCommaList = Annotated[list[SecretStr], NoDecode, BeforeValidator(_comma_list)]


def _check_webhook_secret(value: SecretStr) -> SecretStr:
    if not _is_webhook_secret(value.get_secret_value()):
        raise ValueError("must be whsec_ and then at least 24 bytes in base64")
    return value


class _EnvironmentSettings(BaseSettings):
    """Settings that are read with `from_environment`, and in no other way."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        values = {name: value for name in cls.model_fields if (value := _given(environment, name)) is not None}
        if (
            "s3_endpoint_url" in cls.model_fields
            and "s3_endpoint_url" not in values
            and (url := environment.get("AWS_ENDPOINT_URL_S3"))
        ):
            values["s3_endpoint_url"] = url
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # One reader of the environment, `from_environment`, so that tests can hand in their own.
        return (init_settings,)


S = TypeVar("S", bound=_EnvironmentSettings)


class ProcessingSettings(_EnvironmentSettings):
    """Settings of the process stage alone: `gallery process` works with these and no server."""

    styles_file: Path | None = Field(None, description="TOML file with the styles; else the built-in ones")
    max_pixels: int = Field(200_000_000, gt=0, description="largest image, in pixels (width times height)")
    max_file_bytes: ByteCount = Field(200 * MIB, description="largest file, in bytes or like 200MiB")
    memory_budget: ByteCount = Field(
        1024 * MIB, description="memory for decoded pixels of one run, in bytes or like 1GiB"
    )
    processors: int = Field(
        default_factory=lambda: os.cpu_count() or 1, gt=0, description="decoder subprocesses of a run"
    )


class Settings(ProcessingSettings):
    """All settings of one process. Build it with `load_settings`."""

    database_url: SecretStr = Field(description="PostgreSQL of the catalogue: postgresql://user:password@host/database")
    s3_endpoint_url: HttpUrl | None = Field(
        None, description="S3 endpoint where it is not AWS; else AWS_ENDPOINT_URL_S3, else AWS itself"
    )
    s3_public_endpoint_url: HttpUrl | None = Field(
        None, description="the endpoint as browsers reach it: presigned requests are signed for it"
    )
    uploads_bucket: str = Field(description="bucket that uploads are staged in", min_length=3, max_length=63)
    library_bucket: str = Field(
        description="bucket of originals and renditions, another than the one for uploads", min_length=3, max_length=63
    )

    api_keys: SecretCommaList = Field(default=[], description="API keys as name:key,name:key")
    webhook_secrets: SecretCommaList = Field(
        default=[], description="Standard Webhooks secrets, whsec_...,whsec_...; several while rotating"
    )

    callback_url: HttpUrl | None = Field(
        None, description="address that is told of every upload's end; needs GALLERY_CALLBACK_SECRET"
    )
    callback_secret: SecretStr | None = Field(
        None, description="Standard Webhooks secret that callbacks are signed with, whsec_..."
    )
    alert_url: HttpUrl | None = Field(
        None, description="address that is told of failed runs and missing workers; needs GALLERY_ALERT_SECRET"
    )
    alert_secret: SecretStr | None = Field(
        None, description="Standard Webhooks secret that alerts are signed with, whsec_..."
    )
    sns_topics: CommaList = Field(
        default=[], description="ARNs of the SNS topics whose S3 notifications are accepted, set off by commas"
    )
    cors_origins: OriginList = Field(
        default=[], description="origins of the pages that may call the API and send files, https://a.example,..."
    )
    presign_method: Literal["post", "put"] = Field("post", description="post; or put, for stores without POST policies")
    rate_limit: int = Field(
        200, ge=0, description="requests a second that one API key may make of one API process; 0 for no limit"
    )

    start_minutes: float | None = Field(
        None,
        gt=0,
        description="minutes that a run may take to start, or to be cancelled, before it is taken up again",
    )

    connections: int = Field(8, gt=0, le=128, description="simultaneous S3 and database calls of a stage")
    retries: int = Field(4, ge=0, le=20, description="retries of a stage after a transient error")
    retry_delay_seconds: float = Field(
        1.0, gt=0, le=600, description="pause before the first retry, in seconds; it doubles each time"
    )
    window: int = Field(64, gt=0, le=1000, description="images under way at once in a run")

    scratch_dir: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / f"gallery-scratch-{os.getuid()}",
        description="folder for files under way; every run uses a private folder in it",
    )
    staged_days: int = Field(14, ge=1, description="days that staged files are kept")
    keep_replaced_days: int = Field(0, ge=0, description="days that replaced versions are kept")
    sweep_grace_days: int = Field(
        3, ge=CACHE_DAYS, description="days that the sweep leaves alone whatever was written, at least 2"
    )
    history_days: int = Field(
        400, ge=1, description="days that the history keeps a row for each image; sums are kept for good"
    )
    analytics_password: SecretStr | None = Field(
        None,
        min_length=12,
        description="password of the analysts' database role gallery_analyst, which `gallery setup` makes",
    )

    @field_validator("database_url")
    @classmethod
    def _for_libpq(cls, value: SecretStr) -> SecretStr:
        return SecretStr(postgresql_url(value.get_secret_value()))

    @field_validator("library_bucket")
    @classmethod
    def _two_buckets(cls, value: str, info: ValidationInfo) -> str:
        # A staged file may be called like another entry's original; in one bucket it would overwrite it.
        if value == info.data.get("uploads_bucket"):
            raise ValueError("must be another bucket than GALLERY_UPLOADS_BUCKET")
        return value

    @field_validator("api_keys")
    @classmethod
    def _named_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        for item in value:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}:\S{16,}", item.get_secret_value()):
                raise ValueError("must be name:key, the key at least 16 characters, several set off by commas")
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _webhook_secret(cls, value: list[SecretStr]) -> list[SecretStr]:
        for item in value:
            _check_webhook_secret(item)
        return value

    @field_validator("callback_secret", "alert_secret")
    @classmethod
    def _one_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else _check_webhook_secret(value)

    @model_validator(mode="after")
    def _callbacks_are_signed(self) -> Self:
        if self.callback_url is not None and self.callback_secret is None:
            raise PydanticCustomError("callback", "callbacks are always signed: set GALLERY_CALLBACK_SECRET, too")
        if self.alert_url is not None and self.alert_secret is None:
            raise PydanticCustomError("alert", "alerts are always signed: set GALLERY_ALERT_SECRET, too")
        return self


def _port(value: object) -> object:
    if isinstance(value, str) and not (value.isdecimal() and 0 < int(value) < 65536):
        raise ValueError("must be a port's number, 1 to 65535")
    return value


class ServingSettings(_EnvironmentSettings):
    """The address on which `gallery serve` listens."""

    api_host: str = "127.0.0.1"
    api_port: Annotated[int, BeforeValidator(_port)] = 8000


class ClientSettings(_EnvironmentSettings):
    """The API that the client commands talk to; without either, they talk to the local stack's."""

    api_url: str | None = Field(None, description="address of the API")
    api_key: SecretStr | None = Field(None, description="one of the keys in the API's own settings")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.api_url is None) != (self.api_key is None):
            raise PydanticCustomError(
                "client", "GALLERY_API_URL and GALLERY_API_KEY belong together: set both, or neither"
            )
        return self


class HistorySettings(_EnvironmentSettings):
    """The address at which analysts read the history."""

    analytics_database_url: SecretStr | None = Field(
        None, description="the catalogue for an analyst: postgresql://gallery_analyst:password@host/database"
    )


class StackSettings(_EnvironmentSettings):
    """The folder and the ports of the local stack.

    Ports are kept as they were given and checked when the stack starts: a stack can be stopped even if one is wrong.
    """

    home: Path | None = Field(None, description="state of the local stack")
    postgres_port: str | None = Field(None, description="port of the embedded PostgreSQL")
    s3_port: str | None = Field(None, description="port of the embedded S3 server")
    prefect_port: str | None = Field(None, description="port of the embedded Prefect server")
    api_port: str | None = Field(None, description="port of the API")

    def ports(self) -> dict[str, str | None]:
        """The configured ports by variable; None for a port that is not configured."""
        return {variable(name): getattr(self, name) for name in type(self).model_fields if name.endswith("_port")}


class InheritedSettings(_EnvironmentSettings):
    """The settings of `Settings` that the local stack takes over from whoever starts it.

    They are kept as they were given: the processes that the stack hands them to check them.
    """

    database_url: str | None = Field(None, repr=False)
    s3_endpoint_url: str | None = None
    uploads_bucket: str | None = None
    library_bucket: str | None = None
    scratch_dir: str | None = None
    cors_origins: str | None = None
    api_keys: str | None = Field(None, repr=False)
    webhook_secrets: str | None = Field(None, repr=False)
    analytics_password: str | None = Field(None, repr=False)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings, from `environment` or the process's own.

    Raises `ConfigurationError` that names every missing or wrong setting and what it should be.
    """
    return _load(Settings, environment)


def load_processing_settings(environment: Mapping[str, str] | None = None) -> ProcessingSettings:
    """As `load_settings`, for the process stage alone."""
    return _load(ProcessingSettings, environment)


def load_serving_settings(environment: Mapping[str, str] | None = None) -> ServingSettings:
    """As `load_settings`, for the address of the API."""
    return _load(ServingSettings, environment)


def load_client_settings(environment: Mapping[str, str] | None = None) -> ClientSettings:
    """As `load_settings`, for clients of the API."""
    return _load(ClientSettings, environment)


def load_stack_settings(environment: Mapping[str, str] | None = None) -> StackSettings:
    """As `load_settings`, for the local stack's folder and ports."""
    return _load(StackSettings, environment)


def load_inherited_settings(environment: Mapping[str, str] | None = None) -> InheritedSettings:
    """As `load_settings`, for what the local stack takes over. Nothing is checked yet."""
    return _load(InheritedSettings, environment)


def inherited_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What the local stack takes over of `environment`, by the variable of the setting, whichever gave it."""
    given = load_inherited_settings(environment).model_dump(exclude_none=True)
    return {variable(name): str(value) for name, value in given.items()}


def variables_of(name: str) -> tuple[str, ...]:
    """The variables that can give a setting, the first of them that is set before the others; `name` is the first."""
    setting = name.removeprefix(PREFIX).lower()
    if setting == "s3_endpoint_url":
        return name, "AWS_ENDPOINT_URL_S3"
    return (name, f"{name}_FILE") if setting in SECRETS else (name,)


def analyst_database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """The address at which an analyst reads the history. Raises `ConfigurationError` for a file that cannot be read."""
    url = _load(HistorySettings, environment).analytics_database_url
    return (url and url.get_secret_value()) or None


def catalogue_database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """The catalogue's address, unchecked. Raises `ConfigurationError` for a file that cannot be read."""
    return _given(os.environ if environment is None else environment, "database_url") or None


def _load(kind: type[S], environment: Mapping[str, str] | None) -> S:
    try:
        return kind.from_environment(os.environ if environment is None else environment)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(kind, problem) for problem in error.errors())) from None


def _explain(kind: type[_EnvironmentSettings], problem: Any) -> str:
    if not problem["loc"]:  # about several settings together; the message names them
        return str(problem["msg"])
    name = str(problem["loc"][0])
    meaning = kind.model_fields[name].description
    if problem["type"] == "missing":
        also = f" (or {variable(name)}_FILE)" if name in SECRETS else ""
        return f"{variable(name)}{also} is not set: {meaning}"
    # Never echo the value: it may be a secret.
    wrong = f"{variable(name)} is wrong: {problem['msg'].removeprefix('Value error, ')}"
    return f"{wrong} ({meaning})" if meaning else wrong
