"""The local stack's secrets: generated once, kept in a file that only its owner can read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from gallery.errors import ConfigurationError
from gallery.local.definition import NAMES
from gallery.local.supervisor.files import read_private, write_private

# Secrets that are generated again if the file lacks them: someone removed them, or an older release had none.
RENEWED = frozenset({"analytics_password"})


def _token() -> str:
    return secrets.token_urlsafe(24)


def _webhook_secret() -> str:
    """A Standard Webhooks secret; the specification asks for 24 to 64 bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _access_key() -> str:
    # Of the shape AWS uses: 20 letters and digits.
    return "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()


@dataclass(frozen=True)
class Credentials:
    """Everything secret about one local stack."""

    postgres_password: str = field(default_factory=_token, repr=False)
    """Of the superuser `postgres`; only the stack itself uses it."""
    catalogue_password: str = field(default_factory=_token, repr=False)
    prefect_password: str = field(default_factory=_token, repr=False)
    s3_access_key: str = field(default_factory=_access_key)
    s3_secret_key: str = field(default_factory=_token, repr=False)
    api_key: str = field(default_factory=_token, repr=False)
    webhook_secret: str = field(default_factory=_webhook_secret, repr=False)
    analytics_password: str = field(default_factory=_token, repr=False)
    """Of the analysts' role; `gallery up` gives it to the role, so that a new one takes effect there."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read `file`, or generate it; what may be missing in it is generated and added.

        Raises `ConfigurationError` where it cannot be read or is not whole.
        """
        text = read_private(file, NAMES.home_variable)
        if text is None:
            created = cls()
            write_private(file, json.dumps(asdict(created), indent=2) + "\n", NAMES.home_variable)
            return created
        try:
            stored = json.loads(text)
            loaded = cls(**{f.name: str(stored[f.name]) for f in fields(cls) if f.name not in RENEWED - stored.keys()})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConfigurationError(
                f"{file} is damaged: restore it, or delete {file.parent}{os.sep} to start afresh "
                "(which deletes the local stack's data)"
            ) from None
        if not stored.keys() >= RENEWED:
            write_private(file, json.dumps(asdict(loaded), indent=2) + "\n", NAMES.home_variable)
        return loaded
