from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Test modules share `pictures`; decoder subprocesses get the same path.
sys.path.insert(0, str(Path(__file__).parent))

PHOTOS = Path(__file__).parents[3] / "shared" / "photos"


@pytest.fixture(params=sorted(PHOTOS.glob("*.jpg")) or [None], ids=lambda photo: photo.name if photo else "none")
def photograph(request: pytest.FixtureRequest) -> Path:
    """Every real photograph, where the folder `shared/photos` stands beside the repository."""
    if request.param is None:
        pytest.skip(f"no photographs: {PHOTOS} is not there")
    photo: Path = request.param
    return photo
