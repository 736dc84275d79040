"""Transactions: what comes of their connection, however they end."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, select, text

from gallery.catalogue.connect import transaction
from gallery.errors import TransientError
from tests.catalogue.conftest import NewDatabase


@pytest.mark.parametrize(("error", "is_kept"), [(ZeroDivisionError, True), (KeyboardInterrupt, False)])
def test_a_signal_costs_the_connection_that_it_may_have_interrupted(
    databases: NewDatabase, error: type[BaseException], is_kept: bool
) -> None:
    engine = databases()
    backends = []
    with pytest.raises(error), transaction(engine) as session:
        backends.append(session.scalar(text("SELECT pg_backend_pid()")))
        session.execute(text("CREATE TABLE lost (n int)"))
        raise error
    with transaction(engine) as session:
        backends.append(session.scalar(text("SELECT pg_backend_pid()")))
        assert session.scalar(text("SELECT to_regclass('lost')")) is None
    assert (len(set(backends)) == 1) == is_kept


def test_a_signal_in_the_middle_of_a_statement_is_not_hidden_by_an_error_of_the_connection(
    databases: NewDatabase,
) -> None:
    engine = databases()
    with pytest.raises(KeyboardInterrupt), transaction(engine) as session:
        # Sent, and not answered yet.
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.pgconn.send_query(b"SELECT pg_sleep(30)")
        raise KeyboardInterrupt
    with transaction(engine) as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO numbers VALUES (:n)", "UPDATE numbers SET n = n + :n", "SELECT count(*) FROM numbers WHERE n = :n"],
    ids=["insert", "update", "select"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_transaction_that_idles_keeps_no_locks_whatever_it_did_last(
    databases: NewDatabase, statement: str, count: int
) -> None:
    engine = databases()
    with transaction(engine) as session:
        session.execute(text("CREATE TABLE numbers (n int)"))
    with pytest.raises(TransientError, match="idle-in-transaction timeout"), transaction(engine) as idle:
        backend = idle.scalar(text("SELECT pg_backend_pid()"))
        idle.execute(text("LOCK TABLE numbers"))
        idle.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        idle.execute(text(statement), [{"n": n} for n in range(count)])
        with transaction(engine) as session:
            session.execute(text("SET LOCAL lock_timeout = '10s'"))
            session.execute(text("LOCK TABLE numbers"))
            assert session.scalar(text("SELECT pg_backend_pid()")) != backend
        idle.execute(text("SELECT 1"))


def test_rows_are_inserted_by_one_statement(databases: NewDatabase) -> None:
    engine = databases()
    table = Table("numbers", MetaData(), Column("n", Integer))
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *said: sent.append(said[2]))
    with transaction(engine) as session:
        table.create(session.connection())
        session.execute(table.insert(), [{"n": n} for n in range(3)])
        assert session.scalars(select(table.c.n)).all() == [0, 1, 2]
    assert len([one for one in sent if one.startswith("INSERT") and one.count("(%(") == 3]) == 1
