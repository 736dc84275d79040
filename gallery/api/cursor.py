"""Cursors of pages: opaque to callers, a position inside."""

from __future__ import annotations

import base64
import binascii
import json

from gallery.catalogue.images import Position
from gallery.errors import RefusedRequest


def write_cursor(order: str, position: Position) -> str:
    """The cursor of the page after `position`."""
    text = json.dumps([order, position.value, position.file_name], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def write_number_cursor(number: int) -> str:
    """The cursor of the page after entry `number`."""
    return write_cursor("number", Position(str(number), ""))


def read_number_cursor(cursor: str) -> int:
    """Behind which entry the page begins. Raises `RefusedRequest` (`invalid_cursor`)."""
    value = read_cursor("number", cursor).value
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise RefusedRequest("invalid_cursor", "cursor must be a next_cursor of the same list")
    return int(value)


def read_cursor(order: str, cursor: str) -> Position:
    """Where the page begins. Raises `RefusedRequest` (`invalid_cursor`) for what is not a cursor of this order."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        given = json.loads(text)
        made_for, value, file_name = given
        usable = all(isinstance(part, str) and "\0" not in part and part.encode() is not None for part in given)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        usable = False
    if not usable or made_for != order:
        raise RefusedRequest("invalid_cursor", "cursor must be a next_cursor of the same list in the same order")
    return Position(value, file_name)
