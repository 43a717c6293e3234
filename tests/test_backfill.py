"""Replays from the command line: what is chosen, and that a stop loses and doubles nothing."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from conftest import on_both_brokers

from eventwire.streams import clients, topics
from eventwire.streams.manifest import Manifest
from eventwire.streams.settings import Settings
from eventwire.streams.standing import until_the_end

COMMAND = [sys.executable, "-P", "-m", "eventwire.streams.cli", "replay"]

broker = on_both_brokers()


class Place:
    """Topics of its own and a folder for feeds and manifests."""

    def __init__(self, broker, name, folder):
        self.settings = Settings(brokers=broker.address, topic_prefix=f"{name}.", partitions=3)
        topics.create_missing(self.settings)
        self.topic = topics.topics(self.settings).articles.name
        self.folder = folder
        self.manifest = folder / "manifest.json"

    def environment(self):
        kept = {n: v for n, v in os.environ.items() if not n.startswith("EVENTWIRE_")}
        return kept | {
            "EVENTWIRE_BROKERS": self.settings.brokers,
            "EVENTWIRE_TOPIC_PREFIX": self.settings.topic_prefix,
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def feed(self, count, name="feed.jsonl", **more):
        path = self.folder / name
        path.write_text("".join(article(n, **more) + "\n" for n in range(count)))
        return path

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self.environment(),
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors

    def kept(self):
        return msgspec.json.decode(self.manifest.read_bytes(), type=Manifest)

    def arrived(self, topic=None):
        """Records on the topic."""
        with clients.reader(self.settings, [topic or self.topic], from_beginning=True) as reader:
            return list(until_the_end(self.settings, reader))

    def keys(self, topic=None):
        return Counter(record.key.decode() for record in self.arrived(topic))


@pytest.fixture
def place(broker, tmp_path, request):
    return Place(broker, re.sub(r"\W+", "-", request.node.name)[:100], tmp_path)


def article(number, **more):
    return json.dumps({"id": f"a{number}", "text": "Rebels shelled the port.", **more})


def once(count):
    return Counter(f"a{n}" for n in range(count))


# --------------------------------------------------------------------------- stopped and resumed


def wait_until_some_are_sent(place, process, least=1):
    deadline = time.monotonic() + 60
    while not (place.manifest.exists() and place.kept().counts.sent >= least):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_after_ctrl_c_resume_sends_exactly_the_rest(place):
    feed = place.feed(1_500)
    process = place.start(feed, "--rate", 400, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    first = place.kept()
    assert first.state == "interrupted"
    assert sum(place.keys().values()) == first.counts.sent < 1_500
    assert "interrupted, --resume sends the rest" in errors

    status, errors = place.run(feed, "--manifest", place.manifest, "--resume")
    assert status == 0, errors
    assert place.keys() == once(1_500)
    last = place.kept()
    assert (last.run_id, last.state, last.counts.sent) == (first.run_id, "finished", 1_500)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_obeyed_as_ctrl_c_is(place, number):
    feed = place.feed(5_000)
    process = place.start(feed, "--rate", 200, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert place.kept().state == "interrupted"
    assert sum(place.keys().values()) == place.kept().counts.sent


def test_killed_again_and_again_it_sends_every_article_once(place):
    count = 60_000
    feed = place.feed(count)
    process = place.start(feed, "--manifest", place.manifest)
    killed = 0
    for share in (0.05, 0.3, 0.6):
        wait_until_some_are_sent(place, process, least=int(count * share))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        killed += 1
        assert place.kept().state == "running"
        process = place.start(feed, "--manifest", place.manifest, "--resume")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert killed
    assert place.keys() == once(count)
    kept = place.kept()
    assert (kept.state, kept.counts.sent) == ("finished", count)
    assert sum(written.last - written.first + 1 for written in kept.offsets.values()) == count


def test_what_was_sent_and_not_yet_written_down_is_found_on_the_topic(place):
    feed = place.feed(300)
    assert place.run(feed, "--manifest", place.manifest)[0] == 0
    kept = place.kept()
    kept.state, kept.counts.sent = "running", 0
    kept.inputs[0].records, kept.inputs[0].complete = 0, False
    kept.offsets.clear()
    kept.save(place.manifest)
    status, errors = place.run(feed, "--manifest", place.manifest, "--resume")
    assert status == 0, errors
    assert place.keys() == once(300)
    assert place.kept().counts.sent == 300


def test_a_replay_that_waits_for_its_next_article_ends_at_once(place):
    feed = place.folder / "feed.jsonl"
    moments = ["2025-03-03T07:00:00Z", "2025-03-03T09:00:00Z"]
    lines = [article(n, published_at=moment) for n, moment in enumerate(moments)]
    feed.write_text("\n".join(lines))
    process = place.start(feed, "--speed", 1, "--manifest", place.manifest)
    deadline = time.monotonic() + 60
    while not place.keys():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert place.kept().counts.sent == 1
    status, _ = place.run(feed, "--manifest", place.manifest, "--resume")
    assert status == 0
    assert place.keys() == once(2)


def test_a_replay_that_waits_for_its_pipe_ends_at_once(place):
    process = place.start("-", "--manifest", place.manifest, stdin=subprocess.PIPE)
    process.stdin.write(article(0) + "\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not place.keys():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert process.returncode == 130
    assert place.kept().counts.sent == 1
    process.stdin.close()
    process.stderr.close()


def test_a_dry_run_that_is_stopped_says_that_this_was_not_all(place):
    process = place.start("-", "--dry-run", stdin=subprocess.PIPE)
    process.stdin.write("no JSON\n")
    process.stdin.flush()
    assert "expected JSON" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert process.returncode == 130
    assert "1 line: 1 would be sent" in (said := process.stderr.read())
    assert said.endswith("; interrupted\n")
    process.stdin.close()
    process.stderr.close()


def test_several_files_are_resumed_where_it_stopped(place):
    feeds = [place.feed(n, name=f"{n}.jsonl") for n in (100, 900)]
    feeds[0].write_text("".join(article(f"x{n}") + "\n" for n in range(100)))
    process = place.start(*feeds, "--rate", 200, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process, least=150)
    process.kill()
    process.communicate()
    assert place.run(*feeds, "--manifest", place.manifest, "--resume")[0] == 0
    assert place.keys() == once(900) + Counter(f"ax{n}" for n in range(100))
    assert [one.complete for one in place.kept().inputs] == [True, True]


def test_without_a_manifest_named_the_last_replay_of_these_files_is_resumed(place):
    feed, other = place.feed(2_000), place.feed(3, name="other.jsonl")
    process = place.start(feed, "--rate", 200)
    deadline = time.monotonic() + 60
    while not place.keys():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert place.run(other)[0] == 0
    status, errors = place.run(feed, "--resume")
    assert status == 0, errors
    assert place.keys() - once(3) == once(2_000) - once(3) + Counter(["a0", "a1", "a2"])
    status, errors = place.run(feed, "--resume")
    assert status == 0
    assert "nothing is left" in errors
    assert sum(place.keys().values()) == 2_003


def test_the_limit_is_of_the_whole_replay(place):
    feed = place.feed(600)
    process = place.start(feed, "--rate", 100, "--limit", 350, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process)
    process.kill()
    process.communicate()
    assert place.run(feed, "--limit", 350, "--manifest", place.manifest, "--resume")[0] == 0
    assert place.keys() == once(350)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("other content", [], "is not what it was when the replay began"),
        (None, ["--from", "2020-01-01"], "--from was not given and is 2020-01-01"),
        (None, ["--map", "id=key"], "--map was not given and is id=key"),
        (None, ["--topic", "{other}"], "it was sent to "),
    ],
)
def test_only_the_same_replay_is_resumed(place, change, options, message):
    feed = place.feed(1_000)
    process = place.start(feed, "--rate", 100, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process)
    process.kill()
    process.communicate()
    if change:
        feed.write_text(change)
    named = [option.format(other=f"{place.topic}.dlq") for option in options]
    status, errors = place.run(feed, "--manifest", place.manifest, "--resume", *named)
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_a_replay_that_runs_is_not_resumed_beside_itself(place):
    feed = place.feed(5_000)
    process = place.start(feed, "--rate", 100, "--manifest", place.manifest)
    wait_until_some_are_sent(place, process)
    run_id = place.kept().run_id
    refused = [
        place.run(feed, "--manifest", place.manifest, *option) for option in (["--resume"], [])
    ]
    assert place.kept().run_id == run_id
    process.kill()
    process.communicate()
    for status, errors in refused:
        assert status == 2
        assert "this replay is running" in errors


def test_what_was_never_begun_is_not_resumed(place):
    status, errors = place.run(place.feed(3), "--resume")
    assert status == 2
    assert "no replay of these files to" in errors
    assert place.keys() == Counter()


BAD = article(0) + "\n{\n" + article(2) + "\n"


def test_a_pipe_is_not_resumed_and_nothing_says_that_it_can_be(place):
    options = ["-", "--malformed", "stop", "--manifest", place.manifest]
    status, errors = place.run(*options, stdin=_pipe(BAD))
    assert status == 1
    assert "failed, a pipe cannot be resumed" in errors
    assert "--resume" not in errors
    status, errors = place.run(*options, "--resume", stdin=_pipe(BAD))
    assert status == 2
    assert "--resume needs files, which can be read once more" in errors


def _pipe(content):
    reads, writes = os.pipe()
    threading.Thread(target=lambda: (os.write(writes, content.encode()), os.close(writes))).start()
    return reads


# -------------------------------------------------------------------------------- the manifest


def test_the_manifest_tells_what_was_sent_from_where_to_where(place):
    feed = place.feed(50, published_at="2025-03-03T07:00:00Z")
    status, errors = place.run(feed, "--manifest", place.manifest)
    assert status == 0
    kept, arrived = place.kept(), place.arrived()
    assert {dict(record.headers)["eventwire-run-id"] for record in arrived} == {
        kept.run_id.encode()
    }
    assert kept.run_id in errors
    (one,) = kept.inputs
    assert (one.path, one.bytes) == (str(feed), feed.stat().st_size)
    assert one.sha256 == subprocess.check_output(["sha256sum", feed], text=True).split()[0]
    assert (kept.topic, kept.counts.sent, kept.dates.exact) == (place.topic, 50, 50)
    for partition, written in kept.offsets.items():
        there = [record.offset for record in arrived if record.partition == int(partition)]
        assert (written.first, written.last) == (min(there), max(there))
    assert abs(arrived[0].timestamp / 1000 - time.time()) < 600


def test_a_folder_that_cannot_be_written_costs_the_manifest_and_not_the_replay(place):
    (place.folder / "state").write_text("a file")
    status, errors = place.run(place.feed(3))
    assert status == 0
    assert "no manifest is kept, and --resume will not know of this replay" in errors
    assert place.keys() == once(3)
    named = place.folder / "none" / "m.json"
    status, errors = place.run(place.folder / "feed.jsonl", "--manifest", named)
    assert status == 2
    assert f"--manifest {named}: cannot write there: No such file or directory" in errors


def test_a_manifest_replaces_no_file_of_another_kind(place):
    feed = place.feed(3)
    before = feed.read_bytes()
    for name, said in (
        (feed, "expected the manifest of a replay"),
        ("/dev/null", "expected a file"),
    ):
        status, errors = place.run(feed, "--manifest", name)
        assert status == 2
        assert f"--manifest {name}: {said}" in errors
    assert feed.read_bytes() == before
    assert Path("/dev/null").is_char_device()
    assert place.keys() == Counter()
    place.manifest.touch()  # as mktemp leaves it
    for _ in range(2):
        assert place.run(feed, "--manifest", place.manifest)[0] == 0


def test_a_dry_run_leaves_nothing(place):
    status, errors = place.run(place.feed(3), "--dry-run")
    assert status == 0
    assert "3 lines: 3 would be sent" in errors
    assert place.keys() == Counter()
    assert not (place.folder / "state").exists()


# -------------------------------------------------------------------------------- what is chosen


def test_only_what_was_published_in_a_time_is_sent(place):
    feed = place.folder / "feed.jsonl"
    days = [
        "2024-02-29T23:59:59Z",
        "2024-03-01",
        "2024-03-31T23:59:59Z",
        "2024-04-01",
        "soon",
        None,
    ]
    lines = [article(n, **({"published_at": day} if day else {})) for n, day in enumerate(days)]
    feed.write_text("\n".join(lines))
    status, errors = place.run(feed, "--from", "2024-03-01", "--to", "2024-03-31")
    assert status == 0
    assert place.keys() == Counter(["a1", "a2"])
    assert "2 sent, 2 not of the time asked for, 2 undated" in errors


@pytest.mark.parametrize(
    ("asked", "status", "sent"),
    [("dead-letter", 0, [b"a0", None, b"a2"]), ("skip", 1, [b"a0", b"a2"]), ("stop", 1, [b"a0"])],
)
def test_a_malformed_record_is_told_and_sent_left_out_or_the_end_as_asked(
    place, asked, status, sent
):
    feed = place.folder / "feed.jsonl"
    feed.write_text(BAD)
    found, errors = place.run(feed, "--malformed", asked, "--manifest", place.manifest)
    assert found == status
    assert "feed.jsonl:2: " in errors
    assert "expected JSON" in errors
    key = [record.key or b"~" for record in place.arrived()]
    assert sorted(key) == sorted(one or b"~" for one in sent)
    if asked == "stop":
        assert "--malformed skip --resume goes on behind it" in errors
        options = ["--malformed", "skip", "--resume", "--manifest", place.manifest]
        assert place.run(feed, *options)[0] == 1
        assert place.keys() == Counter(["a0", "a2"])


def test_a_damaged_file_costs_no_other_and_shows_in_the_exit_status(place):
    damaged = place.folder / "a.jsonl.gz"
    damaged.write_bytes(gzip.compress((article(0) + "\n").encode()) + gzip.compress(b"x" * 99)[:-9])
    good = place.feed(3, name="b.jsonl")
    status, errors = place.run(damaged, good)
    assert status == 1
    assert "a.jsonl.gz: not sent: damaged after line 1: truncated" in errors
    assert place.keys() == once(3) + Counter(["a0"])


def test_a_topic_that_is_named_gets_the_articles_and_the_live_one_none(place):
    big = f"{place.settings.topic_prefix}archive"
    named = msgspec.structs.replace(place.settings, articles_topic=big)
    topics.create_missing(named)
    assert place.run(place.feed(20), "--topic", big)[0] == 0
    assert place.keys(big) == once(20)
    assert place.keys() == Counter()


def test_a_table_and_a_folder_are_sent_as_json_of_articles(place):
    feeds = place.folder / "feeds"
    feeds.mkdir()
    (feeds / "a.csv").write_text('key,body\n007,"Rebels shelled\r\nthe port."\n')
    (feeds / "b.jsonl").write_text('{"key": 8, "body": "x", "other": [1]}\n')
    (feeds / "notes.txt").write_text("no feed")
    status, errors = place.run(feeds, "--map", "id=key", "--map", "text=body")
    assert status == 0, errors
    values = {record.key: json.loads(record.value) for record in place.arrived()}
    assert values == {
        b"007": {"id": "007", "text": "Rebels shelled\r\nthe port."},
        b"8": {"id": "8", "text": "x"},
    }


def test_a_worker_of_its_own_codes_the_topic_that_is_named(new_room, new_worker, tmp_path):
    live = new_room("past-live")
    archive = msgspec.structs.replace(
        live.settings, articles_topic="past-live.archive", group="archive"
    )
    topics.create_missing(archive)
    worker = new_worker(
        live, EVENTWIRE_ARTICLES_TOPIC="past-live.archive", EVENTWIRE_GROUP="archive"
    )
    feed = tmp_path / "feed.jsonl"
    feed.write_text(json.dumps({"id": "old", "text": "The ministers met in Geneva."}))
    process = subprocess.run(
        [*COMMAND, feed, "--topic", "past-live.archive"],
        env=os.environ
        | {
            "EVENTWIRE_BROKERS": live.settings.brokers,
            "EVENTWIRE_TOPIC_PREFIX": live.settings.topic_prefix,
            "XDG_STATE_HOME": str(tmp_path),
        },
        check=False,
        timeout=120,
    )
    assert process.returncode == 0
    live.wait(live.events, 60, "the events of the archive")
    (event,) = live.events().values()
    assert event["article"]["id"] == "old"
    assert worker.process.poll() is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--from", "06/07/2016"], "expected ISO 8601, as 2024-03-01"),
        (["--rate", "0"], "expected a number above 0, got '0'"),
        (["--map", "body"], "expected FIELD=COLUMN with a field of id, text, title"),
        (["--map", "body=text"], "expected FIELD=COLUMN with a field of id, text, title"),
        (["--map", "text=a", "--map", "text=b"], "--map text=…: expected once, got it more often"),
        (["--from", "2025-03-02", "--to", "2025-03-01"], "expected an earlier one"),
        (["--resume"], "--dry-run and --resume: expected one"),
        (["--topic", "a b"], "expected up to 249 letters"),
    ],
)
def test_an_option_that_is_wrong_is_told_in_one_line(tmp_path, option, message):
    feed = Path(tmp_path) / "feed.jsonl"
    feed.write_text(BAD)
    done = subprocess.run(
        [*COMMAND, feed, "--dry-run", *option], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


ITEM = (
    "<rss><channel><item><guid>1</guid><author>x</author>"
    "<description>They met.</description></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("content", "column", "begins"),
    [
        (article(1, headline="x"), "headline", "1 line:"),
        (article(1, headline="x"), "headlin", "--map title=headlin: no record has 'headlin'\n"),
        (ITEM, "author", "1 record:"),
        (ITEM, "auhtor", "--map title=auhtor: no record has 'auhtor'\n"),
    ],
)
def test_a_column_of_map_that_no_record_has_is_told(tmp_path, content, column, begins):
    feed = tmp_path / "feed"
    feed.write_text(content)
    options = ["--dry-run", "--map", f"title={column}"]
    done = subprocess.run([*COMMAND, feed, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith(begins)


# ------------------------------------------------------------------------------ docs/replay.md

PAGE = (Path(__file__).parents[1] / "docs" / "replay.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_do_what_it_says(place):
    archive = place.folder / "archive"
    archive.mkdir()
    lines = "".join(article(n, published_at="2025-03-03T07:00:00Z") + "\n" for n in range(3))
    (archive / "a.jsonl").write_text(lines)
    (place.folder / "articles.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (place.folder / "table.csv").write_text("key,body,date\n007,x,29.06.2024\n8,y,2023-01-01\n")
    prefix = place.settings.topic_prefix
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    commands = [one for one in blocks if not one.strip().endswith(" worker")]
    assert (len(blocks), len(commands)) == (6, 5)
    (place.folder / "eventwire").write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -m eventwire.streams.cli "$@"\n'
    )
    (place.folder / "eventwire").chmod(0o755)
    told = []
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace("archive.articles", f"{prefix}big")],
            env=place.environment() | {"PATH": f"{place.folder}:{os.environ['PATH']}"},
            cwd=place.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
    assert "3 lines: 3 would be sent" in told[0]
    assert "1 sent, 1 not of the time asked for" in told[1]
    assert "3 sent" in told[2]
    assert "nothing is left" in told[3]
    assert place.keys(f"{prefix}big") == once(3)
    assert place.keys() == once(3) + Counter(["007"])


def test_the_worker_of_the_page_has_the_settings_that_read_the_topic():
    assert (
        "EVENTWIRE_ARTICLES_TOPIC=archive.articles EVENTWIRE_GROUP=archive eventwire worker" in PAGE
    )
