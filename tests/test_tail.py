import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from contextlib import closing

import msgspec
import pytest
from conftest import on_both_brokers
from kafka import KafkaProducer

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
from eventwire.streams import cli, clients, topics
from eventwire.streams.settings import Settings
from eventwire.streams.tail import (
    EVIDENCE_CHARACTERS,
    Connection,
    Filter,
    line,
    tail,
)
from eventwire.streams.terminal import harmless_json, visible

broker = on_both_brokers()

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


def test_who_is_meant_by_he_is_told_beside_it():
    he = Participant(text="he", start=0, end=2, name="Volodymyr Zelensky", resolution="coreference")
    zelensky = Participant(text="Zelensky", start=0, end=8, name="Volodymyr Zelensky")
    unknown = Participant(text="they", start=0, end=4)
    shown = line(event(actors=[he, zelensky, unknown]))
    assert "he (Volodymyr Zelensky), Zelensky, they -> ?" in shown


def test_where_the_time_of_publication_is_not_known_the_line_says_when_the_event_was_seen():
    assert line(event(not_after=None)).startswith("seen 03-04 00:00  shelling")


@pytest.mark.parametrize("not_after", ["2025-03-03T07:40:00Z", "2025-03-03", "soon", None])
def test_whatever_the_time_is_the_types_stand_below_each_other(not_after):
    assert line(event(not_after=not_after)).index("shelling") == 18


def test_colour_is_added_only_where_asked_for():
    assert "\x1b[" in line(event(), color=True)
    assert "\x1b" not in line(event())


def test_colours_tell_cooperation_from_conflict_in_words_and_in_deeds():
    shown = [line(event(quad_class=quad), color=True) for quad in (1, 2, 3, 4)]
    colours = [re.search(r"\x1b\[1;(\d+)mshelling", one).group(1) for one in shown]
    assert colours[0] == colours[1]
    assert len(set(colours)) == 3


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\x07b", r"a\x07b"),
        ("a\r\n\tb", "a b"),
        ("\u202eevil", r"\u202eevil"),
        ("\u2066evil\u2069\u061c", r"\u2066evil\u2069\u061c"),
        ("ad\u200bmin\xad\ufeff", r"ad\u200bmin\xad\ufeff"),
        ("\U000e0041hidden", r"\U000e0041hidden"),
        ("می\u200cخواهم 👩\u200d🚒", "می\u200cخواهم 👩\u200d🚒"),
        ("naïve – “quoted” 中文 🙂", "naïve – “quoted” 中文 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_made_visible(hostile, shown):
    assert visible(hostile) == shown


DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
OBEYED = [
    letter
    for letter in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(letter) in {"Cc", "Zl", "Zp"}
    or unicodedata.bidirectional(letter) in DIRECTIONS
]


@pytest.mark.parametrize("show", [visible, lambda text: harmless_json(json.dumps(text).encode())])
def test_no_control_and_no_override_of_direction_that_unicode_has_is_left(show):
    assert len(OBEYED) == 76
    assert not set(show("".join(OBEYED))) & set(OBEYED)


def test_no_field_of_a_record_reaches_the_terminal_raw():
    evil = "\x1b]0;owned\x07\n\u202e\x9b"
    sentence = f"{evil} Rebels shelled {evil} Aden"
    fields = {"status": evil, "event_type": evil}
    for where in ({"not_after": evil}, {"not_after": None, "detected_at": f"2025-{evil}"}):
        shown = line(event(sentence, actor=evil, **fields | where))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", shown)


def test_json_lines_carry_no_control_character_and_mean_the_same():
    value = msgspec.json.encode(event("Rebels \x9b31m\x7f\u202e\U000e0041 shelled Aden"))
    shown = harmless_json(value)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\U000e0041]", shown)
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
        noise = [
            b"noise",
            value.replace(b"Rebels", b"Rebel\xed"),
            value[:-1] + b', "later": "\xff"}',
            value[:-1] + b', "later": 1e999}',
            value[:-1] + b', "later": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ]
        for content in (*noise, value, None):
            producer.send("tail.politics.events.v1", content, key=b"e1").get(10)
    arriving = tail(settings, from_beginning=True)
    assert [next(arriving), next(arriving)] == [(value, event()), (b"e1", None)]
    arriving.close()


def test_tail_shows_no_event_of_a_transaction_that_was_taken_back(kafka):
    settings = Settings(brokers=kafka.address, topic_prefix="tail-committed.", partitions=1)
    topics.create_missing(settings)
    topic = topics.topics(settings).events.name
    with closing(
        KafkaProducer(bootstrap_servers=settings.broker_list, transactional_id="tail")
    ) as producer:
        producer.init_transactions()
        for key, end in (
            (b"no", producer.abort_transaction),
            (b"yes", producer.commit_transaction),
        ):
            producer.begin_transaction()
            producer.send(topic, None, key=key).get(10)
            end()
    arriving = tail(settings, from_beginning=True)
    assert next(arriving) == (b"yes", None)
    arriving.close()


def test_tail_since_a_time_begins_with_what_has_come_since_then(broker):
    settings = Settings(brokers=broker.address, topic_prefix="since.", partitions=2)
    topics.create_missing(settings)
    with clients.producer(settings) as producer:

        def send(partition, key):
            producer.send(
                "since.politics.events.v1", None, key=key.encode(), partition=partition
            ).get(10)

        for partition in (0, 0, 1):
            send(partition, "before")
        time.sleep(1.5)
        began = time.time()
        time.sleep(0.1)
        send(0, "after")  # nothing after on the other partition
        arriving = tail(settings, since=began)
        assert next(arriving) == (b"after", None)
        send(1, "new")
        assert next(arriving) == (b"new", None)
        arriving.close()


def test_tail_since_a_long_time_ago_begins_with_all(broker):
    settings = Settings(brokers=broker.address, topic_prefix="ages.", partitions=1)
    topics.create_missing(settings)
    with clients.producer(settings) as producer:
        producer.send("ages.politics.events.v1", None, key=b"e1").get(10)
    arriving = tail(settings, since=-1e12)
    assert next(arriving) == (b"e1", None)
    arriving.close()


def test_tail_shows_what_is_new_only_unless_asked_for_more(broker):
    settings = Settings(brokers=broker.address, topic_prefix="new.", partitions=1)
    topics.create_missing(settings)
    with clients.producer(settings) as producer:
        producer.send("new.politics.events.v1", None, key=b"before").get(10)
        arriving = tail(settings)
        seen = []
        reading = threading.Thread(target=lambda: seen.append(next(arriving)))
        reading.start()
        deadline = time.monotonic() + 30
        while reading.is_alive() and time.monotonic() < deadline:
            producer.send("new.politics.events.v1", None, key=b"new").get(10)
            reading.join(0.2)
    assert seen == [(b"new", None)]
    arriving.close()


def test_tail_ends_when_nobody_reads_its_pipe_any_more(broker):
    settings = Settings(brokers=broker.address, topic_prefix="head.", partitions=1)
    topics.create_missing(settings)
    with clients.producer(settings) as producer:
        value = msgspec.json.encode(event("Rebels shelled the port of Aden."))
        producer.send("head.politics.events.v1", value, key=b"e1").get(10)
    options = ["--from-beginning", "--brokers", broker.address, "--topic-prefix", "head."]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "eventwire.streams.cli", "tail", *options],
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("text", ["2", "h", "2 h", "-2h", "2w", "٣h"])
def test_a_since_that_is_no_duration_is_refused_with_an_example(text, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["tail", f"--since={text}"])
    assert ended.value.code == cli.MISUSED
    assert f"expected a number and s, m, h or d, as in 2h, got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_in_a_terminal_tail_shows_coloured_lines_for_people(broker, variables, coloured):
    settings = Settings(brokers=broker.address, topic_prefix="terminal.", partitions=1)
    topics.create_missing(settings)
    with clients.producer(settings) as producer:
        value = msgspec.json.encode(event("\x1b[2J Rebels shelled the port of Aden."))
        producer.send("terminal.politics.events.v1", value, key=b"e1").get(10)
    terminal, end = pty.openpty()
    options = ["--from-beginning", "--brokers", broker.address, "--topic-prefix", "terminal."]
    environment = {n: v for n, v in os.environ.items() if n != "NO_COLOR"} | variables
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "eventwire.streams.cli", "tail", *options],
        stdout=end,
        env=environment,
    )
    shown = b""
    while b"\n" not in shown:
        shown += os.read(terminal, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    os.close(terminal)
    os.close(end)
    assert (b"\x1b[1;31mshelling" in shown) is coloured
    assert rb"\x1b[2J Rebels" in shown
