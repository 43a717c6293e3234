"""Persons by name: when two names are one person's, and the leaders that need no introduction."""

import tomllib
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from eventwire.models.enrich.grammar import FAMILY_FIRST
from eventwire.models.enrich.lexicon import read


@dataclass
class Person:
    """Somebody in an article, or in the list of leaders."""

    name: str | None
    """None for "the suspect"."""
    country: str | None = None
    sector: str | None = None
    roles: set[str] = field(default_factory=set)
    start: int = 0
    """Where the article names them first."""
    gender: str | None = None
    """m or f, where a title tells."""
    listed: bool = False


def leader(name: str, published_at: str | None = None, *, titled: bool = False) -> Person | None:
    """A head of state or government of data/leaders.toml, by full name; by surname where no one
    else is called so, or after a title. GOV in office, CVL after it, OPP
    between two terms, no sector before the first."""
    keys = name_keys(name)
    if not keys:
        return None
    entries = _leaders().get(keys[-1], [])
    day = (published_at or "")[:7]
    fitting = [
        entry
        for entry in entries
        if (len(keys) > 1 and may_be_same(keys, name_keys(entry.name)))
        or (len(keys) == 1 and (titled or not entry.common))
    ]
    if len(fitting) > 1 and day:
        fitting = [e for e in fitting if e.since <= day <= (e.until or "9999")] or fitting
    if len({entry.name for entry in fitting}) != 1:
        return None
    entry = fitting[-1]
    in_office = any(e.since <= day <= (e.until or "9999") for e in fitting) if day else titled
    sector = "GOV" if in_office or (not day and not entry.until) else None
    been = [bool(e.until and e.until < day) for e in fitting] if day else []
    if sector is None and any(been):
        sector = "CVL" if all(been) else "OPP"  # between two terms
    return Person(entry.name, entry.country, sector, gender=entry.gender, listed=True)


@lru_cache(maxsize=4096)
def name_keys(name: str | None) -> tuple[str, ...]:
    return tuple(word.key for word in read(name)) if name else ()


def may_be_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names may be one person's: Zelensky and Volodymyr Zelensky do, Olena doesn't."""
    short, long = sorted((one, other), key=len)
    if not short or not long:
        return False
    if len(short) == 1:
        return short[0] == long[-1] or short[0] == family_name(long)
    if short == long or short == long[-len(short) :]:
        return True
    # Middle names and initials: Donald J. Trump.
    initial = 1 in (len(short[0]), len(long[0])) and short[0][0] == long[0][0]
    return short[-1] == long[-1] and (short[0] == long[0] or initial)


def family_name(keys: tuple[str, ...]) -> str:
    """Where the family name comes first: Xi Jinping, Kim Jong Un."""
    return keys[0] if len(keys) > 1 and keys[0] in FAMILY_FIRST else keys[-1]


# ------------------------------------------------------------------------------------ details


class _Leader(NamedTuple):
    name: str
    country: str
    since: str
    until: str | None
    common: bool
    gender: str


@cache
def _leaders() -> dict[str, list[_Leader]]:
    table: dict[str, list[_Leader]] = {}
    path = Path(__file__).with_name("data") / "leaders.toml"
    for country, rows in tomllib.loads(path.read_text("utf-8"))["leaders"].items():
        for row in rows:
            names = [row["name"], *row.get("also", ())]
            for since, until in row["terms"]:
                entry = _Leader(
                    row["name"],
                    country,
                    since,
                    until or None,
                    row.get("common", False),
                    row.get("gender", "m"),
                )
                for name in names:
                    keys = name_keys(name)
                    for last in {keys[-1], family_name(keys)}:
                        known = table.setdefault(last, [])
                        if entry not in known:
                            known.append(entry)
    return table
