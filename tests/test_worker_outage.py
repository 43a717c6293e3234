"""Workers whose Kafka goes away, or whose coder hangs: what they say, and how they end."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Room, WorkerProcess, room_settings
from fault_stories import SOONER
from kafka_cluster import Cluster, Embedded

NewRoom = Callable[..., Room]
NewWorker = Callable[..., WorkerProcess]


def until(done: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.2)


def quiet(worker: WorkerProcess) -> str:
    """The log, of which nothing is a traceback or a library's warning."""
    for sign in ("Traceback", "Exception", "Warning:", "Crashed"):
        assert sign not in worker.logged, worker.logged
    return worker.logged


@pytest.fixture(scope="module")
def cluster(new_kafka: Callable[..., Cluster]) -> Cluster:
    return new_kafka(properties=SOONER)


def test_an_outage_is_told_by_log_and_readiness_and_survived_without_a_restart(
    cluster: Cluster, new_worker: NewWorker
) -> None:
    room = Room(room_settings(cluster, "outage"))
    worker = new_worker(room, EVENTWIRE_PROGRESS_TIMEOUT="5")
    worker.wait_until_ready(60)
    room.ledger_of(room.send_article("before", "They met."), 60)
    cluster.brokers[0].kill()
    until(lambda: worker.get("/health/ready")[0] == 503, "not ready")
    lost = f"Kafka at {cluster.address} does not answer (Connection refused)"
    assert worker.get("/health/ready") == (503, f"{lost}\n")
    assert worker.metric("eventwire_kafka_answers") == 0
    time.sleep(7)  # longer than a worker may go without a commit while articles wait
    assert worker.get("/health/live") == (200, f"{lost}; a restart would not help\n")
    cluster.heal()
    until(lambda: worker.get("/health/ready")[0] == 200, "ready")
    assert worker.metric("eventwire_kafka_answers") == 1
    assert room.ledger_of(room.send_article("after", "They met."), 60).outcome == "coded"
    assert worker.get("/health/live")[0] == 200
    room.close()
    logged = quiet(worker)
    lost = f"lost Kafka at {cluster.address} (EVENTWIRE_BROKERS); trying again: Connection refused"
    assert logged.count(lost) == 1
    assert logged.count(f"Kafka at {cluster.address} is back, after ") == 1


def test_with_kafka_dead_workers_that_are_told_to_stop_end_in_time_and_quietly(
    new_worker: NewWorker,
) -> None:
    """One before it has noticed, and one after."""
    with Embedded() as own:
        rooms = [Room(room_settings(own, name, partitions=1)) for name in ("unaware", "aware")]
        workers = [new_worker(room, EVENTWIRE_SHUTDOWN_TIMEOUT="3") for room in rooms]
        for room, worker in zip(rooms, workers, strict=True):
            worker.wait_until_ready(60)
            room.ledger_of(room.send_article("before", "They met."))
            for number in range(20):
                room.send_article(f"during-{number}", "They met.")
            room.close()
    unaware, aware = workers
    unaware.signal(signal.SIGTERM)
    aware.wait_for_log("lost Kafka at ", 60)
    aware.signal(signal.SIGTERM)
    for worker in workers:
        assert worker.wait(20) == 0
        assert "ends without leaving the group, whose other workers take over" in quiet(worker)


def test_a_worker_that_is_told_to_stop_under_load_ends_quietly_and_leaves_the_group(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("load", partitions=1)
    worker = new_worker(room, EVENTWIRE_SHUTDOWN_TIMEOUT="2", EVENTWIRE_BATCH_SECONDS="60")
    worker.wait_until_ready()
    for number in range(30):
        room.send_article(f"a{number}", "SLOW. They met.")
    worker.wait_for_log("read 0 records")
    time.sleep(1)  # the coder is at it
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    logged = quiet(worker)
    assert "not done within 2 s (EVENTWIRE_SHUTDOWN_TIMEOUT): what is left will be read" in logged
    assert "without leaving the group" not in logged


def test_a_worker_is_ready_when_its_model_is_warm_and_it_has_partitions(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    worker = new_worker(new_room("slow"), EVENTWIRE_CODER="fakes.fake_coder:load_slowly")
    said: list[tuple[int, str]] = []
    until(lambda: said.append(worker.get("/health/ready")) or said[-1][0] == 200, "ready")
    assert (503, "the model is loading\n") in said
    assert "given partitions" not in worker.logged.split("coder ready")[0]
    assert said[-1] == (200, "2 partitions\n")
    assert {status for status, _ in said[:-1]} == {503}
    assert worker.get("/health/live")[0] == 200


def test_a_worker_whose_coder_hangs_is_not_live_until_it_goes_on(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("frozen", partitions=1)
    worker = new_worker(room, EVENTWIRE_PROGRESS_TIMEOUT="4", EVENTWIRE_CODER_TIMEOUT="300")
    worker.wait_until_ready()
    room.ledger_of(room.send_article("before", "They met."))
    coder = worker.coder_pid()
    os.kill(coder, signal.SIGSTOP)
    try:
        position = room.send_article("waiting", "They met.")
        assert worker.get("/health/live")[0] == 200
        until(lambda: worker.get("/health/live")[0] == 503, "not live")
        said = worker.get("/health/live")[1]
        assert said.startswith("no commit for "), said
        assert said.endswith(" s while 1 articles wait\n"), said
        assert worker.get("/health/ready")[0] == 200  # it would take articles, once it goes on
    finally:
        os.kill(coder, signal.SIGCONT)
    assert room.ledger_of(position).outcome == "coded"
    until(lambda: worker.get("/health/live")[0] == 200, "live again")
    assert worker.coder_pid() == coder


def test_a_worker_tells_the_topics_that_it_creates(
    embedded_broker: Embedded, new_room: NewRoom, new_worker: NewWorker, tmp_path: Path
) -> None:
    room = new_room("there")
    worker = new_worker(room, EVENTWIRE_TOPIC_PREFIX="nothere.")
    worker.wait_until_ready()
    [line] = [line for line in worker.logged.splitlines() if "created topics" in line]
    names = [topic.name.replace("there.", "nothere.", 1) for topic in room.topics]
    assert line.endswith("created topics " + ", ".join(names))
    other = new_worker(room)
    other.wait_until_ready()
    assert "created topics" not in other.logged
