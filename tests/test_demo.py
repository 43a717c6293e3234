import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from conftest import PYTHONPATH

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.demo import Accounts, on_embedded_broker
from eventwire.streams.feeds import REPORTED, open_feed, published
from eventwire.streams.options import SAMPLE_FEED
from eventwire.streams.outputs import LedgerRecord
from eventwire.streams.replay import Sent
from eventwire.streams.settings import Secret, Settings

TESTS = Path(__file__).parent
MARK = "DEMO_TEST_MARK"

pytestmark = pytest.mark.usefixtures("broker")  # skips where there is no embedded broker


# --------------------------------------------------------------------------------- bookkeeping


def coded(offset, outcome="coded", event_ids=()):
    return LedgerRecord(
        article_id=f"a{offset}",
        outcome=outcome,
        event_ids=list(event_ids),
        received_at="2025-01-01T00:00:00Z",
        topic="t",
        partition=0,
        offset=offset,
    )


def sent(number, offset):
    return Sent(f"feed.jsonl:{number}", b"", Refusal("not_json", "no JSON"), 0, offset)


def test_nothing_sent_is_nothing_to_wait_for():
    assert Accounts().complete


def test_an_article_is_accounted_for_by_its_ledger_record_and_all_of_its_events():
    accounts = Accounts()
    accounts.sent = 1
    assert not accounts.complete
    accounts.coded(coded(0, event_ids=["e1", "e2"]))
    accounts.arrived("e1")
    assert not accounts.complete
    accounts.arrived("e2")
    assert accounts.complete


def test_a_ledger_record_that_comes_twice_counts_once():
    accounts = Accounts()
    accounts.sent = 2
    accounts.coded(coded(0, "no_event"))
    accounts.coded(coded(0, "no_event"))
    assert not accounts.complete


def test_an_event_that_comes_twice_is_new_once():
    accounts = Accounts()
    assert [accounts.arrived("e1"), accounts.arrived("e1")] == [True, False]


def test_a_dead_letter_is_told_once_with_its_line_and_reason():
    accounts = Accounts()
    accounts.sent_line(sent(3, offset=0))
    accounts.sent_line(sent(7, offset=1))
    told = []
    for _ in range(2):  # a worker that was killed writes it again
        accounts.died((0, 1), "not_json, expected JSON, got noise")
        accounts.coded(coded(1, "dead_letter"))
        told += accounts.tell()
    assert told == ["feed line 7: dead letter (reason: not_json, expected JSON, got noise)"]


def all_of_a_dead_letter(accounts):
    return {
        "the brokers' word on its message": lambda: accounts.sent_line(sent(7, offset=0)),
        "its record in the ledger": lambda: accounts.coded(coded(0, "dead_letter")),
        "the dead letter": lambda: accounts.died((0, 0), "noise"),
    }


@pytest.mark.parametrize("order", itertools.permutations(all_of_a_dead_letter(None)))
def test_a_dead_letter_is_told_when_all_is_known_in_whatever_order_it_comes(order):
    accounts = Accounts()
    steps = all_of_a_dead_letter(accounts)
    for what in order[:2]:
        steps[what]()
        assert list(accounts.tell()) == []
    steps[order[2]]()
    assert not accounts.complete
    assert len(list(accounts.tell())) == 1
    assert accounts.complete


def test_the_summary_names_every_outcome_that_there_was():
    accounts = Accounts()
    accounts.sent, accounts.unsent = 5, 1
    accounts.arrived("e1")
    for offset, outcome in enumerate(
        ("coded", "no_event", "dead_letter", "unsupported_language", "duplicate")
    ):
        accounts.coded(coded(offset, outcome))
    assert accounts.summary(2.04) == (
        "6 articles, 1 event, 1 without event, 1 dead letter, 1 not English, 1 duplicate,"
        " 1 too large to send in 2.0 s"
    )


def test_the_summary_counts_in_the_plural():
    accounts = Accounts()
    accounts.sent = 4
    for offset, outcome in enumerate(("dead_letter", "dead_letter", "duplicate", "duplicate")):
        accounts.coded(coded(offset, outcome))
    assert accounts.summary(2.0) == (
        "4 articles, 0 events, 0 without event, 2 dead letters, 2 duplicates in 2.0 s"
    )


def test_settings_for_another_broker_do_not_follow_to_the_embedded_one():
    settings = Settings(
        brokers="kafka:9093",
        security_protocol="SASL_SSL",
        sasl_user="alice",
        sasl_password=Secret("hush"),
        replication=3,
        http_port=9464,
        min_confidence=0.7,
        topic_prefix="mine.",
    )
    local = on_embedded_broker(settings, "127.0.0.1:1")
    assert (local.brokers, local.security_protocol, local.http_port) == (
        "127.0.0.1:1",
        "PLAINTEXT",
        0,
    )
    assert (local.sasl_user, local.sasl_password, local.replication) == (None, None, None)
    assert (local.min_confidence, local.topic_prefix) == (0.7, "mine.")


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("name", [None, "my feed.jsonl", 'it\'s "mine"; exit 1.jsonl', "-"])
def test_make_demo_takes_a_feed_of_any_name(tmp_path, name):
    command = tmp_path / "eventwire"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["make", "-f", TESTS.parent / "Makefile", "-o", ".venv/compiled", "demo"]
        + [f"BIN={tmp_path}"]
        + ([f"FEED={name}"] if name else []),
        cwd=tmp_path,
        env={n: v for n, v in os.environ.items() if not n.startswith("MAKE") and n != "FEED"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["demo"] + ([name] if name else [])


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_demo_installs_what_it_needs_and_make_test_the_rest_each_once(tmp_path):
    """With a `uv` and a `python` that only tell what they are asked for."""
    bin_, told = tmp_path / "bin", tmp_path / "told"
    bin_.mkdir()
    (tmp_path / "deploy").mkdir()
    for folder in ("models", "streams", ".venv"):
        (tmp_path / folder).mkdir()
    (tmp_path / "deploy" / "install-dependencies.sh").write_text('echo "$@" >> told\n')
    for name in ("pyproject.toml", "constraints.txt", "models/a.py"):
        (tmp_path / name).touch()
    for name in ("uv", "python", "ruff", "mypy", "eventwire"):
        (bin_ / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {told}\n')
        (bin_ / name).chmod(0o755)

    def made(target):
        told.write_text("")
        subprocess.run(
            ["make", "-f", TESTS.parent / "Makefile", target, f"BIN={bin_}", "PYTHON=python3"],
            cwd=tmp_path,
            env={n: v for n, v in os.environ.items() if not n.startswith("MAKE")},
            check=True,
        )
        asked = told.read_text().splitlines()
        return [line for line in asked if "--extra" in line], len(asked)

    (runtime,), _ = made("demo")
    assert "--extra replay" in runtime
    assert "dev" not in runtime
    (rest,), _ = made("test")
    assert "--extra dev" in rest
    assert made("demo") == ([], 1)
    assert made("test") == ([], 4)  # ruff twice, mypy, pytest
    for path in tmp_path.rglob("*"):
        os.utime(path, (1e9, 1e9 + ("pyproject" in path.name)))
    assert [len(made(target)[0]) for target in ("demo", "test")] == [1, 1]


# ------------------------------------------------------------------------------- the sample feed


def test_the_sample_feed_has_many_articles_one_bad_line_and_no_two_ids_alike():
    with open_feed(str(SAMPLE_FEED), max_bytes=1_048_576) as feed:
        lines = list(feed)
    articles = [line.article for line in lines if isinstance(line.article, Article)]
    assert len(articles) >= 12
    assert sum(isinstance(line.article, Refusal) for line in lines) == 1
    assert len({article.id for article in articles}) == len(articles)
    assert all(article.id.startswith("sample-") for article in articles)
    times = [published(article) for article in articles]
    assert times == sorted(times)


# ------------------------------------------------------------------------------- end to end


class Demo:
    """A demo in a process of its own; whatever it starts can be found by a mark."""

    def __init__(self, *arguments, temporary, coder="load"):
        self.temporary = temporary / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.mark = str(uuid.uuid4())
        clean = {n: v for n, v in os.environ.items() if not n.startswith("EVENTWIRE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "eventwire.streams.cli", "demo", *map(str, arguments)],
            env=clean
            | {
                MARK: self.mark,
                "PYTHONPATH": PYTHONPATH,
                "TMPDIR": str(self.temporary),
                "EVENTWIRE_CODER": f"fakes.fake_coder:{coder}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def finish(self, seconds=60):
        out, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, out.splitlines(), errors.splitlines()

    def broker_port(self):
        return int(re.search(r"127\.0\.0\.1:(\d+)", self.process.stderr.readline()).group(1))

    def processes(self):
        """Command lines of the processes that carry the mark."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return [command for command in found if command]

    def wait_for(self, part, seconds=20):
        deadline = time.monotonic() + seconds
        while not any(part in command for command in self.processes()):
            assert time.monotonic() < deadline, f"no process {part}: {self.processes()}"
            time.sleep(0.05)

    def left_behind(self, port, seconds=15):
        """What is still there after that time: processes, or the broker's port."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            left = self.processes()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    left.append(f"port {port}")
            if not left:
                return []
            time.sleep(0.1)
        return left


def written(tmp_path, *articles):
    path = tmp_path / "feed.jsonl"
    path.write_text(
        "\n".join(a if isinstance(a, str) else json.dumps(a) for a in articles), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
def test_a_demo_shows_every_event_accounts_for_every_line_and_leaves_nothing(
    tmp_path, kind, request
):
    if kind == "kafka":
        request.getfixturevalue("kafka_installation")
    feed = written(
        tmp_path,
        {"id": "a1", "text": "The ministers met in Geneva. The rebels denied it."},
        {"id": "a2", "text": "Quiet."},
        '{"id": "a3", "te',
        "",
        {"id": "a4", "text": "Ruhe.", "language": "de"},
        {"id": "a1", "text": "The ministers met in Geneva. The rebels denied it."},
        {"id": "a5", "text": "x" * 2_000_000},
        {"id": "a6", "text": "FAIL"},
    )
    with Demo(feed, "--broker", kind, temporary=tmp_path) as demo:
        port = demo.broker_port()
        status, out, errors = demo.finish()
        assert demo.left_behind(port) == []
    assert list(demo.temporary.iterdir()) == []
    assert status == 0, errors
    *events, summary = out
    assert [line[:16] for line in events] == ["seen 01-01 00:00"] * 2
    assert {re.split(r"\s{2,}", line)[1] for line in events} == {"meeting", "denial"}
    assert summary.startswith(
        "7 articles, 2 events, 1 without event, 2 dead letters, 1 not English, 1 duplicate,"
        " 1 too large to send in "
    )
    told = sorted(errors, key=lambda line: line.split()[2])
    assert told[0].startswith(
        "feed line 3: dead letter (reason: not_json, expected JSON, got Unterminated string"
    )
    assert told[1].startswith("feed line 7: not sent (reason: expected a record of at most ")
    assert told[2] == "feed line 8: dead letter (reason: coder_error, no luck)"
    assert len(told) == 3


def test_a_demo_on_a_kafka_that_is_not_there_says_so_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    feed = written(tmp_path, {"id": "a1", "text": "The ministers met in Geneva."})
    with Demo(feed, "--broker", "kafka", temporary=tmp_path) as demo:
        status, out, [line] = demo.finish()
    assert (status, out) == (1, [])
    assert line.startswith(f"eventwire demo: no Apache Kafka in {tmp_path}/eventwire/kafka-")
    assert "`mvn -f deploy/kafka dependency:copy-dependencies`" in line
    assert list(demo.temporary.iterdir()) == []


def test_two_demos_at_once_do_not_disturb_each_other(tmp_path):
    feed = written(tmp_path, {"id": "a1", "text": "The ministers met in Geneva."})
    with Demo(feed, temporary=tmp_path) as one, Demo(feed, temporary=tmp_path) as other:
        for demo in (one, other):
            status, out, errors = demo.finish()
            assert status == 0, errors
            assert len(out) == 2


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_demo_that_is_ended_by_a_signal_leaves_nothing_behind(tmp_path, number, status):
    feed = written(tmp_path, {"id": "a1", "text": "FREEZE"})
    with Demo(feed, temporary=tmp_path) as demo:
        port = demo.broker_port()
        demo.wait_for("eventwire.streams.inference")
        demo.process.send_signal(number)
        ended, out, errors = demo.finish()
        assert demo.left_behind(port) == []
    assert ended == status
    assert (out, errors) == ([], [])
    if number != signal.SIGKILL:
        assert list(demo.temporary.iterdir()) == []


def test_the_folder_of_a_demo_that_was_killed_is_removed_by_the_next(tmp_path):
    with Demo(written(tmp_path, {"id": "a1", "text": "FREEZE"}), temporary=tmp_path) as killed:
        port = killed.broker_port()
        killed.wait_for("eventwire.streams.inference")
        killed.process.kill()
        assert killed.left_behind(port) == []
    assert len(list(killed.temporary.iterdir())) == 1
    with Demo(written(tmp_path, {"id": "a1", "text": "Quiet."}), temporary=tmp_path) as demo:
        status, _, errors = demo.finish()
    assert status == 0, errors
    assert list(demo.temporary.iterdir()) == []


def test_ctrl_c_to_the_whole_terminal_ends_a_demo_without_a_word(tmp_path):
    feed = written(tmp_path, {"id": "a1", "text": "FREEZE"})
    with Demo(feed, temporary=tmp_path) as demo:
        port = demo.broker_port()
        demo.wait_for("eventwire.streams.cli worker")
        os.killpg(demo.process.pid, signal.SIGINT)
        ended, out, errors = demo.finish()
        assert demo.left_behind(port) == []
    assert (ended, out, errors) == (130, [], [])


def test_a_worker_that_dies_is_told_with_its_reason(tmp_path):
    feed = written(tmp_path, {"id": "a1", "text": "Quiet."})
    with Demo(feed, coder="fail", temporary=tmp_path) as demo:
        port = demo.broker_port()
        status, out, errors = demo.finish()
        assert demo.left_behind(port) == []
    assert (status, out) == (1, [])
    (line,) = errors
    assert line.startswith("eventwire demo: the worker ended with status 1: ")
    assert "model.safetensors: expected 24,117,248 bytes, got 134" in line


def test_with_debug_the_reason_is_in_the_log_that_is_shown(tmp_path):
    feed = written(tmp_path, {"id": "a1", "text": "Quiet."})
    with Demo(feed, "--debug", temporary=tmp_path, coder="fail") as demo:
        status, _, errors = demo.finish()
    assert status == 1
    assert any("model.safetensors: expected 24,117,248 bytes, got 134" in line for line in errors)
    assert any("the worker ended with status 1: its log is above" in line for line in errors)


def test_a_feed_of_another_kind_is_told_in_a_few_lines(tmp_path):
    feed = written(tmp_path, *["no article"] * 50)
    with Demo(feed, temporary=tmp_path) as demo:
        status, out, errors = demo.finish()
    assert (status, len(out)) == (0, 1)
    assert "50 dead letters" in out[0]
    told = [line for line in errors if "dead letter (reason: not_json" in line]
    assert len(told) == REPORTED
    assert errors[-1] == f"{50 - REPORTED} more failed; --debug tells each"


def test_a_missing_feed_starts_nothing(tmp_path):
    with Demo(tmp_path / "none.jsonl", temporary=tmp_path) as demo:
        status, out, errors = demo.finish()
    assert (status, out) == (1, [])
    assert errors == [
        f"eventwire demo: cannot read the feed {tmp_path}/none.jsonl: No such file or directory"
    ]
