"""Where: the words that name an event's place, to a place of the gazetteer.

A name is decided by what stands beside it ("Paris, Texas", "the Syrian town of Qamishli"), then by
the countries that the article speaks of, then by population. What cannot be decided keeps its
words, has no coordinates, and says why.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from difflib import SequenceMatcher
from functools import cache, lru_cache
from typing import NamedTuple

from eventwire.models.enrich.countries import by_alpha2, by_capital, by_demonym, by_name
from eventwire.models.enrich.gazetteer import Entry, gazetteer, key_of
from eventwire.models.enrich.place_names import WELL_KNOWN, Name, NameReader, well_known
from eventwire.models.enrich.place_words import (
    APOSTROPHES,
    CAPITALISED,
    KINDS,
    WORD,
    Word,
    is_cased,
    set_of,
    words_of_text,
)
from eventwire.models.records import Place

NO_NAME = "names no place"
UNKNOWN = "not in the gazetteer"
UNLIKELY = "known only where the article does not speak of"
BORDER = "a border"
ABROAD = "an embassy, ship or the like: its country is not where it is"
"""Reasons why a place has no coordinates. A feature's reason is what it is: sea, continent …"""

_PRECISION = {"N": "country", "A": "region", "D": "region", "R": "region", "C": "city", "P": "city"}
_FINENESS = {"C": 0, "P": 0, "D": 0, "A": 1, "R": 1, "N": 2, "F": 3}

# Weights in powers of ten of population: 1.0 outweighs a place ten times larger.
_KIND = {"N": 4.0, "C": 1.0, "P": 0.0, "A": 0.0, "D": -2.5, "R": 0.0, "F": 3.0}
_NAMESAKE = -3.0
"""A region whose name a city in it has too: Aleppo is the city unless called a province."""
_MATCH = {"main": 0.0, "other": -1.0, "ours": 2.0}
_FORMER_NAME = -2.0
"""Of a name that a city has had, and another city of some size has: Waterloo is not Austin."""
_ALIKE = 0.7
_TOWN, _ECLIPSE = 15_000, 8
_ECLIPSED = 0.3
"""Of the weight of its country, for a town that a city is 8 times larger than: in an article about
the US, Geneva is still in Switzerland."""
_CALLED = {
    "region": {"A": 4.0, "D": 4.0, "N": -8.0, "C": -2.0, "P": -2.0},
    "district": {"A": 2.5, "D": 5.5, "N": -8.0, "C": -2.0, "P": -2.0},
    "city": {"C": 1.5, "P": 1.5},
}
_BESIDE = 6.0
_MENTIONED = 2.2
"""Enough for Lebanon's Tripoli against Libya's, a capital and larger, in an article on Lebanon; not
for Ontario's London against England's in one on Canada."""
_REGION_MENTIONED = 1.5
_KNOWN = 5_000
"""Inhabitants that a place needs where the article does not speak of its country; fewer where no
other country has a place of that name."""


class ArticlePlaces:
    """Geocodes spans of one article; made once for it, since it reads the countries in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names = NameReader(text)
        self._countries: Counter[str] = Counter()
        self._regions: Counter[tuple[str, str]] = Counter()
        self._mentions: Counter[str] = Counter()
        """Of the names that were counted for a country: a name is no evidence for itself."""
        self._after_comma: dict[int, _Area] = {}
        """By the offset where the name before the comma ends."""
        self._placed: dict[str, _Area] = {}
        """The same by the name's key: the article means the same place each time."""
        self._read()

    def geocode(self, start: int, end: int) -> Place:
        """The place that text[start:end] names."""
        span = self._text[start:end]
        entry, reason = self._resolve(start, end)
        if entry is None:
            return Place(text=span, start=start, end=end, reason=reason)
        country = by_alpha2().get(entry.country)
        region = None
        if entry.kind in "DCPA":
            region = gazetteer().region(entry.country, entry.admin1)
        if entry.lat is None:
            reason = entry.admin1 if entry.kind == "F" else UNKNOWN
        return Place(
            text=span,
            start=start,
            end=end,
            name=entry.name,
            admin=region.name if region else None,
            country=country.alpha3 if country else None,
            lat=entry.lat,
            lon=entry.lon,
            geoname_id=entry.geoname_id,
            precision=_PRECISION.get(entry.kind),
            reason=reason,
        )

    # ------------------------------------------------------------------------ what the article says

    def _read(self) -> None:
        """Count countries and regions, and note what stands after a comma."""
        known = signals()
        pattern = WORD if self._names.lower_case else CAPITALISED
        words = list(words_of_text(self._text, 0, len(self._text), pattern))
        i = 0
        while i < len(words):
            key, count = self._signal(words, i, known)
            area = known.areas.get(key)
            comma = i > 0 and _COMMA.fullmatch(self._text, words[i - 1].end, words[i].start)
            if area is None and comma:
                area = _abbreviations().get(words[i].text)
            elif area:
                self._count(key, area)
            if area and comma and area.holds_places and not words[i + count - 1].possessive:
                self._note(words[max(0, i - 4) : i], area)
            i += count

    def _signal(self, words: Sequence[Word], i: int, known: "Signals") -> tuple[str, int]:
        most = min(known.longest.get(words[i].key, 0), len(words) - i)
        for count in range(most, 0, -1):
            key = " ".join(word.key for word in words[i : i + count])
            if key in known.areas and is_cased(words[i], key, self._names.lower_case):
                return key, count
        return "", 1

    def _count(self, key: str, area: "_Area") -> None:
        if not area.ambiguous:
            self._mentions[key] += 1
            self._countries[area.country] += 1
            if area.region:
                self._regions[area.country, area.region] += 1

    def _note(self, before: Sequence[Word], area: "_Area") -> None:
        last = before[-1]
        self._after_comma[last.end] = area
        key, start = "", last.end
        for word in reversed(before):
            if key and self._text[word.end : start] not in (" ", "-"):
                break
            key, start = f"{word.key} {key}".strip(), word.start
            known = area.region and any(area.holds(e) for e in gazetteer().entries(key))
            if known or key not in signals().areas:
                self._placed.setdefault(key, area)

    # --------------------------------------------------------------------------------- the decision

    def _resolve(self, start: int, end: int) -> tuple[Entry | None, str | None]:
        nouns, names, unknown = self._names.read(start, end)
        if nouns & _BORDERS and not nouns & _BY_A_BORDER:
            return None, BORDER
        if not names:
            return None, UNKNOWN if unknown else NO_NAME
        nations = [name.country for name in names if name.country]
        if len(nations) == len(names):
            if "capital" in nouns and not nouns & _OTHER_CAPITALS:
                return _capital(nations[0]), None
            if nouns & _ABROAD:
                return None, ABROAD
        named = [name for name in names if name.key]
        if not named:
            return gazetteer().entries(f"={nations[0].lower()}")[0], None
        ranked = []
        # "Damascus suburb of Douma", "Saint-Denis suburb of Paris": the smaller one
        suburb = any(_SUBURB.match(self._text, name.end) for name in named)
        for position, name in enumerate(named):
            others = [other for other in names if not _listed(name, other, self._text)]
            if entry := self._best(name, others):
                entry = _part(entry, name)
                owner = name.possessive and len(named) > 1  # "Syria's Idlib": says which Idlib
                size = entry.population if suburb else 0
                ranked.append((owner, _FINENESS[entry.kind], size, position, entry))
        return (min(ranked)[-1], None) if ranked else (None, UNLIKELY)

    def _best(self, name: Name, others: Sequence[Name]) -> Entry | None:
        """The likeliest place of that name, in agreement with the other names of the span."""
        entries = gazetteer().entries(name.key)
        sure = False
        beside = self._after_comma.get(name.end) or self._placed.get(name.key)
        before = self._before(name)
        agreeing = [_inside(entries, other) for other in others]
        if beside:
            agreeing.append(tuple(e for e in entries if beside.holds(e)))
        if before and any(e.country == before for e in entries):
            agreeing.append(tuple(e for e in entries if e.country == before))
        for inside in agreeing:
            sure = sure or bool(inside)
            # a namesake elsewhere, unless it is one that needs no explaining
            entries = tuple(e for e in entries if e in inside) or tuple(
                e for e in entries if well_known(e) and not name.crowded
            )
        if not sure:
            entries = tuple(e for e in entries if self._plausible(e, name, entries))
        towns = {(e.country, e.admin1) for e in entries if e.kind in "CP"}
        return max(entries, key=lambda e: self._score(e, name, towns), default=None)

    def _score(self, entry: Entry, name: Name, towns: Set[tuple[str, str]]) -> float:
        score = math.log10(entry.population + 100) + _KIND[entry.kind] + _MATCH[entry.match]
        score += _FORMER_NAME if _is_former(entry, name.key) else 0.0
        score += _CALLED.get(name.called, {}).get(entry.kind, 0.0)
        if entry.kind == "A" and entry.match != "ours" and name.called not in _CALLED:
            score += _NAMESAKE if (entry.country, entry.admin1) in towns else 0.0
        countries, regions = self._countries, self._regions
        if own := self._mentions[name.key]:
            area = signals().areas[name.key]
            countries = countries - Counter({area.country: own})
            regions = regions - Counter({(area.country, area.region): own})
        if countries:
            small = not well_known(entry) and _largest(name.key) >= WELL_KNOWN
            eclipsed = small and _largest(name.key) >= _ECLIPSE * entry.population
            weight = _MENTIONED * (_ECLIPSED if eclipsed else 1.0)
            score += weight * countries[entry.country] / max(countries.values())
        if regions and entry.admin1:
            share = regions[entry.country, entry.admin1] / max(regions.values())
            score += _REGION_MENTIONED * share
        if name.key == "georgia" and entry.kind in "NA":
            # "United States" says nothing here: it has dealings with both
            american = any(country == "US" for country, _ in regions)
            likelier = "A" if american and not self._countries["GE"] else "N"
            score += _BESIDE if entry.kind == likelier else 0.0
        return score

    def _plausible(self, entry: Entry, name: Name, entries: Sequence[Entry]) -> bool:
        """Whether so small a place can be meant where nothing beside the name says so."""
        if entry.match == "ours" or entry.kind in "NARF":
            return True
        if name.crowded:
            return well_known(entry)
        if entry.country in self._countries:
            return True
        if _is_former(entry, name.key):
            return False
        if well_known(entry):
            return True
        alone = len({e.country for e in entries}) == 1 and entry.match == "main"
        return alone and entry.population >= _KNOWN

    def _before(self, name: Name) -> str:
        """Country that leads to the name: "the Syrian border town of", "Iraq's"; or empty."""
        lead = _LEAD.search(self._text, max(0, name.start - 60), name.start)
        for words in (lead[1], lead[1].split()[-1]) if lead else ():
            key = words.lower()
            if country := by_demonym().get(key) or by_name().get(key):
                return country.alpha2
        return ""


# ---------------------------------------------------------------------------------- areas and names


class _Area(NamedTuple):
    """A country, or one region of it, that a word of the article points to."""

    country: str
    region: str = ""
    holds_places: bool = False
    """After a comma it says where the name before it is; capitals and demonyms do not."""
    ambiguous: bool = False

    def holds(self, entry: Entry) -> bool:
        same = entry.country == self.country and entry.kind in "DCPA"
        return same and (not self.region or entry.admin1 == self.region)


def _inside(entries: Sequence[Entry], other: Name) -> tuple[Entry, ...]:
    """Those that lie where the other name of the span says: in its region, else its country."""
    if not other.key:
        return tuple(e for e in entries if e.country == other.country)
    around = gazetteer().entries(other.key)
    if any(o.kind == "F" for o in around):
        return tuple(entries)
    regions = {(o.country, o.admin1) for o in around if o.kind in "AD"}
    nations = {o.country for o in around}
    return tuple(
        e for e in entries if e.kind not in "AN" and (e.country, e.admin1) in regions
    ) or tuple(e for e in entries if e.country in nations)


def _part(entry: Entry, name: Name) -> Entry:
    """The northern part of a country, say, where a direction is given; of a region too, unless it
    is called one: "southern Helmand province" is a province of the south."""
    if entry.kind not in "NA" or name.part == (0, 0):
        return entry
    called = {name.called, *map(KINDS.get, name.key.split())}
    if entry.kind == "A" and "region" in called:
        return entry
    city = gazetteer().part(entry, *name.part)
    if city is None:
        return entry
    return entry._replace(kind="R" if entry.kind == "N" else "A", lat=city.lat, lon=city.lon)


def _listed(name: Name, other: Name, text: str) -> bool:
    """Whether the two only stand in a list, so that one does not say where the other is."""
    if name is other:
        return True
    first, second = sorted((name, other), key=lambda n: n.start)
    return bool(_LIST.fullmatch(text, first.end, second.start))


def _capital(alpha2: str) -> Entry | None:
    country = by_alpha2()[alpha2]
    found = gazetteer().entries(key_of(country.capital)) if country.capital else ()
    return next((e for e in found if e.kind == "C" and e.country == alpha2), None)


def _largest(key: str) -> int:
    """Inhabitants of the largest city that is called so now."""
    entries = gazetteer().entries(key)
    return max((e.population for e in entries if e.kind in "CP" and e.match == "main"), default=0)


@lru_cache(maxsize=4096)
def _is_former(entry: Entry, key: str) -> bool:
    """Whether a city was once called so, and another one is; not one that is only spelt so."""
    if entry.match != "other" or entry.kind not in "CP" or _largest(key) < _TOWN:
        return False
    return SequenceMatcher(None, key, key_of(entry.name)).ratio() < _ALIKE


class Signals(NamedTuple):
    areas: Mapping[str, _Area]
    longest: Mapping[str, int]
    """By first word, the number of words of the longest."""


@cache
def signals() -> Signals:
    """Names that tell what country an article is about."""
    areas: dict[str, _Area] = {}
    for code, abbreviated in _abbreviations().items():
        if code.isupper() and len(code) == 2:
            region = gazetteer().region(abbreviated.country, abbreviated.region)
            if region:
                areas[key_of(region.name)] = abbreviated
    areas["georgia"] = _Area("US", "GA", holds_places=True, ambiguous=True)
    for both in ("washington", "new york"):  # state and city
        areas[both] = _Area("US")
    for index, holds_places in ((by_name(), True), (by_demonym(), False), (by_capital(), False)):
        for name, country in index.items():
            areas.setdefault(key_of(name), _Area(country.alpha2, "", holds_places))
    for city in gazetteer().largest_cities(500_000):
        areas.setdefault(key_of(city.name), _Area(city.country, city.admin1))
    longest: dict[str, int] = {}
    for key in areas:
        first = key.partition(" ")[0]
        longest[first] = max(longest.get(first, 0), key.count(" ") + 1)
    return Signals(areas, longest)


@cache
def _abbreviations() -> Mapping[str, _Area]:
    """Postal and press abbreviations, without full stops, of states and provinces."""
    areas = {}
    for country, table in (("US", _STATES), ("CA", _PROVINCES)):
        for row in table.split("|"):
            code, *short = row.split()
            region = short.pop() if country == "CA" else code
            for word in (code, *short):
                areas[word] = _Area(country, region, holds_places=True)
    return areas


_COMMA = re.compile(r"\.?,\s+")
_LIST = re.compile(r",? (?:and|or|to|&) (?:the )?(?:\w+ern )?|[-–/]")
_LEAD = re.compile(
    rf"\b((?:[A-Z]\w+ )?[A-Z][\w.]+)(?:[{APOSTROPHES}]s (?:[a-z-]+ ){{0,2}}|"
    r"(?: [a-z-]+){0,3} (?:city|town|village|capital|province|region|district|port|enclave|suburb|"
    r"state|island|resort|settlement|governorate|county|neighbou?rhood)(?: of)? )\Z"
)


_SUBURB = re.compile(
    r"(?:-area)? (?:suburb|district|quarter|borough|neighbou?rhood|town|village)s? of\b"
)

_BORDERS = set_of("border borders frontier borderline boundary")
_BY_A_BORDER = set_of(
    "town city village crossing province area region district post enclave camp towns "
    "villages areas provinces"
)
_ABROAD = set_of("""
    embassy embassies consulate consulates mission ambassador ship vessel waters airspace base bases
    warship tanker plane aircraft
    """)
_OTHER_CAPITALS = set_of(
    "financial commercial economic business cultural provincial regional former capitals"
)

_STATES = (
    "AL Ala|AK|AZ Ariz|AR Ark|CA Calif|CO Colo|CT Conn|DE Del|DC|FL Fla|GA Ga|HI|ID|IL Ill|IN Ind|"
    "IA|KS Kan|KY Ky|LA La|ME|MD Md|MA Mass|MI Mich|MN Minn|MS Miss|MO Mo|MT Mont|NE Neb|NV Nev|NH|"
    "NJ|NM|NY|NC|ND|OH|OK Okla|OR Ore|PA Pa|RI|SC|SD|TN Tenn|TX Tex|UT|VT Vt|VA Va|WA Wash|WV|"
    "WI Wis|WY Wyo"
)
_PROVINCES = (
    "AB Alta 01|BC 02|MB Man 03|NB 04|NL 05|NT 13|NS 07|NU 14|ON Ont 08|PE PEI 09|QC Que 10|"
    "SK Sask 11|YT 12"
)
