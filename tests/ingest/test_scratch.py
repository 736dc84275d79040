"""Scratch folders: private, empty at the start, gone in the end."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gallery.errors import ConfigurationError, TransientError
from gallery.ingest.scratch import check_scratch_dir, on_scratch, scratch_folder


def test_a_scratch_folder_is_private_empty_and_gone_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "upload" / "2" / "left").mkdir(parents=True)
    with scratch_folder(tmp_path / "upload", 2) as scratch:
        assert (scratch, scratch.stat().st_mode & 0o777) == (tmp_path / "upload" / "2", 0o700)
        assert list(scratch.iterdir()) == []
        (scratch / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_is_stale_goes_before_and_what_is_newer_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "upload", 1), scratch_folder(tmp_path / "upload", 2):
        assert [path.name for path in (tmp_path / "upload").iterdir()] == ["2"]
    with ExitStack() as newer:
        with scratch_folder(tmp_path / "upload", 1):
            newer.enter_context(scratch_folder(tmp_path / "upload", 2))
        assert [path.name for path in (tmp_path / "upload").iterdir()] == ["2"]
    assert list(tmp_path.iterdir()) == []


def test_it_goes_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path / "x", 1) as scratch:
        (scratch / "file").touch()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_dir_is_made_private(tmp_path: Path) -> None:
    check_scratch_dir(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        check_scratch_dir(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="GALLERY_SCRATCH_DIR: cannot make"):
        check_scratch_dir(tmp_path / "file")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ENOENT, errno.EDQUOT])
def test_what_the_disk_does_not_take_may_be_tried_again_and_names_no_path(number: int) -> None:
    with pytest.raises(TransientError) as raised, on_scratch():
        raise OSError(number, os.strerror(number), "/a/secret/path")
    assert raised.value.reason == "scratch_unavailable"
    assert str(raised.value) == f"the scratch folder of {socket.gethostname()}: {os.strerror(number)}"


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "reset"), TimeoutError("late"), OSError("encoder error -2")]
)
def test_what_is_no_fault_of_the_disk_stays_what_it_is(error: OSError) -> None:
    with pytest.raises(OSError) as raised, on_scratch():
        raise error
    assert raised.value is error


def test_a_folder_that_cannot_be_made_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match="the scratch folder of "), scratch_folder(tmp_path / "file", 1):
        pass
