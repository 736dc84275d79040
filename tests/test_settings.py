"""Settings: named when missing or wrong, never echoed, read from nothing but what is handed in."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gallery.errors import ConfigurationError
from gallery.settings import (
    InheritedSettings,
    Settings,
    analyst_database_url,
    catalogue_database_url,
    inherited_variables,
    load_client_settings,
    load_inherited_settings,
    load_processing_settings,
    load_serving_settings,
    load_settings,
    load_stack_settings,
    postgresql_url,
    variables_of,
)

SECRET = "a-word-that-must-not-appear"
KEY = "0123456789abcdef"
GOOD = {
    "GALLERY_DATABASE_URL": f"postgresql://gallery:{SECRET}@db:5432/catalogue",
    "GALLERY_UPLOADS_BUCKET": "uploads",
    "GALLERY_LIBRARY_BUCKET": "library",
}


def test_what_is_required_is_named_all_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings({})
    for name in ("GALLERY_DATABASE_URL (or GALLERY_DATABASE_URL_FILE)", *list(GOOD)[1:]):
        assert f"{name} is not set: " in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_not_required_has_the_documented_default() -> None:
    settings = load_settings(GOOD)
    assert settings.database_url.get_secret_value() == f"postgresql://gallery:{SECRET}@db:5432/catalogue"
    assert (settings.max_pixels, settings.max_file_bytes) == (200_000_000, 200 * 1024 * 1024)
    assert settings.keep_replaced_days == 0
    assert (settings.api_keys, settings.webhook_secrets, settings.s3_endpoint_url) == ([], [], None)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgres://u:p@h1:1,h2/d?sslmode=require&target_session_attrs=read-write",
         "postgresql://u:p@h1:1,h2/d?sslmode=require&target_session_attrs=read-write"),
        ("postgresql://u:p%40s@[::1]/d?channel_binding=require", "postgresql://u:p%40s@[::1]/d?channel_binding=require"),
    ],
    ids=["heroku", "sqlalchemy", "several-hosts", "escaped"],
)  # fmt: skip
def test_a_databases_address_has_the_forms_that_providers_hand_out(given: str, meant: str) -> None:
    assert load_settings({**GOOD, "GALLERY_DATABASE_URL": given}).database_url.get_secret_value() == meant
    assert postgresql_url(given) == meant


@pytest.mark.parametrize("more", ["pgbouncer=true", "sslmode=require&pool_mode=transaction", "connection_limit=1"])
def test_a_parameter_that_postgresql_does_not_have_is_named(more: str) -> None:
    name = more.rpartition("&")[2].partition("=")[0]
    with pytest.raises(ConfigurationError) as error:
        load_settings({**GOOD, "GALLERY_DATABASE_URL": f"{GOOD['GALLERY_DATABASE_URL']}?{more}"})
    assert f"PostgreSQL has no parameter {name!r}: remove it from the address" in str(error.value)
    assert SECRET not in str(error.value)


def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({**GOOD, "GALLERY_API_KEYS": f"a:{SECRET}"})
    assert SECRET not in repr(settings) + str(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GALLERY_DATABASE_URL", f"mysql://u:{SECRET}@h/d"),
        ("GALLERY_DATABASE_URL", SECRET),
        ("GALLERY_DATABASE_URL", f"postgresql://u:p@h:{SECRET}/d"),
        ("GALLERY_DATABASE_URL", f"postgresql://u:p@{SECRET}@h/d"),
        ("GALLERY_DATABASE_URL", f"postgresql://u:1/{SECRET}@h/d"),
        ("GALLERY_DATABASE_URL", f"postgresql://u:%%{SECRET}@h/d"),
        ("GALLERY_DATABASE_URL", f"postgresql://u:{SECRET}@h/d?connect_timeout=soon"),
        ("GALLERY_API_KEYS", SECRET),
        ("GALLERY_API_KEYS", f"name:{KEY},{SECRET}"),
        ("GALLERY_API_KEYS", f"a name:{SECRET}"),
        ("GALLERY_API_KEYS", "name:short"),
        ("GALLERY_WEBHOOK_SECRETS", SECRET),
        ("GALLERY_WEBHOOK_SECRETS", "whsec_c2hvcnQ="),
        ("GALLERY_WEBHOOK_SECRETS", "whsec_" + "A" * 33),
        ("GALLERY_S3_ENDPOINT_URL", "s3.example.org"),
        ("GALLERY_UPLOADS_BUCKET", "x"),
        ("GALLERY_LIBRARY_BUCKET", "uploads"),
        ("GALLERY_MAX_PIXELS", "0"),
        ("GALLERY_MAX_PIXELS", "many"),
        ("GALLERY_MAX_FILE_BYTES", "200MB"),
        ("GALLERY_MAX_FILE_BYTES", "-1"),
        ("GALLERY_RETRIES", "-1"),
        ("GALLERY_KEEP_REPLACED_DAYS", "-1"),
    ],
)
def test_what_is_wrong_is_named_and_its_value_is_not_told(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings({**GOOD, name: value})
    assert str(error.value).startswith(f"{name} is wrong: ")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("given", "size"), [("1000", 1000), ("2KiB", 2048), ("3 MiB", 3 << 20), ("1GiB", 1 << 30), (" 5 ", 5)]
)
def test_sizes_may_have_a_unit(given: str, size: int) -> None:
    assert load_settings({**GOOD, "GALLERY_MAX_FILE_BYTES": given}).max_file_bytes == size


def test_lists_are_set_off_by_commas() -> None:
    secrets = ["whsec_" + base64.b64encode(bytes([n] * 24)).decode() for n in range(2)]
    settings = load_settings(
        {
            **GOOD,
            "GALLERY_API_KEYS": f"a:{KEY}, b:{KEY}b,",
            "GALLERY_WEBHOOK_SECRETS": ",".join(secrets),
        }
    )
    assert [key.get_secret_value() for key in settings.api_keys] == [f"a:{KEY}", f"b:{KEY}b"]
    assert [secret.get_secret_value() for secret in settings.webhook_secrets] == secrets


def test_a_secret_may_be_given_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(GOOD["GALLERY_DATABASE_URL"] + "\n")
    given = {**GOOD, "GALLERY_DATABASE_URL": "", "GALLERY_DATABASE_URL_FILE": str(file)}
    assert load_settings(given) == load_settings(GOOD)
    # The value itself goes before the file.
    assert load_settings({**GOOD, "GALLERY_DATABASE_URL_FILE": str(tmp_path / "none")}) == load_settings(GOOD)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^GALLERY_API_KEYS_FILE: .*keys"):
        load_settings({**GOOD, "GALLERY_API_KEYS_FILE": str(file)})


def test_the_endpoint_of_s3_may_come_from_awss_own_variable() -> None:
    aws = {"AWS_ENDPOINT_URL_S3": "https://aws.example"}
    assert load_settings({**GOOD, **aws}).s3_endpoint_url == "https://aws.example"
    own = {"GALLERY_S3_ENDPOINT_URL": "https://own.example/"}
    assert load_settings({**GOOD, **aws, **own}).s3_endpoint_url == "https://own.example"


def test_only_what_is_handed_in_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLERY_MAX_PIXELS", "7")
    assert load_settings(GOOD).max_pixels == 200_000_000
    assert load_processing_settings().max_pixels == 7


def test_processing_needs_no_server() -> None:
    assert load_processing_settings({}).max_pixels == 200_000_000


def test_the_api_is_served_on_loopback_unless_told_otherwise() -> None:
    serving = load_serving_settings({})
    assert (serving.api_host, serving.api_port) == ("127.0.0.1", 8000)
    serving = load_serving_settings({"GALLERY_API_HOST": "0.0.0.0", "GALLERY_API_PORT": "80"})
    assert (serving.api_host, serving.api_port) == ("0.0.0.0", 80)
    for port in ("http", "0", "65536", "-1", "8.0"):
        with pytest.raises(ConfigurationError) as error:
            load_serving_settings({"GALLERY_API_PORT": port})
        assert str(error.value) == "GALLERY_API_PORT is wrong: must be a port's number, 1 to 65535"


def test_a_client_has_an_address_and_a_key_or_neither() -> None:
    assert load_client_settings({}).api_url is None
    api = {"GALLERY_API_URL": "http://api", "GALLERY_API_KEY": SECRET}
    client = load_client_settings(api)
    assert client.api_key is not None
    assert (client.api_url, client.api_key.get_secret_value()) == ("http://api", SECRET)
    assert SECRET not in repr(client)
    for name, value in api.items():
        with pytest.raises(ConfigurationError) as error:
            load_client_settings({name: value})
        assert str(error.value) == "GALLERY_API_URL and GALLERY_API_KEY belong together: set both, or neither"


def test_the_history_is_read_at_the_analysts_address_before_the_catalogues(tmp_path: Path) -> None:
    unreadable = {"GALLERY_DATABASE_URL_FILE": str(tmp_path / "none")}
    assert analyst_database_url({}) is catalogue_database_url({}) is None
    assert catalogue_database_url({"GALLERY_DATABASE_URL": "own"}) == "own"
    assert analyst_database_url({**unreadable, "GALLERY_ANALYTICS_DATABASE_URL": "analyst"}) == "analyst"
    file = tmp_path / "url"
    file.write_text("analyst\n")
    named = {"GALLERY_DATABASE_URL": "own", "GALLERY_ANALYTICS_DATABASE_URL_FILE": str(file)}
    assert analyst_database_url(named) == "analyst"
    file.write_text("")
    assert analyst_database_url(named) is None
    with pytest.raises(ConfigurationError, match=r"^GALLERY_DATABASE_URL_FILE: cannot read "):
        catalogue_database_url(unreadable)


def test_a_setting_has_the_variables_that_can_give_it() -> None:
    assert variables_of("GALLERY_UPLOADS_BUCKET") == ("GALLERY_UPLOADS_BUCKET",)
    assert variables_of("GALLERY_DATABASE_URL") == ("GALLERY_DATABASE_URL", "GALLERY_DATABASE_URL_FILE")
    assert variables_of("GALLERY_S3_ENDPOINT_URL") == ("GALLERY_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    assert variables_of("PREFECT_API_URL") == ("PREFECT_API_URL",)


def test_what_the_local_stack_takes_over_is_known_by_the_settings_variable(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:p@db/c\n")
    given = {"GALLERY_DATABASE_URL_FILE": str(file), "AWS_ENDPOINT_URL_S3": "http://s3", "GALLERY_UPLOADS_BUCKET": ""}
    expected = {"GALLERY_DATABASE_URL": "postgresql://u:p@db/c", "GALLERY_S3_ENDPOINT_URL": "http://s3"}
    assert inherited_variables(given) == expected


def test_the_local_stack_is_described_by_its_folder_and_ports() -> None:
    assert load_stack_settings({}).home is None
    assert load_stack_settings({"GALLERY_HOME": "there"}).home == Path("there")
    # A wrong port is refused when the part starts, so that the stack can be stopped all the same.
    assert load_stack_settings({"GALLERY_S3_PORT": " http "}).ports() == {
        "GALLERY_POSTGRES_PORT": None,
        "GALLERY_S3_PORT": "http",
        "GALLERY_PREFECT_PORT": None,
        "GALLERY_API_PORT": None,
    }


def test_what_the_local_stack_takes_over_is_not_checked_there(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("not a key\n")
    given = load_inherited_settings({"GALLERY_API_KEYS_FILE": str(file), "AWS_ENDPOINT_URL_S3": "nowhere"})
    assert (given.api_keys, given.s3_endpoint_url, given.database_url) == ("not a key", "nowhere", None)
    assert "not a key" not in repr(given)
    assert InheritedSettings.model_fields.keys() <= Settings.model_fields.keys()
