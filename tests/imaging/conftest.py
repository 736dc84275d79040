from __future__ import annotations

from pathlib import Path

import pytest

PHOTOS = Path(__file__).parents[3] / "shared" / "photos"
PHOTOGRAPHS: list[Path | None] = [*sorted(PHOTOS.glob("*.jpg"))] or [None]


@pytest.fixture(params=PHOTOGRAPHS, ids=lambda photo: photo.name if photo else "none")
def photograph(request: pytest.FixtureRequest) -> Path:
    """Every real photograph, where the folder `shared/photos` stands beside the repository."""
    if request.param is None:
        pytest.skip(f"no photographs: {PHOTOS} is not there")
    photo: Path = request.param
    return photo
