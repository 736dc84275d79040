"""The snippets of docs/integrate.md, run as they stand there against the real API."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import PROJECT, Servers
from tests.journeys import photo
from tests.second_api import CALLBACK_SECRET, SecondApi

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
