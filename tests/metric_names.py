"""Which series the code has, for tests of what asks for them."""

import re

from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.sink import SinkMetrics


def family(series: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", series)


def asked_for(expression: str) -> set[str]:
    """Families that a PromQL expression selects, if they are ours; not recorded series."""
    without_texts = re.sub(r'"[^"]*"', "", expression)
    return {family(name) for name in re.findall(r"(?<![\w:])eventwire_\w+", without_texts)}


def exposed() -> set[str]:
    """Families of the worker and the sink."""
    worker, sink = Metrics(), SinkMetrics()
    worker.partitions(lambda: [Partition(0, 0, 0, 0)])
    families = [*worker.registry.collect(), *sink.registry.collect()]
    return {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
