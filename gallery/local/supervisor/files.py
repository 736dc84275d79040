"""Private files: readable by their owner only, never half written.

`setting` is the setting that names the folder they are in; errors tell the user to change it.
"""

from __future__ import annotations

import os
from pathlib import Path

from gallery.errors import ConfigurationError


def make_private_folder(folder: Path, setting: str) -> Path:
    """Make `folder` with mode 0700; if it exists, belongs to us and is open to others, restrict it to that.

    Raises `ConfigurationError` if it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except (OSError, FileExistsError) as error:
        raise ConfigurationError(
            f"cannot make the folder {folder}: {error.strerror}; set {setting} to a folder you own"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _not_ours(folder, setting)
    return folder


def write_private(file: Path, text: str, setting: str) -> None:
    """Replace the content of `file` with `text` in one step, with mode 0600."""
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except PermissionError:
        raise _not_ours(file, setting) from None


def read_private(file: Path, setting: str) -> str | None:
    """The text of `file`; None if it does not exist. Raises `ConfigurationError` if it belongs to another user."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise _not_ours(file, setting) from None


def _not_ours(path: Path, setting: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} belongs to another user (the stack was started as root before?): run as that user, "
        f"or set {setting} to a folder of your own"
    )
