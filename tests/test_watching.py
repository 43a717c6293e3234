"""Prometheus, with the rules that ship, and PostgreSQL watch a worker and a sink at work: every
query of the dashboards and every rule then finds something, or is listed as rightly empty.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import grafana_queries as grafana
import pytest
import yaml
from conftest import AnyBroker, Room, WorkerProcess, no_broker, room_settings
from grafana_queries import Query, document, queries
from metric_names import asked_for, family
from postgres_server import PASSWORD, USER, PostgresServer, started
from prometheus_server import DEPLOYED, PrometheusServer, program, selectors

from eventwire.models.records import Article
from eventwire.streams import clients
from eventwire.streams.feeds import open_feed
from eventwire.streams.options import SAMPLE_FEED
from eventwire.streams.settings import Settings

psycopg = pytest.importorskip("psycopg", reason="eventwire[sink] is not installed")
from test_sink import SinkProcess  # noqa: E402

pytestmark = pytest.mark.timeout(900)  # what all tests wait for starts five programs

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "feeds" / "guardian.jsonl"
REAL_ARTICLES = 15
FOREIGN_ARTICLES = 42
"""In another language: just enough to say that the news has moved."""
MOST_LIVE_ARTICLES = 40
"""Fewer with those than the hundred at which slow ones alert somebody: the held coder is slow."""
ADDRESS = r"metrics(?: and health)? on http://(127\.0\.0\.1:\d+)"
PATIENCE = 300.0
"""Seconds that anything may take on a machine that is busy."""

ZERO = {
    "pipeline.json/Faults/Coder/A": "no coder process died",
    "pipeline.json/Faults/Coder/B": "every character of every article was read",
    "pipeline.json/Lag/Queue and group/C": "no partition lost its end",
}
"""Queries of the dashboards that have nothing to show."""

QUIET = {
    "EventwireLatencyBudgetFast": "fewer than a hundred articles an hour alert nobody",
    "EventwireLatencyBudgetSlow": "fewer than a hundred articles an hour alert nobody",
    "EventwireNothingAssigned": "the worker has all partitions",
    "EventwireNoCommitProgress": "nothing waits",
    "EventwireLag": "nothing waits",
    "EventwireLagLong": "nothing waits",
    "EventwireDeadLetterRate": "one dead letter among many articles",
    "EventwireCoderRestarts": "no coder process died",
    "EventwireCommittedBeyondEnd": "no partition lost its end",
    "EventwireSinkDatabaseAway": "the database was there all the time",
    "EventwireSinkLag": "all events are stored",
    "EventwireSinkStuck": "all events are stored",
}
"""Alerts that have nothing to tell, neither at rest nor when worker and sink have stopped."""


class Watched(NamedTuple):
    """What was seen of an installation that has come to an end."""

    prometheus: PrometheusServer
    postgres: PostgresServer
    reader_password: str
    worker: str
    """Instance of its metrics."""
    begun: float
    """In seconds since 1970, as the next two."""
    rest: float
    """When all articles were coded and all events stored."""
    stopped: float
    """When neither worker nor sink were there any more."""
    firing: list[Any]
    """Alerts at rest."""


def until(done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with started() as running:
        yield running


@pytest.fixture(scope="module")
def secrets(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of passwords of the roles that compose.yaml makes, as it makes them."""
    folder, scripts = tmp_path_factory.mktemp("secrets"), ROOT / "deploy" / "postgres"
    subprocess.run(["sh", scripts / "make-secrets.sh", folder], check=True)
    environment = {
        "SECRETS": str(folder), "POSTGRES_USER": USER, "POSTGRES_DB": "postgres",
        "PGPASSWORD": PASSWORD, "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port),
    }  # fmt: skip
    subprocess.run([scripts / "create-roles.sh"], env=os.environ | environment, check=True)
    return folder


@pytest.fixture(scope="module")
def watched(
    broker: AnyBroker, postgres: PostgresServer, secrets: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:  # fmt: skip
    if program() is None:
        no_broker("Prometheus is not installed: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("watched")
    with ExitStack() as stack:
        room = stack.enter_context(
            closing(Room(room_settings(broker, "watched", coder=Settings().coder)))
        )
        worker = WorkerProcess(
            room, folder / "worker.log", PYTHONPATH=os.environ.get("PYTHONPATH", "")
        )
        stack.callback(worker.end)
        sink = SinkProcess(
            room.settings,
            postgres.database("eventwire").replace(USER, "eventwire"),
            folder / "sink.log",
            EVENTWIRE_SINK_PASSWORD_FILE=str(secrets / "sink_password"),
        )
        stack.callback(sink.kill)
        targets = {
            "eventwire-worker": worker.wait_for_log(ADDRESS, PATIENCE).group(1),
            "eventwire-sink": sink.wait_for_log(ADDRESS, seconds=PATIENCE),
        }
        (data := folder / "prometheus").mkdir()
        prometheus = PrometheusServer(data, targets)
        stack.callback(prometheus.stop)
        worker.wait_until_ready(PATIENCE)
        until(lambda: prometheus.value("sum(up)") == 2, "both to be scraped")
        begun = time.time()
        work(room, worker, postgres, prometheus, folder)
        time.sleep(2)  # another scrape, and another evaluation of the rules
        rest, firing = time.time(), prometheus.ask("alerts")["alerts"]
        for process in (worker.process, sink.process):
            process.send_signal(signal.SIGTERM)
        until(lambda: prometheus.value("sum(up)") == 0, "both to be gone")
        password = (secrets / "grafana_reader_password").read_text()
        yield Watched(
            prometheus, postgres, password, targets["eventwire-worker"],
            begun, rest, time.time(), firing,
        )  # fmt: skip


def work(
    room: Room,
    worker: WorkerProcess,
    postgres: PostgresServer,
    prometheus: PrometheusServer,
    folder: Path,
) -> None:
    """Two replays, live news, some in French, with a correction and a null value, and a record that
    is no event.

    First the coder and then the table is held, so that something waits while Prometheus looks.
    """
    os.kill(worker.coder_pid(), signal.SIGSTOP)
    replays = 0
    for feed, limit in ((SAMPLE_FEED, 100), (REAL, REAL_ARTICLES)):
        if feed.exists():
            replays += replayed(room.settings, feed, limit, folder / f"{feed.name}.json")
    for number in range(FOREIGN_ARTICLES):
        room.send_article(f"foreign-{number}", "Il pleut.", language="fr")
    moment = datetime.now(UTC).isoformat()
    with open_feed(str(SAMPLE_FEED), max_bytes=room.settings.article_max_bytes) as lines:
        articles = [line.article for line in lines if isinstance(line.article, Article)]
    live = 0

    def seen_waiting() -> bool:
        # How many the coder holds, and how many then wait, depends on when each arrives.
        nonlocal live
        if live < MOST_LIVE_ARTICLES:
            one = articles[live % len(articles)]
            name = f"live-{live}"
            room.send_article(name, one.text, source=one.source, published_at=moment)
            live += 1
        waiting = "sum(eventwire_queue_articles) * sum(eventwire_lag_messages)"
        return live >= len(articles) and bool(prometheus.value(waiting))

    until(seen_waiting, "articles to be seen waiting")
    sent = replays + FOREIGN_ARTICLES
    room.send(None, key="live-nothing")
    with clients.producer(room.settings) as producer:
        producer.send(room.topics.events.name, b"no event", key=b"e").get(PATIENCE)
    refused = 'sum(eventwire_sink_records_total{outcome="refused"})'
    until(lambda: prometheus.value(refused), "a record to be refused")
    with psycopg.connect(postgres.database("eventwire"), password=PASSWORD) as other:
        other.execute("LOCK TABLE eventwire.events")
        os.kill(worker.coder_pid(), signal.SIGCONT)
        until(lambda: prometheus.value("sum(eventwire_sink_lag_messages)"), "events to wait")

    def done() -> bool:
        return (
            prometheus.value("sum(eventwire_articles_total)") == sent + live
            and prometheus.value("sum(eventwire_tombstones_total)") == 1
        )

    until(done, "all articles to be done")
    room.send_article("live-0", "Nothing of this is true.")
    live += 1
    until(done, "the correction to be done")
    stored = 'sum(eventwire_sink_records_total{outcome=~"stored|refused|retracted"})'
    published = "sum(eventwire_events_total) + sum(eventwire_events_retracted_total) + 1"
    until(lambda: prometheus.value(f"{stored} == ({published})"), "all events to be stored")


def replayed(settings: Settings, feed: Path, limit: int, manifest: Path) -> int:
    """How many articles `eventwire replay` sent."""
    environment = {
        "EVENTWIRE_BROKERS": settings.brokers,
        "EVENTWIRE_TOPIC_PREFIX": settings.topic_prefix,
    }
    command = [sys.executable, "-m", "eventwire.streams.cli", "replay", feed]
    subprocess.run(
        [*command, "--limit", str(limit), "--manifest", manifest],
        env=os.environ | environment, capture_output=True, check=False,
    )  # fmt: skip
    return int(json.loads(manifest.read_text())["counts"]["sent"])


# ------------------------------------------------------------------------------------ dashboards


def promql(watched: Watched, expression: str) -> str:
    """As Grafana sends it where the worker is chosen."""
    return grafana.promql(expression, instance=re.escape(watched.worker).replace("\\", r"\\"))


@pytest.mark.parametrize("query", queries("expr"), ids=str)
def test_every_promql_query_of_the_dashboards_has_something_to_show(
    watched: Watched, query: Query
) -> None:
    values = watched.prometheus.over(watched.begun, watched.rest, promql(watched, query.text))
    if query.where in ZERO:
        assert not any(values), "it has something to show: take it off the list"
    else:
        assert any(values)


def test_the_list_of_queries_that_have_nothing_to_show_names_queries() -> None:
    assert {query.where for query in queries("expr")} >= set(ZERO)


@pytest.mark.parametrize("query", queries("expr"), ids=str)
def test_every_series_that_a_query_selects_is_there_with_its_labels(
    watched: Watched, query: Query
) -> None:
    """Zeros that stand in for what is missing hide a label that does not exist."""
    missing = absent(watched, promql(watched, query.text))
    assert not missing


def absent(watched: Watched, expression: str) -> set[str]:
    """Selectors of an expression that find no series."""
    return {
        selector
        for selector in selectors(expression)
        if not watched.prometheus.at(watched.rest, f"last_over_time({selector}[1h])")
    }


def test_workers_to_choose_from_are_those_that_are_scraped(watched: Watched) -> None:
    asked = 0
    for name in grafana.NAMES:
        for variable in document(name)["templating"]["list"]:
            if variable["type"] == "query" and variable["datasource"]["type"] == "prometheus":
                found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
                assert found
                path, match = f"label/{found[2]}/values", {"match[]": found[1]}
                assert watched.prometheus.ask(path, **match) == [watched.worker]
                asked += 1
    assert asked


def sql(watched: Watched, text: str) -> list[tuple[Any, ...]]:
    """Rows that Grafana's role gets, of a span of time with all articles."""
    until_ = datetime.now(UTC) + timedelta(hours=1)
    since = datetime(2018, 1, 1, tzinfo=UTC)
    width = (until_ - since).total_seconds() / 100
    url = watched.postgres.database("eventwire").replace(USER, "grafana")
    with psycopg.connect(url, password=watched.reader_password) as connection:
        statement = grafana.sql(text, since, until_, interval_seconds=width)
        found: list[tuple[Any, ...]] = connection.execute(statement.encode()).fetchall()
        return found


@pytest.mark.parametrize("query", queries("rawSql"), ids=str)
def test_every_sql_query_of_the_dashboards_has_something_to_show(
    watched: Watched, query: Query
) -> None:
    rows = sql(watched, query.text)
    if query.panel == "table":
        assert rows
    else:
        assert any(value for row in rows for value in row if isinstance(value, int | Decimal))


def test_sources_to_choose_from_are_those_of_what_was_sent(watched: Watched) -> None:
    (source,) = (v for v in document("news.json")["templating"]["list"] if v["name"] == "source")
    assert {name for (name,) in sql(watched, source["query"])} >= {"Harbour Wire", "Andes Report"}


def test_every_series_that_prometheus_scrapes_is_on_a_dashboard(watched: Watched) -> None:
    shown = set().union(*(asked_for(query.text) for query in queries("expr")))
    scraped = watched.prometheus.ask("label/__name__/values")
    assert {family(name) for name in scraped if name.startswith("eventwire_")} == shown


# ----------------------------------------------------------------------------------------- rules


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOYED / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def test_prometheus_evaluates_every_rule_without_an_error(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    evaluated = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert set(evaluated) == {rule.get("alert", rule.get("record")) for rule in rules()}
    assert not [rule["lastError"] for rule in evaluated.values() if "lastError" in rule]
    assert {rule["health"] for rule in evaluated.values()} == {"ok"}


@pytest.mark.parametrize("rule", [r for r in rules() if "record" in r], ids=lambda r: r["record"])
def test_every_recorded_series_is_there(watched: Watched, rule: dict[str, Any]) -> None:
    assert watched.prometheus.at(watched.rest, rule["record"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_finds_what_it_is_for_or_is_rightly_quiet(
    watched: Watched, alert: dict[str, Any]
) -> None:
    found = [
        sample
        for moment in (watched.rest, watched.stopped)
        for sample in watched.prometheus.at(moment, alert["expr"])
    ]
    if alert["alert"] in QUIET:
        assert not found, "it has something to tell: take it off the list"
    else:
        assert found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_series_that_an_alert_selects_is_there(
    watched: Watched, alert: dict[str, Any]
) -> None:
    assert not absent(watched, alert["expr"])


def test_the_list_of_quiet_alerts_names_alerts() -> None:
    assert {alert["alert"] for alert in ALERTS} >= set(QUIET)


def test_alerts_that_fire_at_once_tell_what_to_do_about_what_they_found(watched: Watched) -> None:
    firing = {a["labels"]["alertname"]: a for a in watched.firing if a["state"] == "firing"}
    assert {"EventwireDeadLetter", "EventwireSinkRefused"} <= set(firing)
    summary = firing["EventwireDeadLetter"]["annotations"]["summary"]
    assert re.fullmatch(r"1(\.\d+)? dead letters in ten minutes: not_json", summary)
    assert "<error" not in json.dumps(watched.firing)
