"""The same faults at length: `make soak`, or `pytest -m soak tests/test_faults_soak.py`.

On Apache Kafka, and twenty kills on the embedded broker too. Articles come all the while. The
counts stand at the end of pytest's output, as the table of docs/delivery.md.
"""

import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import fault_stories as stories
import pytest
from conftest import AnyBroker, WorkerProcess, on_both_brokers
from fakes import dying_worker
from faults import QUICK, Trial
from kafka_cluster import Broker, Cluster

from eventwire.models.records import Article
from eventwire.streams import clients, feeds

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

NewWorker = Callable[..., WorkerProcess]
Record = Callable[[str, object], None]

FEED = Path(__file__).parent.parent.parent / "shared" / "feeds" / "bbc.jsonl"

broker = on_both_brokers()


@pytest.fixture(scope="module")
def cluster(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka(properties=stories.SOONER)


@pytest.fixture(scope="module")
def three(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka(3, properties=stories.SOONER)


def test_twenty_kills(broker: AnyBroker, new_worker: NewWorker, record_property: Record) -> None:
    trial = Trial(broker, "soak-kills", record_property)
    seed = random.randrange(10**6)
    with trial.fed():
        stories.kill_at_random(trial, new_worker, 20, seed)
        last = stories.start(trial, new_worker)
    trial.finish(last, seconds=1200)
    assert trial.count(f"a worker is killed at 20 random moments (seed {seed})").wrong == 0


def test_every_moment_of_a_batch_twice(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-moments", record_property)
    with trial.fed():
        for moment in dying_worker.MOMENTS * 2:
            worker = new_worker(trial, program=dying_worker.program(moment), **QUICK)
            worker.wait(stories.START_SECONDS)
        last = stories.start(trial, new_worker)
    trial.finish(last, seconds=1200)
    kills = 2 * len(dying_worker.MOMENTS)
    assert trial.count(f"it is killed {kills} times between two steps of a batch").wrong == 0


def test_five_sigterms(cluster: Cluster, new_worker: NewWorker, record_property: Record) -> None:
    trial = Trial(cluster, "soak-sigterms", record_property)
    with trial.fed():
        stories.stop_under_load(trial, new_worker, 5)
        last = stories.start(trial, new_worker)
    trial.finish(last, seconds=1200)
    count = trial.count("it is told to stop under load, 5 times")
    assert (count.wrong, count.repeated, count.recorded_again) == (0, 0, 0)


def test_workers_join_and_leave_three_times(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-joining", record_property, partitions=6)
    with trial.fed():
        last = stories.join_and_leave(trial, new_worker, 3)
    trial.finish(last, seconds=1200)
    assert trial.count("two workers join a third and two leave, 3 times").wrong == 0


def test_workers_are_killed_among_others_five_times(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-killed", record_property, partitions=6)
    with trial.fed():
        last = stories.kill_among_others(trial, new_worker, 5)
    trial.finish(*last, seconds=1200)
    assert trial.count("one of three workers is killed, 5 times").wrong == 0


def test_workers_stand_still_in_turn_three_times(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-stalled", record_property)
    with trial.fed():
        pair = stories.stall(trial, new_worker, 3)
    trial.finish(*pair, seconds=1200)
    assert trial.count("one of two is suspended beyond its session, 3 times").wrong == 0


def test_consumers_pause_for_longer_than_they_may_three_times(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-paused", record_property)
    with trial.fed():
        pair = stories.pause_consumers(trial, new_worker, 3)
    trial.finish(*pair, seconds=1200)
    assert trial.count("one of two pauses beyond max.poll.interval, 3 times").wrong == 0


def test_partitions_are_added(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-added", record_property)
    with trial.fed():
        worker = stories.start(trial, new_worker)
        for total in (3, 4):
            given = worker.logged.count("given partitions")
            stories.add_partitions(trial, total)
            stories.until_given(worker, given, str(list(range(total))))
            stories.work_on(trial, worker)
    trial.finish(worker, seconds=1200)
    assert trial.count("a partition is added, 2 times").wrong == 0


def test_five_poisonous_articles(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-poison", record_property)
    with trial.fed():
        worker = stories.poison(trial, new_worker, 5)
    trial.finish(worker, seconds=1200)
    dead = [f"poison-{number}" for number in range(5)]
    assert trial.count("an article kills the coder's process, 5 times", dead=dead).wrong == 0
    assert worker.metric('eventwire_dead_letters_total{reason="coder_crash"}') == 5


@pytest.mark.parametrize("kind", ["events", "codings", "dead_letters"])
def test_a_topic_that_is_deleted_ends_the_worker_and_costs_no_article(
    kind: str, cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, f"deleted-{kind}", record_property)
    worker = stories.start(trial, new_worker, EVENTWIRE_PUBLISH_TIMEOUT="3")
    topic = getattr(trial.topics, kind).name
    with clients.admin(trial.settings) as admin:
        admin.delete_topics([topic])
    dead = trial.send_bad(3)
    trial.send(trial.articles(100))
    assert worker.wait(120) == 1
    assert topic in worker.logged.splitlines()[-1], worker.logged
    last = stories.start(trial, new_worker)  # and that makes the topic anew
    trial.finish(last)
    assert trial.count(f"the topic of {kind} is deleted", dead=dead).wrong == 0


def test_writes_are_refused(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-refused", record_property)
    with trial.fed():
        last = stories.refuse_writes(trial, new_worker)
    trial.finish(last, seconds=1200)
    assert trial.count("writes to the events topic are refused").wrong == 0


def test_a_disk_is_full(cluster: Cluster, new_worker: NewWorker, record_property: Record) -> None:
    trial = Trial(cluster, "soak-full", record_property)
    with trial.fed():
        worker = stories.fill_disk(trial, new_worker, cluster)
    trial.finish(worker, seconds=1200)
    assert trial.count("the broker's disk is full, and it dies of that").wrong == 0


def test_the_broker_restarts_three_times(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-restarts", record_property)
    with trial.fed():
        worker = stories.restart(trial, new_worker, cluster, 3)
    trial.finish(worker, seconds=1200)
    assert trial.count("the broker restarts, 3 times").wrong == 0


def test_the_broker_is_gone_for_a_minute(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-gone", record_property)
    with trial.fed():
        worker = stories.outage(trial, new_worker, cluster, 60, end=Broker.kill)
    trial.finish(worker, seconds=1200)
    assert trial.count("no broker for 60 s").wrong == 0


def test_each_of_three_brokers_restarts_and_the_most_needed_is_lost_three_times(
    three: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(three, "soak-three", record_property)
    with trial.fed():
        pair = stories.lose_one_of_three(trial, new_worker, three, 3)
        worker = stories.restart(trial, new_worker, three, 3)
    trial.finish(*pair, worker, seconds=1200)
    assert trial.count("of three brokers one is lost, 3 times, and each restarts").wrong == 0


def test_fifty_thousand_articles_at_once(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "soak-flood", record_property)
    worker = stories.flood(trial, new_worker, 50_000)
    trial.finish(worker, seconds=1200)
    assert trial.count("articles come faster than they are coded").wrong == 0


def test_the_model_that_ships_gives_the_same_events_through_three_kills(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    if not FEED.exists():
        pytest.skip(f"no {FEED}")
    with feeds.open_feed(str(FEED), max_bytes=1_000_000) as feed:
        articles = [line.article for line in islice(feed, 200)]
    assert all(isinstance(article, Article) for article in articles)
    trial = Trial(cluster, "soak-model", record_property, coder="eventwire.models.coder:load_coder")
    trial.send(articles)
    for _ in range(3):
        before = trial.finished()
        worker = stories.start(trial, new_worker)
        trial.progress(worker, beyond=before)
        worker.end()
        assert trial.unfinished() > 0, "it was killed with nothing at hand"
    last = stories.start(trial, new_worker)
    trial.finish(last, seconds=1200)
    assert trial.count("with the model that ships, a worker is killed 3 times").wrong == 0
