"""`python -m eventwire.streams.metrics_page FILE`: what the worker and the sink count, as a page.

It is made from the series themselves, so that it cannot say anything else; `make metrics` writes
docs/metrics.md.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from eventwire.models.ontology import ontology
from eventwire.models.records import ModelRef
from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.settings import Settings
from eventwire.streams.sink import SinkMetrics

HEAD = """\
# Metrics

`make metrics` writes this page from the code. The worker answers on
`http://127.0.0.1:{worker}/metrics`, `eventwire sink` on port {sink}, in Prometheus' text format.

All series are there from the start, at zero, so that `rate` and `increase` see the first step; but
those of a partition come with it, and a model has a name when it is loaded. No label holds what an
article says: values are from the lists below, and what is in none of them counts as `other`.

prometheus-client adds `process_resident_memory_bytes`, `process_cpu_seconds_total` and others of
the process itself, where the system has /proc, and `python_info`.

[deploy/grafana](../deploy/grafana) shows all of them, [deploy/prometheus](../deploy/prometheus)
alerts on some."""

FAMILY = """
### `{name}`

{type}, {unit}. {description}.
"""

OPEN = {
    "partition": "the number of a partition of the articles topic, or of the sink's events topic",
    "name": "of the model's folder",
    "version": "of eventwire",
    "sha256": "of the model's weights",
}
"""Labels whose values are in no list."""

UNITS = {
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_ratio": "a ratio from 0 to 1",
    "event_confidence": "a ratio from 0 to 1",
    "_psi": "an index of 0 or more",
    "_per_second": "characters a second",
    "_info": "0 or 1",
    "_answers": "0 or 1",
    "_without_commit": "0 or 1",
    "_beyond_end": "0 or 1",
    "_up": "0 or 1",
}
"""By the end of the name; all others count things."""


def page() -> str:
    """Markdown."""
    worker, sink, defaults = Metrics(), SinkMetrics(), Settings()
    # One of each series that begins later.
    worker.model(ModelRef(name="", version="", sha256=""))
    worker.partitions(lambda: [Partition(0, 0, 0, 0)])
    sink.lag.labels("0")
    return "".join(
        [
            HEAD.format(worker=defaults.http_port, sink=defaults.sink_http_port),
            "\n\n## Worker\n",
            *_families(worker.registry),
            "\n## Sink\n",
            *_families(sink.registry),
        ]
    )


def _families(registry: CollectorRegistry) -> Iterator[str]:
    ours = [family for family in registry.collect() if family.name.startswith("eventwire_")]
    for family in sorted(ours, key=lambda family: family.name):
        yield FAMILY.format(
            name=f"{family.name}_total" if family.type == "counter" else family.name,
            type=family.type.capitalize(),
            unit=next((u for end, u in UNITS.items() if family.name.endswith(end)), "a count"),
            description=family.documentation,
        )
        if labels := _labels(family):
            yield "\n"
        for label, values in labels.items():
            yield f"- `{label}`: {_said(label, values)}\n"


def _labels(family: Metric) -> dict[str, list[str]]:
    """Each with its values, in the order of the series."""
    found: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            if label != "le":
                found.setdefault(label, {})[value] = None
    return {label: list(values) for label, values in found.items()}


def _said(label: str, values: list[str]) -> str:
    if label in OPEN:
        return OPEN[label]
    types = ontology().names
    if set(types) < set(values):
        rest = [value for value in values if value not in types]
        return f"one of the {len(types)} types of the ontology, {_said('', rest)}"
    return ", ".join(f"`{value}`" for value in values)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
