"""Stopping the parts of a stack; all it takes is the stack's folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gallery.local.supervisor.home import Home
from gallery.local.supervisor.parts import Ending
from gallery.local.supervisor.processes import end, family, find


def silent(_: str) -> None:
    """Ignore progress messages."""


def end_parts(
    home: Home, parts: Collection[str], endings: Mapping[str, Ending], stopping: Callable[[str], None] = silent
) -> None:
    """End all processes of `parts`, in the opposite order of `endings`, which is the start order.

    `stopping` is called with the name of each part that has processes to end. The caller holds the stack's lock.
    """
    for name in reversed(list(endings)):
        if name not in parts:
            continue
        state = home.load()
        # Repeated, because a worker may start one more process while it is being asked to end.
        for _ in range(3):
            record = state.processes.get(name)
            if not (processes := family(record, home.names.marks(state.token, name))):
                break
            stopping(name)
            end(processes, endings[name], find(record))
        home.save(state.with_process(name, None))


def end_all(home: Home, endings: Mapping[str, Ending], stopping: Callable[[str], None] = silent) -> None:
    """End all parts, as `end_parts` does, and forget the values of what the stack was started with."""
    end_parts(home, endings.keys(), endings, stopping)
    home.save(home.load().without_values())


def stop_attached(home: Home, attachment: str) -> None:
    """Stop the stack in `home` if it is still the one that was started as `attachment`."""
    if not home.state_file.exists():
        return
    with home.locked(silent):
        state = home.load()
        if state.attachment == attachment:
            end_all(home, state.endings or dict.fromkeys(state.processes, Ending()))
