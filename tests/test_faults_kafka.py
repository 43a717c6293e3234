"""Faults of Apache Kafka, each in its short form: `make soak` has the long ones."""

import resource
from collections.abc import Callable

import fault_stories as stories
import pytest
from conftest import RUN, WorkerProcess
from faults import Trial
from kafka_cluster import Cluster

from eventwire.streams import clients

NewWorker = Callable[..., WorkerProcess]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def cluster(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka()


def test_a_broker_that_restarts_costs_no_article_and_no_worker(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "restart", record_property)
    with trial.fed():
        worker = stories.restart(trial, new_worker, cluster, 1)
    trial.finish(worker)
    assert trial.count("a broker restarts").wrong == 0


def test_a_broker_that_is_gone_for_a_while_costs_no_article_and_no_worker(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "gone", record_property)
    with trial.fed():
        worker = stories.outage(trial, new_worker, cluster, 10)
    trial.finish(worker)
    assert trial.count("no broker for 10 s").wrong == 0


def test_partitions_that_are_added_are_read_and_cost_no_article(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "added", record_property)
    sooner = f"from eventwire.streams import app; app.METADATA_SECONDS = 2.0; {RUN}"
    with trial.fed():
        worker = stories.start(trial, new_worker, program=sooner)
        stories.add_partitions(trial, 4)
        stories.until_given(worker, 1, "[0, 1, 2, 3]")
        stories.work_on(trial, worker)
    trial.finish(worker)
    assert len(trial.committed()) == 4
    assert trial.count("two partitions become four").wrong == 0


@pytest.mark.parametrize(
    "kind",
    [
        "events",
        *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("codings", "dead_letters")),
    ],
)
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
    line = worker.logged.splitlines()[-1]
    assert topic in line, worker.logged
    last = stories.start(trial, new_worker)  # and that makes the topic anew
    trial.finish(last)
    assert trial.count(f"the topic of {kind} is deleted", dead=dead).wrong == 0


def test_a_disk_that_takes_no_more_ends_the_worker_and_costs_no_article(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "full", record_property)
    [broker] = cluster.brokers
    with trial.fed():
        worker = stories.start(trial, new_worker, EVENTWIRE_PUBLISH_TIMEOUT="3")
        stories.work_on(trial, worker)
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        assert worker.wait(120) == 1
        broker.kill()
        cluster.heal()
        last = stories.start(trial, new_worker)
    trial.finish(last)
    assert trial.count("a full disk").wrong == 0


def test_one_of_three_brokers_that_is_lost_costs_no_article_and_no_worker(
    new_kafka: Callable[..., Cluster], new_worker: NewWorker, record_property: Record
) -> None:
    three = new_kafka(3)
    trial = Trial(three, "three", record_property)
    with trial.fed():
        pair = stories.lose_one_of_three(trial, new_worker, three, 1)
    trial.finish(*pair)
    assert trial.count("one of three brokers is lost and comes back").wrong == 0
