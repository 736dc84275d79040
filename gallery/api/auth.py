"""Who calls: API keys and upload links as bearer tokens, and signed webhooks."""

from __future__ import annotations

import binascii
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gallery.api.links import read_link
from gallery.api.services import services_of
from gallery.errors import ForbiddenError, NotAuthenticated, TooManyRequests

bearer = HTTPBearer(auto_error=False, description="An API key, or the token of an upload link")
basic = HTTPBasic(auto_error=False, description="Any user name, and an API key as password")


@dataclass(frozen=True, slots=True)
class Identity:
    """The bearer of an API key, or of an upload link that such a key made for one gallery."""

    key_name: str
    gallery_id: str | None = None

    @property
    def name(self) -> str:
        """What the catalogue keeps as `requested_by`."""
        return self.key_name if self.gallery_id is None else f"{self.key_name} (upload link)"

    @property
    def counted_as(self) -> str:
        """Whose requests are counted together: a visitor with a link does not use up its maker's."""
        return self.key_name if self.gallery_id is None else f"{self.key_name} for {self.gallery_id}"

    def check_gallery(self, gallery_id: str) -> None:
        """403 for an upload link of another gallery."""
        if self.gallery_id not in (None, gallery_id):
            raise ForbiddenError("this upload link is for another gallery")


def identify(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Identity:
    """Whose key or link the request carries; 401 without a valid one, 429 where it asks too often."""
    return _admitted(request, credentials.credentials if credentials else "")


def identify_store(request: Request, given: str | HTTPBasicCredentials | HTTPAuthorizationCredentials | None) -> None:
    """Make sure that a store's notification carries an API key; 401 and 429 as `identify`, 403 for an upload link.

    Of stores some send a bearer token, others only what stands in the address that they are given: a password, or a
    part of the path.
    """
    if isinstance(given, HTTPBasicCredentials):
        key = given.password
    elif isinstance(given, HTTPAuthorizationCredentials):
        key = given.credentials
    else:
        key = given or ""
    key_holder(_admitted(request, key))


def _admitted(request: Request, given: str) -> Identity:
    services = services_of(request)
    identity = _identity(given, services.settings.api_keys)
    if identity is None:
        raise NotAuthenticated("a valid API key is needed", scheme="Bearer")
    request.state.caller = identity.name
    if wait := services.rate_limit.wait(identity.counted_as):
        raise TooManyRequests("too many requests for this key", retry_after=math.ceil(wait))
    return identity


def key_holder(identity: Annotated[Identity, Depends(identify)]) -> str:
    """The name of the API key; 403 for an upload link."""
    if identity.gallery_id is not None:
        raise ForbiddenError("this needs an API key; an upload link is good for uploading to its gallery only")
    return identity.name


KeyOrLink = Annotated[Identity, Depends(identify)]
Caller = Annotated[str, Depends(key_holder)]


def _identity(given: str, keys: Sequence[SecretStr]) -> Identity | None:
    if (name := _name_of(given, keys)) is not None:
        return Identity(name)
    link = read_link(given, keys)
    return None if link is None else Identity(link.key_name, link.gallery_id)


def _name_of(given: str, keys: Sequence[SecretStr]) -> str | None:
    found = None
    # Every key is compared, in constant time each: the answer's time says nothing of any of them.
    for item in keys:
        name, _, key = item.get_secret_value().partition(":")
        if hmac.compare_digest(given.encode(), key.encode()):
            found = name
    return found


def check_signature(body: bytes, headers: Mapping[str, str], secrets: Sequence[SecretStr]) -> None:
    """Check a Standard Webhooks signature against each secret; 401 for a bad, missing or stale one.

    https://www.standardwebhooks.com: `webhook-id`, `webhook-timestamp` (five minutes' tolerance),
    `webhook-signature`.
    """
    given = {name: headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    for secret in secrets:
        try:
            Webhook(secret.get_secret_value()).verify(body, given, json_parse=False)
        # The library raises plain errors of Python's own on malformed headers.
        except (WebhookVerificationError, ValueError, OverflowError, OSError, binascii.Error):
            continue
        return
    raise NotAuthenticated("the webhook's signature is missing, wrong or too old")
