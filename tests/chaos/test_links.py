"""A link passes everything on, until it is cut in one of three ways, and again once it is mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gallery.local.supervisor.ports import HOST
from tests.chaos.links import Link, Network

SECONDS = 20.0
# Long enough for an answer to come, if one did.
MOMENT = 0.3


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.close()


@pytest.fixture
def link(network: Network, echo: int) -> Link:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    return network.link(port, echo)


def connected(link: Link) -> socket.socket:
    connection = socket.create_connection((HOST, link.port), timeout=SECONDS)
    assert answer(connection, b"is it there?") == b"is it there?"
    return connection


def answer(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return received(connection, len(data))


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def test_much_passes_both_ways(link: Link) -> None:
    data = bytes(range(256)) * 4096
    with connected(link) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert received(connection, len(data)) == data
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_one_that_refuses_takes_no_new_connection_and_keeps_the_old(network: Network, link: Link) -> None:
    with connected(link) as old:
        with network.cut(link, "refuse"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, link.port), timeout=SECONDS)
            assert answer(old, b"still") == b"still"
        connected(link).close()


def test_one_that_is_reset_breaks_connections_and_takes_no_new_one(network: Network, link: Link) -> None:
    with connected(link) as old:
        with network.cut(link, "reset"):
            with pytest.raises(ConnectionResetError):
                old.recv(1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, link.port), timeout=SECONDS)
        connected(link).close()


def test_silence_holds_everything_back_until_it_is_mended(network: Network, link: Link) -> None:
    with connected(link) as old:
        with network.cut(link, "silence"):
            assert network.is_cut(link)
            old.sendall(b"late")
            new = socket.create_connection((HOST, link.port), timeout=SECONDS)
            new.sendall(b"new")
            for connection in (old, new):
                connection.settimeout(MOMENT)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(SECONDS)
        assert not network.is_cut(link)
        assert received(old, 4) == b"late"
        assert received(new, 3) == b"new"
        new.close()
