import gzip
import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from conftest import PYTHONPATH
from test_tail import event

from eventwire.models.records import ArticleRef, ModelRef, Participant
from eventwire.streams import cli, clients, topics
from eventwire.streams.compare import compare, matched, page
from eventwire.streams.feeds import FeedError
from eventwire.streams.settings import Settings

PAGE = (Path(__file__).parents[1] / "docs" / "compare.md").read_text(encoding="utf-8")
SETTINGS = Settings()


def made(identity, article="a1", trigger="shelled", **more):
    sentence = more.pop("sentence", "Rebels shelled the port of Aden on Monday.")
    reference = ArticleRef(id=article, sha256=more.pop("sha256", "0" * 64))
    return event(sentence, trigger, event_id=identity, article=reference, **more)


def written(path, *events):
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in events))
    return str(path)


@pytest.fixture
def compared(tmp_path):
    def run(a, b, **options):
        files = written(tmp_path / "a.jsonl", *a), written(tmp_path / "b.jsonl", *b)
        return compare(SETTINGS, *files, **options)

    return run


def counts(found):
    return found.same, found.changed, found.lost, found.gained


# ------------------------------------------------------------------------------------- matching


def test_events_of_one_id_are_the_same_event_whatever_found_them(compared):
    new = ModelRef(name="new", version="2", sha256="1" * 64)
    found = compared(
        [made("e1")],
        [made("e1", model=new, detected_at="2026-01-01T00:00:00Z", confidence=0.5)],
    )
    assert counts(found) == (1, 0, 0, 0)
    assert found.confidence_change == pytest.approx(0.434)


def test_what_only_one_has_is_lost_or_gained(compared):
    found = compared([made("e1"), made("e2", "a2")], [made("e1"), made("e3", "a3")])
    assert counts(found) == (1, 0, 1, 1)
    assert [(one.kind, one.event.event_id) for one in found.examples] == [
        ("lost", "e2"),
        ("gained", "e3"),
    ]
    assert (found.a.articles, found.b.articles, found.articles_in_both) == (2, 2, 1)


def test_another_type_at_the_same_words_is_a_change_and_counts_under_the_old_type(compared):
    found = compared([made("e1")], [made("e2", event_type="clash")])
    assert counts(found) == (0, 1, 0, 0)
    assert found.fields == {"event_type": 1}
    shelling, clash = found.types["shelling"], found.types["clash"]
    assert (shelling.a, shelling.b, shelling.changed) == (1, 0, 1)
    assert (clash.a, clash.b, clash.differences) == (0, 1, 0)


def test_a_trigger_of_more_words_is_a_change(compared):
    found = compared([made("e1")], [made("e2", trigger="shelled the port")])
    assert counts(found) == (0, 1, 0, 0)
    assert found.fields == {"trigger": 1}


def test_of_two_events_at_the_same_words_that_of_the_same_type_is_the_same(compared):
    a = made("e1")
    other, same = made("e2", event_type="clash"), made("e3", trigger="shelled the")
    assert [(x and x.event_id, y and y.event_id) for x, y in matched([a], [other, same])] == [
        ("e1", "e3"),
        (None, "e2"),
    ]


def test_the_same_place_in_another_text_or_another_article_is_no_match(compared):
    corrected = made("e2", event_type="clash", sha256="1" * 64)
    assert counts(compared([made("e1")], [corrected])) == (0, 0, 1, 1)
    elsewhere = made("e2", "a2", event_type="clash")
    assert counts(compared([made("e1")], [elsewhere])) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("status", {"status": "alleged"}),
        ("actors", {"actor": "port"}),
        ("actors", {"actor": None}),
        ("targets", {"targets": [Participant(text="port", start=21, end=25)]}),
        ("attribution", {"attribution": Participant(text="Rebels", start=0, end=6)}),
    ],
)
def test_every_field_that_differs_is_named(compared, field, other):
    found = compared([made("e1")], [made("e1", **other)])
    assert counts(found) == (0, 1, 0, 0)
    assert found.fields == {field: 1}


def test_an_actor_that_is_resolved_otherwise_is_a_change_and_how_it_was_is_none(compared):
    def with_actor(**resolved):
        return made("e1", actors=[Participant(text="Rebels", start=0, end=6, **resolved)])

    found = compared([with_actor(country="YEM")], [with_actor(country="SYR")])
    assert found.fields == {"actors": 1}
    found = compared([with_actor(resolution="role")], [with_actor(resolution="context")])
    assert counts(found) == (1, 0, 0, 0)


# --------------------------------------------------------------------------- what is compared


def test_two_thresholds_of_one_file_are_compared(tmp_path):
    path = written(
        tmp_path / "e.jsonl", made("e1", confidence=0.9), made("e2", "a2", confidence=0.6)
    )
    assert counts(compare(SETTINGS, path, path, thresholds=(0.5, 0.8))) == (1, 0, 1, 0)


def test_only_the_articles_of_a_feed_are_compared(compared, tmp_path):
    feed = tmp_path / "feed.csv"
    feed.write_text("id,text\na2,x\n")
    a, b = [made("e1"), made("e2", "a2")], [made("e3", "a3")]
    found = compared(a, b, articles=str(feed))
    assert counts(found) == (0, 0, 1, 0)
    assert (found.a.events, found.b.events) == (1, 0)
    feed.write_text("id,text\n")
    with pytest.raises(FeedError, match="expected articles, got none"):
        compared(a, b, articles=str(feed))


def test_models_are_those_of_the_events_that_are_compared(tmp_path):
    improbable = made("e2", confidence=0.3, model=ModelRef(name="m", version="2", sha256="2" * 64))
    path = written(tmp_path / "e.jsonl", made("e1", confidence=0.9), improbable)
    found = compare(SETTINGS, path, path, thresholds=(0.0, 0.5))
    assert [sum(side.models.values()) for side in (found.a, found.b)] == [2, 1]
    assert [len(side.models) for side in (found.a, found.b)] == [2, 1]


def test_an_event_whose_last_record_is_improbable_is_left_out(tmp_path):
    records = made("e1", confidence=0.9), made("e1", confidence=0.3)
    path = written(tmp_path / "e.jsonl", *records)
    found = compare(SETTINGS, path, path, thresholds=(0.0, 0.5))
    assert (found.a.events, found.b.events) == (1, 0)


def test_stdin_is_not_read_twice(tmp_path):
    path = written(tmp_path / "e.jsonl", made("e1"))
    for a, b, articles in (("-", "-", None), ("-", path, "-"), (path, "-", "-")):
        with pytest.raises(FeedError, match=r"expected stdin \(-\) once"):
            compare(SETTINGS, a, b, articles=articles)


def test_the_last_record_of_an_event_counts(compared):
    found = compared([made("e1", status="alleged"), made("e1")], [made("e1")])
    assert counts(found) == (1, 0, 0, 0)


def test_packed_files_are_read_and_what_is_no_event_is_counted(tmp_path, caplog):
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(msgspec.json.encode(made("e1")) + b"\nnoise\n"))
    found = compare(SETTINGS, str(packed), written(tmp_path / "b.jsonl", made("e1")))
    assert counts(found) == (1, 0, 0, 0)
    assert found.a.failed == 1
    assert caplog.messages[0].startswith("a.jsonl.gz:2: expected an event record: ")


def test_a_file_of_something_else_is_told(tmp_path):
    path = tmp_path / "articles.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n')
    with pytest.raises(FeedError, match="expected event records as `eventwire code` writes them"):
        compare(SETTINGS, str(path), str(path))


def test_two_files_that_are_empty_do_not_differ(compared):
    found = compared([], [])
    assert counts(found) == (0, 0, 0, 0)
    assert found.confidence_change is None
    assert "0 the same" in page(found)


def test_a_topic_is_compared_as_it_stands_with_a_file(broker, tmp_path):
    settings = Settings(brokers=broker.address, topic_prefix="compare.", partitions=2)
    topics.create_missing(settings)
    topic = topics.topics(settings).events.name
    with clients.producer(settings) as producer:
        for key, value in (("e1", made("e1")), ("e2", made("e2", "a2")), ("e2", None)):
            content = value and msgspec.json.encode(value)
            producer.send(topic, content, key=key.encode()).get(10)
    path = written(tmp_path / "new.jsonl", made("e1"), made("e3", "a3"))
    assert counts(compare(settings, "topic:", path)) == (1, 0, 0, 1)
    assert counts(compare(settings, path, f"topic:{topic}")) == (1, 0, 1, 0)
    with pytest.raises(clients.BrokerError, match="topic none does not exist"):
        compare(settings, "topic:none", path)


def test_memory_does_not_grow_with_the_events(tmp_path):
    paths = []
    for name, status in (("a", "occurred"), ("b", "alleged")):
        path = tmp_path / f"{name}.jsonl"
        with path.open("wb") as file:
            for number in range(6_000):
                one = made(f"e{number}", f"a{number}", status=status)
                file.write(msgspec.json.encode(one) + b"\n")
        paths.append(str(path))
    tracemalloc.start()
    found = compare(SETTINGS, *paths)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.changed == 6_000
    assert peak < 3_000_000


# ------------------------------------------------------------------------------------- the page


def test_examples_are_the_most_probable_ones_of_each_type(compared):
    lost = [made(f"e{n}", f"a{n}", confidence=n / 10) for n in range(1, 10)]
    found = compared(lost, [], examples=3)
    assert [one.event.confidence for one in found.examples] == [0.9, 0.8, 0.7]
    assert compared(lost, [], examples=0).examples == []


def test_types_with_the_most_differences_come_first(compared):
    found = compared(
        [made("e1", event_type="clash"), made("e2", "a2"), made("e3", "a3")], [made("e4", "a4")]
    )
    assert list(found.types) == ["shelling", "clash"]


def test_no_word_of_a_record_reaches_the_terminal_raw(compared):
    evil = "\x1b]0;owned\x07\u202e"
    found = compared(
        [made("e1", evil, sentence=f"{evil} Rebels shelled Aden", event_type=evil)],
        [
            made(
                "e1",
                evil,
                sentence=f"{evil} Rebels shelled Aden",
                event_type=evil,
                actors=[Participant(text=evil, start=0, end=3, name=evil)],
                model=ModelRef(name=evil, version=evil, sha256="0" * 64),
            )
        ],
    )
    assert found.changed == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", page(found))


def test_no_control_of_a_record_reaches_the_terminal_within_json(tmp_path, capsys):
    hostile = made("e1", article="a\x9b31m\u202e")
    a, b = (written(tmp_path / f"{name}.jsonl", *of) for name, of in (("a", [hostile]), ("b", [])))
    assert cli.main(["compare", a, b, "--json"]) == 0
    printed = capsys.readouterr().out
    assert not re.search("[\x80-\x9f\u202a-\u202e]", printed)
    assert json.loads(printed)["examples"][0]["a"]["article"]["id"] == "a\x9b31m\u202e"


def test_the_page_of_the_documentation_is_what_is_printed(tmp_path, monkeypatch):
    old = ModelRef(name="event-coder-en", version="0.1.0", sha256="3f2a91c4" * 8)
    new = ModelRef(name="event-coder-en", version="0.2.0", sha256="b81d07e5" * 8)
    denied = "The army denied it."
    a = [
        made("e1", model=old),
        made("e2", "a2", model=old, confidence=0.55),
        made("e3", "a3", model=old, confidence=0.81),
        made("e4", "a4", "denied", sentence=denied, event_type="denial", actor="army", model=old),
    ]
    b = [
        made("e1", model=new),
        made("e3", "a3", model=new, status="alleged", confidence=0.77),
        made("e5", "a5", model=new, confidence=0.83),
        made("e4", "a4", "denied", sentence=denied, event_type="denial", actor="army", model=new),
    ]
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "old.jsonl", *a)
    written(tmp_path / "new.jsonl", *b)
    printed = page(compare(SETTINGS, "old.jsonl", "new.jsonl"))
    block = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert block
    assert printed == block[1]


def test_the_commands_of_the_page_run(broker, tmp_path):
    settings = Settings(brokers=broker.address, topic_prefix="compare-docs.", partitions=1)
    topics.create_missing(settings)
    articles = tmp_path / "articles.jsonl"
    lines = [{"id": "a1", "text": "The ministers met."}, {"id": "a2", "text": "She denied it."}]
    articles.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "eventwire").write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -m eventwire.streams.cli "$@"\n'
    )
    (tmp_path / "eventwire").chmod(0o755)
    environment = {n: v for n, v in os.environ.items() if not n.startswith("EVENTWIRE_")} | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": PYTHONPATH,
        "EVENTWIRE_CODER": "fakes.fake_coder:load",
        "EVENTWIRE_BROKERS": broker.address,
        "EVENTWIRE_TOPIC_PREFIX": "compare-docs.",
    }
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(commands) == 4
    printed = []
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "2 the same, 0 changed, 0 lost, 0 gained" in printed[0]
    assert ", of 0.8 or more" in printed[1]
    assert "0 the same, 0 changed, 0 lost, 2 gained" in printed[2]
    assert json.loads(printed[3]) == []
