"""What OpenAPI says of the API is true: generated requests find no answer that it does not describe."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.second_api import SecondApi

# Each for valid and for invalid requests of every route.
EXAMPLES = 10


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_generated_requests_find_nothing(second_api: SecondApi, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{second_api.url}/openapi.json")
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    assert len(operations) >= 18
    tried = sum(_try(operation, mode, second_api.http.headers["Authorization"]) for operation in operations)
    assert tried > 4


def _try(operation: Any, mode: GenerationMode, authorization: str) -> bool:
    """Send generated requests of one route; false where none can be made, as of a route without parameters."""

    # Query parameters that nobody knows are ignored, as is usual.
    lenient = [negative_data_rejection] if operation.query else []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.call_and_validate(
            headers={"Authorization": authorization},
            timeout=30,
            # Not said by JSON Schema: two equal names, the parts of a path, Unicode that cannot be stored, sizes in
            # bytes. Such requests are 422 with a code of their own, which OpenAPI does declare.
            excluded_checks=[positive_data_acceptance, *lenient],
        )

    try:
        send()
    except Unsatisfiable:
        return False
    return True
