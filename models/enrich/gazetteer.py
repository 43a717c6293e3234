"""The gazetteer: what places a name can mean, from GeoNames, read where it lies.

data/names.tsv is sorted, so a name is found by bisection in the mapped file: nothing to load, and
the workers of one machine share its pages. data/build_places.py writes both files.
"""

import math
import mmap
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

_DATA = Path(__file__).with_name("data")

Kind = Literal["N", "A", "D", "C", "P", "R", "F"]
"""Country, first-level region, district, capital, other populated place, area of our own that is
no administrative unit (Donbas), feature that is no point (the Red Sea)."""

Match = Literal["main", "other", "ours"]
_MATCHES: dict[str, Match] = {"~": "other", "!": "ours"}


class Entry(NamedTuple):
    """A place that a name can mean."""

    kind: Kind
    geoname_id: int | None
    name: str
    country: str
    """Alpha-2; empty for features and disputed areas."""
    admin1: str
    """GeoNames code of the region within the country; what it is, for a feature."""
    lat: float | None
    lon: float | None
    """Of a region or country: its city nearest to the centre of its population."""
    population: int
    """0 where GeoNames does not know; of a region, the sum of its cities."""
    match: Match = "main"
    """Whether the name asked for is its own, another one, or one that areas.tsv adds."""


def key_of(name: str) -> str:
    """Spellings that differ in case, accents, hyphens or apostrophes get one key."""
    if not name.isascii():
        name = unicodedata.normalize("NFKD", name.translate(_LETTERS))
        name = "".join(c for c in name if not unicodedata.combining(c))
    return " ".join(_GAPS.sub(" ", _DROPPED.sub("", name)).lower().split())


_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "ı": "i", "đ": "d", "Đ": "D", "æ": "ae",
     "Æ": "AE", "œ": "oe", "Œ": "OE", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H",
     "ə": "a", "Ə": "A"}
)  # fmt: skip
_DROPPED = re.compile(r"['’‘`´ʻʼʽʹʿʾˈˌ.]")
_CITIES = 4
"""Cities from which on a country has parts that can be told from each other."""
_GAPS = re.compile(r"[-‐‑–—/,()&]+")


@cache
def gazetteer() -> "Gazetteer":
    return Gazetteer(_DATA / "names.tsv", _DATA / "places.tsv")


class Gazetteer:
    def __init__(self, names: Path, places: Path) -> None:
        self._names = _SortedLines(_mapped(names))
        self._places = _mapped(places)
        self._at_or_after = lru_cache(maxsize=50_000)(self._first_from)
        self.entries = lru_cache(maxsize=20_000)(self._entries)

    def longest(self, words: Sequence[str]) -> tuple[int, str]:
        """How many of these words, from the first on, make a known name, and its key."""
        best, found, prefix = 0, "", ""
        for count, word in enumerate(words, 1):
            prefix = f"{prefix} {word}" if prefix else word
            key = self._at_or_after(prefix)[0]
            if key == prefix:
                best, found = count, prefix
            elif not key.startswith(prefix + " "):
                break
        return best, found

    def region(self, country: str, admin1: str) -> Entry | None:
        """First-level region by alpha-2 and GeoNames code."""
        found = self.entries(f"={country}.{admin1}".lower())
        return found[0] if found else None

    def largest_cities(self, population: int) -> Iterator[Entry]:
        """Cities from that population up; they follow the countries in the file."""
        offset = 0
        while (entry := self._place(offset, "main")).kind in "NCP":
            if entry.kind != "N":
                if entry.population < population:
                    return
                yield entry
            offset = self._places.find(b"\n", offset) + 1

    def part(self, whole: Entry, east: float, north: float) -> Entry | None:
        """A city in the middle of a quarter of the people of a country or region: of those who live
        farthest in one direction. None where too few cities are known."""
        cities = [
            city
            for city in self._by_country.get(whole.country, ())
            if whole.kind == "N" or city.admin1 == whole.admin1
        ]
        if len(cities) < _CITIES:
            return None
        points = [(city.lat or 0.0, city.lon or 0.0, city.population) for city in cities]
        shrink = math.cos(math.radians(sum(lat for lat, _, _ in points) / len(points)))
        points.sort(key=lambda point: -north * point[0] - east * shrink * point[1])
        left = quarter = sum(people for _, _, people in points) / 4
        lat = lon = 0.0
        for point in points:
            share = min(left, point[2]) / quarter
            lat, lon = lat + share * point[0], lon + share * point[1]
            left -= min(left, point[2])
        return min(
            cities,
            key=lambda c: math.hypot((c.lat or 0.0) - lat, shrink * ((c.lon or 0.0) - lon)),
        )

    @cached_property
    def _by_country(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for city in self.largest_cities(15_000):
            found.setdefault(city.country, []).append(city)
        return found

    def _entries(self, key: str) -> tuple[Entry, ...]:
        """What the name of this key can mean."""
        found, references = self._at_or_after(key)
        if found != key:
            return ()
        return tuple(
            self._place(int(reference.lstrip("!~")), _MATCHES.get(reference[0], "main"))
            for reference in references.split()
        )

    def _first_from(self, key: str) -> tuple[str, str]:
        """Key and references of the first line whose key is not before this one."""
        line = bisect_left(self._names, key.encode(), 0, len(self._names.data))
        return self._names.line(line) if line < len(self._names.data) else ("", "")

    def _place(self, offset: int, match: Match) -> Entry:
        line = self._places[offset : self._places.find(b"\n", offset)].decode()
        kind, geoname_id, name, country, admin1, lat, lon, population = line.split("\t")
        return Entry(
            kind,  # type: ignore[arg-type]
            int(geoname_id) if geoname_id else None,
            name,
            country,
            admin1,
            float(lat) if lat else None,
            float(lon) if lon else None,
            int(population),
            match,
        )


class _SortedLines:
    """A file of `key\tvalue` lines sorted by key, as a sequence of keys: one item a byte, the key
    of the line that the byte belongs to. So bisection needs no table of where lines begin."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, offset: int) -> bytes:
        start = self.data.rfind(b"\n", 0, offset) + 1
        return self.data[start : self.data.find(b"\t", start)]

    def line(self, start: int) -> tuple[str, str]:
        key, _, value = self.data[start : self.data.find(b"\n", start)].decode().partition("\t")
        return key, value


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
