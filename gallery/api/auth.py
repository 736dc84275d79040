"""Who calls: API keys as bearer tokens, and signed webhooks."""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.exceptions import HTTPException

bearer = HTTPBearer(auto_error=False, description="An API key")


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    """The name of the key that the request carries; 401 without a valid one."""
    name = _name_of(credentials.credentials if credentials else "", request.app.state.settings.api_keys)
    if name is None:
        raise HTTPException(401, "a valid API key is needed", headers={"WWW-Authenticate": "Bearer"})
    return name


Caller = Annotated[str, Depends(caller)]


def _name_of(given: str, keys: list[SecretStr]) -> str | None:
    found = None
    # Every key is compared, in constant time each: the answer's time says nothing of any of them.
    for item in keys:
        name, _, key = item.get_secret_value().partition(":")
        if hmac.compare_digest(given.encode(), key.encode()):
            found = name
    return found


def check_signature(body: bytes, headers: Mapping[str, str], secrets: list[SecretStr]) -> None:
    """Check a Standard Webhooks signature against each secret; 401 for a bad, missing or stale one.

    https://www.standardwebhooks.com: `webhook-id`, `webhook-timestamp` (five minutes' tolerance),
    `webhook-signature`.
    """
    given = {name: headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    for secret in secrets:
        try:
            Webhook(secret.get_secret_value()).verify(body, given, json_parse=False)
        # The library raises plain errors of Python's own on malformed headers.
        except (WebhookVerificationError, ValueError, binascii.Error):
            continue
        return
    raise HTTPException(401, "the webhook's signature is missing, wrong or too old")
