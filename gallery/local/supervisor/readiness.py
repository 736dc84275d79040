"""Readiness probes for parts that serve HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request

# A proxy configured for the outside world must not be asked for 127.0.0.1.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str, seconds: float = 5.0) -> bool:
    """Whether `url` answers 200 within `seconds`."""
    try:
        with _opener.open(url, timeout=seconds) as response:
            return int(response.status) == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False
