"""Transactions: what comes of their connection, however they end."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gallery.catalogue.connect import transaction
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
