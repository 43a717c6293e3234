import json
import re

import msgspec
import pytest

from eventwire.models.records import (
    ArticleRef,
    Event,
    Evidence,
    ModelRef,
    Participant,
    Place,
    Plover,
    Span,
)
from eventwire.streams import clients, topics
from eventwire.streams.settings import Settings
from eventwire.streams.tail import (
    EVIDENCE_CHARACTERS,
    Connection,
    Filter,
    harmless_json,
    line,
    tail,
    visible,
)

SENTENCE = "Rebels shelled the port of Aden on Monday."


def event(sentence=SENTENCE, trigger="shelled", actor="Rebels", start=100, **more):
    def span(kind, text):
        at = start + sentence.index(text)
        return kind(text=text, start=at, end=at + len(text))

    fields = {
        "event_id": "e1",
        "event_type": "shelling",
        "plover": Plover(event="ASSAULT", mode="heavy-weapons", score=-9.5),
        "cameo": "194",
        "quad_class": 4,
        "goldstein": -10.0,
        "status": "occurred",
        "confidence": 0.934,
        "trigger": span(Span, trigger),
        "actors": [span(Participant, actor)] if actor else [],
        "targets": [],
        "places": [span(Place, "Aden")] if "Aden" in sentence else [],
        "time": None,
        "not_after": "2025-03-03T07:40:00Z",
        "attribution": None,
        "evidence": Evidence(sentence=sentence, start=start, end=start + len(sentence)),
        "article": ArticleRef(id="a1", sha256="0" * 64),
        "model": ModelRef(name="m", version="1", sha256="0" * 64),
        "ontology_version": "1",
        "detected_at": "2025-03-04T00:00:00Z",
    }
    return Event(**fields | more)


def test_a_line_tells_time_type_who_whom_where_status_confidence_and_evidence():
    assert re.split(r"\s{2,}", line(event())) == [
        "2025-03-03 07:40",
        "shelling",
        "Rebels -> ? @ Aden",
        "occurred 0.93",
        "“Rebels shelled the port of Aden on Monday.”",
    ]


def test_without_a_time_of_publication_the_time_of_detection_stands():
    assert line(event(not_after=None)).startswith("2025-03-04 00:00")


def test_colour_is_added_only_where_asked_for():
    assert "\x1b[" in line(event(), color=True)
    assert "\x1b" not in line(event())


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\x07b", r"a\x07b"),
        ("a\r\n\tb", "a b"),
        ("\u202eevil", r"\u202eevil"),
        ("naïve – “quoted” 中文 🙂", "naïve – “quoted” 中文 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_made_visible(hostile, shown):
    assert visible(hostile) == shown


def test_no_field_of_a_record_reaches_the_terminal_raw():
    evil = "\x1b]0;owned\x07\n"
    sentence = f"{evil} Rebels shelled {evil} Aden"
    fields = {"status": evil, "event_type": evil, "not_after": evil}
    shown = line(event(sentence, actor=evil, **fields))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


def test_json_lines_carry_no_control_character_and_mean_the_same():
    value = msgspec.json.encode(event("Rebels \x9b31m\x7f\u202e shelled Aden"))
    shown = harmless_json(value)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", shown)
    assert json.loads(shown) == json.loads(value)


def test_a_record_that_another_producer_spread_over_lines_is_one_line():
    value = json.dumps(msgspec.to_builtins(event()), indent=2).encode()
    assert "\n" not in harmless_json(value)
    assert json.loads(harmless_json(value)) == json.loads(value)


def test_tail_tells_once_when_the_brokers_are_gone_and_once_when_they_are_back(
    broker, monkeypatch, caplog
):
    monkeypatch.setattr("eventwire.streams.tail.CHECK_SECONDS", 0.0)
    gone = Settings(brokers="127.0.0.1:1")
    connection = Connection(gone)
    for _ in range(3):
        connection.check()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("waiting for it to come back")
    monkeypatch.setattr(connection, "_settings", Settings(brokers=broker.address))
    for _ in range(3):
        connection.check()
    assert caplog.messages[1:] == [f"Kafka at {broker.address} is back"]


def test_long_evidence_is_cut_to_the_words_around_the_trigger():
    sentence = "word " * 100 + "Rebels shelled the port. " + "more " * 100
    shown = line(event(sentence.strip())).split("“")[1].rstrip("”")
    assert "Rebels shelled the port." in shown
    assert re.fullmatch(r"…(word )+Rebels shelled the port\.( more)+…", shown)
    assert len(shown) <= EVIDENCE_CHARACTERS + 2


@pytest.mark.parametrize("where", [0, 1])
def test_evidence_is_cut_only_on_the_side_that_is_long(where):
    parts = ["Rebels shelled the port.", "word " * 100]
    sentence = " ".join(parts if where == 0 else parts[::-1]).strip()
    shown = line(event(sentence)).split("“")[1].rstrip("”")
    assert "Rebels shelled the port." in shown
    assert (shown[0] == "…", shown[-1] == "…") == (where == 1, where == 0)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Filter(), True),
        (Filter(types=frozenset({"shelling", "denial"})), True),
        (Filter(types=frozenset({"denial"})), False),
        (Filter(statuses=frozenset({"alleged"})), False),
        (Filter(min_confidence=0.93), True),
        (Filter(min_confidence=0.94), False),
    ],
)
def test_a_filter_passes_what_was_asked_for(wanted, passes):
    assert wanted(event()) is passes


def test_tail_yields_events_and_retractions_and_skips_what_is_neither(broker):
    settings = Settings(brokers=broker.address, topic_prefix="tail.", partitions=1)
    topics.create_missing(settings)
    value = msgspec.json.encode(event())
    with clients.producer(settings) as producer:
        for content in (b"noise", value, None):
            producer.send("tail.politics.events.v1", content, key=b"e1").get(10)
    arriving = tail(settings, from_beginning=True)
    assert [next(arriving), next(arriving)] == [(value, event()), (b"e1", None)]
    arriving.close()
