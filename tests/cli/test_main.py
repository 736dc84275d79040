"""The `gallery` command as a person or a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import psycopg
import pytest

from gallery.local.definition import NAMES
from gallery.local.supervisor.home import Home
from tests.command import error_of, gallery
from tests.conftest import PARTNER_KEY, ROTATED_SECRET, Servers
from tests.journeys import photo, write_folder


@pytest.mark.parametrize("command", ["serve", "setup", "migrate"])
def test_missing_settings_are_named_in_one_line(tmp_path: Path, command: str) -> None:
    line = error_of(gallery(command, home=tmp_path))
    for name in ("GALLERY_DATABASE_URL", "GALLERY_UPLOADS_BUCKET", "GALLERY_LIBRARY_BUCKET"):
        assert f"{name}" in line


SETTINGS = {
    "GALLERY_DATABASE_URL": "postgresql://gallery:a-secret-word@127.0.0.1:9/catalogue",
    "GALLERY_UPLOADS_BUCKET": "uploads",
    "GALLERY_LIBRARY_BUCKET": "library",
}


@pytest.mark.parametrize("command", ["migrate", "setup"])
def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path, command: str) -> None:
    line = error_of(gallery(command, home=tmp_path, **SETTINGS))
    assert line.startswith("the catalogue's database: ")
    assert "a-secret-word" not in line


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: str) -> None:
    assert error_of(gallery("serve", home=tmp_path, GALLERY_API_PORT=port, **SETTINGS)).startswith("GALLERY_API_PORT ")


def test_ingest_with_nothing_to_talk_to_says_how_to_start_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos", {"a.jpg": b"x"})
    line = error_of(gallery("ingest", folder, "--gallery", "g", home=tmp_path / "home"))
    assert "gallery up" in line
    assert "GALLERY_API_URL" in line
    line = error_of(gallery("ingest", folder, "--gallery", "g", home=tmp_path, GALLERY_API_URL="http://127.0.0.1:9"))
    assert line.startswith("GALLERY_API_URL and GALLERY_API_KEY belong together")


def test_ingest_of_what_is_no_gallery_is_one_line(servers: Servers, tmp_path: Path) -> None:
    api = {"GALLERY_API_URL": servers.info.api_url, "GALLERY_API_KEY": servers.info.api_key}
    empty, full = write_folder(tmp_path / "empty", {".hidden": b"x"}), write_folder(tmp_path / "full", {"a": b"x"})
    for folder, gallery_id, why in (
        (tmp_path / "none", "g", "is not there"),
        (full / "a", "g", "is not a folder"),
        (empty, "g", "has no files to send"),
        (full, "Not A Slug", "gallery_id must be a slug"),
        (full, "../up", "gallery_id must be a slug"),
    ):
        assert why in error_of(gallery("ingest", folder, "--gallery", gallery_id, "--json", home=tmp_path, **api))
    wrong = {**api, "GALLERY_API_KEY": "a-wrong-key"}
    line = error_of(gallery("ingest", full, "--gallery", "g", home=tmp_path, **wrong))
    assert "key" in line
    assert "a-wrong-key" not in line


def test_a_question_needs_a_terminal(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos", {"a.jpg": b"x"})
    line = error_of(gallery("ingest", folder, "--gallery", "g", "--on-conflict", "ask", home=tmp_path / "home"))
    assert line.startswith("--on-conflict ask needs a terminal")
    assert "keep-both, skip or replace" in line


@pytest.mark.parametrize("options", [(), ("--json",), ("--dry-run",)], ids=["plain", "json", "dry run"])
def test_a_closed_input_is_no_terminal(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = write_folder(tmp_path / "photos", {"a.jpg": b"x"})
    closed = ("sh", "-c", 'exec "$@" <&-', "sh")
    done = gallery("ingest", folder, "--gallery", "g", *options, home=tmp_path / "home", start=closed)
    assert "gallery up" in error_of(done)


@pytest.mark.usefixtures("warm_runs")
def test_ingest_prints_one_object_and_its_status_tells_whether_all_is_well(
    servers: Servers, gallery_id: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "photos", {"a.jpg": photo(1), "b.jpg": photo(2), "letter.jpg": b"Dear"})
    api = {"GALLERY_API_URL": servers.info.api_url, "GALLERY_API_KEY": servers.info.api_key}
    done = gallery("ingest", folder, "--gallery", gallery_id, "--json", home=tmp_path, **api)
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {
        "gallery_id",
        "upload_id",
        "flow_run_id",
        "flow_run_url",
        "state",
        "image_count",
        "counts",
        "duration_seconds",
        "images_per_second",
        "problems",
        "skipped",
        "notes",
    }
    assert (result["state"], result["image_count"]) == ("completed_with_rejects", 3)
    assert (result["counts"]["saved"], result["counts"]["rejected"]) == (2, 1)
    assert [problem["file_name"] for problem in result["problems"]] == ["letter.jpg"]
    assert servers.info.api_key not in done.stdout + done.stderr

    again = gallery("retry", result["upload_id"], "--json", home=servers.home)
    assert again.returncode == 1, again.stderr
    retried = json.loads(again.stdout)
    assert {**retried, "duration_seconds": 0, "images_per_second": 0} == {
        **result,
        "duration_seconds": 0,
        "images_per_second": 0,
    }
    assert "upload no-such-upload is not known" in error_of(gallery("retry", "no-such-upload", home=servers.home))


def test_process_prints_one_object_a_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", {"a.jpg": photo(1, (1600, 1200)), "letter.jpg": b"Dear"})
    out = tmp_path / "out"
    done = gallery("process", folder / "a.jpg", folder / "letter.jpg", "--out", out, "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    for line in (good, bad):
        assert {"file", "outcome", "reason", "width", "height", "renditions"} <= set(line)
    assert (good["file"], good["outcome"], good["reason"]) == (str(folder / "a.jpg"), "ok", None)
    assert (good["width"], good["height"]) == (1600, 1200)
    sizes = {item["style"]: (item["width"], item["height"]) for item in good["renditions"]}
    assert sizes == {"large": (1600, 1200), "medium": (1024, 768), "thumb": (320, 240)}
    for item in good["renditions"]:
        assert set(item) == {"style", "path", "width", "height", "bytes"}
        assert Path(item["path"]).stat().st_size == item["bytes"]
        assert Path(item["path"]).is_relative_to(out)
    assert (bad["outcome"], bad["reason"], bad["renditions"]) == ("rejected", "not_an_image", [])


def test_status_of_a_stack_that_does_not_run_says_so(tmp_path: Path) -> None:
    for arguments in (["status"], ["status", "--json"]):
        assert "the local stack is not running" in error_of(gallery(*arguments, home=tmp_path / "home"))


def test_status_tells_all_that_a_caller_needs(servers: Servers) -> None:
    done = gallery("status", "--json", home=servers.home)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert {
        "api_url",
        "api_key",
        "webhook_secret",
        "prefect_api_url",
        "prefect_ui_url",
        "database_url",
        "analytics_database_url",
        "s3_endpoint_url",
        "s3_access_key",
        "s3_secret_key",
        "uploads_bucket",
        "library_bucket",
        "pids",
    } <= set(status)
    assert (status["api_url"], status["api_key"]) == (servers.info.api_url, servers.info.api_key)
    with psycopg.connect(status["analytics_database_url"]) as connection:
        assert connection.info.user == "gallery_analyst"
    assert set(status["pids"]) == {"postgres", "prefect_server", "worker", "api"}
    # As the stack was started with it, by another shell.
    assert status["s3_endpoint_url"] == servers.s3.url


@pytest.mark.parametrize("command", ["sweep --delete", "up", "history"])
def test_a_shell_with_other_servers_than_the_running_stack_is_refused(servers: Servers, command: str) -> None:
    line = error_of(gallery(*command.split(), home=servers.home, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9"))
    assert line.startswith(f"this shell has another AWS_ENDPOINT_URL_S3 than the running stack in {servers.home} ")
    assert "gallery down" in line


def test_a_stack_that_does_not_run_has_no_say(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    assert "127.0.0.1" in error_of(gallery("migrate", home=tmp_path, **SETTINGS))


def test_no_secret_is_an_argument_of_a_process_or_stands_in_a_log(servers: Servers) -> None:
    homes = (servers.home, servers.store.home)
    own = [item for home in homes for item in json.loads((home / "credentials.json").read_text()).items()]
    secrets = {value for name, value in own if name != "s3_access_key"} | {PARTNER_KEY, ROTATED_SECRET}
    assert len(secrets) >= 8
    token = Home(servers.home, NAMES).load().token
    arguments = [line for process in psutil.process_iter() for line in _arguments(process, token)]
    assert len(arguments) > 20
    assert [line for line in arguments if any(secret in line for secret in secrets)] == []
    logs = [log for home in homes for log in (home / "logs").iterdir()]
    assert len(logs) >= 5
    for log in logs:
        text = log.read_text(encoding="utf-8", errors="replace")
        assert [line for line in text.splitlines() if any(secret in line for secret in secrets)] == [], log.name


def _arguments(process: psutil.Process, token: str) -> list[str]:
    try:
        return process.cmdline() if process.environ().get(NAMES.token_variable) == token else []
    except psutil.Error:
        return []
