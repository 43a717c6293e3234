"""The programs of docs/subscribe.md, run as they are printed there."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from test_tail import event

from eventwire.streams import clients, topics
from eventwire.streams.settings import Settings

PAGE = (Path(__file__).parents[1] / "docs" / "subscribe.md").read_text(encoding="utf-8")

SENT = [
    ("e1", "capture", "occurred", "Troops captured two rebels."),
    ("e2", "denial", "occurred", "The army denied it."),
    ("e3", "summons", "occurred", "Peru summoned the envoy."),
    ("e4", "capture", "alleged", "Rebels say that they captured a general."),
]
WANTED = {"Troops captured two rebels.", "Peru summoned the envoy."}


def program(heading, address, prefix, number=0):
    """A block of code below `heading`, for another broker and topics of its own."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    code = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)[number]
    assert "127.0.0.1:9092" in code
    assert "politics.events.v1" in code
    return code.replace("127.0.0.1:9092", address).replace(
        "politics.events", f"{prefix}.politics.events"
    )


class Subscriber:
    """A program and the lines that it has printed."""

    def __init__(self, command, folder):
        self._out, errors = folder / "out", folder / "errors"
        with self._out.open("w") as out, errors.open("w") as err:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, cwd=folder, start_new_session=True
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def lines(self, done, seconds=60):
        """What was printed, once `done` holds of it."""
        deadline = time.monotonic() + seconds
        while not done(printed := self._out.read_text().splitlines()):
            assert time.monotonic() < deadline, f"printed only {printed}"
            time.sleep(0.1)
        return printed


def publish(broker, prefix):
    settings = Settings(brokers=broker.address, topic_prefix=f"{prefix}.", partitions=1)
    topics.create_missing(settings)
    topic = topics.topics(settings).events.name
    with clients.producer(settings) as producer:
        for key, kind, status, sentence in SENT:
            trigger = "denied" if kind == "denial" else f"{kind[:6]}"
            record = event(
                sentence,
                next(word for word in sentence.split() if word.startswith(trigger)),
                actor=None,
                event_id=key,
                event_type=kind,
                status=status,
            )
            producer.send(topic, msgspec.json.encode(record), key=key.encode()).get(10)
        producer.send(topic, None, key=b"e1").get(10)


def shown(lines):
    return {sentence for _, _, _, sentence in SENT if any(sentence in line for line in lines)}


def test_the_kafka_python_program_prints_what_was_asked_for_and_retractions(broker, tmp_path):
    publish(broker, "kp")
    (tmp_path / "program.py").write_text(program("kafka-python", broker.address, "kp"))
    with Subscriber([sys.executable, "program.py"], tmp_path) as subscriber:
        lines = subscriber.lines(lambda printed: "retracted e1" in printed)
    assert shown(lines) == WANTED
    assert len(lines) == 3


def test_the_faust_program_prints_what_was_asked_for_and_retractions(broker, tmp_path):
    publish(broker, "fa")
    (tmp_path / "alerts.py").write_text(program("Faust", broker.address, "fa"))
    with Subscriber([sys.executable, "alerts.py"], tmp_path) as subscriber:
        lines = subscriber.lines(lambda printed: "retracted e1" in printed)
    assert shown(lines) == WANTED
    assert len(lines) == 3


@pytest.mark.skipif(
    not (shutil.which("kcat") and shutil.which("jq")),
    reason="kcat and jq are not installed: apt-get install kcat jq",
)
def test_the_kcat_commands_print_what_was_asked_for_and_retractions(kafka, tmp_path):
    publish(kafka, "kc")
    with Subscriber(["sh", "-c", program("kcat", kafka.address, "kc")], tmp_path) as subscriber:
        lines = subscriber.lines(lambda printed: shown(printed) >= WANTED)
    assert shown(lines) == WANTED
    with Subscriber(["sh", "-c", program("kcat", kafka.address, "kc", 1)], tmp_path) as subscriber:
        assert subscriber.lines(bool) == ["retracted e1"]
