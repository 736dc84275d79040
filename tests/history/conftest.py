"""The catalogue's databases, for questions to be asked of."""

from tests.catalogue.conftest import databases  # noqa: F401 - a fixture
