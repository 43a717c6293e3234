"""Countries: codes, capitals, and what people call them and their people.

The table is data/countries.tsv. Codes, names and capitals are those of GeoNames (CC BY 4.0);
demonyms and other names are ours. Kosovo (XKX, the user-assigned code that the EU and GeoNames
use), Palestine, Taiwan, Western Sahara and Hong Kong are rows of their own, as in ISO 3166-1.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_FILE = Path(__file__).with_name("data") / "countries.tsv"


class Country(NamedTuple):
    alpha2: str
    alpha3: str
    """ISO 3166-1."""
    fips: str
    """FIPS 10-4, as GDELT uses it; empty for the three territories that have none. Palestine is
    WE, the West Bank; the Gaza Strip is GZ."""
    geoname_id: int
    name: str
    capital: str
    """Empty where there is none."""
    demonyms: tuple[str, ...]
    """Adjectives and nouns for its people, singular; the first is the commonest."""
    other_names: tuple[str, ...]
    """Former names and abbreviations included."""


@cache
def countries() -> tuple[Country, ...]:
    """All countries, in order of their alpha-2 codes."""
    lines = _FILE.read_text("utf-8").splitlines()
    return tuple(_country(line) for line in lines if not line.startswith("#"))


@cache
def by_alpha3() -> Mapping[str, Country]:
    return MappingProxyType({country.alpha3: country for country in countries()})


@cache
def by_alpha2() -> Mapping[str, Country]:
    return MappingProxyType({country.alpha2: country for country in countries()})


@cache
def by_name() -> Mapping[str, Country]:
    """By every name in lower case."""
    return _index(lambda country: (country.name, *country.other_names))


@cache
def by_demonym() -> Mapping[str, Country]:
    """By every demonym in lower case, the plural in -s too."""
    return _index(lambda country: [form for word in country.demonyms for form in _number(word)])


@cache
def by_capital() -> Mapping[str, Country]:
    """By capital in lower case."""
    return _index(lambda country: [country.capital] if country.capital else [])


def _country(line: str) -> Country:
    alpha2, alpha3, fips, geoname_id, name, capital, demonyms, other_names = line.split("\t")
    return Country(
        alpha2,
        alpha3,
        fips,
        int(geoname_id),
        name,
        capital,
        tuple(filter(None, demonyms.split(";"))),
        tuple(filter(None, other_names.split(";"))),
    )


def _index(words: Callable[[Country], Iterable[str]]) -> Mapping[str, Country]:
    index: dict[str, Country] = {}
    for country in countries():
        for word in words(country):
            index.setdefault(word.lower(), country)
    return MappingProxyType(index)


def _number(demonym: str) -> tuple[str, ...]:
    """Singular and plural; Swiss, Chinese, British and US have no other form."""
    if demonym.endswith(("s", "ese", "ish", "ch", ".", "US", "man")):
        return (demonym,)
    return demonym, demonym + "s"
