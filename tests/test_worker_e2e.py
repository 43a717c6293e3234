"""The worker as users run it, a process on a broker, with a coder that needs no model."""

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import AnyBroker, Elsewhere, Room, WorkerProcess, on_both_brokers, room_settings

NewRoom = Callable[..., Room]
NewWorker = Callable[..., WorkerProcess]

broker = on_both_brokers()

# Where the broker plays no part, one is enough.
on_one_broker = pytest.mark.parametrize("broker", ["embedded_broker"], indirect=True)


@pytest.fixture(scope="module")
def room(broker: AnyBroker) -> Iterator[Room]:
    shared = Room(room_settings(broker, "e2e", article_max_bytes=200_000))
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def worker(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """The worker that most tests share; each sends articles of its own."""
    running = WorkerProcess(
        room,
        tmp_path_factory.mktemp("worker") / "log",
        EVENTWIRE_LOG_LEVEL="info",
        EVENTWIRE_ARTICLE_MAX_BYTES="200000",
        EVENTWIRE_CODER_TIMEOUT="2",
    )
    running.wait_until_ready()
    yield running
    running.end()


def test_an_articles_events_arrive_and_its_ledger_record_names_them(
    room: Room, worker: WorkerProcess
) -> None:
    position = room.send_article("a1", "The minister met the envoy. They captured two soldiers.")
    record = room.ledger_of(position)
    assert record.outcome == "coded"
    assert record.article_id == "a1"
    assert len(record.event_ids) == 2
    assert record.model
    assert record.model.name == "fake"
    events = room.wait(
        lambda: [room.events()[i] for i in record.event_ids if i in room.events()], what="events"
    )
    assert [event["event_type"] for event in events] == ["meeting", "capture"]


def test_an_event_of_a_routed_type_also_arrives_on_the_topic_of_its_type(
    room: Room, worker: WorkerProcess
) -> None:
    room.ledger_of(room.send_article("routed", "They captured a port. They met."))
    routed = room.events(room.topics.routed["capture"].name)
    of_article = [e for e in routed.values() if e["article"]["id"] == "routed"]
    assert [event["event_type"] for event in of_article] == ["capture"]


def test_events_carry_cloudevents_headers_and_pass_trace_and_run_id_through(
    room: Room, worker: WorkerProcess
) -> None:
    passed = [("traceparent", b"00-4bf9-00f0-01"), ("eventwire-run-id", b"run-7"), ("x", b"y")]
    record = room.ledger_of(room.send_article("traced", "They met.", headers=passed))
    assert record.run_id == "run-7"
    [event] = [r for r in room.seen[room.topics.events.name] if r.key.decode() in record.event_ids]
    headers = dict(event.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == event.key
    assert headers["ce_source"] == b"/eventwire"
    assert headers["ce_type"] == b"politics.event.v1"
    assert headers["ce_time"].endswith(b"Z")
    assert headers["content-type"] == b"application/json"
    assert headers["traceparent"] == b"00-4bf9-00f0-01"
    assert headers["eventwire-run-id"] == b"run-7"
    assert "x" not in headers


def test_events_below_the_confidence_are_not_published(room: Room, worker: WorkerProcess) -> None:
    record = room.ledger_of(room.send_article("unsure", "They perhaps met. They met."))
    assert len(record.event_ids) == 1


def test_articles_without_event_and_of_other_languages_get_outcomes_of_their_own(
    room: Room, worker: WorkerProcess
) -> None:
    nothing = room.send_article("weather", "It rained.")
    german = room.send_article("german", "They met.", language="de")
    assert room.ledger_of(nothing).outcome == "no_event"
    assert room.ledger_of(german).outcome == "unsupported_language"


def test_a_bad_article_becomes_a_dead_letter_as_it_came(room: Room, worker: WorkerProcess) -> None:
    value = b'{"id": "bad", "text": "  "}'
    position = room.send(
        value, key="bad-key", headers=[("x", b"\xff\x00")], timestamp_ms=1_700_000_000_123
    )
    letter = room.dead_letter_of(position)
    headers = dict(letter.headers)
    assert letter.key == b"bad-key"
    assert letter.value == value
    assert letter.timestamp == 1_700_000_000_123
    assert headers["x"] == b"\xff\x00"
    assert headers["eventwire-reason"] == b"empty_field"
    said = headers["__connect.errors.exception.message"].decode()
    topic = room.topics.articles.name
    assert said == f"{topic}[{position[0]}] offset {position[1]}: field 'text' is empty"
    assert room.ledger_of(position).outcome == "dead_letter"


def test_null_text_and_empty_values_are_dead_letters_but_a_null_value_is_skipped(
    room: Room, worker: WorkerProcess
) -> None:
    before = worker.metric("eventwire_tombstones_total")
    room.send(None, key="gone")
    literal = room.send(b"null", key="gone")
    empty = room.send(b"", key="gone")
    partition, last = room.send(None, key="gone")
    assert dict(room.dead_letter_of(literal).headers)["eventwire-reason"] == b"not_an_object"
    assert dict(room.dead_letter_of(empty).headers)["eventwire-reason"] == b"empty_value"
    # The last message of the partition is the second null value: the commit has moved past it.
    room.wait(lambda: room.committed(partition) == last + 1, what="the commit")
    assert worker.metric("eventwire_tombstones_total") == before + 2


def test_an_article_with_nul_and_a_lone_surrogate_is_coded(
    room: Room, worker: WorkerProcess
) -> None:
    value = b'{"id": "odd", "text": "The army\\u0000 captured\\ud83d the port."}'
    record = room.ledger_of(room.send(value, key="odd"))
    assert record.outcome == "coded"
    canonical = "The army\ufffd captured\ufffd the port."
    assert record.text_sha256 == hashlib.sha256(canonical.encode()).hexdigest()


def test_an_article_over_the_limit_is_a_dead_letter_with_all_its_bytes(
    room: Room, worker: WorkerProcess
) -> None:
    value = json.dumps({"id": "long", "text": "They met. " * 30_000}).encode()
    letter = room.dead_letter_of(room.send(value, key="long", compression="gzip"))
    assert dict(letter.headers)["eventwire-reason"] == b"too_large"
    assert letter.value == value


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_articles_in_every_compression_are_read(
    room: Room, worker: WorkerProcess, codec: str
) -> None:
    position = room.send_article(f"in-{codec}", "They met." * 50, compression=codec)
    assert room.ledger_of(position).outcome == "coded"


def test_the_same_article_again_is_a_duplicate_and_not_coded(
    room: Room, worker: WorkerProcess
) -> None:
    first = room.ledger_of(room.send_article("twice", "They met."))
    before = len(room.seen[room.topics.events.name])
    second = room.ledger_of(room.send_article("twice", "They met."))
    assert second.outcome == "duplicate"
    assert second.event_ids == first.event_ids
    assert len(room.seen[room.topics.events.name]) == before


def test_a_correction_takes_back_the_events_that_it_no_longer_reports(
    room: Room, worker: WorkerProcess
) -> None:
    first = room.ledger_of(room.send_article("fixed", "They met. They captured it."))
    second = room.ledger_of(room.send_article("fixed", "They met. They released it."))
    assert second.outcome == "coded"
    assert second.event_ids == first.event_ids[:1]
    vanished = first.event_ids[1]
    assert vanished not in room.events()
    assert vanished not in room.events(room.topics.routed["capture"].name)


def test_an_article_that_kills_the_coder_is_a_dead_letter_and_its_neighbours_are_coded(
    room: Room, worker: WorkerProcess
) -> None:
    restarts = worker.metric("eventwire_coder_restarts_total")
    texts = ["They met.", "KILL", "They met again."]
    positions = [
        room.send_article(f"poison-{n}", text, partition=0) for n, text in enumerate(texts)
    ]
    records = [room.ledger_of(position) for position in positions]
    assert [record.outcome for record in records] == ["coded", "dead_letter", "coded"]
    assert records[1].reason == "coder_crash"
    assert worker.metric("eventwire_coder_restarts_total") > restarts


def test_an_article_that_makes_the_model_raise_is_a_dead_letter_and_its_neighbours_are_coded(
    room: Room, worker: WorkerProcess
) -> None:
    texts = ["They met.", "RAISE", "They met again."]
    positions = [room.send_article(f"raise-{n}", text, partition=0) for n, text in enumerate(texts)]
    records = [room.ledger_of(position) for position in positions]
    assert [record.outcome for record in records] == ["coded", "dead_letter", "coded"]
    assert records[1].reason == "coder_error"


def test_an_article_that_the_coder_fails_is_a_dead_letter_with_its_words(
    room: Room, worker: WorkerProcess
) -> None:
    letter = room.dead_letter_of(room.send_article("failing", "FAIL"))
    assert b"no luck" in dict(letter.headers)["__connect.errors.exception.message"]


def test_a_frozen_coder_costs_neither_its_neighbours_nor_the_partitions(
    room: Room, worker: WorkerProcess
) -> None:
    # Killed twice after two seconds: longer than the group waits for a silent member.
    texts = ["They met.", "FREEZE", "They met again."]
    positions = [room.send_article(f"cold-{n}", text, partition=0) for n, text in enumerate(texts)]
    records = [room.ledger_of(position, 30) for position in positions]
    assert [record.outcome for record in records] == ["coded", "dead_letter", "coded"]
    assert worker.logged.count("given partitions") == 1


def test_a_coder_killed_from_outside_costs_no_article(room: Room, worker: WorkerProcess) -> None:
    os.kill(worker.coder_pid(), signal.SIGKILL)
    assert room.ledger_of(room.send_article("after-kill", "They met.")).outcome == "coded"


def test_what_libraries_print_in_the_coder_goes_to_stderr(
    room: Room, worker: WorkerProcess
) -> None:
    assert room.ledger_of(room.send_article("printing", "PRINT")).outcome == "no_event"
    assert "library chatter" in worker.logged


def test_metrics_tell_articles_events_lag_and_the_model(room: Room, worker: WorkerProcess) -> None:
    events = 'eventwire_events_total{status="occurred",type="capture"}'
    before = worker.metric(events)
    position = room.send_article("counted", "They captured it.")
    room.ledger_of(position)
    room.wait(lambda: worker.metric(events) == before + 1, what="the count")
    lag = f'eventwire_lag_messages{{partition="{position[0]}"}}'
    room.wait(lambda: worker.metric(lag) == 0, what="no lag")
    sha = "0" * 64
    assert worker.metric(f'eventwire_model_info{{name="fake",sha256="{sha}",version="1"}}') == 1
    assert worker.metric('eventwire_inference_info{device="cpu",precision="float32"}') == 1
    assert worker.metric(lag.replace("messages", "seconds")) == 0
    assert worker.metric("eventwire_commits_total") > 0
    assert worker.metric("eventwire_rebalances_total") > 0
    assert worker.metric("eventwire_coder_resident_memory_bytes") > 0
    assert "drift is not measured" in worker.logged  # the fake has no reference


def test_the_folder_where_it_was_started_is_neither_imported_from_nor_written_to(
    worker: WorkerProcess,
) -> None:
    assert [path.name for path in worker.folder.iterdir()] == ["queue.py"]


def test_http_answers_get_only(worker: WorkerProcess) -> None:
    assert worker.get("/health/live")[0] == 200
    assert worker.get("/metrics", "POST")[0] == 405
    assert worker.get("/metrics", "HEAD")[0] == 405
    assert worker.get("/other")[0] == 404


def test_the_worker_goes_on_after_the_broker_was_away(
    broker: AnyBroker, room: Room, worker: WorkerProcess
) -> None:
    if isinstance(broker, Elsewhere):
        pytest.skip("the broker of EVENTWIRE_TEST_BROKERS is not to be paused")
    broker.pause()
    try:
        time.sleep(4)  # longer than the session timeout
    finally:
        broker.resume()
    assert room.ledger_of(room.send_article("after-pause", "They met."), 40).outcome == "coded"
    assert worker.process.poll() is None


def test_sigterm_finishes_the_batch_at_hand_and_exits_with_zero(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("sigterm", partitions=1)
    worker = new_worker(room)
    worker.wait_until_ready()
    position = room.send_article("slow", "SLOW. They met.")
    worker.wait_for_log("read 0 records")
    time.sleep(0.4)  # the coder is at it
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert room.ledger_of(position).outcome == "coded"
    assert room.committed(0) == 1


@on_one_broker
def test_a_second_signal_ends_at_once_with_130(new_room: NewRoom, new_worker: NewWorker) -> None:
    room = new_room("twice", partitions=1)
    worker = new_worker(room)
    worker.wait_until_ready()
    room.send_article("frozen", "FREEZE")
    worker.wait_for_log("read 0 records")
    time.sleep(0.3)
    coder = worker.coder_pid()
    worker.signal(signal.SIGINT)
    worker.wait_for_log("SIGINT")
    worker.signal(signal.SIGINT)
    assert worker.wait(2) == 130
    assert _ends(coder)


def test_a_killed_worker_loses_nothing_and_its_coder_dies_with_it(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("sigkill")
    variables = {"EVENTWIRE_BATCH_SECONDS": "0.02"}
    worker = new_worker(room, **variables)
    worker.wait_until_ready()
    coder = worker.coder_pid()
    texts = {
        f"k{n}": f"They met {n} times. " + ("SLOW. " if n % 40 == 20 else "") + "It rained. " * 40
        for n in range(120)
    }
    positions = [room.send_article(article_id, text) for article_id, text in texts.items()]
    room.wait(lambda: room.seen[room.topics.codings.name], what="the first codings")
    worker.signal(signal.SIGKILL)
    worker.wait()
    room.read(500)
    assert len(room.ledger()) < len(texts)  # it was in the middle of them
    assert _ends(coder)
    new_worker(room, **variables)
    for position in positions:
        room.ledger_of(position, 40)
    articles = {event["article"]["id"] for event in room.events().values()}
    assert articles == set(texts)
    assert len(room.events()) == len(texts)


@on_one_broker
def test_a_taken_port_is_named_in_one_line_before_joining_the_group(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        worker = new_worker(new_room("port"), EVENTWIRE_HTTP_PORT=str(port))
        assert worker.wait() == 1
    [line] = worker.logged.splitlines()
    assert str(port) in line
    assert "EVENTWIRE_HTTP_PORT" in line
    assert "--http-port" in line


@on_one_broker
def test_a_model_that_cannot_be_loaded_is_told_in_one_line(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    worker = new_worker(new_room("broken"), EVENTWIRE_CODER="fakes.fake_coder:fail")
    assert worker.wait() == 1
    [_, line] = worker.logged.splitlines()  # the first tells the HTTP port
    assert line.endswith("model.safetensors: expected 24,117,248 bytes, got 134")


@on_one_broker
def test_a_worker_does_not_outlive_its_agent(
    new_room: NewRoom, new_worker: NewWorker, tmp_path: Path
) -> None:
    room = new_room("agentless", partitions=1)
    worker = new_worker(
        room,
        EVENTWIRE_CODER="fakes.fake_coder:load_once",
        EVENTWIRE_MODEL=str(tmp_path / "loaded"),
    )
    worker.wait_until_ready()
    room.send_article("poison", "KILL")  # and it cannot be loaded again
    assert worker.wait() == 1
    assert "coder fakes.fake_coder:load_once: [Errno 17] File exists" in worker.logged
    assert "Traceback" not in worker.logged
    assert room.committed(0) is None


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
