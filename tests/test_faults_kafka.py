"""Faults of Apache Kafka, each in its short form: `make soak` has the long ones."""

from collections.abc import Callable

import fault_stories as stories
import pytest
from conftest import WorkerProcess
from faults import Trial
from kafka_cluster import Broker, Cluster

NewWorker = Callable[..., WorkerProcess]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def cluster(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka(properties=stories.SOONER)


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
        worker = stories.outage(trial, new_worker, cluster, 10, end=Broker.stop)
    trial.finish(worker)
    assert trial.count("no broker for 10 s").wrong == 0


def test_partitions_that_are_added_are_read_and_cost_no_article(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "added", record_property)
    with trial.fed():
        worker = stories.start(trial, new_worker, program=stories.sooner("METADATA_SECONDS"))
        stories.add_partitions(trial, 4)
        stories.until_given(worker, 1, "[0, 1, 2, 3]")
        stories.work_on(trial, worker)
    trial.finish(worker)
    assert len(trial.committed()) == 4
    assert trial.count("two partitions become four").wrong == 0


def test_a_consumer_that_pauses_for_longer_than_it_may_costs_no_article(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "paused", record_property)
    with trial.fed():
        pair = stories.pause_consumers(trial, new_worker, 1)
    trial.finish(*pair)
    assert trial.count("one of two pauses beyond max.poll.interval").wrong == 0


def test_a_topic_that_takes_no_record_ends_the_worker_and_costs_no_article(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "refused", record_property)
    with trial.fed():
        last = stories.refuse_writes(trial, new_worker)
    trial.finish(last)
    assert trial.count("writes to the events topic are refused").wrong == 0


def test_a_full_disk_of_which_the_broker_dies_costs_no_article_and_no_worker(
    cluster: Cluster, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(cluster, "full", record_property)
    with trial.fed():
        worker = stories.fill_disk(trial, new_worker, cluster)
    trial.finish(worker)
    assert trial.count("a full disk").wrong == 0


def test_one_of_three_brokers_that_is_lost_costs_no_article_and_no_worker(
    new_kafka: Callable[..., Cluster], new_worker: NewWorker, record_property: Record
) -> None:
    three = new_kafka(3, properties=stories.SOONER)
    trial = Trial(three, "three", record_property)
    with trial.fed():
        pair = stories.lose_one_of_three(trial, new_worker, three, 1)
    trial.finish(*pair)
    assert trial.count("one of three brokers is lost and comes back").wrong == 0
