"""The topics: their names, what they are configured to be, and how they come to exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from eventwire.streams import clients
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings, variable


@dataclass(frozen=True)
class Topic:
    name: str
    config: dict[str, str]
    """In Kafka's own names."""


@dataclass(frozen=True)
class Topics:
    """Every topic of one installation, all with the same number of partitions."""

    articles: Topic
    """Key: article id (but any key is read)."""
    events: Topic
    """Key: event_id. A null value retracts the event."""
    routed: dict[str, Topic]
    """Event type to the topic that carries only its events, keyed as in `events`."""
    codings: Topic
    """The ledger: one record for every article that was read. Key: article id, and partitioned
    like the articles, so that a worker finds the codings of its own partitions."""
    dead_letters: Topic
    """Key, value and headers of the article as they came; headers say why."""

    def __iter__(self) -> Iterator[Topic]:
        yield self.articles
        yield self.events
        yield from self.routed.values()
        yield self.codings
        yield self.dead_letters


def topics(settings: Settings) -> Topics:
    # Kafka's limit is on the batch, which is a record and up to 100 bytes around it.
    accepted = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(settings.article_max_bytes),
    }
    written = {"max.message.bytes": str(settings.output_max_bytes)}
    latest = {"cleanup.policy": "compact", **written}
    # Kept until someone has looked: the default retention is a week.
    kept = {"cleanup.policy": "delete", "retention.ms": "-1", **written}

    def topic(name: str, config: dict[str, str]) -> Topic:
        return Topic(settings.topic_prefix + name, config)

    return Topics(
        articles=(
            Topic(settings.articles_topic, accepted)
            if settings.articles_topic
            else topic("news.articles.v1", accepted)
        ),
        events=topic("politics.events.v1", latest),
        routed={
            event_type: topic(f"politics.events.{event_type}.v1", latest)
            for event_type in settings.routed_types
        },
        codings=topic("news.codings.v1", latest),
        dead_letters=topic("news.articles.v1.dlq", kept),
    )


class Existing(NamedTuple):
    """A topic as it is on the brokers."""

    name: str
    partitions: int
    cleanup_policy: str
    """Empty where the broker does not tell, as the embedded one."""
    created: bool
    """By this call."""


def create_missing(settings: Settings) -> list[Existing]:
    """Create the topics that do not exist and wait for them; tell of all.

    Topics that exist stay as they are, and articles or codings that are missing get as many
    partitions as the other has. Raises BrokerError, also where both are there with different
    numbers.
    """
    with clients.admin(settings) as admin:
        wanted = {topic.name: topic for topic in topics(settings)}
        before = _partitions(admin, list(wanted))
        pair = [topics(settings).articles.name, topics(settings).codings.name]
        together = next((before[name] for name in pair if name in before), settings.partitions)
        missing = {
            name: {
                "num_partitions": together if name in pair else settings.partitions,
                "replication_factor": settings.replication or -1,  # -1: the broker's default
                "configs": topic.config,
            }
            for name, topic in wanted.items()
            if name not in before
        }
        if missing:
            _create(settings, admin, missing)
        partitions = _partitions(admin, list(wanted))
        policies = _cleanup_policies(admin, list(wanted))
    _same_partitions(settings, partitions)
    return [
        Existing(name, partitions[name], policies.get(name, ""), name in missing) for name in wanted
    ]


def kept(settings: Settings, existing: Sequence[Existing]) -> str | None:
    """A line for who asked for other numbers of partitions than there are; None where all is so.

    Partitions are not added here, since that moves articles to other partitions than those where
    the ledger knows them, and no worker may run meanwhile.
    """
    other = [topic for topic in existing if topic.partitions != settings.partitions]
    if not other:
        return None
    numbers = " or ".join(str(number) for number in sorted({t.partitions for t in other}))
    line = (
        f"{len(other)} topics have {numbers} partitions and keep them:"
        f" {variable('partitions')}, {settings.partitions}, is for topics that eventwire creates."
    )
    if min(topic.partitions for topic in other) > settings.partitions:
        return f"{line} Kafka takes no partitions away"
    named = topics(settings)
    return (
        f"{line} To add some, stop the workers, then run kafka-topics --alter --partitions"
        f" {settings.partitions} for {named.codings.name} and for {named.articles.name};"
        " articles that come again after that may be coded again, to the same event ids"
    )


def expect(settings: Settings, topic: Topic) -> None:
    """Raises BrokerError if the topic does not exist.

    A producer would wait for it, or make the embedded broker create another than we want.
    """
    with clients.admin(settings) as admin:
        if topic.name not in _partitions(admin, [topic.name]):
            raise clients.missing_topic(settings, topic.name)


def _create(
    settings: Settings, admin: KafkaAdminClient, missing: dict[str, dict[str, object]]
) -> None:
    try:
        answer = admin.create_topics(missing, raise_errors=False)
        for topic in answer["topics"]:
            error = for_code(topic["error_code"])
            # Two workers or demos may start at once: whoever comes second finds it made.
            if error is TopicAuthorizationFailedError:
                raise clients.forbidden(settings, f"see or create topic {topic['name']}")
            if topic["error_code"] and error is not TopicAlreadyExistsError:
                reason = topic.get("error_message") or error.description or error.__name__
                raise BrokerError(f"cannot create topic {topic['name']}: {reason}")
        admin.wait_for_topics(list(missing))
    except KafkaError as error:
        raise BrokerError(f"cannot create topics {', '.join(missing)}: {error}") from error


def _partitions(admin: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    try:
        described = admin.describe_topics(names)
    except KafkaError as error:
        raise BrokerError(f"cannot list topics: {error}") from error
    return {
        topic["name"]: len(topic["partitions"]) for topic in described if not topic["error_code"]
    }


def _cleanup_policies(admin: KafkaAdminClient, names: list[str]) -> dict[str, str]:
    try:
        configs = admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )["topic"]
    except KafkaError:  # some users may write to topics and not read how they are configured
        return {}
    return {
        name: str(config["cleanup.policy"]["value"])
        for name, config in configs.items()
        if "cleanup.policy" in config
    }


def _same_partitions(settings: Settings, partitions: dict[str, int]) -> None:
    named = topics(settings)
    articles, codings = partitions[named.articles.name], partitions[named.codings.name]
    if articles != codings:
        raise BrokerError(
            f"{named.articles.name} has {articles} partitions and {named.codings.name} {codings}:"
            " expected as many, since a worker looks its articles up in the codings of the same"
            " partition; give the smaller topic more with kafka-topics --alter"
        )
