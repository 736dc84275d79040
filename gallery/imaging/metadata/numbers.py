"""Numbers out of EXIF, without the marks that stand for "unknown"."""

from __future__ import annotations

import math
from contextlib import suppress

# CIPA DC-008: a numerator of 0xFFFFFFFF is infinity or unknown; some firmware has the largest signed one.
_MARKS = frozenset({0xFFFFFFFF, 0x7FFFFFFF})
UNKNOWN_OR_MORE = 0xFFFF  # of 16 bits


def number(value: object) -> float | None:
    """Return an EXIF value, or the first of several, as a float; `None` for anything that is not a known number."""
    if isinstance(value, tuple) and value:
        value = value[0]
    if value is None or getattr(value, "numerator", None) in _MARKS:
        return None
    with suppress(TypeError, ValueError, ArithmeticError):
        found = float(value)  # type: ignore[arg-type]
        if math.isfinite(found) and abs(found) < min(_MARKS):
            return round(found, 6)
    return None


def measure(value: object) -> float | None:
    """Return what a camera measured or was set to, where it can be: cameras write 0 and 65,535 for "unknown"."""
    found = number(value)
    return found if found is not None and found > 0 and found != UNKNOWN_OR_MORE else None
