from __future__ import annotations

from pathlib import Path

import pytest

PHOTOS = Path(__file__).parents[1] / "photos"


@pytest.fixture(params=sorted(PHOTOS.glob("*.jpg")), ids=lambda photo: photo.name)
def photograph(request: pytest.FixtureRequest) -> Path:
    """Every real photograph of `tests/photos`."""
    photo: Path = request.param
    return photo
