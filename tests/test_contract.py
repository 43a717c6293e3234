"""The published contract: what docs/schemas says is what the code reads and writes."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from eventwire.models import enrich
from eventwire.models.enrich import places
from eventwire.models.ontology import ontology
from eventwire.models.records import (
    SCHEMA_VERSION,
    Article,
    Event,
    event_id,
    text_sha256,
)
from eventwire.models.text import canonical
from eventwire.streams import contract, decode, outputs, replay
from eventwire.streams.contract import NAMES, ContractError, Name, document
from eventwire.streams.dead_letters import RETRY_HEADER, dead_letter
from eventwire.streams.feeds import Line
from eventwire.streams.outputs import LedgerRecord, Record
from eventwire.streams.settings import Settings
from eventwire.streams.topics import topics

FOLDER = Path(__file__).parents[1] / "docs" / "schemas" / "v1"
HINT = "run `make schemas` and look at what it changes: docs/schemas/README.md has the rule"
RECORDS: list[Name] = ["article", "event", "coding", "dead-letter"]


def committed(name: Name) -> dict[str, Any]:
    return json.loads((FOLDER / contract.file_name(name)).read_text("utf-8"))


def example(name: str) -> Any:
    return json.loads((FOLDER / "examples" / f"{name}.json").read_text("utf-8"))


def errors(name: Name, value: Any) -> list[str]:
    validator = Draft202012Validator(document(name, Settings()))
    return [error.message for error in validator.iter_errors(value)]


# ------------------------------------------------------------------------- what is committed


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_document_is_what_the_types_say(name: Name) -> None:
    new = contract.render(document(name, Settings()))
    assert (FOLDER / contract.file_name(name)).read_text("utf-8") == new, HINT


@pytest.mark.parametrize("name", NAMES)
def test_nothing_breaks_a_promise_of_the_committed_document(name: Name) -> None:
    path = FOLDER / contract.file_name(name)
    assert contract.broken(name, path, document(name, Settings())) == []


def test_the_folder_is_named_after_the_major_version() -> None:
    assert FOLDER.name == f"v{SCHEMA_VERSION.partition('.')[0]}"


def test_writing_refuses_what_breaks_a_promise_and_writes_nothing(tmp_path: Path) -> None:
    documents = {name: document(name, Settings()) for name in NAMES}
    contract.write(tmp_path, documents)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    del documents["event"]["properties"]["goldstein"]
    documents["article"]["description"] = "changed"
    with pytest.raises(ContractError, match=r"event\.schema\.json: Event\.goldstein: removed; "):
        contract.write(tmp_path, documents)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_writing_takes_what_only_adds_under_a_higher_version(tmp_path: Path) -> None:
    documents = {name: document(name, Settings()) for name in NAMES}
    contract.write(tmp_path, documents)
    documents["event"]["properties"]["incident_id"] = {"type": "string"}
    documents["event"]["$id"] += "1"
    contract.write(tmp_path, documents)
    assert "incident_id" in (tmp_path / "event.schema.json").read_text()


# ------------------------------------------------------------------------------- the schemas


@pytest.mark.parametrize("name", RECORDS)
def test_a_schema_is_valid_json_schema(name: Name) -> None:
    Draft202012Validator.check_schema(document(name, Settings()))


def undescribed(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            if "description" not in field:
                yield f"{path}.{name}"
        for name, child in node.items():
            yield from undescribed(child, name)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_described(name: Name) -> None:
    assert list(undescribed(document(name, Settings()), name)) == []


def described(kind: str, field: str) -> set[str]:
    fields = document("event", Settings())["$defs"][kind]["properties"]
    return set(re.findall(r"\w+", fields[field]["description"]))


def test_every_sector_that_is_given_is_told() -> None:
    data = Path(enrich.__file__).with_name("data")
    used = {"CVL"}
    for name in ("roles.toml", "organisations.toml"):
        for key, table in tomllib.loads((data / name).read_text("utf-8")).items():
            entries = table.values() if isinstance(table, dict) else []
            given = {entry.get("sector") for entry in entries if isinstance(entry, dict)}
            used |= {code for code in {key, *given} if code and re.fullmatch("[A-Z]{3}", code)}
    assert len(used) > 20
    assert used <= described("Participant", "sector")


def test_every_precision_is_told() -> None:
    assert set(places._PRECISION.values()) <= described("Place", "precision")


def test_event_types_and_reasons_are_listed_as_examples_since_more_may_come() -> None:
    event, letter = document("event", Settings()), document("dead-letter", Settings())
    assert event["properties"]["event_type"]["examples"] == list(ontology().names)
    assert letter["properties"]["eventwire-reason"]["examples"] == list(decode.REASONS)
    assert "enum" not in event["properties"]["event_type"]


def test_the_limit_of_an_id_is_the_one_that_is_enforced() -> None:
    schema = document("article", Settings())
    assert schema["properties"]["id"]["maxLength"] == decode.MAX_ID_CHARACTERS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence", 1.01),
        ("quad_class", 5),
        ("goldstein", -10.5),
        ("status", "maybe"),
        ("trigger", {"text": "x", "start": -1, "end": 0}),
        ("actors", None),
        ("event_id", 7),
    ],
)
def test_a_wrong_value_is_refused_by_the_schema_and_by_the_type(field: str, value: Any) -> None:
    event = example("event") | {field: value}
    assert errors("event", event)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(event, Event)


def test_a_reader_accepts_fields_that_it_does_not_know() -> None:
    assert errors("event", example("event") | {"incident_id": "i1"}) == []


# ------------------------------------------------------------------------------ the examples


@pytest.mark.parametrize("name", RECORDS)
def test_the_example_is_valid(name: Name) -> None:
    assert errors(name, example(name)) == []


@pytest.mark.parametrize(
    ("name", "kind"), [("article", Article), ("event", Event), ("coding", LedgerRecord)]
)
def test_the_example_is_a_whole_record_of_its_type(name: str, kind: type) -> None:
    record = msgspec.convert(example(name), kind)
    assert json.loads(msgspec.json.encode(record)) == example(name)


def test_the_example_event_is_one_of_the_example_article() -> None:
    article = msgspec.convert(example("article"), Article)
    event = msgspec.convert(example("event"), Event)
    text = canonical(article.text)
    spans = [event.trigger, *event.actors, *event.targets, *event.places]
    spans += [span for span in (event.time, event.attribution) if span]
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert event.article.sha256 == text_sha256(text)
    assert event.event_id == event_id(
        article.id, event.event_type, event.evidence.start, event.trigger.start
    )


# --------------------------------------------------------------------------------- the topics


def test_asyncapi_tells_every_topic_as_it_is_created() -> None:
    settings = Settings(topic_prefix="dev.", partitions=7, routed_types=("riot",), replication=3)
    made = {
        channel["address"]: channel["bindings"]["kafka"]
        for channel in document("asyncapi", settings)["channels"].values()
    }
    assert {topic.name: topic.config for topic in topics(settings)} == {
        name: {key: "".join(v) if isinstance(v, list) else str(v) for key, v in config.items()}
        for name, config in ((name, kafka["topicConfiguration"]) for name, kafka in made.items())
    }
    assert {kafka["partitions"] for kafka in made.values()} == {7}
    assert {kafka["replicas"] for kafka in made.values()} == {3}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_asyncapi_stands_alone() -> None:
    told = document("asyncapi", Settings())
    for reference in references(told):
        node = told
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_asyncapi_messages_have_keys_headers_and_payloads() -> None:
    told = document("asyncapi", Settings())
    for message in told["components"]["messages"].values():
        assert message["bindings"]["kafka"]["key"]["description"]
        assert {"headers", "payload"} <= message.keys()


# -------------------------------------------------------------------------------- the headers


def cloud_event(record: Record) -> Any:
    """As the CloudEvents SDK reads it; raises where an attribute is not as CloudEvents has it."""
    headers = {name: value for name, value in record.headers if value is not None}
    return from_binary(KafkaMessage(headers, record.key, record.value or b""), JSONFormat())


def event_records() -> list[Record]:
    event = msgspec.convert(example("event"), Event)
    passed = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    return outputs.published([event], topics(Settings()), 0.0, passed)


def test_an_event_is_a_cloud_event() -> None:
    (record,) = event_records()
    read, event = cloud_event(record), example("event")
    assert (read.get_id(), read.get_type()) == (event["event_id"], "politics.event.v1")
    assert (read.get_source(), read.get_specversion()) == ("/eventwire", "1.0")
    assert read.get_subject() == event["article"]["id"]
    assert read.get_time().isoformat() == "2025-03-05T07:41:12.345000+00:00"
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == event


def test_a_ledger_record_is_a_cloud_event() -> None:
    entry = msgspec.convert(example("coding"), LedgerRecord)
    read = cloud_event(outputs.ledger_record(entry, topics(Settings()), []))
    assert (read.get_id(), read.get_type()) == ("news.articles.v1[2]@1841", "news.coding.v1")
    assert read.get_data() == example("coding")


def test_a_retraction_is_a_cloud_event_without_data() -> None:
    record = outputs.retracted(["e1"], "a1", topics(Settings()), [])[0]
    headers = {name: value for name, value in record.headers if value is not None}
    read = from_binary(KafkaMessage(headers, record.key, b"null"), JSONFormat())
    assert (read.get_id(), read.get_type()) == ("e1", "politics.event.retracted.v1")
    assert record.value is None


def test_a_replayed_article_is_a_cloud_event() -> None:
    article = msgspec.convert(example("article"), Article)
    line = Line("feed.jsonl:1", msgspec.json.encode(article), article)
    read = cloud_event(replay.article_record(line, "my feed.jsonl", "r1", "articles"))
    assert (read.get_id(), read.get_type()) == (article.id, "news.article.v1")
    assert read.get_source() == "urn:eventwire:feed:my%20feed.jsonl"


def header_errors(message: str, headers: dict[str, str]) -> list[str]:
    told = document("asyncapi", Settings())["components"]
    schema = {**told["messages"][message]["headers"], "components": {"schemas": told["schemas"]}}
    return [error.message for error in Draft202012Validator(schema).iter_errors(headers)]


def test_the_headers_of_an_event_are_as_asyncapi_tells() -> None:
    (record,) = event_records()
    headers = {name: (value or b"").decode() for name, value in record.headers}
    assert header_errors("event", headers) == []
    assert header_errors("retraction", headers)


def test_the_headers_of_a_replay_and_of_a_second_try_are_told() -> None:
    line = Line("feed.jsonl:1", b"{}", msgspec.convert(example("article"), Article))
    record = replay.article_record(line, "feed.jsonl", "r1", "articles", "2:1841")
    headers = {name: (value or b"").decode() for name, value in record.headers}
    assert header_errors("article", headers) == []
    told = document("asyncapi", Settings())["components"]["messages"]["article"]["headers"]
    of_ours = {name for name in headers if name.startswith("eventwire-")}
    assert of_ours | {RETRY_HEADER} <= set(told["properties"])


def test_the_headers_of_a_dead_letter_are_as_its_schema_tells() -> None:
    letter = dead_letter(
        topic="dlq",
        source=("news.articles.v1", 3, 1841),
        key=b"a",
        value=b"x" * 5000,
        headers=[],
        timestamp_ms=None,
        refusal=decode.Refusal("not_json", "news.articles.v1[3] offset 1841: expected JSON"),
        stage="VALUE_CONVERTER",
        max_bytes=3000,
    )
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    assert errors("dead-letter", headers) == []
    assert headers.keys() == document("dead-letter", Settings())["properties"].keys()
