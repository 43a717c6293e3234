"""The ontology: what types of event there are, and what each is called elsewhere.

The data is ontology.toml beside this file; `ontology()` loads it once and checks every row.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from eventwire.models.records import Status

STATUSES: tuple[Status, ...] = get_args(Status)

QUAD_CLASS = {
    # 1 verbal cooperation, 2 material cooperation, 3 verbal conflict, 4 material conflict
    "AGREE": 1, "CONSULT": 1, "SUPPORT": 1, "CONCEDE": 1,
    "COOPERATE": 2, "AID": 2, "RETREAT": 2,
    "REQUEST": 3, "ACCUSE": 3, "REJECT": 3, "THREATEN": 3,
    "PROTEST": 4, "SANCTION": 4, "MOBILIZE": 4, "COERCE": 4, "ASSAULT": 4,
}  # fmt: skip
"""Quad class of every PLOVER event."""

QUAD_CLASS_WITHOUT_PLOVER = 1
"""PLOVER lacks the statements of CAMEO 01, all of which GDELT puts into quad class 1."""

_FILE = Path(__file__).with_name("ontology.toml")


class OntologyError(ValueError):
    """ontology.toml does not say what it must; the message names the row and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of event and its codes; None where the other ontology has no such event."""

    name: str
    definition: str
    boundary: str
    """Where the type ends and a neighbour begins."""
    plover_event: str | None = None
    plover_mode: str | None = None
    plover_score: float | None = None
    """-10 conflict to 10 cooperation."""
    cameo: str | None = None
    goldstein: float | None = None
    """-10 conflict to 10 cooperation."""

    @property
    def quad_class(self) -> int:
        if self.plover_event is None:
            return QUAD_CLASS_WITHOUT_PLOVER
        return QUAD_CLASS[self.plover_event]


@dataclass(frozen=True)
class Ontology:
    version: str
    types: Mapping[str, EventType]
    """By name, in the order of the file."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the types, in the order of the file."""
        return tuple(self.types)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """PLOVER events that some type belongs to, in order of first appearance."""
        return tuple(dict.fromkeys(t.plover_event for t in self.types.values() if t.plover_event))


@cache
def ontology() -> Ontology:
    """The ontology of this version of eventwire."""
    return parse_ontology(_FILE.read_text("utf-8"))


def parse_ontology(toml: str) -> Ontology:
    """Read and check the text of an ontology file; raises OntologyError."""
    try:
        data = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:  # a type that is given twice ends here
        raise OntologyError(f"ontology: {error}") from error
    if unknown := sorted(data.keys() - {"version", "types"}):
        raise OntologyError(f"ontology: unknown key {unknown[0]!r}, expected version and types")
    version, types = data.get("version"), data.get("types")
    if not isinstance(version, str) or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise OntologyError(f'ontology: version must look like "1.0.0", came {version!r}')
    if not isinstance(types, dict) or not types:
        raise OntologyError("ontology: expected tables named [types.<name>], came none")
    rows = {name: _event_type(name, row) for name, row in types.items()}
    return Ontology(version, MappingProxyType(rows))


def _event_type(name: str, row: Any) -> EventType:
    where = f"ontology type {name!r}"
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name):
        raise OntologyError(f"{where}: expected a name in lower_case_words")
    if not isinstance(row, dict):
        raise OntologyError(f"{where}: expected a table, came {row!r}")
    for key, value in row.items():
        if key not in _FIELDS:
            raise OntologyError(f"{where}: unknown key {key!r}, expected {', '.join(_FIELDS)}")
        valid, expected = _FIELDS[key]
        if not valid(value):
            raise OntologyError(f"{where}: {key} must be {expected}, came {value!r}")
    for key in ("definition", "boundary"):
        if key not in row:
            raise OntologyError(f"{where}: {key} is missing")
    if ("plover_event" in row) != ("plover_score" in row):
        raise OntologyError(f"{where}: plover_event and plover_score must be given together")
    if "plover_mode" in row and "plover_event" not in row:
        raise OntologyError(f"{where}: plover_mode without plover_event")
    if "goldstein" in row and "cameo" not in row:
        raise OntologyError(f"{where}: goldstein without cameo")
    return EventType(name=name, **row)


def _is_sentence(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\S.*\.", value))


def _is_plover_event(value: Any) -> bool:
    return isinstance(value, str) and value in QUAD_CLASS


def _is_mode(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[a-z]+(-[a-z]+)*", value))


def _is_cameo(value: Any) -> bool:
    # 01 to 20, then one or two digits
    return isinstance(value, str) and bool(re.fullmatch(r"(0[1-9]|1\d|20)[0-9]{1,2}", value))


def _is_score(value: Any) -> bool:
    return isinstance(value, float) and -10 <= value <= 10


_SCORE = (_is_score, "a decimal number from -10.0 to 10.0")
_FIELDS = {
    "definition": (_is_sentence, "a sentence on one line"),
    "boundary": (_is_sentence, "a sentence on one line"),
    "plover_event": (_is_plover_event, f"one of {', '.join(QUAD_CLASS)}"),
    "plover_mode": (_is_mode, "lower-case words joined by hyphens"),
    "plover_score": _SCORE,
    "cameo": (_is_cameo, 'a CAMEO code as a string of three or four digits, such as "016"'),
    "goldstein": _SCORE,
}
