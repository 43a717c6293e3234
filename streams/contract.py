"""The published contract: JSON Schemas of the records and an AsyncAPI document of the topics.

Both are made from the types that the code itself reads and writes, descriptions included, so they
cannot say anything else. docs/schemas/v1 holds them; `write` puts them there, and refuses what
would break a program that was written against what is there. docs/schemas/README.md has the rule
in words.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec.inspect import ListType, Metadata, StructType, Type, UnionType, type_info

from eventwire.models.ontology import ontology
from eventwire.models.records import SCHEMA_VERSION, Article, Event, Plover
from eventwire.streams import decode, outputs
from eventwire.streams.compatibility import Document, violations
from eventwire.streams.dead_letters import RETRY_HEADER, DeadLetterHeaders
from eventwire.streams.outputs import CloudEventHeaders, LedgerRecord
from eventwire.streams.replay import CE_TYPE_ARTICLE, NUMBER_HEADER
from eventwire.streams.settings import Settings
from eventwire.streams.topics import Topic, Topics, topics

Name = Literal["article", "event", "coding", "dead-letter", "asyncapi"]
NAMES: tuple[Name, ...] = get_args(Name)

_TYPES: dict[Name, type[msgspec.Struct]] = {
    "article": Article,
    "event": Event,
    "coding": LedgerRecord,
    "dead-letter": DeadLetterHeaders,
}


class ContractError(Exception):
    """A schema would change as it must not; the message is one line that names the first change."""


def file_name(name: Name) -> str:
    return "asyncapi.json" if name == "asyncapi" else f"{name}.schema.json"


def document(name: Name, settings: Settings) -> Document:
    """The schema of a record, or the AsyncAPI document of the topics that the settings name."""
    if name == "asyncapi":
        return _asyncapi(settings)
    kind = _TYPES[name]
    definitions = _definitions([kind], "#/$defs/{name}")
    own = definitions.pop(kind.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:eventwire:schema:{name}:{SCHEMA_VERSION}",
        **own,
        **({"$defs": definitions} if definitions else {}),
    }


def render(document: Document) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def broken(name: Name, path: Path, new: Document) -> list[str]:
    """What `new` would break of the promises of the document at `path`, a line each.

    Raises ContractError where that is no such document.
    """
    try:
        old = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return violations(old, new, read=name == "article")
    except (msgspec.DecodeError, LookupError, AttributeError, TypeError) as error:
        raise ContractError(
            f"{path}: expected what `eventwire schema --write` writes, got {error!r}; take it away"
        ) from error


def write(folder: Path, documents: Mapping[Name, Document]) -> None:
    """Write every document; raises ContractError, before any is written, if one may not change."""
    for name, new in documents.items():
        path = folder / file_name(name)
        if path.exists() and (found := broken(name, path, new)):
            more = f" (and {len(found) - 1} more)" if found[1:] else ""
            raise ContractError(f"{path}: {found[0]}{more}; docs/schemas/README.md has the rule")
    folder.mkdir(parents=True, exist_ok=True)
    for name, new in documents.items():
        (folder / file_name(name)).write_text(render(new), encoding="utf-8")


# ------------------------------------------------------------------------- schemas of the records


def _definitions(kinds: list[type[msgspec.Struct]], reference: str) -> dict[str, Any]:
    """Schemas of these types and of all that they hold, by name, each field with its description;
    `reference` is how one refers to another."""
    _, definitions = msgspec.json.schema_components(kinds, ref_template=reference)
    for kind in {found for each in kinds for found in _structs(type_info(each))}:
        properties = definitions[kind.__name__]["properties"]
        described = _descriptions(kind)
        for field, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            if field in described:
                properties[name]["description"] = described[field]
            if known := _known_values(kind, field):
                properties[name]["examples"] = list(known)
    return definitions


def _known_values(kind: type[msgspec.Struct], field: str) -> tuple[str, ...]:
    """Of vocabularies that grow within a version, so that they are no enumeration."""
    if (kind, field) == (Event, "event_type"):
        return ontology().names
    if (kind, field) == (Plover, "event"):
        return ontology().roots
    if (kind, field) == (DeadLetterHeaders, "reason"):
        return decode.REASONS
    return ()


def _structs(info: Type) -> Iterator[type[msgspec.Struct]]:
    match info:
        case StructType():
            yield info.cls
            for field in info.fields:
                yield from _structs(field.type)
        case ListType():
            yield from _structs(info.item_type)
        case UnionType():
            for each in info.types:
                yield from _structs(each)
        case Metadata():
            yield from _structs(info.type)


@cache
def _descriptions(kind: type) -> Mapping[str, str]:
    """The strings below the fields of a class, by field; those it inherits included.

    Python drops them, so they are read from the source, which every installation has.
    """
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        if not cls.__module__.startswith("eventwire."):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for field, below in zip(tree.body, tree.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = " ".join(text.split())
    return found


# ------------------------------------------------------------------------------------- the topics


def _asyncapi(settings: Settings) -> Document:
    named = topics(settings)
    said = _descriptions(Topics)
    channels = {
        "articles": _channel(settings, named.articles, said["articles"], ["article"]),
        "events": _channel(settings, named.events, said["events"], ["event", "retraction"]),
        **{
            f"{kind}_events": _channel(
                settings, topic, f"Events of type {kind} only.", ["event", "retraction"]
            )
            for kind, topic in named.routed.items()
        },
        "codings": _channel(settings, named.codings, said["codings"], ["coding"]),
        "dead_letters": _channel(
            settings, named.dead_letters, said["dead_letters"], ["deadLetter"]
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "eventwire",
            "version": SCHEMA_VERSION,
            "description": "Articles in, structured and evidence-linked events out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            name: {
                "action": "receive" if name == "articles" else "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name in channels
        },
        "components": {"messages": _messages(), "schemas": _component_schemas()},
    }


def _channel(settings: Settings, topic: Topic, says: str, messages: list[str]) -> Document:
    configuration: Document = {
        "cleanup.policy": [topic.config["cleanup.policy"]],
        **{key: int(value) for key, value in topic.config.items() if key != "cleanup.policy"},
    }
    binding: Document = {
        "topic": topic.name,
        "partitions": settings.partitions,
        "topicConfiguration": configuration,
        "bindingVersion": "0.5.0",
    }
    if settings.replication:
        binding["replicas"] = settings.replication
    return {
        "address": topic.name,
        "description": says,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": binding},
    }


def _messages() -> Document:
    event_key = "event_id, a UUID."
    return {
        "article": _message(
            "An article to code. Its CloudEvents headers are optional; any producer may send one.",
            {"$ref": "#/components/schemas/Article"},
            _headers(CE_TYPE_ARTICLE, required=False),
            "Article id; any key is read.",
        ),
        "event": _message(
            "An event, or a newer record of it: the last one of a key counts.",
            {"$ref": "#/components/schemas/Event"},
            _headers(outputs.CE_TYPE_EVENT),
            event_key,
        ),
        "retraction": _message(
            "A null value: the event of this key no longer stands.",
            {"type": "null"},
            _headers(outputs.CE_TYPE_RETRACTION),
            event_key,
        ),
        "coding": _message(
            "What became of an article.",
            {"$ref": "#/components/schemas/LedgerRecord"},
            _headers(outputs.CE_TYPE_CODING),
            "Article id.",
        ),
        "deadLetter": _message(
            "A message as it came, with headers that say what was wrong.",
            {"description": "Any bytes."},
            {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "As the message had it.",
        )
        | {"contentType": "application/octet-stream"},
    }


def _message(summary: str, payload: Document, headers: Document, key: str) -> Document:
    return {
        "summary": summary,
        "headers": headers,
        "payload": payload,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}
        },
    }


def _headers(kind: str, *, required: bool = True) -> Document:
    """CloudEvents headers with this ce_type; of articles, which need none, only what eventwire
    itself reads is said to be text."""
    if required:
        return {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEventHeaders"},
                {"type": "object", "properties": {"ce_type": {"const": kind}}},
            ]
        }
    recode = "true: code it again where another model has coded it."
    number = "Of a replay: file and record, as in 2:1841 for the third file."
    retry = "Of an article that was a dead letter: topic[partition]@offset where it stood."
    return {
        "type": "object",
        "properties": {
            "ce_type": {"type": "string", "examples": [kind]},
            "ce_time": {"type": "string", "description": "When the article was published."},
            "traceparent": {"type": "string", "description": "W3C Trace Context; passed on."},
            outputs.RUN_ID_HEADER: {"type": "string", "description": "Of a replay; passed on."},
            outputs.RECODE_HEADER: {"type": "string", "description": recode},
            NUMBER_HEADER: {"description": number, "examples": ["2:1841"]},
            RETRY_HEADER: {"description": retry},
        },
    }


def _component_schemas() -> Document:
    kinds: list[type[msgspec.Struct]] = [*_TYPES.values(), CloudEventHeaders]
    return _definitions(kinds, "#/components/schemas/{name}")
