import copy
from collections.abc import Callable
from typing import Any

import pytest

from eventwire.streams.compatibility import violations

Schema = dict[str, Any]


def schema() -> Schema:
    return {
        "$id": "urn:record:1.0",
        "title": "Record",
        "type": "object",
        "properties": {
            "id": {"type": "string", "maxLength": 9},
            "score": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]},
            "status": {"enum": ["done", "planned"]},
            "spans": {"type": "array", "items": {"$ref": "#/$defs/Span"}},
        },
        "required": ["id", "status"],
        "$defs": {
            "Span": {
                "type": "object",
                "properties": {"start": {"type": "integer"}},
                "required": ["start"],
            }
        },
    }


def changed(change: Callable[[Schema], Any]) -> Schema:
    new = copy.deepcopy(schema())
    new["$id"] = "urn:record:1.1"
    change(new)
    return new


def found(change: Callable[[Schema], Any], *, read: bool = False) -> list[str]:
    return violations(schema(), changed(change), read=read)


Change = Callable[[Schema], Any]
NARROWER: dict[str, Change] = {
    "Record.score: removed": lambda s: s["properties"].pop("score"),
    "Record.spans[].start: removed": lambda s: s["$defs"]["Span"]["properties"].pop("start"),
    "Record.score: newly required": lambda s: s["required"].append("score"),
    "Record.new: newly required": lambda s: (
        s["properties"].update(new={"type": "string"}),
        s["required"].append("new"),
    ),
    "Record.score: may no longer be null": lambda s: s["properties"].update(
        score={"type": "number", "minimum": 0}
    ),
    "Record.id: may no longer be string": lambda s: s["properties"].update(id={"type": "integer"}),
    "Record.status: no longer every value that it had": lambda s: s["properties"].update(
        status={"enum": ["done"]}
    ),
    "Record.score: minimum is tighter": lambda s: s["properties"]["score"]["anyOf"][0].update(
        minimum=1
    ),
    "Record.id: maxLength is tighter": lambda s: s["properties"]["id"].update(maxLength=8),
    "Record.id: minLength is tighter": lambda s: s["properties"]["id"].update(minLength=1),
}
WIDER: dict[str, Change] = {
    "Record.id: may now be null too": lambda s: s["properties"].update(
        id={"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}
    ),
    "Record.status: has values that it had not": lambda s: s["properties"]["status"].update(
        enum=["done", "planned", "denied"]
    ),
    "Record.id: no longer required": lambda s: s["required"].remove("id"),
    "Record.spans[].start: no longer required": lambda s: s["$defs"]["Span"].update(required=[]),
    "Record.id: maxLength is looser": lambda s: s["properties"]["id"].pop("maxLength"),
    "Record.score: minimum is looser": lambda s: s["properties"]["score"]["anyOf"][0].update(
        minimum=-1
    ),
}


@pytest.mark.parametrize("what", NARROWER)
@pytest.mark.parametrize("read", [False, True])
def test_what_takes_something_away_breaks_records_read_and_written(what: str, read: bool) -> None:
    assert what in found(NARROWER[what], read=read)


@pytest.mark.parametrize("what", WIDER)
def test_what_allows_more_breaks_who_reads_our_records(what: str) -> None:
    assert what in found(WIDER[what])


@pytest.mark.parametrize("what", WIDER)
def test_what_allows_more_breaks_nobody_who_writes_for_us(what: str) -> None:
    assert found(WIDER[what], read=True) == []


def test_an_optional_field_may_come() -> None:
    assert found(lambda s: s["properties"].update(new={"type": "string"})) == []


def test_descriptions_and_examples_may_change_within_a_minor_version() -> None:
    new = schema()
    new["description"] = "Other words."
    new["properties"]["id"]["examples"] = ["a"]
    assert violations(schema(), new, read=False) == []


def test_growing_takes_a_higher_minor_version() -> None:
    new = schema()
    new["properties"]["new"] = {"type": "string"}
    assert violations(schema(), new, read=False) == [
        "urn:record:1.0: changed, expected a higher SCHEMA_VERSION with that"
    ]


def test_a_field_may_be_called_like_an_annotation() -> None:
    new = changed(lambda s: s["properties"].update(title={"type": "string"}))
    new["$id"] = schema()["$id"]
    assert len(violations(schema(), new, read=False)) == 1


def topics(**channels: Any) -> Schema:
    def channel(name: str) -> Schema:
        return {
            "address": name,
            "messages": {"event": {}},
            "bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": ["compact"]}}},
        }

    made = {name: channel(f"{name}.v1") for name in ("events", "codings")}
    return {"asyncapi": "3.0.0", "channels": made | channels}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c: c.pop("events"), "asyncapi: topic events.v1 removed"),
        (
            lambda c: c["events"].update(address="e.v1"),
            "asyncapi: topic events.v1 renamed to e.v1",
        ),
        (
            lambda c: c["events"]["bindings"]["kafka"]["topicConfiguration"].update(
                {"cleanup.policy": ["delete"]}
            ),
            "asyncapi: cleanup policy of events.v1 changed",
        ),
        (
            lambda c: c["events"]["messages"].pop("event"),
            "asyncapi: event no longer on events.v1",
        ),
    ],
)
def test_topics_keep_their_names_messages_and_policies(change: Change, what: str) -> None:
    new = topics()
    change(new["channels"])
    assert violations(topics(), new, read=False) == [what]


def test_topics_may_come() -> None:
    assert violations(topics(), topics(more=topics()["channels"]["events"]), read=False) == []
