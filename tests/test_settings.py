"""Settings: named when missing or wrong, never echoed, read from nothing but what is handed in."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gallery.errors import ConfigurationError
from gallery.settings import load_processing_settings, load_settings

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
    assert settings.sqlalchemy_url == f"postgresql+psycopg://gallery:{SECRET}@db:5432/catalogue"
    assert (settings.max_pixels, settings.max_file_bytes) == (200_000_000, 200 * 1024 * 1024)
    assert (settings.keep_replaced_days, str(settings.home)) == (0, ".gallery")
    assert (settings.api_keys, settings.webhook_secrets, settings.s3_endpoint_url) == ([], [], None)


def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({**GOOD, "GALLERY_API_KEYS": f"a:{SECRET}"})
    assert SECRET not in repr(settings) + str(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GALLERY_DATABASE_URL", f"mysql://u:{SECRET}@h/d"),
        ("GALLERY_DATABASE_URL", SECRET),
        ("GALLERY_DATABASE_URL", f"postgresql://u:p@h:{SECRET}/d"),
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
