import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition
from postgres_server import PASSWORD, USER, PostgresServer, started

from eventwire.streams import clients
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.event_rows import Change, Message, Refused, Row, change, days
from eventwire.streams.settings import Secret, Settings, SettingsError
from eventwire.streams.topics import create_missing, topics

psycopg = pytest.importorskip("psycopg", reason="eventwire[sink] is not installed")
from eventwire.streams.database import (  # noqa: E402
    Batch,
    Database,
    DatabaseError,
    Migration,
    connection_parameters,
    migrations,
)

ROOT = Path(__file__).parents[1]
EXAMPLE = json.loads((ROOT / "docs" / "schemas" / "v1" / "examples" / "event.json").read_text())
TOPIC_ID = "a-topic-id"


def record(event_id: str = EXAMPLE["event_id"], **fields: Any) -> dict[str, Any]:
    return EXAMPLE | {"event_id": event_id} | fields


def message(value: Any, *, key: str | None = None, offset: int = 7, **others: Any) -> Message:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    if key is None:
        key = value["event_id"] if isinstance(value, dict) else EXAMPLE["event_id"]
    return Message(1, offset, key.encode(errors="surrogatepass"), raw, **others)


def row(value: dict[str, Any], **others: Any) -> Row:
    found = change(message(value, **others))
    assert isinstance(found, Change), found
    assert found.row is not None
    return found.row


# ------------------------------------------------------------------------------ record to row


def test_a_row_has_what_an_analyst_filters_by() -> None:
    found = row(EXAMPLE, headers=[("eventwire-run-id", b"run-1")])
    assert found._replace(record="") == Row(
        event_id="096a4604-00ab-545c-b143-0c7607de8918",
        event_type="abduction",
        status="occurred",
        confidence=0.93,
        reported_at=datetime(2025, 3, 5, 7, 40, tzinfo=UTC),
        published_at=datetime(2025, 3, 5, 7, 40, tzinfo=UTC),
        detected_at=datetime(2025, 3, 5, 7, 41, 12, 345_000, tzinfo=UTC),
        time_text="on Tuesday",
        time_value="2025-03-04",
        time_granularity="day",
        starts_on=date(2025, 3, 4),
        ends_on=date(2025, 3, 4),
        quad_class=4,
        plover_event="ASSAULT",
        plover_mode="abduct",
        plover_score=-8.5,
        cameo="181",
        goldstein=-9.0,
        actor="Armed men",
        actor_country=None,
        actor_sector="UAF",
        target="two Kenyan aid workers",
        target_country="KEN",
        target_sector="NGO",
        attributed_to="the government in Nairobi",
        place="Marsabit",
        place_admin="Marsabit",
        place_country="KEN",
        place_precision="city",
        latitude=2.3347,
        longitude=37.9909,
        trigger="abducted",
        evidence=EXAMPLE["evidence"]["sentence"],
        article_id="lakeside-courier-2025-03-05-0017",
        article_title="Two aid workers abducted in northern Kenya",
        article_url="https://lakeside-courier.example/2025/03/05/aid-workers",
        source="Lakeside Courier",
        model="event-coder-en",
        model_version="0.1.0",
        model_sha256="6f" * 32,
        run_id="run-1",
        repaired=False,
        kafka_partition=1,
        kafka_offset=7,
        record="",
    )
    assert json.loads(found.record) == EXAMPLE


def test_a_row_names_the_first_actor_and_else_its_words() -> None:
    he = EXAMPLE["actors"][0] | {"text": "he", "name": "Ahmed Madobe"}
    assert row(record(actors=[he, *EXAMPLE["targets"]])).actor == "Ahmed Madobe"
    assert row(record(actors=[])).actor is None


def test_the_place_of_a_row_is_one_with_coordinates_if_there_is_any() -> None:
    unknown = EXAMPLE["places"][0] | {"name": None, "lat": None, "lon": None, "text": "the coast"}
    assert row(record(places=[unknown, *EXAMPLE["places"]])).place == "Marsabit"
    alone = row(record(places=[unknown]))
    assert (alone.place, alone.latitude) == ("the coast", None)


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (None, "2025-03-05T07:41:12.345Z"),
        ("last Tuesday", "2025-03-05T07:41:12.345Z"),
        ("2025-03-01", "2025-03-01T00:00Z"),
        ("2087-01-01", "2025-03-05T07:41:12.345Z"),  # no news is from the future
    ],
)
def test_an_event_is_reported_when_it_was_published_or_else_detected(
    published: str | None, expected: str
) -> None:
    article = EXAMPLE["article"] | {"published_at": published}
    assert row(record(article=article)).reported_at == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (None, None)),
        ("2025-03-04", (date(2025, 3, 4), date(2025, 3, 4))),
        ("2025-03-04T09:30", (date(2025, 3, 4), date(2025, 3, 4))),
        ("2025-03-01/2025-03-31", (date(2025, 3, 1), date(2025, 3, 31))),
        ("2025-03-01/..", (date(2025, 3, 1), None)),
        ("soon", (None, None)),
    ],
)
def test_days_are_the_first_and_the_last_of_an_events_time(
    value: str | None, expected: tuple[date | None, date | None]
) -> None:
    assert days(value) == expected


def test_what_postgres_cannot_hold_is_replaced_one_for_one_and_flagged() -> None:
    sentence = "Army\0 shelled\ud83d the port \U0001f680."
    evidence = {"sentence": sentence, "start": 0, "end": len(sentence)}
    found = row(record(evidence=evidence, extra={"a\0": ["\udfff"]}))
    assert found.evidence == "Army\ufffd shelled\ufffd the port \U0001f680."
    assert json.loads(found.record)["extra"] == {"a\ufffd": ["\ufffd"]}
    assert found.repaired


def test_the_fields_of_later_minor_versions_stay_in_the_record() -> None:
    found = row(record(schema_version="1.9", novelty={"a": [1, 2.5, None]}))
    assert json.loads(found.record)["novelty"] == {"a": [1, 2.5, None]}


def test_a_null_value_takes_the_event_of_its_key_back() -> None:
    assert change(message(None, key="e1")) == Change(message(None, key="e1"), "e1", None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"confidence": NaN}', "NaN"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"event_id": "x"}', "missing required field"),
        (record(confidence=1.5), "confidence"),
        (record(schema_version="2.0"), "expected 1.x"),
        (record(detected_at="today"), "detected_at"),
        (record(quad_class=10**400), "quad_class"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(value: Any, reason: str) -> None:
    found = change(message(value))
    assert isinstance(found, Refused)
    assert reason in found.reason


def test_a_record_under_another_key_is_refused_since_no_tombstone_would_find_it() -> None:
    for key in (b"another", None):
        found = change(Message(0, 0, key, json.dumps(EXAMPLE).encode()))
        assert isinstance(found, Refused)
        assert "as key" in found.reason


@given(st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_that_a_record_holds_raises(value: bytes) -> None:
    assert isinstance(change(message(value)), Refused)


# --------------------------------------------------------------------------------- the password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://analyst:s3cret@db/news",
        "postgresql://analyst@db/news?password=s3cret",
        "postgresql://analyst:s3cret@[db/news",
        "mysql://analyst:s3cret@db/news",
        "host=db password=s3cret",
    ],
)
def test_a_password_in_the_url_is_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as error:
        connection_parameters(url, None)
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_the_url_wins_over_the_defaults_and_the_password_comes_from_the_settings() -> None:
    found = connection_parameters("postgresql://u@db/news?connect_timeout=3", Secret("s3cret"))
    assert (found["connect_timeout"], found["password"]) == ("3", "s3cret")
    assert found["application_name"] == "eventwire-sink"


# ----------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with started() as running:
        yield running


@pytest.fixture
def url(server: PostgresServer) -> str:
    """Of a new database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.url, password=PASSWORD, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.database(name)


def opened(url: str) -> Database:
    return Database(connection_parameters(url, Secret(PASSWORD)))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with contextlib.closing(opened(url)) as found:
        yield found


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, password=PASSWORD) as connection:
        return connection.execute(query).fetchall()


def event_ids(url: str) -> list[str]:
    return [e for (e,) in rows(url, "SELECT event_id FROM eventwire.events ORDER BY event_id")]


def stored(database: Database, *messages: Message, next_offset: int = 100) -> list[Refused]:
    """Stores them, and returns what was refused."""
    found = [change(each) for each in messages]
    return database.store(
        "events",
        TOPIC_ID,
        Batch(
            [each for each in found if isinstance(each, Change)],
            [each for each in found if isinstance(each, Refused)],
            {1: next_offset},
        ),
    )


def test_the_table_has_a_column_for_every_field_of_a_row(database: Database, url: str) -> None:
    columns = rows(
        url,
        "SELECT column_name::text FROM information_schema.columns"
        " WHERE table_schema = 'eventwire' AND table_name = 'events'",
    )
    assert {name for (name,) in columns} == {*Row._fields, "stored_at"}


def test_what_is_stored_is_what_the_row_says(database: Database, url: str) -> None:
    assert stored(database, message(EXAMPLE)) == []
    columns = ", ".join(Row._fields)
    (found,) = rows(url, f"SELECT {columns} FROM eventwire.events")
    expected = row(EXAMPLE)
    assert Row(*found)._replace(record="") == expected._replace(record="")
    assert found[-1] == EXAMPLE
    assert database.positions(TOPIC_ID) == {1: 100}


def test_the_last_record_of_a_key_counts_within_a_batch_and_across(
    database: Database, url: str
) -> None:
    stored(
        database,
        message(record("kept", status="planned")),
        message(record("gone")),
        message(record("back")),
        message(None, key="gone"),
        message(None, key="back"),
        message(record("back")),
        message(record("kept", status="occurred")),
    )
    assert event_ids(url) == ["back", "kept"]
    stored(database, message(record("kept", status="negated")), message(None, key="back"))
    assert rows(url, "SELECT event_id, status FROM eventwire.events") == [("kept", "negated")]


def test_a_record_that_the_server_does_not_take_is_kept_apart_and_the_others_stored(
    database: Database, url: str
) -> None:
    letters = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=20_000)
    too_long = "".join(letters)  # for a row of an index
    refused = stored(
        database,
        message(record("before"), offset=1),
        message(record("bad", event_type=too_long), offset=2),
        message(b"oops", offset=3),
        message(record("after"), offset=4),
    )
    assert event_ids(url) == ["after", "before"]
    kept = rows(
        url, "SELECT kafka_offset, reason, value FROM eventwire.refused ORDER BY kafka_offset"
    )
    assert [offset for offset, *_ in kept] == [2, 3]
    assert kept[0][1].startswith("PostgreSQL: index row")
    assert kept[1][2] == b"oops"
    assert sorted(each.message.offset for each in refused) == [2, 3]
    assert database.positions(TOPIC_ID) == {1: 100}


def test_nul_and_lone_surrogates_are_stored_as_replacements(database: Database, url: str) -> None:
    title = "Army\0 shelled\ud83d the port"
    article = EXAMPLE["article"] | {"title": title}
    assert stored(database, message(record(article=article))) == []
    ((stored_title, in_record, repaired),) = rows(
        url, "SELECT article_title, record #>> '{article,title}', repaired FROM eventwire.events"
    )
    assert stored_title == in_record == "Army\ufffd shelled\ufffd the port"
    assert repaired


def test_a_topic_that_was_created_anew_has_positions_of_its_own(database: Database) -> None:
    stored(database, message(EXAMPLE), next_offset=5)
    assert database.positions("another-id") == {}


def test_views_have_a_row_for_every_participant_and_place(database: Database, url: str) -> None:
    stored(
        database,
        message(record(actors=[*EXAMPLE["actors"], *EXAMPLE["targets"]], places=[])),
        message(record("another", places=EXAMPLE["places"] * 2)),
    )
    assert rows(
        url,
        f"SELECT role, position, name, country, sector FROM eventwire.participants"
        f" WHERE event_id = '{EXAMPLE['event_id']}' ORDER BY role, position",
    ) == [
        ("actor", 1, "Armed men", None, "UAF"),
        ("actor", 2, "two Kenyan aid workers", "KEN", "NGO"),
        ("target", 1, "two Kenyan aid workers", "KEN", "NGO"),
    ]
    assert rows(
        url, "SELECT event_id, position, name, country, latitude, geoname_id FROM eventwire.places"
    ) == [("another", n, "Marsabit", "KEN", 2.3347, "187585") for n in (1, 2)]


def test_tables_are_made_once_however_many_start_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            opened(url).close()
        except Exception as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(url, "SELECT version, name FROM eventwire.migrations ORDER BY version") == [
        (each.version, each.name) for each in migrations()
    ]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))


def test_tables_of_an_older_version_are_brought_up_to_date_and_keep_their_rows(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, message(record()))
    known = migrations()
    later = known[-1].version + 1
    added = Migration(later, "outlets", b"ALTER TABLE eventwire.events ADD outlet text;"
                      b" UPDATE eventwire.events SET outlet = upper(source)")  # fmt: skip
    broken = Migration(later + 1, "broken", b"DELETE FROM eventwire.events; SELECT 1 / 0")

    monkeypatch.setattr("eventwire.streams.database.migrations", lambda: [*known, added, broken])
    with pytest.raises(DatabaseError, match="division by zero"):
        opened(url)
    assert rows(url, "SELECT max(version) FROM eventwire.migrations") == [(known[-1].version,)]

    monkeypatch.setattr("eventwire.streams.database.migrations", lambda: [*known, added])
    opened(url).close()
    opened(url).close()
    assert rows(url, "SELECT version, name FROM eventwire.migrations ORDER BY version") == [
        (each.version, each.name) for each in [*known, added]
    ]
    assert rows(url, "SELECT outlet FROM eventwire.events") == [
        (EXAMPLE["article"]["source"].upper(),)
    ]


def test_tables_of_a_newer_version_are_left_alone(url: str) -> None:
    opened(url).close()
    with psycopg.connect(url, password=PASSWORD) as connection:
        connection.execute("INSERT INTO eventwire.migrations VALUES (9999, 'of the future')")
    with pytest.raises(DatabaseError, match=r"version 9999.*run the newer eventwire"):
        opened(url)


def test_only_one_writes_until_its_connection_ends(url: str) -> None:
    with contextlib.closing(opened(url)) as second:
        with contextlib.closing(opened(url)) as first:
            assert first.lock()
            assert not second.lock()
        deadline = time.monotonic() + 30
        while not second.lock():
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("change_url", "password", "expected"),
    [
        (lambda url: url, "wrong", "password authentication failed.*EVENTWIRE_SINK_PASSWORD_FILE"),
        (lambda url: url, None, "no password supplied.*EVENTWIRE_SINK_PASSWORD"),
        (lambda url: url + "x", PASSWORD, "does not exist: check the URL"),
    ],
)
def test_what_waiting_does_not_mend_is_an_error_that_says_what_to_do(
    url: str, change_url: Callable[[str], str], password: str | None, expected: str
) -> None:
    secret = Secret(password) if password else None
    with pytest.raises(DatabaseError, match=expected):
        Database(connection_parameters(change_url(url), secret))


def test_a_user_who_may_not_make_tables_is_told_which_right_is_missing(url: str) -> None:
    with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reads'")
    parameters = connection_parameters(url.replace(USER, "reader"), Secret("reads"))
    with pytest.raises(DatabaseError, match=r"permission denied.*needs CREATE on the database"):
        Database(parameters)


# ---------------------------------------------------------------------------------- the process


class SinkProcess:
    def __init__(self, settings: Settings, url: str, log: Path, *options: str, **variables: str):
        self.log = log
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EVENTWIRE_", "PG"))
        } | {
            "EVENTWIRE_BROKERS": settings.brokers,
            "EVENTWIRE_TOPIC_PREFIX": settings.topic_prefix,
            "EVENTWIRE_GROUP": settings.group,
            "EVENTWIRE_SINK_HTTP_PORT": "0",
            **(variables or {"PGPASSWORD": PASSWORD}),
        }
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "eventwire.streams.cli", "sink", url, *options],
                env=environment,
                stderr=stderr,
                stdout=stderr,
            )

    @property
    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_log(self, pattern: str, times: int = 1, seconds: float = 90.0) -> Any:
        deadline = time.monotonic() + seconds
        while len(found := re.findall(pattern, self.logged)) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"expected {pattern!r} in the log, got:\n{self.logged}")
            time.sleep(0.05)
        return found[-1]

    def metric(self, name: str) -> float:
        port = self.wait_for_log(r"http://127\.0\.0\.1:(\d+)")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"{name} is not among the metrics:\n{text}"
        return float(found.group(1))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def new_sink(tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    sinks: list[SinkProcess] = []

    def start(settings: Settings, url: str, *options: str, **variables: str) -> SinkProcess:
        log = tmp_path / f"sink-{len(sinks)}.log"
        sinks.append(SinkProcess(settings, url, log, *options, **variables))
        return sinks[-1]

    yield start
    for each in sinks:
        each.kill()


def until(done: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


class Topic:
    """The events topic of an installation of its own: what is sent, and what stands."""

    def __init__(self, broker: EmbeddedBroker, name: str) -> None:
        self.settings = Settings(
            brokers=broker.address, topic_prefix=f"{name}.", group=name, partitions=2
        )
        create_missing(self.settings)
        self.name = topics(self.settings).events.name
        self.standing: dict[str, Any] = {}
        self.ends: dict[int, int] = {}

    def send(self, *records: tuple[str, Any]) -> None:
        """Pairs of event id and record; None takes back, bytes are sent as they are."""
        with clients.producer(self.settings) as producer:
            sent = []
            for event_id, value in records:
                raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
                sent.append(producer.send(self.name, raw, key=event_id.encode()))
                if value is None:
                    self.standing.pop(event_id, None)
                elif not isinstance(value, bytes):
                    self.standing[event_id] = value
            for each in sent:
                done = each.get(60)
                self.ends[done.partition] = max(self.ends.get(done.partition, 0), done.offset + 1)

    def committed(self, partition: int) -> int | None:
        with contextlib.closing(
            KafkaConsumer(
                bootstrap_servers=self.settings.broker_list,
                group_id=f"{self.settings.group}-sink",
                enable_auto_commit=False,
            )
        ) as consumer:
            return consumer.committed(TopicPartition(self.name, partition))


def table(url: str) -> dict[str, Any]:
    with contextlib.suppress(psycopg.errors.UndefinedTable):
        return dict(rows(url, "SELECT event_id, record FROM eventwire.events"))
    return {}


def positions(url: str) -> dict[int, int]:
    return dict(rows(url, "SELECT kafka_partition, next_offset FROM eventwire.positions"))


def test_the_table_follows_the_topic_and_the_group_follows_the_table(
    broker: EmbeddedBroker, url: str, new_sink: Callable[..., SinkProcess]
) -> None:
    topic = Topic(broker, "follow")
    topic.send(("a", record("a")), ("b", record("b")), ("c", b"oops"), ("a", None))
    sink = new_sink(topic.settings, url)
    until(lambda: table(url) == topic.standing, "what was there")
    topic.send(("d", record("d")), ("b", record("b", status="negated")), ("never", None))
    until(lambda: table(url) == topic.standing, "what came later")
    until(lambda: positions(url) == {0: 0, 1: 0} | topic.ends, "the positions")
    until(
        lambda: all(topic.committed(number) == end for number, end in topic.ends.items()),
        "the commits",
    )
    outcomes = {
        outcome: sink.metric(f'eventwire_sink_records_total{{outcome="{outcome}"}}')
        for outcome in ("stored", "retracted", "refused")
    }
    assert outcomes == {"stored": 4, "retracted": 2, "refused": 1}
    assert sink.metric('eventwire_sink_lag_messages{partition="0"}') == 0
    assert sink.metric("eventwire_sink_database_up") == 1
    assert re.search(
        r"follow\.politics\.events\.v1\[\d\] offset \d+: expected an event record: Expecting value",
        sink.logged,
    )
    sink.process.send_signal(signal.SIGTERM)
    assert sink.process.wait(30) == 128 + signal.SIGTERM
    assert "Traceback" not in sink.logged


def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    broker: EmbeddedBroker, url: str, new_sink: Callable[..., SinkProcess]
) -> None:
    opened(url).close()
    with psycopg.connect(url, password=PASSWORD) as connection:
        # Sees every write of a record, so that one that is stored twice shows.
        connection.execute("""
            CREATE TABLE writes (kafka_partition integer, kafka_offset bigint);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO writes VALUES (new.kafka_partition, new.kafka_offset);
                RETURN new;
            END $$;
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON eventwire.events
                FOR EACH ROW EXECUTE FUNCTION note();
        """)
    topic = Topic(broker, "kill")
    chance = random.Random(20_251)
    bad = 0
    stop = threading.Event()

    def produce() -> None:
        nonlocal bad
        while not stop.is_set():
            records: list[tuple[str, Any]] = []
            for _ in range(200):
                event_id = f"event-{chance.randrange(3_000)}"
                value: Any = record(event_id, confidence=chance.random())
                if chance.random() < 0.2:
                    value = None
                elif chance.random() < 0.02:
                    value, bad = b'{"event_id": 1}', bad + 1
                records.append((event_id, value))
            topic.send(*records)
            time.sleep(0.1)

    producer = threading.Thread(target=produce)
    producer.start()
    kills_amid_work = 0
    try:
        for _ in range(8):
            sink = new_sink(topic.settings, url)
            sink.wait_for_log("storing kill.politics.events.v1")
            time.sleep(chance.random() * 1.5)
            sink.kill()
            kills_amid_work += sum(positions(url).values()) < sum(topic.ends.values())
    finally:
        stop.set()
        producer.join()
    assert kills_amid_work, "no kill came while there was work: nothing was shown"
    new_sink(topic.settings, url)
    until(lambda: positions(url) == topic.ends, "the end of the topic")
    assert table(url) == topic.standing
    assert rows(url, "SELECT count(*) FROM eventwire.refused") == [(bad,)]
    assert (
        rows(
            url,
            "SELECT kafka_partition, kafka_offset, count(*) FROM writes GROUP BY 1, 2"
            " HAVING count(*) > 1",
        )
        == []
    )


def test_a_database_that_goes_away_is_waited_for_and_caught_up_with(
    broker: EmbeddedBroker, url: str, server: PostgresServer, new_sink: Callable[..., SinkProcess]
) -> None:
    topic = Topic(broker, "away")
    server.stop()
    try:
        sink = new_sink(topic.settings, url)
        sink.wait_for_log("waiting for PostgreSQL, nothing is read: .*Connection refused")
    finally:
        server.start()
    topic.send(("a", record("a")))
    until(lambda: table(url) == topic.standing, "the first event")
    server.stop()
    try:
        topic.send(*((f"b{n}", record(f"b{n}")) for n in range(2_000)))
        sink.wait_for_log("waiting for PostgreSQL, nothing is read: ", times=2)
    finally:
        server.start()
    until(lambda: table(url) == topic.standing, "what came meanwhile")
    assert sink.process.poll() is None
    assert "Traceback" not in sink.logged
    assert len(sink.logged.splitlines()) < 20


def test_a_second_sink_stands_by_and_takes_over(
    broker: EmbeddedBroker, url: str, new_sink: Callable[..., SinkProcess]
) -> None:
    topic = Topic(broker, "standby")
    first = new_sink(topic.settings, url)
    first.wait_for_log("storing standby")
    second = new_sink(topic.settings, url)
    second.wait_for_log("another sink writes to PostgreSQL .*: standing by")
    topic.send(("a", record("a")))
    until(lambda: table(url) == topic.standing, "the first sink's event")
    assert "storing" not in second.logged
    assert second.metric("eventwire_sink_database_up") == 0
    first.kill()
    topic.send(("b", record("b")))
    until(lambda: table(url) == topic.standing, "the second sink's event")


def test_a_topic_that_is_created_anew_is_read_from_its_beginning(
    broker: EmbeddedBroker, url: str, new_sink: Callable[..., SinkProcess]
) -> None:
    before = Topic(broker, "anew")
    before.send(*((f"old{n}", record(f"old{n}")) for n in range(20)))
    sink = new_sink(before.settings, url)
    until(lambda: table(url) == before.standing, "the first topic")
    sink.kill()
    with EmbeddedBroker() as another:
        after = Topic(another, "anew")
        after.send(*((f"new{n}", record(f"new{n}")) for n in range(5)))
        sink = new_sink(after.settings, url)
        until(lambda: table(url) == before.standing | after.standing, "the second topic")
        sink.kill()


def test_a_password_from_a_file_opens_the_database_and_shows_nowhere(
    broker: EmbeddedBroker, url: str, new_sink: Callable[..., SinkProcess], tmp_path: Path
) -> None:
    topic = Topic(broker, "secret")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    sink = new_sink(topic.settings, url, "--debug", EVENTWIRE_SINK_PASSWORD_FILE=str(secret))
    sink.wait_for_log("storing secret")
    assert PASSWORD not in sink.logged
    assert PASSWORD not in Path(f"/proc/{sink.process.pid}/cmdline").read_text()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PGPASSWORD": "wrong"}, "password authentication failed"),
        ({"EVENTWIRE_BROKERS": "127.0.0.1:1", "PGPASSWORD": PASSWORD}, "cannot reach Kafka"),
        ({"EVENTWIRE_TOPIC_PREFIX": "no.", "PGPASSWORD": PASSWORD}, "topic no.* does not exist"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_and_status_1(
    broker: EmbeddedBroker,
    url: str,
    new_sink: Callable[..., SinkProcess],
    variables: dict[str, str],
    expected: str,
) -> None:
    topic = Topic(broker, "wrong")
    sink = new_sink(topic.settings, url, **variables)
    assert sink.process.wait(60) == 1
    assert re.search(expected, sink.logged)
    assert [line for line in sink.logged.splitlines() if "ERROR" in line] == [
        sink.logged.splitlines()[-1]
    ]
    assert "wrong" not in sink.logged.replace(topic.name, "")
    assert "Traceback" not in sink.logged


# --------------------------------------------------------------------------------- docs/sink.md


def documented() -> list[str]:
    text = (ROOT / "docs" / "sink.md").read_text(encoding="utf-8")
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


def examples() -> list[Message]:
    kenyan, somali = ({"country": country} for country in ("KEN", "SOM"))
    actor, target = EXAMPLE["actors"][0], EXAMPLE["targets"][0]
    article = EXAMPLE["article"]
    return [
        message(EXAMPLE),
        message(record("e1", event_type="capture", article=article | {"id": "a2"})),
        message(record("e2", event_type="capture", article=article | {"id": "a3"})),
        message(record("e3", actors=[actor | kenyan | {"sector": "MIL"}],
                       targets=[target | somali])),
        message(record("e4", status="alleged")),
        message(b"oops", offset=99),
    ]  # fmt: skip


@pytest.mark.parametrize("query", [q for q in documented() if q.startswith("SELECT")])
def test_every_query_of_the_page_finds_what_it_is_for(
    database: Database, url: str, query: str
) -> None:
    stored(database, *examples())
    assert rows(url, query)


def test_the_reader_of_the_page_reads_and_writes_nothing(database: Database, url: str) -> None:
    stored(database, *examples())
    (grants,) = (query for query in documented() if not query.startswith("SELECT"))
    with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
        connection.execute(grants)
        connection.execute("SET ROLE eventwire_reader")
        for view in ("events", "participants", "places", "refused"):
            assert connection.execute(f"SELECT * FROM eventwire.{view}").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM eventwire.events")


def test_the_page_names_every_column() -> None:
    text = (ROOT / "docs" / "sink.md").read_text(encoding="utf-8")
    assert {name for name in (*Row._fields, "stored_at") if f"`{name}`" not in text} == set()
