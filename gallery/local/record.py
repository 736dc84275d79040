"""The settings that a stack was started with: which servers it uses, and the credentials for them.

While a stack runs, its record decides for every command of its folder, whatever shell the command comes from: else a
shell that lacks a variable would mean the embedded server, another one, in place of the one in use.
"""

from __future__ import annotations

from collections.abc import Mapping

from gallery.local.info import OTHER_AWS, OTHER_PREFECT
from gallery.local.supervisor.environments import without
from gallery.settings import inherited_variables, variable, variables_of

S3_ENDPOINT, PREFECT_API = variable("s3_endpoint_url"), "PREFECT_API_URL"
# What says where the galleries are; everything else only lets the stack in there.
PLACES = (variable("database_url"), S3_ENDPOINT, variable("uploads_bucket"), variable("library_bucket"), PREFECT_API)
# What boto3 and Prefect's client go by, beside the address. With an embedded server none of it counts.
AWS = (
    *OTHER_AWS,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_CA_BUNDLE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
PREFECT = (*OTHER_PREFECT, "PREFECT_HOME", "PREFECT_UI_URL")


def record_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What a stack that is started with this environment has to remember, by variable; secrets are among it."""
    record = inherited_variables(environment)
    record |= _set(environment, (PREFECT_API,))
    return record | _set(environment, _access(record))


def differing(environment: Mapping[str, str], record: Mapping[str, str], used: Mapping[str, str]) -> list[str]:
    """The variables of `environment` that contradict a running stack.

    `record` is what it was started with, `used` what its processes have: a shell may have either.
    """
    own = inherited_variables(environment) | _set(environment, (PREFECT_API, *_access(record)))
    return [
        next(given for given in variables_of(name) if environment.get(given, "").strip())
        for name, value in own.items()
        if value not in (record.get(name), used.get(name))
    ]


def with_record(environment: Mapping[str, str], record: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the servers of a running stack in place of its own."""
    own = inherited_variables(environment)
    dropped = [given for name in (*own, PREFECT_API, *_access(record)) for given in variables_of(name)]
    return {**without(environment, dropped), **record}


def _access(record: Mapping[str, str]) -> tuple[str, ...]:
    """The variables beside the addresses that count for a stack with this record."""
    return (AWS if S3_ENDPOINT in record else ()) + (PREFECT if PREFECT_API in record else ())


def _set(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: environment[name] for name in names if environment.get(name)}
