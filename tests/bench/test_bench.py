"""`python -m bench` on the tests' own stack, with three small photographs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import PIL
import pytest
from sqlalchemy import Engine

import bench.__main__ as command
from bench.results import Measured, Results
from bench.runs import measure, observe_program
from bench.servers import Servers as BenchServers
from bench.staging import stage
from gallery.client.folder import LocalFile
from gallery.errors import GalleryError
from gallery.storage.s3 import Storage
from tests.conftest import Servers

PROCESSES = {"worker", "prefect_server", "postgres", "s3", "api"}
FIGURES = {"images_per_second", "cpu_seconds_per_image", "peak_rss_mb", "seconds_to_first_image"}
MEASURED = ("pipeline", "bare_loop", "former_way", "naive_prefect")


@pytest.fixture
def bench_servers(servers: Servers, engine: Engine, storage: Storage) -> BenchServers:
    (servers.home / "logs").mkdir(exist_ok=True)
    # As they are now: another test may have started the worker anew.
    info = replace(servers.info, pids=servers.pids)
    return BenchServers(servers.home, info, servers.environment, engine, storage)


@pytest.mark.full
def test_every_variant_saves_every_image_and_is_measured(
    bench_servers: BenchServers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def the_tests_own(_: Path) -> Iterator[BenchServers]:
        yield bench_servers

    monkeypatch.setattr(command, "running_servers", the_tests_own)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "home"))
    size = ["--images", "3", "--megapixels", "1", "--repeats", "1"]
    which = ["--variants", ",".join(MEASURED), "--json", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["bench", *size, *which])
    command.main()

    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["megapixels"], found["left_out"]) == (3, 1.0, {})
    assert found["pillow"] == PIL.__version__
    assert list(found["variants"]) == list(MEASURED)
    for name, variant in found["variants"].items():
        assert variant.keys() >= FIGURES
        by_process = variant["cpu_seconds_per_image_by_process"]
        assert by_process.keys() == PROCESSES
        # Python, Pillow and boto3 must be imported, and three photographs rendered.
        assert by_process["worker"] > 0.1, name
        assert variant["cpu_seconds_per_image"] == pytest.approx(sum(by_process.values()), abs=0.001)
        assert variant["peak_rss_mb"] > 50, name
        assert variant["other_load"] >= 0, name
        assert 0 < variant["seconds_to_first_image"] <= variant["seconds_in_all"], name
    assert found["variants"]["pipeline"]["front_door_seconds"] > found["variants"]["pipeline"]["seconds_in_all"]
    assert found["ratio_to_bare_loop"].keys() == set(MEASURED)
    assert found["ratio_to_bare_loop"]["bare_loop"] == 1.0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"results.json", "bench.svg", "bench.png"}
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == found
    # Nothing of it fills the disk.
    for bucket in (bench_servers.storage.uploads_bucket, bench_servers.storage.library_bucket):
        assert [page for page in bench_servers.storage.list_pages(bucket, "bench-") if page] == []


def test_a_run_that_does_not_save_every_image_is_no_measurement(
    bench_servers: BenchServers, gallery_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no photograph")
    staged = stage(bench_servers, [LocalFile("broken.jpg", path, 13, "image/jpeg")], gallery_id)
    module = "bench.peers.bare_loop"
    with pytest.raises(GalleryError, match="RejectedImage"):
        measure(bench_servers, staged, 1, lambda: observe_program(bench_servers, module, staged))


def run(seconds: float) -> Measured:
    return Measured(10, seconds, seconds + 1, 2.0, {"worker": seconds, "api": 1.0}, 100.0, 0.5)


def test_ratios_are_within_a_repetition_and_medians_over_all() -> None:
    runs = {"pipeline": [run(2), run(40), run(3)], "bare_loop": [run(1), run(30), run(3)]}
    found = Results(10, 24.0, runs, {"celery": "no Redis"}).to_json()
    # 1/2, 30/40 and 3/3: a repetition that a busy machine slows down counts for both.
    assert found["ratio_to_bare_loop"] == {"pipeline": 0.75, "bare_loop": 1.0}
    assert found["variants"]["pipeline"]["images_per_second"] == pytest.approx(10 / 3, abs=0.001)
    assert found["variants"]["pipeline"]["spread"]["images_per_second"] == [0.25, 5.0]
    assert found["variants"]["pipeline"]["cpu_seconds_per_image"] == pytest.approx(0.4)
    assert found["left_out"] == {"celery": "no Redis"}


def test_without_the_bare_loop_there_is_no_ratio() -> None:
    assert Results(10, 24.0, {"pipeline": [run(2)]}, {}).to_json()["ratio_to_bare_loop"] is None
