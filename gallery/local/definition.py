"""Declares the local stack: its parts, their order and ports, and the names it is known by."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Literal

from gallery.local.supervisor.parts import Ending, Names, PartSpec, StackSpec
from gallery.local.supervisor.ports import PortSpec
from gallery.settings import variable

PartName = Literal["postgres", "s3", "prefect_server", "worker", "api"]

NAMES = Names(
    command="gallery",
    home_variable=variable("home"),
    # Not settings: they mark running processes, also those of an older release, and so they keep their names.
    token_variable="GALLERY_STACK_TOKEN",  # noqa: S106 - the name of a variable
    part_variable="GALLERY_STACK_PART",
)

# In the order they start; they stop in the opposite order.
PARTS: Mapping[PartName, PartSpec] = {
    "postgres": PartSpec(
        "PostgreSQL",
        # 5432 is left to a PostgreSQL of the machine's own.
        port=PortSpec(variable("postgres_port"), preferred=5433),
        # SIGINT is PostgreSQL's "fast shutdown": it rolls back open transactions and waits for no client.
        ending=Ending(signal.SIGINT, 20.0),
    ),
    "s3": PartSpec("the S3 server", port=PortSpec(variable("s3_port"), preferred=9000)),
    "prefect_server": PartSpec(
        "the Prefect server",
        needs=frozenset({"postgres"}),
        port=PortSpec(variable("prefect_port"), preferred=4200),
        ending=Ending(seconds=15.0),
    ),
    "worker": PartSpec(
        "the Prefect worker",
        needs=frozenset({"postgres", "s3", "prefect_server"}),
        after_set_up=True,
        # A flow run's process outlives its worker. It gets the signal itself, while Prefect's server is
        # still there to record that it crashed. Its own children (decoders) do not: a flow that sees
        # its decoder die rejects the image.
        ending=Ending(seconds=15.0, children_first=True),
    ),
    "api": PartSpec(
        "the API",
        needs=frozenset({"postgres", "s3", "prefect_server"}),
        port=PortSpec(variable("api_port"), preferred=8000),
        after_set_up=True,
    ),
}

ALL_PARTS: tuple[PartName, ...] = tuple(PARTS)
STACK = StackSpec(NAMES, {name: PARTS[name] for name in ALL_PARTS})
