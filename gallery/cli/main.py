"""The `gallery` command. stdout carries the result, stderr the progress; errors are one line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from gallery.cli import history
from gallery.cli.target import the_api, the_project, the_stack, use_stack
from gallery.errors import ConfigurationError, GalleryError
from gallery.settings import load_processing_settings, load_serving_settings, load_settings

if TYPE_CHECKING:
    from gallery.client.result import IngestResult
    from gallery.models import Choice

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Takes whole photo galleries from S3 through download, process, save and cleanup.",
)
OnConflict = Literal["ask", "replace", "keep-both", "skip"]
CHOICES: Mapping[str, Choice] = {"replace": "replace", "keep-both": "keep_both", "skip": "skip"}
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DEMO_IMAGES = 24


@app.command()
def demo(
    images: Annotated[int, typer.Option(min=1, max=20_000, help="Images of the gallery that is made.")] = DEMO_IMAGES,
    photos: Annotated[Path | None, typer.Option(help="A folder of photographs to send instead.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local stack running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a gallery through everything, on embedded parts, and show what happened."""
    from gallery.demo.run import run_demo

    raise typer.Exit(run_demo(the_stack(), images=images, photos=photos, keep=keep, as_json=as_json))


@app.command()
def up() -> None:
    """Start the local stack: PostgreSQL, S3, Prefect server and worker, API."""
    from gallery.local.set_up import set_up_stack

    stack = the_stack()
    info = stack.start(progress=_say, set_up=set_up_stack(stack.project))
    print(f"API        {info.api_url}\nPrefect UI {info.prefect_ui_url}\nkeys and more: gallery status --json")


@app.command()
def down() -> None:
    """Stop the local stack; what it holds stays."""
    the_stack().stop(_say)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Where the local stack is. Exit status 2 where it does not run."""
    stack = the_stack()
    info = stack.info()
    if info is None:
        raise GalleryError("the local stack is not running: start it with `gallery up`")
    if as_json:
        print(json.dumps(info.as_json(), indent=2))
        return
    print(f"API        {info.api_url}\nPrefect UI {info.prefect_ui_url}\nS3         {info.s3_endpoint_url}")
    elsewhere = stack.elsewhere()
    for name, running in stack.running().items():
        absent = "is elsewhere" if name in elsewhere else "does not run"
        print(f"{name:<15}{f'runs, pid {info.pids[name]}' if running else absent}")


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="The folder of photographs.")],
    gallery: Annotated[str, typer.Option(help="The gallery's id, a slug like summer-wedding.")],
    on_conflict: Annotated[
        OnConflict | None,
        typer.Option(
            help="What to do with files whose names belong to other photographs of the gallery. Default: ask on a "
            "terminal, otherwise send nothing."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare the folder with the gallery.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload the files of a folder that the gallery does not have, through the API, and follow their ingest.

    GALLERY_API_URL and GALLERY_API_KEY say where; without them, the local stack. Exit status 0 only where every
    image was saved, replaced or unchanged, or skipped by choice; 3 where nothing was sent for want of a choice.
    """
    from gallery.client.api import GalleryClient
    from gallery.client.asking import ask_on_terminal
    from gallery.client.ingest import compare_folder, ingest_folder
    from gallery.client.progress import progress_on
    from gallery.client.summary import why_not_sent

    # Python has `None` for a stream that was closed before it began.
    can_ask = not as_json and all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
    if on_conflict == "ask" and not can_ask:
        raise ConfigurationError("--on-conflict ask needs a terminal, without --json: pass keep-both, skip or replace")
    # Before the progress bars put something else in its place.
    terminal = sys.stderr
    with GalleryClient(*the_api()) as client, progress_on(quiet=as_json) as progress:
        shown = partial(client.current_version, gallery)
        on_terminal = partial(ask_on_terminal, answers=sys.stdin, out=terminal, current_version=shown)
        ask = partial(on_terminal, progress=progress) if can_ask else None
        choice = ask if on_conflict in (None, "ask") else CHOICES[on_conflict]
        if dry_run:
            result = compare_folder(client, folder, gallery, progress)
        else:
            result = ingest_folder(client, folder, gallery, progress, on_conflict=choice)
    _print_result(result, as_json=as_json)
    if dry_run:
        return
    if result.comparison is not None:
        _say(f"gallery: {why_not_sent(result.comparison)}")
    raise typer.Exit(result.exit_status)


@app.command()
def retry(upload: Annotated[str, typer.Argument(help="The upload's id.")], as_json: AsJson = False) -> None:
    """Run an upload again that has ended, through the API, and follow it: it works only on what is not done.

    The same as Retry in the Prefect UI. Exit status as of `gallery ingest`.
    """
    from gallery.client.api import GalleryClient
    from gallery.client.ingest import retry_upload
    from gallery.client.progress import progress_on

    with GalleryClient(*the_api()) as client, progress_on(quiet=as_json) as progress:
        result = retry_upload(client, upload, progress)
    _print_result(result, as_json=as_json)
    raise typer.Exit(result.exit_status)


def _print_result(result: IngestResult, *, as_json: bool) -> None:
    from gallery.client.summary import print_summary

    if as_json:
        print(json.dumps(result.to_json()))
    else:
        print_summary(result, Console())


@app.command()
def process(
    files: Annotated[list[Path], typer.Argument(help="Image files.")],
    out: Annotated[Path, typer.Option(help="The folder for the renditions.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """The process stage alone, with no server: for trying styles."""
    from gallery.imaging.process import process_files
    from gallery.imaging.styles_file import load_limits, load_recipe

    settings = load_processing_settings()
    limits, recipe = load_limits(settings), load_recipe(settings)
    budget = settings.memory_budget
    try:
        for done in process_files(files, out, recipe, limits, processors=settings.processors, memory_budget=budget):
            if as_json:
                print(json.dumps(done.to_json()), flush=True)
            elif done.outcome == "ok":
                made = ", ".join(f"{item.style} {item.width} × {item.height}" for item in done.renditions)
                print(f"{done.file}: {done.width} × {done.height} → {made}", flush=True)
            else:
                print(f"{done.file}: rejected, {done.reason}: {done.message}", flush=True)
    except OSError as error:
        raise GalleryError(f"cannot write to {out}: {error.strerror or error}") from error


@app.command()
def serve() -> None:
    """Run the API alone, on GALLERY_API_HOST (default 127.0.0.1) and GALLERY_API_PORT (default 8000)."""
    address = load_serving_settings()
    settings = load_settings()

    import uvicorn

    from gallery.api.app import create_app
    from gallery.api.logs import logging_config

    uvicorn.run(
        create_app(settings),
        host=address.api_host,
        port=address.api_port,
        access_log=False,
        server_header=False,
        log_config=logging_config(),
    )


@app.command()
def migrate() -> None:
    """Bring the catalogue's tables to the newest version.

    Works on the local stack where that runs, else with the settings of its environment.
    """
    use_stack()
    _migrate()


def _migrate() -> None:
    from gallery.catalogue.connect import connect
    from gallery.catalogue.migrate import migrate as upgrade

    engine = connect(load_settings(), application="gallery-migrate", connections=1)
    upgrade(engine)
    engine.dispose()


@app.command()
def setup(
    remove_former_limit: Annotated[
        bool,
        typer.Option(
            "--remove-former-limit",
            help="Also remove the concurrency limit of release 0.1.0. Its runs fail without it: use this once no "
            "worker of 0.1.0 is left.",
        ),
    ] = False,
) -> None:
    """Set up catalogue, analysts' role, buckets, and Prefect's pool, queues, storage, deployments. Safe to repeat.

    Works on the local stack where that runs, else with the settings of its environment.
    """
    # Before Prefect is imported, which reads its settings then.
    use_stack()
    from gallery.catalogue.analyst import set_up_analyst
    from gallery.catalogue.connect import connect
    from gallery.local.set_up import set_up_prefect
    from gallery.storage.bucket_rules import set_bucket_rules
    from gallery.storage.s3 import Storage

    settings = load_settings()
    _migrate()
    engine = connect(settings, application="gallery-setup", connections=1)
    for sentence in set_up_analyst(engine, settings.analytics_password):
        _say(f"gallery: {sentence}")
    engine.dispose()
    Storage(settings).create_buckets()
    for sentence in set_bucket_rules(settings):
        _say(f"gallery: {sentence}")
    set_up_prefect(the_project(), os.environ)
    if remove_former_limit:
        from gallery import runs

        runs.remove_former_limit()


@app.command()
def check(as_json: AsJson = False) -> None:
    """Try every setting and permission: styles, database, buckets, Prefect. Exit status 1 where one is a problem.

    Works on the local stack where that runs, else with the settings of its environment.
    """
    from dataclasses import asdict

    # Before Prefect is imported, which reads its settings then.
    use_stack()
    from gallery.cli.check import check as checks

    found = []
    for checked in checks(load_settings()):
        found.append(checked)
        if not as_json:
            print(f"{'ok     ' if checked.problem is None else 'PROBLEM'}  {checked.name}", flush=True)
            if checked.problem is not None:
                print(f"         {checked.problem}", flush=True)
            if checked.reminder is not None:
                print(f"         note: {checked.reminder}", flush=True)
    if as_json:
        print(json.dumps([asdict(checked) for checked in found]))
    raise typer.Exit(1 if any(checked.problem for checked in found) else 0)


@app.command()
def sweep(
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this, only report.")] = False,
    grace_days: Annotated[
        int | None, typer.Option(min=2, max=3650, help="Leave alone what was written within so many days.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what nothing needs any more, in the buckets, the outbox and this machine's scratch folder.

    Works on the local stack where that runs, else with the settings of its environment. Exit status 1 where something
    was in the way.
    """
    from gallery.sweep.run import sweep as sweep_now

    use_stack()
    findings = sweep_now(load_settings(), dry_run=not delete, grace_days=grace_days)
    print(json.dumps(findings.to_json()) if as_json else findings.to_markdown())
    raise typer.Exit(0 if findings.is_whole else 1)


app.add_typer(history.app, name="history")
app.command()(history.failures)
app.command()(history.report)


def main() -> None:
    """Run the command; a `GalleryError` becomes one line on stderr and exit status 2."""
    # As for Ctrl-C: what a command has started, it ends.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except GalleryError as error:
        print(f"gallery: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("gallery: interrupted", file=sys.stderr)
        sys.exit(130)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
