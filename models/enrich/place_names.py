"""Names of places in a span of text: what the gazetteer knows, longest first."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from eventwire.models.enrich.countries import by_demonym, by_name
from eventwire.models.enrich.gazetteer import Entry, gazetteer, key_of
from eventwire.models.enrich.place_words import (
    COMPASS,
    JOINT,
    KINDS,
    NOT_NAMES,
    WORD,
    WORDS_TOO,
    Word,
    is_cased,
    is_name_like,
    words_of_text,
)

WELL_KNOWN = 100_000
"""Inhabitants of a place that needs no introduction."""


class Name(NamedTuple):
    key: str
    """In the gazetteer; empty for an adjective such as Syrian."""
    start: int
    end: int
    called: str = ""
    possessive: bool = False
    crowded: bool = False
    """Beside another capitalised word, so that it may be part of some longer name."""
    country: str = ""
    """Alpha-2, if it is a country or its adjective."""
    part: tuple[int, int] = (0, 0)
    """Which part of it is meant: steps to the east and to the north."""


class Names(NamedTuple):
    """What a span names."""

    words: frozenset[str]
    """Keys of all its words."""
    known: list[Name]
    unknown: bool
    """Whether something else looks like a name."""


class NameReader:
    """Reads the names in spans of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.lower_case = text.islower()

    def read(self, start: int, end: int) -> Names:
        words = list(words_of_text(self._text, self._begin(start), end, WORD))
        return Names(frozenset(word.key for word in words), *self._read(words))

    def _begin(self, start: int) -> int:
        """Where the name begins in whose middle the span does: "York" of New York."""
        before = _LAST_NAME.search(self._text, max(0, start - 30), start)
        after = _NEXT_NAME.match(self._text, start)
        if before is None or after is None:
            return start
        count, _ = gazetteer().longest([key_of(before[1]), *key_of(after[0]).split()])
        return before.start() if count > 1 else start

    def _read(self, words: Sequence[Word]) -> tuple[list[Name], bool]:
        """Known names, and whether something else looks like a name."""
        names, unknown, i = [], False, 0
        beyond = self._beyond(words)
        while i < len(words):
            name, count = self._name_at(words, i, beyond)
            if name:
                names.append(name)
            unknown = unknown or (name is None and is_name_like(words[i]))
            i += count
        return names, unknown

    def _beyond(self, words: Sequence[Word]) -> list[Word]:
        """Capitalised words that follow the span at once."""
        found: list[Word] = []
        if not words or self.lower_case or words[-1].possessive:
            return found
        end = words[-1].end
        for word in words_of_text(self._text, end, min(len(self._text), end + 40), WORD):
            if not word.capital or not JOINT.fullmatch(self._text, end, word.start):
                break
            found.append(word)
            end = word.end
        return found

    def _name_at(
        self, words: Sequence[Word], i: int, beyond: Sequence[Word]
    ) -> tuple[Name | None, int]:
        """The name that begins at a word, `beyond` the span if need be: "San" of San Diego."""
        first = words[i]
        joined = first.key in COMPASS and i + 1 < len(words) and words[i + 1].capital
        if not (first.capital or joined or self.lower_case):
            return None, 1
        run = [first.key]
        for word, after in pairwise((*words, *beyond)[i : i + 6]):
            if word.possessive or not JOINT.fullmatch(self._text, word.end, after.start):
                break
            run.append(after.key)
        count, key = gazetteer().longest(run)
        if not first.capital and joined and not (count > 1 and _is_named_so(key)):
            return None, 1
        for size in (2, 1):
            adjective = " ".join(run[:size])
            nation = by_demonym().get(adjective) if count <= size <= len(run) else None
            if nation and adjective not in by_name() and self._sayable(first, adjective):
                end = (*words, *beyond)[i + size - 1].end
                return Name("", first.start, end, country=nation.alpha2), size
        if not count or (count == 1 and key in NOT_NAMES) or not self._sayable(first, key):
            return None, 1
        last = (*words, *beyond)[i + count - 1]
        called = self._called(words, i, i + count)
        if called in ("road", "water") and gazetteer().entries(key)[0].match != "ours":
            return None, count
        beside = (*words[i - 1 : i], *words[i + count : i + count + 1]) if i else words[count:][:1]
        crowded = any(
            is_name_like(word)
            and self._text[min(word.end, last.end) : max(word.start, first.start)] in (" ", "-")
            for word in beside
        )
        nation_or_other = gazetteer().entries(key)[0]
        country = nation_or_other.country if nation_or_other.kind == "N" else ""
        part = _direction(words, i, i + count)
        name = Name(key, first.start, last.end, called, last.possessive, crowded, country, part)
        return name, count

    def _sayable(self, word: Word, key: str) -> bool:
        """Whether these words are a name: without capitals only those of large places are."""
        if not is_cased(word, key, self.lower_case):
            return False
        if not self.lower_case or " " in key:
            return True
        return key not in WORDS_TOO and any(
            e.kind in "NCAF" or well_known(e) for e in gazetteer().entries(key)
        )

    def _called(self, words: Sequence[Word], start: int, stop: int) -> str:
        """What the words around it call it, as KINDS has it; or nothing."""
        if stop < len(words) and not words[stop - 1].possessive:
            kind = KINDS.get(words[stop].key)
            if kind and self._text[words[stop - 1].end : words[stop].start] in (" ", "-"):
                return kind
        if stop >= len(words) and _PROVINCE.match(self._text, words[-1].end):
            return "region"
        before = start - 1
        if before > 0 and words[before].key in ("of", "de", "del"):
            before -= 1
        if before >= 0 and "," not in self._text[words[before].end : words[start].start]:
            return KINDS.get(words[before].key, "")
        return ""


def well_known(entry: Entry) -> bool:
    return entry.kind in "NACF" or entry.population >= WELL_KNOWN


def _is_named_so(key: str) -> bool:
    """Whether a direction in small letters is of the name: south Lebanon, north Kivu."""
    return any(e.kind in "NA" or e.match == "ours" for e in gazetteer().entries(key))


def _direction(words: Sequence[Word], start: int, stop: int) -> tuple[int, int]:
    """Of the words beside a name: "north-eastern Syria", "the north of Syria", "Syria's north"."""
    keys = [word.key for word in words]
    before = keys[:start]
    if before[-1:] == ["of"]:
        before.pop()
    beside = before[-2:]
    if stop <= len(words) and words[stop - 1].possessive and not (beside and beside[-1] in COMPASS):
        beside = keys[stop : stop + 2]
    east = north = 0
    for key in beside if beside and beside[-1] in COMPASS else beside[:1]:
        step = COMPASS.get(key, (0, 0))
        east, north = east + step[0], north + step[1]
    return east, north


# What the span may have lost: "Idlib" of "Idlib province".
_PROVINCE = re.compile(r" (?:province|governorate|oblast|prefecture)\b")
_LAST_NAME = re.compile(r"(?<!\S)([A-Z]\w+)[ -]\Z")
_NEXT_NAME = re.compile(r"[A-Z]\w+(?:[ -][A-Z]\w+)*")
