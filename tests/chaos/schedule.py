"""The schedule: what is done when, made from the seed alone, before anything runs.

Times are seconds from the start. Galleries and uploads are named by their index; what an index stands for is looked up
when its step comes. A longer schedule of the same seed begins with the shorter one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

ACTION_EVERY, FAULT_EVERY = 4.5, 8.0
# How often each kind comes, relative to the others.
ACTIONS = {
    "upload": 50,
    "retry": 14,
    "cancel": 8,
    "force": 8,
    "delete-image": 6,
    "delete-gallery": 3,
    "limit": 8,
    "sweep": 3,
}
FAULTS = {
    "kill-run": 5,
    "kill-decoder": 3,
    "kill-worker": 3,
    "kill-prefect_server": 2,
    "kill-api": 2,
    "kill-postgres": 2,
    "kill-backend": 2,
    "kill-s3": 2,
    "freeze-run": 5,
    "freeze-decoder": 3,
    "freeze-worker": 3,
    "freeze-prefect_server": 2,
    "freeze-api": 2,
    "freeze-postgres": 1,
    "freeze-backend": 2,
    "freeze-s3": 2,
    "cut-prefect_server": 3,
    "cut-postgres": 3,
    "cut-s3": 3,
    "full-disk": 3,
}
KINDS = (*ACTIONS, *FAULTS)
WORKERS = ("worker", "worker_two")
# Who talks to whom: the connections that can be cut.
CONNECTIONS = (
    *((client, server) for client in (*WORKERS, "api") for server in ("postgres", "s3", "prefect_server")),
    ("prefect_server", "postgres"),
)
# Of these, everything else waits; the others may be frozen for longer than Prefect waits for a run's heartbeat.
SERVERS = ("prefect_server", "api", "postgres", "s3")


@dataclass(frozen=True)
class Step:
    """One action or fault; `at` is in seconds from the start."""

    at: float
    kind: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        return json.dumps({"at": self.at, "kind": self.kind, **self.parameters})

    @classmethod
    def parse(cls, line: str) -> Step:
        """The step of a line that `str` has made."""
        values = json.loads(line)
        return cls(values.pop("at"), values.pop("kind"), values)


def make_schedule(seed: int, seconds: float) -> list[Step]:
    """All steps of the first `seconds`, in order."""
    # From two sources, so that a change of the one leaves the other as it was.
    actions = _times(Random(f"{seed} times of actions"), ACTION_EVERY, seconds)
    faults = _times(Random(f"{seed} times of faults"), FAULT_EVERY, seconds)
    steps = [*_actions(Random(f"{seed} actions"), actions), *_faults(Random(f"{seed} faults"), faults)]
    return sorted(steps, key=lambda step: step.at)


def read_schedule(file: Path) -> list[Step]:
    """A schedule that was written before, a step a line."""
    return [Step.parse(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def without(schedule: Iterable[Step], kinds: Iterable[str]) -> list[Step]:
    """The schedule without the steps of these kinds (`freeze-run`), or of families of kinds (`freeze`)."""
    left_out = frozenset(kinds)
    return [step for step in schedule if not {step.kind, step.kind.partition("-")[0]} & left_out]


def _times(rng: Random, every: float, seconds: float) -> Iterator[float]:
    at = 0.0
    while (at := at + rng.expovariate(1 / every)) < seconds:
        yield round(at, 1)


def _actions(rng: Random, times: Iterable[float]) -> Iterator[Step]:
    uploads: list[dict[str, Any]] = []
    for at in times:
        # Drawn whether or not there is anything to choose from yet.
        kind = rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        if kind == "upload" or not uploads:
            uploads.append(_upload(rng, uploads))
            yield Step(at, "upload", uploads[-1])
            continue
        # What is to be cancelled is under way, what is repeated has probably ended.
        recent = rng.choice(uploads[-3:] if kind == "cancel" else uploads[-12:])
        by = rng.choice(("api", "ui"))
        number = recent["first"] + rng.randrange(recent["images"])
        match kind:
            case "retry" | "cancel":
                parameters: dict[str, Any] = {"upload": recent["upload"], "by": by}
            case "force":
                parameters = {"upload": recent["upload"]}
            case "delete-image":
                parameters = {"gallery": recent["gallery"], "number": number}
            case "delete-gallery":
                parameters = {"gallery": recent["gallery"]}
            case "limit":
                parameters = {"limit": rng.choice((1, 2, 2, 3, 4))}
            case _:
                parameters = {}
        yield Step(at, kind, parameters)


def _upload(rng: Random, uploads: list[dict[str, Any]]) -> dict[str, Any]:
    """An upload of some images to a new gallery or a recent one, where it replaces some; or one that is sent again.

    `content` is the upload whose pictures it brings, `bad` the numbers of files that are no proper images.
    """
    index = len(uploads)
    way = rng.choice(("presigned", "webhook"))
    if uploads and rng.random() < 0.15:
        return {**rng.choice(uploads[-6:]), "upload": index, "way": way}
    newest = max((upload["gallery"] for upload in uploads), default=-1)
    gallery = rng.randint(max(0, newest - 3), newest) if newest >= 0 and rng.random() < 0.6 else newest + 1
    fewest, most = rng.choices(((5, 20), (20, 60), (60, 150)), (70, 27, 3))[0]
    first, images = rng.randrange(10), rng.randint(fewest, most)
    bad = sorted(number for number in range(first, first + images) if rng.random() < 0.03)
    return {
        "upload": index,
        "gallery": gallery,
        "way": way,
        "first": first,
        "images": images,
        "bad": bad,
        "content": index,
    }


def _faults(rng: Random, times: Iterable[float]) -> Iterator[Step]:
    for at in times:
        kind = rng.choices(list(FAULTS), list(FAULTS.values()))[0]
        family, _, part = kind.partition("-")
        worker, nth = rng.choice(WORKERS), rng.randrange(100)
        longest = 30 if part in SERVERS and family != "cut" else 100
        parameters: dict[str, Any] = {"seconds": _seconds(rng, longest)}
        if family == "cut":
            client = rng.choice([client for client, server in CONNECTIONS if server == part])
            parameters |= {"client": client, "how": rng.choice(("refuse", "reset", "silence"))}
        elif kind == "full-disk" or part == "worker":
            parameters |= {"worker": worker}
        elif part in ("run", "decoder", "backend"):
            # A process that dies stays dead: nobody starts it again but the product.
            parameters = {"nth": nth} if family == "kill" else {"nth": nth, **parameters}
        yield Step(at, kind, parameters)


def _seconds(rng: Random, longest: float) -> float:
    """Mostly some seconds; sometimes as long as a person takes to notice."""
    return round(rng.uniform(2, 12) if rng.random() < 0.65 else rng.uniform(12, longest), 1)
