"""What `gallery check` finds out without any server."""

from __future__ import annotations

from itertools import islice

import pytest

from gallery.cli.check import check
from gallery.imaging import jpeg
from gallery.settings import load_settings


@pytest.mark.parametrize("is_there", [True, False])
def test_it_says_where_damage_goes_unnoticed(monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    if not is_there:
        monkeypatch.setattr(jpeg, "decoder", lambda: None)
    settings = load_settings(
        {
            "GALLERY_DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
            "GALLERY_UPLOADS_BUCKET": "uploads",
            "GALLERY_LIBRARY_BUCKET": "library",
        }
    )
    (decoders,) = [checked for checked in islice(check(settings), 2) if checked.name == "decoders"]
    assert decoders.problem is None
    assert ("simplejpeg is not installed" in (decoders.reminder or "")) != is_there
