import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grafana_queries as grafana
import pytest
import yaml
from conftest import no_broker
from grafana_queries import NAMES, Query, document, panels, queries
from metric_names import asked_for, exposed
from postgres_server import PASSWORD, PostgresServer, started
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from eventwire.models.ontology import ontology
from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.sink import SinkMetrics

psycopg = pytest.importorskip("psycopg", reason="eventwire[sink] is not installed")
pytest.importorskip("grafana_foundation_sdk", reason="eventwire[dev] is not installed")

from eventwire.streams.database import (  # noqa: E402
    Batch,
    Database,
    connection_parameters,
)
from eventwire.streams.event_rows import Change, Message, change  # noqa: E402
from eventwire.streams.settings import Secret  # noqa: E402

ROOT = Path(__file__).parents[1]
EXAMPLE = json.loads((ROOT / "docs" / "schemas" / "v1" / "examples" / "event.json").read_text())
UNTIL = datetime(2025, 3, 6, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)


@pytest.fixture(scope="module")
def code() -> Iterator[dict[str, Any]]:
    """The modules that write the dashboards."""
    folder = str(ROOT / "deploy" / "grafana")
    sys.path.insert(0, folder)
    import dashboard_parts
    import dashboards

    yield {"dashboards": dashboards, "parts": dashboard_parts}
    sys.path.remove(folder)


# -------------------------------------------------------------------------------------- the JSON


def test_what_is_committed_is_what_the_code_writes(code: dict[str, Any]) -> None:
    written = code["dashboards"].documents()
    assert sorted(written) == NAMES
    for name, text in written.items():
        assert (grafana.FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name} is stale: run .venv/bin/python deploy/grafana/dashboards.py"
        )


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_own_types_read_a_dashboard_and_write_the_same(
    code: dict[str, Any], name: str
) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.cog.runtime import register_dataquery_variant
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    register_dataquery_variant(code["parts"].sql_variant())
    read = Dashboard.from_json(document(name))
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == document(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_and_has_a_place_of_its_own(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in document(name)["panels"]]
    assert sorted(ids) == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_that_a_dashboard_uses_it_has(name: str) -> None:
    text = (grafana.FOLDER / name).read_text(encoding="utf-8")
    variables = {each["name"] for each in document(name)["templating"]["list"]}
    used = set(re.findall(r"\$\{?(?!__)(\w+)", text))
    assert used == variables


def test_choices_of_types_are_those_of_the_ontology() -> None:
    for name in ("news.json", "pipeline.json"):
        (types,) = (v for v in document(name)["templating"]["list"] if v["name"] == "type")
        assert types["query"].split(",") == list(ontology().names)


def test_grafana_finds_dashboards_and_data_sources_where_they_are_provisioned() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "eventwire.yaml").read_text())[
        "providers"
    ]
    assert provider["type"] == "file"
    sources = yaml.safe_load((provisioning / "datasources" / "eventwire.yaml").read_text())
    kinds = {source["type"] for source in sources["datasources"]}
    wanted = {
        variable["query"]
        for name in NAMES
        for variable in document(name)["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert kinds == wanted


# ---------------------------------------------------------------------------------------- PromQL


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        no_broker("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def idle() -> list[dict[str, str]]:
    """The series of a worker and a sink that have just started, for half an hour."""
    worker = Metrics()
    worker.partitions(lambda: [Partition(0, None, None, None), Partition(1, 0, 0, 0)])
    found = [
        {"series": f'up{{job="eventwire-{job}", instance="i"}}', "values": "1x30"}
        for job in ("worker", "sink")
    ]
    for job, metrics in (("worker", worker), ("sink", SinkMetrics())):
        text = generate_latest(metrics.registry).decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = {"job": f"eventwire-{job}", "instance": "i", **sample.labels}
                inside = ", ".join(f"{name}={json.dumps(v)}" for name, v in labels.items())
                found.append(
                    {"series": f"{sample.name}{{{inside}}}", "values": f"{sample.value:.0f}x30"}
                )
    return found


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": grafana.promql(query.text)}
        for number, query in enumerate(queries("expr"))
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_every_query_gives_a_number_of_at_least_zero_when_nothing_happens(tmp_path: Path) -> None:
    expressions = [
        grafana.promql(query.text)
        for query in queries("expr")
        if query.panel != "heatmap"  # which have a cell only where something was
    ]
    assert len(expressions) > 40
    stories = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": idle(),
                "promql_expr_test": [
                    # No series and no number are both less than something.
                    {
                        "eval_time": "20m",
                        "expr": f"min({expression}) >= bool 0",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                    for expression in expressions
                ],
            }
        ],
    }
    file = tmp_path / "stories.yaml"
    file.write_text(yaml.safe_dump(stories))
    promtool("test", "rules", file)


def test_every_series_of_a_dashboard_is_counted_by_the_code() -> None:
    wanted = set().union(*(asked_for(query.text) for query in queries("expr")))
    assert wanted - exposed() == set()


def test_every_series_that_the_code_counts_is_on_a_dashboard() -> None:
    shown = set().union(*(asked_for(query.text) for query in queries("expr")))
    assert {name for name in exposed() if name.startswith("eventwire_")} - shown == set()


# ------------------------------------------------------------------------------------------- SQL


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with started() as running:
        yield running


def new_database(server: PostgresServer, *records: dict[str, Any]) -> str:
    name = f"dashboards_{uuid.uuid4().hex}"
    with psycopg.connect(server.url, password=PASSWORD, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = server.database(name)
    database = Database(connection_parameters(url, Secret(PASSWORD)))
    changes = []
    for offset, record in enumerate(records):
        key = record["event_id"].encode()
        found = change(Message(0, offset, key, json.dumps(record).encode()))
        assert isinstance(found, Change), found
        changes.append(found)
    database.store("events", "topic-id", Batch(changes, [], {0: len(records)}))
    database.close()
    return url


def record(event_id: str, **fields: Any) -> dict[str, Any]:
    return EXAMPLE | {"event_id": event_id} | fields


SOURCE = "L'Écho du 'lac'"


@pytest.fixture(scope="module")
def empty(server: PostgresServer) -> str:
    return new_database(server)


@pytest.fixture(scope="module")
def filled(server: PostgresServer) -> str:
    """Seven events: three captures, of which one is alleged; somebody's quoted source."""
    somali = EXAMPLE["actors"][0] | {"country": "SOM"}
    quoted, unknown = ({**EXAMPLE["article"], "source": s, "id": "a2"} for s in (SOURCE, None))
    types = ["abduction", "abduction", "capture", "capture", "capture", "shelling", "meeting"]
    records = [
        record(f"e{n}", event_type=event_type, actors=[somali], article=article)
        for n, (event_type, article) in enumerate(
            zip(types, [EXAMPLE["article"], unknown, *[quoted] * 5], strict=True)
        )
    ]
    records[4]["status"] = "alleged"
    records[6] |= {"quad_class": 1, "detected_at": "2025-03-05T08:00:00Z"}
    return new_database(server, *records)


def ask(url: str, text: str, **options: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the columns, and rows."""
    with psycopg.connect(url, password=PASSWORD) as connection:
        cursor = connection.execute(grafana.sql(text, SINCE, UNTIL, **options).encode())
        return [column.name for column in cursor.description or ()], cursor.fetchall()


@pytest.mark.parametrize("query", queries("rawSql"), ids=str)
def test_every_sql_query_finds_what_is_there(filled: str, query: Query) -> None:
    assert ask(filled, query.text)[1]


@pytest.mark.parametrize("query", queries("rawSql"), ids=str)
def test_sql_gives_zeros_when_there_are_no_events_and_no_rows_where_it_lists_them(
    empty: str, query: Query
) -> None:
    columns, rows = ask(empty, query.text)
    if query.panel == "stat":
        assert [float(value) for row in rows for value in row] == [0.0]
    elif query.format == "time_series":
        assert columns[0] == "time"
        assert len(rows) == 7 * 24 + 1
        assert {value for *_, value in rows} == {0}
    else:
        assert rows == []


def test_a_series_over_time_has_a_zero_where_a_type_has_no_event(filled: str) -> None:
    (by_type,) = (q for q in queries("rawSql") if q.where == "news.json/Events by type/A")
    _, rows = ask(filled, by_type.text)
    assert len(rows) == 4 * (7 * 24 + 1)
    counts = {(time, metric): count for time, metric, count in rows if count}
    hour = datetime(2025, 3, 5, 7, tzinfo=UTC)
    assert counts == {
        (hour, "abduction"): 2, (hour, "capture"): 3, (hour, "meeting"): 1, (hour, "shelling"): 1
    }  # fmt: skip


def test_variables_choose_among_the_events(filled: str) -> None:
    (events,) = (q for q in queries("rawSql") if q.where == "news.json/Events/A")

    def count(**options: Any) -> int:
        ((found,),) = ask(filled, events.text, **options)[1]
        return int(found)

    assert count() == 7
    assert count(chosen={"type": ["capture"]}) == 3
    assert count(chosen={"type": ["capture", "meeting"], "status": ["occurred"]}) == 3
    assert count(chosen={"source": [SOURCE]}) == 5
    assert count(chosen={"source": ["(not told)"]}) == 1
    assert count(confidence="0.95") == 0


def test_sources_to_choose_from_are_those_of_the_events(filled: str) -> None:
    (source,) = (v for v in document("news.json")["templating"]["list"] if v["name"] == "source")
    assert {name for (name,) in ask(filled, source["query"])[1]} == {
        "(not told)", EXAMPLE["article"]["source"], SOURCE
    }  # fmt: skip


def test_the_latest_captures_come_with_their_evidence(filled: str) -> None:
    (query,) = (q for q in queries("rawSql") if "Captures" in q.where)
    columns, rows = ask(filled, query.text)
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [each["type"] for each in found] == ["capture"] * 3
    assert {each["status"] for each in found} == {"occurred", "alleged"}
    assert {each["evidence"] for each in found} == {EXAMPLE["evidence"]["sentence"]}


def test_models_of_one_version_and_of_other_weights_stand_side_by_side(
    server: PostgresServer,
) -> None:
    """The version is eventwire's own, and stays when the model is trained anew."""
    models = [EXAMPLE["model"] | {"sha256": digit * 64} for digit in "ab"]
    records = [record("e1", model=models[0]), record("e2", model=models[1])]
    url = new_database(server, *records, record("e3", model=models[1], event_type="meeting"))

    def found(panel: str) -> list[dict[str, Any]]:
        (query,) = (q for q in queries("rawSql") if q.where == f"model.json/{panel}/A")
        columns, rows = ask(url, query.text)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    versions = {row["weights"]: row["events"] for row in found("Versions side by side")}
    assert versions == {"a" * 12: 1, "b" * 12: 2}
    assert [
        (row["type"], row["weights"], row["events"], float(row["share, %"]))
        for row in found("Types by version")
    ] == [
        (EXAMPLE["event_type"], "a" * 12, 1, 100.0),
        (EXAMPLE["event_type"], "b" * 12, 1, 50.0),
        ("meeting", "b" * 12, 1, 50.0),
    ]
