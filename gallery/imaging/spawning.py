"""Starts decoder subprocesses as fresh interpreters that know nothing of the program that starts them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Lock

_MAIN = Lock()


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Hide where `__main__` came from.

    A spawned child runs its parent's main module again. In a flow run that is `prefect.flow_engine`: two
    seconds and 100 MB in every child. The child needs nothing of it, so for the few milliseconds of a start
    there is nothing to find. (A fork would do without, but is not safe beside the parent's threads.)
    """
    main = sys.modules["__main__"]
    with _MAIN:
        names = {name: main.__dict__[name] for name in ("__spec__", "__file__") if name in main.__dict__}
        for name in names:
            setattr(main, name, None)
        try:
            yield
        finally:
            for name, value in names.items():
                setattr(main, name, value)


class DecoderProcess(SpawnProcess):
    """A child that starts without its parent's main module, and that ends at once when told to."""

    def start(self) -> None:
        with _nameless_main():
            super().start()

    def terminate(self) -> None:
        # Decoders ignore SIGTERM (`child.initialize`) and hold nothing that needs tidying up.
        self.kill()


class DecoderContext(SpawnContext):
    """The multiprocessing context of the decoder pool."""

    Process = DecoderProcess
