"""Encrypted connections to the catalogue. PostgreSQL's part is PgBouncer's: the embedded one is built without TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from sqlalchemy import text

from gallery.catalogue.connect import connect, transaction
from gallery.errors import TransientError
from gallery.settings import Settings
from tests.conftest import Servers
from tests.pgbouncer import PgBouncer, pgbouncer


class Authority:
    """A certificate for 127.0.0.1 that is its own authority."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate, self.key = folder / "tests.crt", folder / "tests.key"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.key.touch(mode=0o600)
        self.key.write_bytes(private)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the server's certificate is of."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypting(stores: Servers, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """A server that accepts encrypted connections only."""
    folder = tmp_path_factory.mktemp("encrypting") / "pgbouncer"
    tls = {
        "client_tls_sslmode": "require",
        "client_tls_key_file": authority.key,
        "client_tls_cert_file": authority.certificate,
    }
    with pgbouncer(folder, [stores.info.database_url], {"catalogue": ""}, pool_mode="transaction", **tls) as running:
        yield running


def is_encrypted(settings: Settings, url: str) -> bool:
    own = settings.model_copy(update={"database_url": SecretStr(url)})
    engine = connect(own, application="tests", connections=1)
    try:
        with transaction(engine) as session:
            driver = session.connection().connection.driver_connection
            assert driver is not None
            return bool(driver.pgconn.ssl_in_use and session.scalar(text("SELECT true")))
    finally:
        engine.dispose()


def test_a_server_that_demands_tls_gets_it(settings: Settings, encrypting: PgBouncer, authority: Authority) -> None:
    url = encrypting.url("catalogue")
    for more in ("", "?sslmode=require", f"?sslmode=verify-full&sslrootcert={authority.certificate}"):
        assert is_encrypted(settings, f"{url}{more}")


def test_what_is_wrong_with_tls_is_said_in_one_line(
    settings: Settings, encrypting: PgBouncer, authority: Authority, tmp_path: Path
) -> None:
    url = encrypting.url("catalogue")
    verified = f"{url}?sslmode=verify-full&sslrootcert="
    for address, advice in {
        f"{url}?sslmode=disable": "the server accepts encrypted connections only: put sslmode=require into",
        f"{verified}{Authority(tmp_path).certificate}": "put sslrootcert=FILE into GALLERY_DATABASE_URL",
        f"{verified}{tmp_path}/nowhere": "put sslrootcert=FILE into GALLERY_DATABASE_URL",
        f"{verified}{authority.certificate}".replace("@127.0.0.1", "@localhost"): "use that name in GALLERY_DATABASE",
    }.items():
        with pytest.raises(TransientError) as error:
            is_encrypted(settings, address)
        assert advice in str(error.value)
        assert "\n" not in str(error.value)
