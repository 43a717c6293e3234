"""Which series the code has, for tests of what asks for them."""

import re

from prometheus_client.core import Metric

from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.sink import SinkMetrics

AWAITED = {
    # Of issue 7, item 1. Whoever adds one takes it out of here.
    "eventwire_commits_total",
    "eventwire_drift_psi",
    "eventwire_event_confidence_bucket",
    "eventwire_inference_info",
    "eventwire_lag_seconds",
    "eventwire_latency_seconds_bucket",
    "eventwire_latency_seconds_count",
    "eventwire_queue_articles",
    "eventwire_rebalances_total",
    "eventwire_received_bytes_total",
}


def asked_for(expression: str) -> set[str]:
    """The series that a PromQL expression selects, if they are ours; not recorded ones."""
    without_texts = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"(?<![\w:])eventwire_\w+", without_texts))


def exposed() -> set[str]:
    """Of the worker and the sink."""
    worker, sink = Metrics(), SinkMetrics()
    worker.partitions(lambda: [Partition(0, 0, 0, 0)])
    families = [*worker.registry.collect(), *sink.registry.collect()]
    return {name for family in families for name in _series(family)}


def _series(family: Metric) -> list[str]:
    match family.type:
        case "counter":
            return [f"{family.name}_total"]
        case "histogram":
            return [f"{family.name}_{part}" for part in ("bucket", "count", "sum")]
    return [family.name]
