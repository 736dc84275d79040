"""The snippets of docs/integrate.md, run as they stand there against the real API."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from gallery.settings import Settings, load_settings
from gallery.storage.bucket_rules import set_bucket_rules
from tests.conftest import PROJECT, Servers
from tests.e2e.browser.conftest import CHROMIUM, FLAGS
from tests.journeys import WAIT_SECONDS, photo, wait_until
from tests.second_api import CALLBACK_SECRET, SecondApi, free_port, running_api

pytestmark = pytest.mark.usefixtures("warm_runs")

HERE = Path(__file__).parent
# The bundle of all of Uppy, as npm has it. Newer versions may want other options.
UPPY = "uppy@6.0.1"
UPPY_INTEGRITY = "sha512-2OONMUNUHGBNkfSjNpWDhleeCeqm2oP+8NJRSxkkFVLmm3BbE7S+XCm45+jp36z7PCRuogtm1FgYPKa0iKbYAQ=="

PYTHON_DRIVER = """
import json, pathlib, sys
import httpx
import gallery_client

gallery_id = sys.argv[1]
body, headers = pathlib.Path("body").read_bytes(), json.loads(pathlib.Path("headers").read_text())
content = pathlib.Path("a.jpg").read_bytes()
files = [{"file_name": "a.jpg", "size": len(content), "content_type": "image/jpeg"}]
upload = gallery_client.presign(gallery_id, files, 17, "attempt-" + gallery_id)
assert gallery_client.presign(gallery_id, files, 17, "attempt-" + gallery_id)["upload_id"] == upload["upload_id"]
sent = upload["files"][0]
httpx.put(sent["url"], content=content, headers=sent["headers"]).raise_for_status()
gallery_client.complete(upload["upload_id"])
shown = [image["file_name"] for image in gallery_client.images(sys.argv[2])]
message = gallery_client.callback(body, headers)
try:
    gallery_client.callback(body + b" ", headers)
except Exception:
    print(json.dumps({"upload_id": upload["upload_id"], "shown": shown, "type": message["type"]}))
"""
NODE_DRIVER = """
import { readFileSync } from "node:fs";
import * as gallery from "./gallery.mjs";

const [galleryId, shownId] = process.argv.slice(2);
const [body, headers] = [readFileSync("body", "utf8"), JSON.parse(readFileSync("headers", "utf8"))];
const content = readFileSync("a.jpg");
const files = [{ file_name: "a.jpg", size: content.length, content_type: "image/jpeg" }];
const upload = await gallery.presign(galleryId, files, 17, "attempt-" + galleryId);
const sent = upload.files[0];
const stored = await fetch(sent.url, { method: sent.method, body: content, headers: sent.headers });
if (!stored.ok) throw new Error(await stored.text());
await gallery.complete(upload.upload_id);
const shown = (await gallery.images(shownId)).images.map((image) => image.file_name);
const message = gallery.callback(body, headers);
let forged = true;
try { gallery.callback(body + " ", headers); } catch { forged = false; }
if (forged) throw new Error("a changed body passed");
console.log(JSON.stringify({ upload_id: upload.upload_id, shown, type: message.type }));
"""


def snippet(language: str) -> str:
    """The one block of this language in the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", (PROJECT / "docs/integrate.md").read_text(), re.M | re.S)
    return str(found)


@pytest.fixture(scope="module")
def environment(second_api: SecondApi, servers: Servers) -> dict[str, str]:
    return {
        **os.environ,
        "GALLERY_API_URL": second_api.url,
        "GALLERY_API_KEY": servers.info.api_key,
        "GALLERY_CALLBACK_SECRET": CALLBACK_SECRET,
    }


@pytest.fixture(scope="module")
def folder(second_api: SecondApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery that was sent before, with the callback that came for it."""
    folder = tmp_path_factory.mktemp("application")
    status = second_api.ingest("integrate-shown", {"shown.jpg": photo(5)})
    received = second_api.application.wait_for(status["upload_id"])[0]
    (folder / "body").write_bytes(received.body)
    (folder / "headers").write_text(json.dumps(received.headers))
    (folder / "a.jpg").write_bytes(photo(6))
    return folder


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(second_api: SecondApi, printed: str) -> None:
    result = json.loads(printed)
    assert (result["shown"], result["type"]) == (["shown.jpg"], "upload.completed")
    status = second_api.status(result["upload_id"])
    assert status["state"] != "open"
    assert status["metadata"] == {"order": 17}


def test_the_python_client_goes_all_the_way(
    second_api: SecondApi, folder: Path, environment: dict[str, str], gallery_id: str
) -> None:
    (folder / "gallery_client.py").write_text(snippet("python"))
    (folder / "driver.py").write_text(PYTHON_DRIVER)
    check(second_api, run([sys.executable, "driver.py", gallery_id, "integrate-shown"], folder, environment))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_node_client_goes_all_the_way(
    second_api: SecondApi, folder: Path, environment: dict[str, str], gallery_id: str
) -> None:
    (folder / "gallery.mjs").write_text(snippet("js"))
    (folder / "driver.mjs").write_text(NODE_DRIVER)
    check(second_api, run(["node", "driver.mjs", gallery_id, "integrate-shown"], folder, environment))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_command_makes_a_link(second_api: SecondApi, folder: Path, environment: dict[str, str]) -> None:
    link = json.loads(run(["bash", "-c", snippet("bash")], folder, environment))
    answer = httpx.get(
        f"{second_api.url}/v1/galleries/summer-wedding/images", headers={"Authorization": f"Bearer {link['token']}"}
    )
    assert answer.status_code in (200, 404)


RAILS = ["ruby", "-e", "require 'logger'; require 'action_controller'; require 'rack/mock'"]


@pytest.mark.skipif(
    shutil.which("ruby") is None or subprocess.run(RAILS, capture_output=True, check=False).returncode != 0,
    reason="needs Ruby with Action Pack: apt-get install ruby ruby-actionpack",
)
def test_the_rails_controllers_go_all_the_way(
    second_api: SecondApi, folder: Path, environment: dict[str, str], gallery_id: str
) -> None:
    (folder / "gallery_api.rb").write_text(snippet("ruby"))
    (folder / "controllers.rb").write_text(snippet("rb"))
    shutil.copy(HERE / "shop.rb", folder)
    check(second_api, run(["ruby", "shop.rb", gallery_id, "integrate-shown"], folder, environment))


@pytest.fixture(scope="module")
def uppy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of Uppy's bundle."""
    if CHROMIUM is None or shutil.which("npm") is None:
        pytest.skip("needs Chromium and npm: apt-get install chromium npm")
    folder = tmp_path_factory.mktemp("uppy")
    # The one server that is not on loopback.
    outside = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    packed = subprocess.run(["npm", "pack", UPPY], cwd=folder, env=outside, capture_output=True, text=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"npm cannot fetch {UPPY}: {packed.stderr.strip().splitlines()[-1]}")
    archive = folder / packed.stdout.split()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == UPPY_INTEGRITY
    with tarfile.open(archive) as files:
        bundle = files.extractfile("package/dist/uppy.min.mjs")
        assert bundle is not None
        return bundle.read().decode()


@contextmanager
def running_shop(folder: Path, environment: dict[str, str], port: int, gallery_id: str) -> Iterator[str]:
    """The Django application; the session cookie of somebody who has the gallery."""
    with (folder / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shop", str(port), gallery_id],
            cwd=folder,
            env={
                **environment,
                "SHOP_DATABASE": str(folder / "shop.sqlite3"),
                "SHOP_SECRET_KEY": os.urandom(32).hex(),
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        assert session, (folder / "shop.log").read_text()

        def answers() -> bool | None:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/uppy-core.mjs").is_success
            except httpx.TransportError:
                return None

        wait_until(answers, "the shop to be up")
        yield session
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("method", ["post", "put"])
def test_uppy_sends_a_gallery_through_the_django_views(
    uppy: str,
    second_api: SecondApi,
    servers: Servers,
    warm: list[str],
    settings: Settings,
    environment: dict[str, str],
    gallery_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    shop = Path(shutil.copytree(HERE / "shop", tmp_path / "shop"))
    (shop / "gallery_client.py").write_text(snippet("python"))
    (shop / "views.py").write_text(snippet("py"))
    (shop / "uppy.js").write_text(snippet("javascript"))
    (shop / "uppy.min.mjs").write_text(uppy)
    photographs = {f"Ünïcode {number}.jpg": photo(number) for number in range(5)}
    for name, content in photographs.items():
        (tmp_path / name).write_bytes(content)
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    gallery = {
        **servers.environment,
        "GALLERY_CORS_ORIGINS": origin,
        "GALLERY_PRESIGN_METHOD": method,
        "GALLERY_CALLBACK_URL": second_api.application.url,
        "GALLERY_CALLBACK_SECRET": CALLBACK_SECRET,
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, servers.environment[name])
    # As `gallery setup` does.
    set_bucket_rules(load_settings(gallery))
    try:
        with (
            running_api(warm, gallery, tmp_path / "api.log") as url,
            running_shop(tmp_path, environment | {"GALLERY_API_URL": url}, port, gallery_id) as session,
        ):
            send_with_uppy(origin, session, gallery_id, [tmp_path / name for name in photographs])
            (message,) = second_api.application.wait_for_gallery(gallery_id)
            signed = {name: value for name, value in message.headers.items() if name.startswith("webhook-")}
            answers = [
                httpx.post(f"{origin}/gallery-callbacks", content=body, headers=signed).status_code
                for body in (message.body, message.body + b" ")
            ]
    finally:
        set_bucket_rules(settings)
    assert answers == [204, 401]
    assert message.verified()["counts"]["saved"] == len(photographs)
    shown = second_api.http.get(f"/v1/galleries/{gallery_id}/images").json()["images"]
    assert {image["file_name"] for image in shown} == set(photographs)


def send_with_uppy(origin: str, session: str, gallery_id: str, files: list[Path]) -> None:
    """What a photographer does in the shop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        with page.expect_response(lambda answer: answer.url.endswith("/complete")) as completed:
            page.goto(f"{origin}/?gallery={gallery_id}")
            page.get_by_label("Photographs").set_input_files(files)
            expect(page).to_have_title(f"{len(files)} sent, 0 failed", timeout=WAIT_SECONDS * 1000)
        assert completed.value.status == 202
        assert errors == []
        browser.close()
