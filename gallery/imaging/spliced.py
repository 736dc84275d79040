"""A file that is read without some of its parts, or with others in their place."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO

from gallery.imaging.containers.survey import Part


class SplicedFile(io.RawIOBase):
    """`parts` of `file` one after the other, without a copy of any. Wrap it in an `io.BufferedReader`."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file, self._parts, self._at = file, parts, 0
        lengths = [len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts]
        self._ends = list(accumulate(lengths))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        index = bisect_right(self._ends, self._at)
        if index == len(self._parts):
            return 0
        part, left = self._parts[index], self._ends[index] - self._at
        if isinstance(part, bytes):
            found = part[len(part) - left :][: len(buffer)]
        else:
            self._file.seek(part[1] - left)
            found = self._file.read(min(left, len(buffer)))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
