"""The brokers that other tests break: that they can be, and come back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import PYTHONPATH
from fault_stories import SOONER
from kafka.errors import KafkaError
from kafka_cluster import Cluster

from eventwire.streams import apache_kafka, clients
from eventwire.streams.apache_kafka import Installation, Kafka, Node
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings

ROOT = Path(__file__).parent.parent

NewKafka = Callable[..., Cluster]


@pytest.fixture(scope="module")
def one(new_kafka: NewKafka) -> Cluster:
    return new_kafka()


def create(cluster: Cluster, topic: str) -> None:
    with clients.admin(Settings(brokers=cluster.address)) as admin:
        admin.create_topics({topic: {"num_partitions": 1}})
        admin.wait_for_topics([topic])


def send(cluster: Cluster, topic: str, value: bytes) -> None:
    with clients.producer(Settings(brokers=cluster.address)) as producer:
        producer.send(topic, value).get(30)


def values(cluster: Cluster, topic: str, count: int) -> list[bytes]:
    found: list[bytes] = []
    deadline = time.monotonic() + 30
    with clients.reader(
        Settings(brokers=cluster.address), [topic], from_beginning=True
    ) as consumer:
        while len(found) < count and time.monotonic() < deadline:
            for records in consumer.poll(500).values():
                found += [record.value for record in records]
    return found


def test_the_version_is_the_one_that_maven_fetches() -> None:
    pom = ElementTree.parse(ROOT / "deploy" / "kafka" / "pom.xml").getroot()
    assert pom.findtext("{*}version") == apache_kafka.VERSION


def test_a_paused_broker_is_silent_until_it_is_resumed(one: Cluster) -> None:
    create(one, "paused")
    with clients.producer(Settings(brokers=one.address)) as producer:
        producer.send("paused", b"1").get(30)
        one.pause()
        sent = producer.send("paused", b"2")
        with pytest.raises(KafkaError):
            sent.get(1)
        one.heal()
        sent.get(30)
    assert values(one, "paused", 2) == [b"1", b"2"]


def test_two_of_three_brokers_go_on_without_the_third(new_kafka: NewKafka) -> None:
    three = new_kafka(3, properties=SOONER)
    create(three, "replicated")
    send(three, "replicated", b"all")
    three.brokers[0].kill()
    send(three, "replicated", b"two")
    assert values(three, "replicated", 2) == [b"all", b"two"]


def test_a_killed_test_run_leaves_no_broker_behind(
    kafka_installation: Installation, tmp_path: Path
) -> None:
    script = (
        "import pathlib, sys, time; from kafka_cluster import Cluster, Installation;"
        " java, jars, folder = map(pathlib.Path, sys.argv[1:]);"
        " cluster = Cluster(Installation(java, jars), folder);"
        " print(cluster.brokers[0].pid, flush=True); time.sleep(300)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, kafka_installation), str(tmp_path / "kafka")],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    with run.stdout:
        broker = Path("/proc", run.stdout.readline().decode().strip())
    assert broker.exists()
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 60
    while broker.exists():
        assert time.monotonic() < deadline, "the broker outlived the test run"
        time.sleep(0.1)


def test_a_broker_that_cannot_start_is_told_with_its_reason(
    kafka_installation: Installation, tmp_path: Path, one: Cluster
) -> None:
    taken = one.brokers[0].ports
    of = apache_kafka.properties(1, taken, {1: taken["CONTROLLER"]})
    node = Node(kafka_installation, tmp_path / "kafka", of)
    with pytest.raises(BrokerError, match=r"^Apache Kafka [\d.]+ ended at once: .*in use"):
        node.start()


def test_without_the_jars_the_way_to_get_them_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match=rf"no Apache Kafka in {tmp_path}/.*`mvn .*Docker"):
        Kafka()


def test_without_java_that_is_told(
    kafka_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(apache_kafka.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BrokerError, match=r"needs Java 17 or newer, .* set JAVA_HOME"):
        Kafka()
