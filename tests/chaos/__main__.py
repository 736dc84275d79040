"""Chaos: galleries go through the stack while its parts are killed, frozen and cut off; then what must hold is checked.

python -m tests.chaos --seed 1 --minutes 30
python -m tests.chaos --replay .gallery/chaos/20261129-101500-seed-1/schedule.jsonl --without freeze --without cut
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gallery.catalogue.connect import connect
from gallery.settings import load_settings
from gallery.storage.s3 import Storage
from tests.chaos.actions import Actions, Book, Refused
from tests.chaos.faults import Faults
from tests.chaos.invariants import INVARIANTS, State
from tests.chaos.schedule import ACTIONS, KINDS, Step, make_schedule, read_schedule, without
from tests.chaos.settling import retry_what_failed, sweep_everything, wait_for_rest
from tests.chaos.stack import ChaosStack
from tests.conftest import PROJECT, pytest_configure

# Offenders shown of each invariant; all are in the log.
SHOWN = 10
THREADS = 100


class Log:
    """Says everything on stdout and in a file, with the seconds since the start."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8", buffering=1)
        self.begun = time.monotonic()

    def say(self, line: str, *, shown: bool = True) -> None:
        text = f"{time.monotonic() - self.begun:7.1f} s  {line}"
        self._file.write(text + "\n")
        if shown:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


class Play:
    """Does a schedule's steps in their time, each in a thread of its own."""

    def __init__(self, stack: ChaosStack, actions: Actions, log: Log) -> None:
        self._actions, self._faults, self._log = actions, Faults(stack), log
        self.counts: Counter[tuple[str, str]] = Counter()
        """Steps by (kind, `done`, `refused` or `broken`)."""

    def run(self, schedule: Sequence[Step], seconds: float) -> None:
        """Return when all steps are done and all faults taken back, after `seconds` or a little later."""
        begun = self._log.begun = time.monotonic()
        pool = ThreadPoolExecutor(THREADS)
        try:
            for step in schedule:
                time.sleep(max(0.0, begun + step.at - time.monotonic()))
                pool.submit(self._do, step)
            time.sleep(max(0.0, begun + seconds - time.monotonic()))
            self._log.say("the time is up: all faults are taken back")
        except BaseException:
            self._actions.stopped.set()
            raise
        finally:
            self._faults.over.set()
            pool.shutdown(cancel_futures=True)

    def _do(self, step: Step) -> None:
        name = f"{step.at:7.1f}: {step.kind} {json.dumps(step.parameters)}"
        try:
            came = self._actions.do(step) if step.kind in ACTIONS else self._faults.do(step)
            result = "done"
        except Refused as refused:
            result, came = "refused", str(refused)
        except Exception:
            # A defect of this program, or an answer that nobody has thought of.
            result, came = "broken", traceback.format_exc()
        self.counts[step.kind, result] += 1
        self._log.say(f"{name}: {result}: {came}")


def settle(state: State, actions: Actions, environment: Mapping[str, str], log: Log) -> None:
    """Let everything come to rest, as ops would see to it."""
    wait_for_rest(state, log.say)
    retry_what_failed(state, actions, log.say)
    is_at_rest = wait_for_rest(state, log.say)
    sweep_everything(state, environment, log.say)
    if is_at_rest:
        wait_for_rest(state, log.say)


def check(state: State, log: Log) -> bool:
    """Look at every invariant; whether all hold."""
    all_hold = True
    for invariant in INVARIANTS:
        offenders = list(invariant(state))
        name = invariant.__name__.replace("_", " ")
        log.say(f"{'holds ' if not offenders else 'BROKEN'}  {name}" + (f": {len(offenders)}" if offenders else ""))
        for number, offender in enumerate(offenders):
            log.say(f"          {offender}", shown=number < SHOWN)
        all_hold = all_hold and not offenders
    return all_hold


def tell_counts(state: State, play: Play, log: Log) -> None:
    """Say how much there was of everything."""
    (found,) = state.rows(
        "SELECT (SELECT count(*) FROM gallery.galleries) AS galleries, (SELECT count(*) FROM gallery.images) AS images,"
        " (SELECT count(*) FROM gallery.uploads WHERE accepted_seq > 0) AS uploads,"
        " (SELECT count(*) FROM gallery.entries) AS entries, (SELECT count(*) FROM gallery.attempts) AS attempts"
    )
    log.say(", ".join(f"{count} {what}" for what, count in found.items()))
    rows = state.rows("SELECT state, count(*) AS n FROM gallery.uploads GROUP BY 1 ORDER BY 1")
    log.say("uploads: " + ", ".join(f"{row['n']} {row['state']}" for row in rows))
    rows = state.rows("SELECT outcome, count(*) AS n FROM gallery.entries GROUP BY 1 ORDER BY 1")
    log.say("entries: " + ", ".join(f"{row['n']} {row['outcome'] or 'pending'}" for row in rows))
    for kind in KINDS:
        results = {result: n for (counted, result), n in sorted(play.counts.items()) if counted == kind}
        if results:
            log.say(f"{kind}: " + ", ".join(f"{n} {result}" for result, n in results.items()))


def run(schedule: Sequence[Step], seconds: float, folder: Path, log: Log) -> bool:
    """Whether all invariants hold at the end."""
    with ChaosStack(folder) as stack:
        # Of this program's own clients: boto3 reads its keys there.
        os.environ.update(stack.info.environment())
        log.say(f"the stack is up: {stack.info.api_url}, {stack.info.prefect_ui_url}")
        if not all(disk.is_small for disk in stack.disks.values()):
            log.say("no small disk could be mounted, which takes root: no disk will be full")
        settings = load_settings(stack.environment)
        engine, book = connect(settings, application="chaos", connections=4), Book()
        with closing(Actions(stack.info, book)) as actions, closing(Storage(settings)) as storage:
            actions.keep_buckets()
            play = Play(stack, actions, log)
            play.run(schedule, seconds)
            scratch = [disk.scratch for disk in stack.disks.values()]
            state = State(book, engine, storage, actions.prefect, stack.runs, scratch)
            settle(state, actions, stack.environment, log)
            tell_counts(state, play, log)
            all_hold = check(state, log)
        engine.dispose()
    return all_hold and not any(result == "broken" for _, result in play.counts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="what the schedule is made from")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long there are actions and faults")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="a schedule that was written before")
    parser.add_argument(
        "--without", action="append", default=[], metavar="KIND", help=f"leave out {', '.join(KINDS)}; freeze: all such"
    )
    parser.add_argument("--folder", type=Path, help="a new folder for state and logs (default: in .gallery/chaos)")
    arguments = parser.parse_args()

    schedule = (
        read_schedule(arguments.replay) if arguments.replay else make_schedule(arguments.seed, arguments.minutes * 60)
    )
    # Of a replay all steps, however long that takes.
    seconds = max([arguments.minutes * 60, *(step.at for step in schedule)])
    schedule = without(schedule, arguments.without)
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = (arguments.folder or PROJECT / f".gallery/chaos/{moment}-seed-{arguments.seed}").absolute()
    folder.mkdir(parents=True)
    (folder / "schedule.jsonl").write_text("".join(f"{step}\n" for step in schedule), encoding="utf-8")
    sys.stdout.write("".join(f"{step}\n" for step in schedule))
    pytest_configure()
    # Both end everything; what a script starts with `&` ignores the first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)

    log = Log(folder / "chaos.log")
    try:
        all_hold = run(schedule, seconds, folder, log)
    except KeyboardInterrupt:
        log.say(f"interrupted, and everything is ended; schedule and logs are in {folder}")
        return 130
    if all_hold:
        for data in ("postgres", "s3", "disks"):
            shutil.rmtree(folder / data, ignore_errors=True)
    log.say(f"{'all invariants hold' if all_hold else 'BROKEN'}; schedule and logs are in {folder}")
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
