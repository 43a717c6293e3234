import pytest
from conftest import on_both_brokers

from eventwire.streams import clients
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings
from eventwire.streams.topics import Existing, create_missing, kept, topics

broker = on_both_brokers()


def test_the_names_are_those_that_others_subscribe_to():
    assert [topic.name for topic in topics(Settings())] == [
        "news.articles.v1",
        "politics.events.v1",
        "politics.events.capture.v1",
        "politics.events.summons.v1",
        "politics.events.denial.v1",
        "news.codings.v1",
        "news.articles.v1.dlq",
    ]


def test_the_prefix_stands_before_every_name():
    assert all(topic.name.startswith("dev.") for topic in topics(Settings(topic_prefix="dev.")))


def test_events_and_codings_are_compacted_and_articles_and_dead_letters_are_not():
    named = topics(Settings())
    policies = {topic.name: topic.config["cleanup.policy"] for topic in named}
    assert policies[named.articles.name] == policies[named.dead_letters.name] == "delete"
    latest = [named.events, named.codings, *named.routed.values()]
    assert {policies[topic.name] for topic in latest} == {"compact"}


def test_dead_letters_may_be_larger_than_articles():
    named = topics(Settings())
    articles, dead_letters = (
        int(topic.config["max.message.bytes"]) for topic in (named.articles, named.dead_letters)
    )
    assert dead_letters > articles + 500_000


def test_missing_topics_are_created_once_and_all_are_told(broker):
    settings = Settings(brokers=broker.address, topic_prefix="created.", partitions=3)
    first, second = create_missing(settings), create_missing(settings)
    assert [topic.name for topic in first] == [topic.name for topic in topics(settings)]
    assert {topic.partitions for topic in first} == {3}
    assert all(topic.created for topic in first)
    assert not any(topic.created for topic in second)


def test_existing_topics_keep_their_partitions(broker):
    create_missing(Settings(brokers=broker.address, topic_prefix="kept.", partitions=2))
    again = create_missing(Settings(brokers=broker.address, topic_prefix="kept.", partitions=5))
    assert {topic.partitions for topic in again} == {2}


@pytest.mark.parametrize("there", ["news.articles.v1", "news.codings.v1"])
def test_articles_and_codings_get_as_many_partitions_as_the_other_has(broker, there):
    prefix = f"one-of-{there}."
    settings = Settings(brokers=broker.address, topic_prefix=prefix, partitions=2)
    with clients.admin(settings) as admin:
        admin.create_topics({prefix + there: {"num_partitions": 5}})
        admin.wait_for_topics([prefix + there])
    found = {topic.name.removeprefix(prefix): topic for topic in create_missing(settings)}
    assert found["news.articles.v1"].partitions == found["news.codings.v1"].partitions == 5
    assert found["politics.events.v1"].partitions == 2


def test_who_asks_for_more_partitions_than_there_are_is_told_how_to_add_them():
    settings = Settings(partitions=8)
    existing = [Existing(topic.name, 4, "", created=False) for topic in topics(settings)]
    line = kept(settings, existing)
    assert line.startswith("7 topics have 4 partitions and keep them: EVENTWIRE_PARTITIONS, 8, is")
    assert "kafka-topics --alter --partitions 8 for news.codings.v1 and for news.art" in line
    assert "\n" not in line


def test_who_asks_for_fewer_partitions_is_told_that_there_is_no_way():
    settings = Settings(partitions=2)
    existing = [Existing(topic.name, 4, "", created=False) for topic in topics(settings)]
    assert kept(settings, existing).endswith("Kafka takes no partitions away")


def test_where_all_partitions_are_as_asked_for_nothing_is_told():
    existing = [Existing("a", 4, "", created=True), Existing("b", 4, "", created=False)]
    assert kept(Settings(partitions=4), existing) is None


def test_codings_with_other_partitions_than_the_articles_are_refused(broker):
    settings = Settings(brokers=broker.address, topic_prefix="uneven.", partitions=2)
    with clients.admin(settings) as admin:
        admin.create_topics(
            {
                "uneven.news.articles.v1": {"num_partitions": 5},
                "uneven.news.codings.v1": {"num_partitions": 2},
            }
        )
        admin.wait_for_topics(["uneven.news.articles.v1", "uneven.news.codings.v1"])
    with pytest.raises(BrokerError, match=r"uneven\.news\.articles\.v1 has 5 partitions and .* 2:"):
        create_missing(settings)
