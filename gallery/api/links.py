"""Upload links: a signed, short-lived statement that its bearer may upload to one gallery.

    token = base64url(JSON {"gallery_id", "exp", "key"}) + "." + base64url(HMAC-SHA256)

Signed with a key derived from the API key that made it, so that taking the key out of `GALLERY_API_KEYS` takes its
links back. Nothing is stored.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from gallery.errors import RefusedRequest

DEFAULT_LIFE = timedelta(hours=24)
LONGEST_LIFE = timedelta(days=7)
# Separates this use of an API key from every other.
PURPOSE = b"gallery-ingest upload link v1"
LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class UploadLink:
    """Who made a link, for which gallery, and until when it is good."""

    key_name: str
    gallery_id: str
    expires_at: datetime


def sign_link(link: UploadLink, keys: Sequence[SecretStr]) -> str:
    """The link's token. Raises `RefusedRequest` where its key is gone meanwhile."""
    key = _derived(link.key_name, keys)
    if key is None:
        raise RefusedRequest("unknown_key", f"the API key {link.key_name} is not known")
    statement = {"gallery_id": link.gallery_id, "exp": int(link.expires_at.timestamp()), "key": link.key_name}
    payload = _encode(json.dumps(statement, separators=(",", ":")).encode())
    return f"{payload}.{_encode(hmac.digest(key, payload.encode(), 'sha256'))}"


def read_link(token: str, keys: Sequence[SecretStr]) -> UploadLink | None:
    """The link that `token` states, or `None` where it is forged, expired, damaged or no token at all."""
    payload, _, signature = token.partition(".")
    if not signature or len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        statement = json.loads(_decode(payload))
        name, gallery_id, exp = str(statement["key"]), str(statement["gallery_id"]), int(statement["exp"])
        given = _decode(signature)
        key = _derived(name, keys)
        # With an unknown name, too, one digest is computed and compared.
        wanted = hmac.digest(key or PURPOSE, payload.encode(), "sha256")
        if not hmac.compare_digest(given, wanted) or key is None:
            return None
        expires_at = datetime.fromtimestamp(exp, UTC)
    except (ValueError, KeyError, TypeError, OverflowError, binascii.Error, RecursionError):
        return None
    return UploadLink(name, gallery_id, expires_at) if datetime.now(UTC) < expires_at else None


def _derived(name: str, keys: Sequence[SecretStr]) -> bytes | None:
    for item in keys:
        known, _, key = item.get_secret_value().partition(":")
        if known == name:
            return hmac.digest(key.encode(), PURPOSE, "sha256")
    return None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
