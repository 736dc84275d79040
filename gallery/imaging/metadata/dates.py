"""When a photograph was taken, in the notations that cameras and programs really write."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

# EXIF has "2015:08:22 10:08:19" (CIPA DC-008, 4.6.5), XMP ISO 8601, IPTC "20150822 100819+0200"; and devices have
# other separators, blanks for zeros, no seconds, fractions, and zones of all kinds.
_DATE = r"\s*(\d{4})\s*[:/.-]\s*(\d{1,2})\s*[:/.-]\s*(\d{1,2})(?!\d)"
_TIME = r"[T\s:_-]\s*(\d{1,2})\s*[:.]\s*(\d{1,2})(?:\s*[:.]\s*(\d{1,2})(?:[.,]\d+)?)?\s*([AP]M)?\s*(.*)"
_COMPACT_DATE = r"\s*(\d{4})(\d\d)(\d\d)"
_COMPACT_TIME = r"[T\s]?\s*(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?()\s*(.*)"
_NOTATIONS = tuple(
    re.compile(f"{day}(?:{time})?", re.IGNORECASE | re.ASCII | re.DOTALL)
    for day, time in ((_DATE, _TIME), (_COMPACT_DATE, _COMPACT_TIME))
)
_ZONE = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d\d))?", re.IGNORECASE | re.ASCII)
_GREENWICH = frozenset({"Z", "UTC", "GMT"})
_FIRST_PHOTOGRAPH = 1826
_WESTERNMOST, _EASTERNMOST = timedelta(hours=-12), timedelta(hours=14)


def iso_date(text: str | None, offset: str | None = None) -> str | None:
    """Return `text` as ISO 8601, with the zone that it names itself, else that of `offset`; an impossible zone is none.

    A day without a time stays one ("2015-08-22"). Hour 24 and second 60 are carried. `None` for what is not a date,
    zeros and blanks among it.
    """
    found = next(filter(None, (notation.match(text or "") for notation in _NOTATIONS)), None)
    if found is None:
        return None
    year, month, day, hour, minute, second, half, zone = found.groups()
    try:
        if int(year) < _FIRST_PHOTOGRAPH:
            return None
        if hour is None:
            return date(int(year), int(month), int(day)).isoformat()
        hours, seconds = _hours(int(hour), half), int(second or 0)
        taken = datetime(
            int(year),
            int(month),
            int(day),
            0 if hours == 24 else hours,
            int(minute),
            59 if seconds == 60 else seconds,
            tzinfo=_zone(zone) or _zone(offset),
        )
        return (taken + timedelta(days=hours == 24, seconds=seconds == 60)).isoformat()
    except (ValueError, OverflowError):
        return None


def _hours(hour: int, half: str | None) -> int:
    if not half or hour > 12:
        return hour
    return hour % 12 + (12 if half.upper() == "PM" else 0)


def _zone(text: str | None) -> timezone | None:
    text = (text or "").strip()
    if text.upper() in _GREENWICH:
        return UTC
    found = _ZONE.fullmatch(text)
    if found is None or int(found[3] or 0) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    offset = -offset if found[1] == "-" else offset
    return timezone(offset) if _WESTERNMOST <= offset <= _EASTERNMOST else None
