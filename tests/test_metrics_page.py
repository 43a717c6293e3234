"""docs/metrics.md says what the code counts."""

import shutil
import subprocess
from pathlib import Path

from conftest import no_broker
from metric_names import exposed
from prometheus_client import generate_latest

from eventwire.models.ontology import ontology
from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.metrics_page import page

COMMITTED = Path(__file__).parents[1] / "docs" / "metrics.md"


def test_the_committed_page_is_what_the_code_says() -> None:
    assert COMMITTED.read_text("utf-8") == page(), "run `make metrics` and look at what it changes"


def test_every_series_of_ours_is_described_with_the_values_of_its_labels() -> None:
    sections = {part.split("`")[1]: part for part in page().split("\n### ")[1:]}
    assert set(sections) == {name for name in exposed() if name.startswith("eventwire_")}
    assert all(part.count(".") for part in sections.values())
    assert "- `outcome`: `coded`, `no_event`," in sections["eventwire_articles_total"]
    assert (
        f"- `type`: one of the {len(ontology().names)} types of the ontology, `other`"
        in (sections["eventwire_events_total"])
    )
    assert "Histogram, seconds." in sections["eventwire_stage_seconds"]
    assert "- `partition`:" in sections["eventwire_lag_seconds"]


def test_prometheus_finds_no_fault_in_names_units_and_descriptions() -> None:
    if shutil.which("promtool") is None:
        no_broker("promtool is not installed: apt-get install prometheus")
    metrics = Metrics()
    metrics.partitions(lambda: [Partition(0, 0, 0, 0)])
    text = generate_latest(metrics.registry)
    ours = b"".join(line for line in text.splitlines(keepends=True) if b"_created" not in line)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=ours, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
