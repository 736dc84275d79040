"""The state that a run ends in, from what it did."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from gallery.errors import GalleryError
from gallery.models import RunState


def final_state(state: RunState, message: str) -> State[Any]:
    """Prefect's state for ours: `Failed` is what Retry is for."""
    if state == "failed":
        return Failed(message=message)
    if state == "completed_with_rejects":
        return Completed(name="Completed with rejects", message=message)
    return Completed(message=message)


def failed_by(error: GalleryError) -> State[Any]:
    """The state of a run that an error has stopped which is raised on purpose.

    Returned, not raised: the sentence says what is wrong and what to do, and a traceback would add nothing to that.
    """
    return Failed(message=str(error))
