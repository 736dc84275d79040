"""Tells whose fault an exception is: the file's, or the disk's."""

from __future__ import annotations

import errno

# What seeking to where a hostile file points at raises.
_OF_THE_FILE = frozenset({None, errno.EINVAL, errno.EOVERFLOW})


def is_disk_fault(error: Exception) -> bool:
    """Whether the operating system reported it; Pillow's own `OSError`s, about the file, have no number."""
    return isinstance(error, OSError) and error.errno not in _OF_THE_FILE
