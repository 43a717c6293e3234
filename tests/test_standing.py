from contextlib import closing
from typing import ClassVar

import pytest
from kafka import KafkaProducer

from eventwire.streams import clients, standing, topics
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings
from eventwire.streams.standing import standing_records


def room(broker, name, *records, partitions=1):
    """Settings of an installation whose events topic holds these (key, value)."""
    settings = Settings(
        brokers=broker.address, topic_prefix=f"standing-{name}.", partitions=partitions
    )
    topics.create_missing(settings)
    send(settings, *records)
    return settings


def send(settings, *records):
    with clients.producer(settings) as producer:
        topic = topics.topics(settings).events.name
        for key, value in records:
            producer.send(topic, value, key=key).get(10)


def values(settings):
    return [value for _, value in standing_records(settings)]


def test_an_empty_topic_has_nothing_standing(broker):
    assert values(room(broker, "empty", partitions=3)) == []


def test_the_last_record_of_a_key_stands_in_the_order_of_writing(broker):
    settings = room(broker, "last", (b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    assert values(settings) == [b"2", b"3"]


def test_what_was_retracted_does_not_stand_unless_it_came_again(broker):
    records = [(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"b", None), (b"b", b"3")]
    assert values(room(broker, "retracted", *records)) == [b"3"]


def test_records_without_a_key_all_stand(broker):
    assert values(room(broker, "keyless", (None, b"1"), (None, b"2"))) == [b"1", b"2"]


def test_every_partition_is_read_to_its_end(broker):
    records = [(b"%d" % number, b"v%d" % number) for number in range(300)]
    found = values(room(broker, "partitions", *records, partitions=4))
    assert sorted(found) == sorted(value for _, value in records)


def test_a_record_is_told_by_its_place(broker):
    ((place, _),) = standing_records(room(broker, "place", (b"a", b"1")))
    assert place == "standing-place.politics.events.v1[0] offset 0"


def test_what_arrives_while_it_is_read_is_not_waited_for(broker, monkeypatch):
    settings = room(broker, "moving", (b"a", b"1"), (b"b", b"2"))
    until_the_end = standing.until_the_end

    def and_more_arrives(*arguments):
        for record in until_the_end(*arguments):
            send(settings, (b"a", None))
            yield record

    monkeypatch.setattr(standing, "until_the_end", and_more_arrives)
    assert values(settings) == [b"1", b"2"]


def test_a_missing_topic_is_named(broker):
    settings = Settings(brokers=broker.address, topic_prefix="standing-missing.")
    with pytest.raises(BrokerError, match=r"topic standing-missing\.politics\.events\.v1 does not"):
        list(standing_records(settings))


def test_of_transactions_only_what_is_committed_stands_and_an_open_one_is_not_waited_for(
    kafka, monkeypatch
):
    monkeypatch.setattr(standing, "CHECK_SECONDS", 0.5)
    settings = room(kafka, "transactions", (b"a", b"1"))
    topic = topics.topics(settings).events.name
    with closing(
        KafkaProducer(bootstrap_servers=settings.broker_list, transactional_id="standing")
    ) as producer:
        producer.init_transactions()
        for value, end in (
            (b"committed", producer.commit_transaction), (b"aborted", producer.abort_transaction)
        ):  # fmt: skip
            producer.begin_transaction()
            producer.send(topic, value, key=value).get(10)
            end()
        producer.begin_transaction()
        producer.send(topic, b"open", key=b"open").get(10)
        assert values(settings) == [b"1", b"committed"]
        producer.abort_transaction()


class Silent:
    """A consumer of a partition whose records never come."""

    config: ClassVar = {"isolation_level": "read_uncommitted"}

    def __init__(self, partition):
        self._partition = partition

    def assignment(self):
        return {self._partition}

    def beginning_offsets(self, partitions):
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions):
        return dict.fromkeys(partitions, 7)

    def poll(self, timeout_ms):
        return {}

    def highwater(self, partition):
        return None


@pytest.mark.parametrize(
    ("constant", "brokers", "message"),
    [
        ("CHECK_SECONDS", "127.0.0.1:1", "cannot reach Kafka at 127.0.0.1:1"),
        ("STALLED_SECONDS", None, r"events\[0\]: expected records up to offset 7, none came"),
    ],
)
def test_silence_ends_with_a_reason(broker, monkeypatch, constant, brokers, message):
    from kafka import TopicPartition

    monkeypatch.setattr(standing, constant, 0.0)
    settings = Settings(brokers=brokers or broker.address)
    consumer = Silent(TopicPartition("events", 0))
    with pytest.raises(BrokerError, match=message):
        list(standing.until_the_end(settings, consumer))
