"""What `eventwire sink` does with what the embedded broker cannot show."""

import json
from collections.abc import Callable

import pytest
from fault_stories import SOONER
from kafka import KafkaProducer
from kafka_cluster import Cluster
from test_sink import (  # fixtures too
    SinkProcess,
    Topic,
    new_sink,  # noqa: F401
    positions,
    record,
    rows,
    server,  # noqa: F401
    table,
    until,
    url,  # noqa: F401
)

from eventwire.streams import clients
from eventwire.streams.topics import create_missing

NewSink = Callable[..., SinkProcess]


@pytest.fixture(scope="module")
def one(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka(properties=SOONER)


def test_what_a_transaction_took_back_is_not_stored_and_no_lag_remains(
    one: Cluster,
    url: str,  # noqa: F811
    new_sink: NewSink,  # noqa: F811
) -> None:
    topic = Topic(one, "transactions")
    producer = KafkaProducer(
        **clients.client_options(topic.settings), transactional_id="a test", acks="all"
    )
    producer.init_transactions()
    for event_id, end in (
        ("kept", producer.commit_transaction),
        ("aborted", producer.abort_transaction),
    ):
        producer.begin_transaction()
        value = topic_value(event_id)
        producer.send(topic.name, value, key=event_id.encode(), partition=0).get(60)
        end()
    producer.close()
    sink = new_sink(topic.settings, url)
    until(lambda: positions_are(url, {0: 4, 1: 0}), "the end, behind the markers")
    assert list(table(url)) == ["kept"]
    until(lambda: topic.committed(0) == 4, "the commit")
    assert sink.metric('eventwire_sink_lag_messages{partition="0"}') == 0


def test_brokers_that_are_away_are_waited_for(
    one: Cluster,
    url: str,  # noqa: F811
    new_sink: NewSink,  # noqa: F811
) -> None:
    topic = Topic(one, "restart")
    topic.send(("a", record("a")))
    sink = new_sink(topic.settings, url)
    until(lambda: table(url) == topic.standing, "the first event")
    one.brokers[0].kill()
    sink.wait_for_log("cannot reach Kafka at .*; waiting for it to come back")
    one.heal()
    topic.send(("b", record("b")), ("a", None))
    until(lambda: table(url) == topic.standing, "what came later")
    assert "Traceback" not in sink.logged


def test_partitions_that_a_topic_gets_later_are_read_too(
    one: Cluster,
    url: str,  # noqa: F811
    new_sink: NewSink,  # noqa: F811
) -> None:
    topic = Topic(one, "grows")
    topic.send(("a", record("a")))
    sink = new_sink(topic.settings, url)
    until(lambda: table(url) == topic.standing, "the first event")
    with clients.admin(topic.settings) as admin:
        admin.create_partitions({topic.name: 6})
    sink.wait_for_log("has changed")
    topic.send(*((f"b{n}", record(f"b{n}")) for n in range(50)))
    until(lambda: table(url) == topic.standing, "what came later")
    assert len(rows(url, "SELECT FROM eventwire.positions")) == 6


def test_a_topic_that_is_deleted_and_made_anew_under_a_sink_is_read_from_its_beginning(
    one: Cluster,
    url: str,  # noqa: F811
    new_sink: NewSink,  # noqa: F811
) -> None:
    topic = Topic(one, "anew")
    topic.send(*((f"old{n}", record(f"old{n}")) for n in range(50)))
    sink = new_sink(topic.settings, url)
    until(lambda: table(url) == topic.standing, "the first topic")
    with clients.admin(topic.settings) as admin:
        admin.delete_topics([topic.name])
    until(lambda: made(topic), "the second topic")
    # As many as before and more: by their offsets alone they could be the old topic's.
    topic.send(*((f"new{n}", record(f"new{n}")) for n in range(120)))
    until(lambda: table(url) == topic.standing, "the second topic's events")
    assert "Traceback" not in sink.logged


def topic_value(event_id: str) -> bytes:

    return json.dumps(record(event_id)).encode()


def positions_are(url: str, expected: dict[int, int]) -> bool:  # noqa: F811
    return bool(table(url)) and positions(url) == expected


def made(topic: Topic) -> bool:
    return any(each.name == topic.name and each.created for each in create_missing(topic.settings))
