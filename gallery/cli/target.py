"""The target of a command: the checkout, the local stack, or the servers that the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gallery.errors import ConfigurationError, GalleryError
from gallery.settings import (
    analyst_database_url,
    catalogue_database_url,
    load_client_settings,
    load_stack_settings,
)

if TYPE_CHECKING:
    from gallery.local.info import StackInfo
    from gallery.local.stack import LocalStack


def the_project() -> Path:
    """The folder with `prefect.yaml`: the checkout this package is in, else the current folder."""
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "prefect.yaml").is_file():
            return folder
    raise ConfigurationError("no prefect.yaml here: run this in the project's folder")


def the_stack() -> LocalStack:
    """The stack in GALLERY_HOME, else in the checkout's `.gallery`."""
    from gallery.local.stack import LocalStack

    project = the_project()
    return LocalStack(load_stack_settings().home or project / ".gallery", project)


def the_running_stack() -> StackInfo | None:
    """Where the local stack is; None where none runs, or where its packages are not installed.

    Raises `ConfigurationError` where the environment names other servers than that stack uses.
    """
    home = load_stack_settings().home
    try:
        (home or the_project() / ".gallery").joinpath("stack.json").lstat()
    except (FileNotFoundError, NotADirectoryError, ConfigurationError):
        return None
    except PermissionError:
        pass  # another user's, which the stack says better
    try:
        return the_stack().info()
    except ModuleNotFoundError:
        return None


def use_stack() -> None:
    """If the local stack is running, replace the environment with the stack's.

    Raises `ConfigurationError` where it names other servers than that stack uses.
    """
    if (info := the_running_stack()) is not None:
        environment = info.process_environment(os.environ)
        os.environ.clear()
        os.environ.update(environment)


def the_api() -> tuple[str, str]:
    """Address and key of the API: GALLERY_API_URL and GALLERY_API_KEY, else the local stack's."""
    settings = load_client_settings()
    if settings.api_url is not None and settings.api_key is not None:
        return settings.api_url, settings.api_key.get_secret_value()
    info = the_running_stack()
    if info is None:
        raise GalleryError(
            "no API to talk to: start the local stack with `gallery up`, or set GALLERY_API_URL and GALLERY_API_KEY"
        )
    return info.api_url, info.api_key


def the_history() -> str:
    """The database with the history: an analyst's own, else the running local stack's, else the catalogue's own.

    Raises `ConfigurationError` where the environment has another catalogue than the running stack.
    """
    if url := analyst_database_url():
        return url
    if (info := the_running_stack()) is not None:
        return info.analytics_database_url or info.database_url
    if url := catalogue_database_url():
        return url
    raise GalleryError(
        "no history to read: start the local stack with `gallery up`, or set GALLERY_ANALYTICS_DATABASE_URL"
    )
