"""Text out of files, made safe: for PostgreSQL, which refuses NUL, and for terminals, which obey control characters."""

from __future__ import annotations

import codecs
import re

MAX_CHARACTERS = 500
_MAX_BYTES = 8192  # that are looked at, of a text as long as the file
_BLANKS = re.compile(r"\s+")
_JOINERS = "\u200c\u200d"  # Persian and Indic words need them


def clean(text: str) -> str | None:
    """Return `text` up to its first NUL, printable, at most `MAX_CHARACTERS` long; `None` where nothing is left."""
    text = _BLANKS.sub(_spaces, text[:_MAX_BYTES].partition("\0")[0])
    text = "".join(sign for sign in text if sign.isprintable() or sign in _JOINERS)
    return text.strip(f" {_JOINERS}")[:MAX_CHARACTERS] or None


def _spaces(run: re.Match[str]) -> str:
    """Line breaks, tabs, wide and unbreakable spaces become one space."""
    return run[0] if run[0].strip(" ") == "" else " "


def decode(data: bytes, otherwise: str = "latin-1") -> str | None:
    """Decode and clean a text that ends at its first NUL: UTF-8 where it is valid, else `otherwise`."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return clean(data[:_MAX_BYTES].decode("utf-16", "ignore"))
    data = data[: _MAX_BYTES + 1].partition(b"\0")[0]
    try:
        # Where the text is cut, a character may be.
        text = codecs.getincrementaldecoder("utf-8")().decode(data[:_MAX_BYTES], final=len(data) <= _MAX_BYTES)
    except UnicodeError:
        text = data.decode(otherwise, "ignore")
    return clean(text)
