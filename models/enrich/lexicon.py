"""What words say about an actor: names of countries and organisations, and nouns with a sector.

`read` splits text into words; `mentions` finds the longest known phrases among them. The tables
are data/nations.toml, organisations.toml and roles.toml beside countries.tsv; their heads state
the rules. Built once, at first use.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eventwire.models.enrich.countries import by_alpha3, countries
from eventwire.models.enrich.grammar import words_of

_DATA = Path(__file__).with_name("data")

Kind = Literal["country", "people", "seat", "place", "organisation", "ambiguous", "nowhere", "role"]


class Word(NamedTuple):
    """A word of a text; `key` is its form in the tables, a possessive ending left out."""

    start: int
    end: int
    text: str
    key: str
    possessive: bool
    upper: bool
    """Begins with a capital letter; an Arabic article before it does not count."""


class Sense(NamedTuple):
    """What a known phrase says."""

    kind: Kind
    key: str
    name: str | None = None
    """Canonical name of a country or organisation; of a role, what it is called with a country."""
    country: str | None = None
    """Of a role: the one that has such an office."""
    sector: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    """What the sector was from which day on, in order; `sector` is for articles without a date."""
    generic: bool = False
    """An organisation whose name others bear in other countries."""
    weak: bool = False
    """A role that takes its sector from what it leads or belongs to."""
    body: bool = False
    """A role that names an institution or group, not persons."""
    person: bool = False
    """A role that names one person."""
    apart: bool = False
    """A role of those who stand outside of what modifies them."""

    def on(self, day: str | None) -> "Sense":
        """With the sector of that ISO date: a rebel group that governs now, a party in office."""
        if day is None or not self.history:
            return self
        return self._replace(sector=[s for since, s in self.history if since <= day[:10]][-1])


class Mention(NamedTuple):
    """A known phrase: words[first:end]."""

    first: int
    end: int
    sense: Sense


def key_of(text: str) -> str:
    """Lower case without accents, typographic apostrophes as plain ones."""
    text = text.lower()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return "".join(c for c in text if not unicodedata.combining(c))


def read(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """The words of text[start:end]; offsets count from the beginning of `text`."""
    words = []
    make = Word._make
    for match in _WORD.finditer(text, start, len(text) if end is None else end):
        first, last = match.span()
        word = match[0]
        possessive = False
        if word[-1] in "sS":
            if word[-2:-1] in ("'", "’"):
                word, last, possessive = word[:-2], last - 2, True
            elif text[last : last + 1] in ("'", "’"):
                possessive = True
        upper = word[0].isupper()
        if not upper and "-" in word:
            upper = _ARABIC.match(word) is not None
        key = word.lower() if word.isascii() else key_of(word)
        words.append(make((first, last, word, key, possessive, upper)))
    return words


def mentions(
    text: str, words: Sequence[Word], *, lower_case: bool, day: str | None = None
) -> list[Mention]:
    """Known phrases in order, the longest at each place, disjoint; as of a day, if it is known.

    Names need their capital letter, unless the text has none (`lower_case`).
    """
    index = _index()
    found: list[Mention] = []
    position, count = 0, len(words)
    while position < count:
        word = words[position]
        end = position + 1
        for rest, cased, sense in index.get(word.key, ()):
            end = position + 1 + len(rest)
            if (
                (word.upper or lower_case or not cased)
                and (not rest or _follows(text, words, position, end, rest))
                and (cased != "acronym" or _is_acronym(word, words, position, lower_case))
            ):
                found.append(Mention(position, end, sense.on(day)))
                break
        else:
            end = position + 1
        position = end
    return found


@cache
def evidence() -> dict[str, tuple[str | None, dict[str, re.Pattern[str]]]]:
    """Of each ambiguous word: the country by default, and what speaks for which."""
    table: dict[str, tuple[str | None, dict[str, re.Pattern[str]]]] = {}
    for entry in _toml("nations.toml")["ambiguous"]:
        patterns = {
            country: re.compile(
                r"(?<!\w)(?:" + "|".join(map(re.escape, clues)) + r")(?!\w)", re.IGNORECASE
            )
            for country, clues in entry["evidence"].items()
        }
        for word in entry["words"]:
            table[key_of(word)] = entry.get("default"), patterns
    return table


@cache
def organisation(name: str) -> Sense:
    """By canonical name."""
    return next(
        sense
        for entries in _index().values()
        for _, _, sense in entries
        if sense.kind == "organisation" and sense.name == name
    )


def country_name(alpha3: str) -> str:
    return by_alpha3()[alpha3].name


def adjective(alpha3: str) -> str:
    """The commonest adjective of a country, or its name where there is none."""
    country = by_alpha3()[alpha3]
    return country.demonyms[0] if country.demonyms else country.name


# ------------------------------------------------------------------------------------ details

_MARKS = "\u0300-\u036f\u0900-\u0903\u093a-\u094f\u064b-\u0652"
_WORD = re.compile(rf"[^\W_](?:\.(?:[^\W\d_]\.)+|[\w{_MARKS}]*(?:[-‑'’&][\w{_MARKS}]+)*)")
_ARABIC = re.compile(r"(?:a[ldnrsz]|e[ldnrsz]|ash|esh|ul|bin|abu)-[A-Z]")
_PLAIN = str.maketrans({"’": "'", "‑": "-", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "ß": "s"})
_GAP = re.compile(r"[.(]?[^\S\n]*\n?[^\S\n]*[(-]?")

# Lower-case forms that are everyday words, so never names in a feed without capitals.
_EVERYDAY = words_of(
    "us is it who at polish pole poles turkey jersey china cork brit scot kiwi male reunion",
    "chile lao java shell apple amazon meta total punch dawn vox mend ice raw mit ec pa au",
    "un-led",
)
# Acronyms of four letters and more that also stand as names with one capital: Nato, Unesco.
_NOT_CAPITALISED = frozenset({"mend", "sars", "bjp", "arsa", "ahram", "care", "diet", "anc"})
_AFTER_US = frozenset({"the", "a", "an", "us-led"})

Entry = tuple[tuple[str, ...], str, Sense]
"""Further words, how case matters (`name`, `acronym` or nothing), sense."""


def _follows(
    text: str, words: Sequence[Word], position: int, end: int, rest: tuple[str, ...]
) -> bool:
    if end > len(words):
        return False
    for offset, key in enumerate(rest, position + 1):
        word, last = words[offset], words[offset - 1]
        # "US's army" is a possessor and a role, no name of its own.
        if word.key != key or not _GAP.fullmatch(text, last.end, word.start):
            if word.key == key and last.possessive and "'" in key_of(text[last.end : word.start]):
                continue
            return False
    return True


def _is_acronym(word: Word, words: Sequence[Word], position: int, lower_case: bool) -> bool:
    letters = word.text.replace(".", "")
    if lower_case:
        if word.key in ("us", "u.s."):
            before = words[position - 1].key if position else ""
            after = words[position + 1].key if position + 1 < len(words) else ""
            return before in _AFTER_US or after in _roles()
        return word.key not in _EVERYDAY
    if not letters.isupper():
        return len(letters) >= 4 and letters[1:].islower() and word.key not in _NOT_CAPITALISED
    if letters in ("US", "IS", "WHO", "AU", "PA", "ICE", "MIT", "RAW"):
        # In a line of capitals these are plain words.
        around = [w.text for w in words[max(0, position - 2) : position + 3] if w is not word]
        return not (around and all(t.isupper() for t in around) and any(len(t) > 4 for t in around))
    return True


@cache
def _roles() -> frozenset[str]:
    return frozenset(
        key
        for key, entries in _index().items()
        if any(sense.kind == "role" and not rest for rest, _, sense in entries)
    )


@cache
def _index() -> dict[str, list[Entry]]:
    """By first word; the longest phrases first."""
    index: dict[str, list[Entry]] = {}
    seen: set[str] = set()

    def add(phrase: str, case: str, sense: Sense) -> None:
        for form in {phrase, phrase.replace("-", " ")} if sense.kind != "role" else {phrase}:
            keys = tuple(word.key for word in read(form))
            possessive = re.search(r"['’]s ", form)
            joined = " ".join(keys) + ("'" if possessive else "")
            if joined not in seen and keys:
                seen.add(joined)
                index.setdefault(keys[0], []).append((keys[1:], case, sense))

    for word in evidence():
        add(word, "name", Sense("ambiguous", word))
    for name, sense in _organisations():
        bare = name.replace(".", "").replace("-", "")
        acronym = bare.isupper() and " " not in name
        cased = name[0].isupper() and not name.startswith("Al-")  # al-Shabaab
        add(name, "acronym" if acronym else "name" if cased else "", sense)
    for name, sense in _nations():
        acronym = name.replace(".", "").isupper() and " " not in name
        add(name, "acronym" if acronym else "name", sense)
    for phrase, sense in _role_words():
        add(phrase, "", sense)
    for entries in index.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return index


def _organisations() -> Iterable[tuple[str, Sense]]:
    for sector, entries in _toml("organisations.toml").items():
        for name, entry in entries.items():
            sense = Sense(
                "organisation",
                key_of(name),
                name,
                entry.get("country"),
                entry.get("sector", sector),
                _history(entry, entry.get("sector", sector)),
                entry.get("generic", False),
            )
            aliases = (re.sub(r" \(.*\)$", "", name), *entry.get("also", ()))
            # In small letters first: then capitals do not matter.
            for alias in sorted(aliases, key=lambda alias: alias[0].isupper()):
                yield alias, sense
            for word in entry.get("members", ()):
                yield word, sense._replace(name=None)


def _history(entry: dict[str, Any], sector: str) -> tuple[tuple[str, str], ...]:
    if before := entry.get("before"):
        return ("", before["sector"]), (before["date"], sector)
    changes = [("", "OPP")]
    for since, until in entry.get("governs", ()):
        changes += [(since, "GOV"), (until or "9999", "OPP")]
    return tuple(changes) if "governs" in entry else ()


def _nations() -> Iterable[tuple[str, Sense]]:
    table = _toml("nations.toml")
    for name in table["nowhere"]:
        for form in (name, *_plurals(name)) if name.endswith("n") else (name,):
            yield form, Sense("nowhere", "nowhere")
    extra: dict[str, dict[str, list[str]]] = table["countries"]
    for country in countries():
        code, more = country.alpha3, extra.get(country.alpha3, {})

        def sense(kind: Kind, code: str = code, name: str = country.name) -> Sense:
            return Sense(kind, kind, name, code)

        # "US" is name and adjective in one: read as the name.
        for name in (country.name, *country.other_names, *more.get("names", ())):
            yield name, sense("country")
        for word in (*country.demonyms, *more.get("people", ())):
            yield word, sense("people")
            for plural in _plurals(word) if not word.endswith(("ese", "ish", "ch", "ss")) else ():
                yield plural, sense("people")._replace(key="plural people")
        capital = [country.capital] if country.capital not in table["not_seats"] else []
        for name in filter(None, (*capital, *more.get("seats", ()))):
            yield name, sense("seat")
        for name in more.get("places", ()):
            yield name, sense("place")


def _role_words() -> Iterable[tuple[str, Sense]]:
    table = _toml("roles.toml")
    apart = frozenset(table.pop("apart")["words"])
    office = {word: code for code, words in table.pop("offices").items() for word in words}
    for sector, entries in table.items():
        weak = sector == "weak"
        code = None if weak else sector
        bodies = entries.get("bodies", {})
        for label, words in bodies.items() if isinstance(bodies, dict) else (("", bodies),):
            for word in words:
                sense = Sense("role", word, label or None, None, code, weak=weak, body=True)
                for form in (word, *_plurals(word)):
                    # Only the singular is an institution: "Russian newspapers" are several.
                    yield form, sense if form == word else sense._replace(name=None)
        for word in entries.get("plural", ()):
            yield word, Sense("role", word, None, None, code, weak=weak, apart=word in apart)
        for word in entries.get("persons", ()):
            country = office.get(word)
            sense = Sense("role", key_of(word), None, country, code, weak=weak, apart=word in apart)
            yield word, sense._replace(person=True)
            for form in _plurals(word):
                yield form, sense
    for word in sorted(apart):  # those that no sector has
        yield word, Sense("role", word, weak=True, apart=True)


def _plurals(word: str) -> Iterable[str]:
    for tail in (" of ", " to ", "-general", " general", "-at-arms"):
        head, found, rest = word.partition(tail)
        if found:
            for plural in _plurals(head):
                yield plural + found + rest
            if tail in (" of ", " to "):
                return
    if word.endswith("man") and word not in ("german", "German", "roman", "Oman", "Roman"):
        yield word[:-3] + "men"
    elif word == "child":
        yield "children"
    elif word.endswith("thief"):
        yield word[:-1] + "ves"
    elif word.endswith("wife"):
        yield word[:-2] + "ves"
    elif re.search(r"[^aeiou]y$", word):
        yield word[:-1] + "ies"
    elif word.endswith(("s", "x", "ch", "sh")):
        yield word + "es"
    else:
        yield word + "s"


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / name).read_text("utf-8"))
