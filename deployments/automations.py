"""Automations that `gallery setup` makes: what Prefect's server does by itself when a process is gone without a word.

They hold for every run with the tag `gallery`. Ops may switch one off in the UI, and it stays off; everything else
about them is put back by the next `gallery setup`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from gallery.runs import RETRY_AUTOMATION

TAG = "gallery"
# A run sends one every 30 s (PREFECT_FLOWS_HEARTBEAT_FREQUENCY): two may get lost.
SILENCE = timedelta(seconds=90)
# Prefect's worker reports a crash a second time, some 3 s after the first, and would end a retry begun before that.
PAUSE_BEFORE_RETRY = timedelta(seconds=15)

_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
_TAKEN_UP = {f"prefect.flow-run.{state}" for state in ("AwaitingRetry", "Scheduled", "Pending", "Running", "Cancelled")}


def automations() -> Sequence[AutomationCore]:
    """The automations as they should be."""
    return (
        AutomationCore(
            name="gallery: a silent run has crashed",
            description=(
                "A run that sends no heartbeat for 90 seconds is marked Crashed: its process and its worker are "
                "gone. Without this it would be Running for ever, and Retry would be refused."
            ),
            trigger=EventTrigger(
                posture=Posture.Proactive,
                match={"prefect.resource.id": "prefect.flow-run.*"},
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.*"},
                threshold=1,
                within=SILENCE,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED, name="Crashed", message="No sign of life from the run for 90 seconds"
                )
            ],
        ),
        AutomationCore(
            name=RETRY_AUTOMATION,
            description=(
                "A run that crashed in its first attempt is retried after 15 seconds, unless somebody was faster. "
                "It works only on what is left. A second crash is left to people."
            ),
            trigger=EventTrigger(
                posture=Posture.Proactive,
                # Counted by Prefect: 1 while the first attempt is the only one.
                match={"prefect.resource.id": "prefect.flow-run.*", "prefect.run-count": "1"},
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                after={"prefect.flow-run.Crashed"},
                expect=_TAKEN_UP,
                threshold=1,
                within=PAUSE_BEFORE_RETRY,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name="AwaitingRetry",
                    message="Crashed, and retried by an automation, once",
                )
            ],
        ),
    )


def create_automations(client: SyncPrefectClient) -> None:
    """Make them, or bring those that are there up to date; what ops switched off stays off."""
    for wanted in automations():
        found = client.read_automations_by_name(wanted.name)
        if not found:
            client.create_automation(wanted)
            continue
        wanted.enabled = found[0].enabled
        if AutomationCore(**found[0].model_dump(exclude={"id"})) != wanted:
            client.update_automation(found[0].id, wanted)
