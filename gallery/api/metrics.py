"""What Prometheus reads at `/metrics`: requests of this process, and what the catalogue has waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from gallery.catalogue.backlog import Backlog, read_backlog
from gallery.errors import TransientError

# Seconds; the goal for answers is 40 ms in the middle and 200 ms at the worst.
BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
Transaction = Callable[[], AbstractContextManager[Session]]


class Metrics:
    """The counters of one process. `route` is a template such as `/v1/uploads/{upload_id}`, so that there are few."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "gallery_http_requests", "Requests answered", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "gallery_http_request_seconds", "Answer times", labels, buckets=BUCKETS, registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def watch(self, transaction: Transaction) -> None:
        """Ask the catalogue whenever Prometheus does."""
        self.registry.register(_BacklogCollector(transaction))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class _BacklogCollector(Collector):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def describe(self) -> Iterator[Metric]:
        """Nothing: without this, registering would ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            with self._transaction() as session:
                backlog = read_backlog(session)
        except TransientError:
            # The counters are wanted all the more while the database is away.
            yield GaugeMetricFamily("gallery_catalogue_up", "Whether the catalogue's database answers", value=0)
            return
        yield GaugeMetricFamily("gallery_catalogue_up", "Whether the catalogue's database answers", value=1)
        yield from _gauges(backlog)


def _gauges(backlog: Backlog) -> Iterator[Metric]:
    uploads = GaugeMetricFamily("gallery_uploads", "Uploads by state", labels=["state"])
    for state, count in sorted(backlog.uploads.items()):
        uploads.add_metric([state], count)
    yield uploads
    yield GaugeMetricFamily("gallery_starts_due", "Accepted uploads without a run", value=backlog.starts_due)
    yield GaugeMetricFamily("gallery_outbox_due", "Deletions due and not done", value=backlog.outbox_due)
    yield GaugeMetricFamily("gallery_outbox_refused", "Deletions that storage refuses", value=backlog.outbox_refused)
    yield GaugeMetricFamily("gallery_callbacks_due", "Callbacks not taken yet", value=backlog.callbacks_due)
