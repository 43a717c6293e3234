"""The words of a text as the reading of places needs them, and what some of them are."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from eventwire.models.enrich.countries import by_demonym, countries
from eventwire.models.enrich.gazetteer import key_of


class Word(NamedTuple):
    text: str
    """Without full stops and possessive."""
    key: str
    start: int
    end: int
    capital: bool
    possessive: bool


def words_of_text(text: str, start: int, end: int, pattern: re.Pattern[str]) -> Iterator[Word]:
    for match in pattern.finditer(text, start, end):
        word = match[0]
        possessive = _POSSESSIVE.search(word)
        stop = match.end() - (2 if possessive else 0)
        word = word[: -2 if possessive else None].replace(".", "")
        after = text[stop : stop + 2]
        article = after[:1] == "-" and after[1:].isupper() and word in _ARTICLES
        plural = word.endswith("s") and after[:1] in ("'", "’")
        capital = word[:1].isupper() or article
        yield Word(word, key_of(word), match.start(), stop, capital, bool(possessive) or plural)


def is_name_like(word: Word) -> bool:
    key = word.key
    return word.capital and key not in NOT_NAMES and key not in KINDS and key not in by_demonym()


def is_cased(word: Word, key: str, lower_case: bool) -> bool:
    """Whether a name that is written in capitals only, such as US, is written so here."""
    return key not in _acronyms() or (key not in WORDS_TOO if lower_case else word.text.isupper())


@cache
def _acronyms() -> frozenset[str]:
    """Keys of names that are written in capitals only: a car is not the CAR."""
    return frozenset(
        key_of(name)
        for country in countries()
        for name in (*country.other_names, *country.demonyms)
        if name.replace(".", "").isupper()
    )


def set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MARKS = "\u0300-\u036f"
APOSTROPHES = "'’‘ʼ`"
_LETTERS = rf"[^\W_{_MARKS}](?:[^\W_]|[{_MARKS}]|[{APOSTROPHES}](?=[^\W_]))*"
WORD = re.compile(rf"(?:[A-Z]\.){{2,}}|{_LETTERS}")
CAPITALISED = re.compile(rf"\b(?:(?:[A-Z]\.){{2,}}|(?=[^\W\d_a-z]){_LETTERS})")
_POSSESSIVE = re.compile(rf"[{APOSTROPHES}]s$", re.IGNORECASE)
JOINT = re.compile(r"\.?[ \xa0-]|[‐‑–]|\r?\n")
_ARTICLES = set_of("al el ar as ash ad an at az ez es de la le")


def _kinds(**words: str) -> dict[str, str]:
    return {word: kind for kind, listed in words.items() for word in listed.split()}


KINDS = _kinds(
    region="province provinces region regions state states governorate oblast prefecture "
    "department canton division emirate republic territory voivodeship krai",
    district="district districts county counties municipality tehsil taluk taluka upazila agency "
    "raion parish subdivision block",
    city="city cities town towns village villages suburb suburbs neighbourhood neighborhood "
    "township settlement port resort",
    road="road street avenue lane boulevard highway bridge expressway crossroads roundabout",
    water="river lake sea strait straits ocean gulf bay canal creek channel reef mountains "
    "mount mountain",
    other="junction airport airbase base hotel square university hospital mosque church "
    "market prison camp border area areas island islands peninsula valley coast capital "
    "outskirts centre center countryside enclave strip park station stadium embassy "
    "consulate court parliament residence home house office headquarters building "
    "school college bazaar chowk sector axis forest hills plains desert north south "
    "east west",
)
"""What words beside a name say that it is."""

COMPASS = {
    f"{key}{tail}": (("east" in key) - ("west" in key), ("north" in key) - ("south" in key))
    for key in (
        "north",
        "south",
        "east",
        "west",
        "northeast",
        "northwest",
        "southeast",
        "southwest",
    )
    for tail in ("", "ern")
}
"""Steps to the east and to the north."""

NOT_NAMES = set_of("""
    the of and in on at near outside a an to from for with by al el ar as ash ad az ez es de la le
    north south east west northern southern eastern western central northeast northwest southeast
    southwest north-east upper lower greater old new inner outer mid city town village state
    province district region county republic kingdom union empire island islands airport hotel
    square street road university hospital mosque church cathedral temple market prison jail camp
    base fort house office building palace parliament senate congress assembly council court
    embassy consulate ministry police army navy force station stadium park school college academy
    centre center bank line front zone border sea river lake bay gulf canal port valley mount
    mountain hill hills forest desert bridge gate crossing checkpoint tower hall theatre museum
    club bar mall sheikh wadi nahr tel tell kafr beit khan abu bani saint st sir lord king queen
    san santa los las prince president minister general governor mayor mr mrs ms dr monday
    tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december spring summer autumn winter facebook twitter
    google youtube internet islamic christian jewish muslim arab kurdish sunni shia shiite
    supreme high federal national international foreign security united nations un nato defence
    defense democratic people peoples party special military air main first second third cross
    junction grand great big green red white black blue golden holy our this that here there
    several multiple many some various two three four five its his her their where which
    nationwide sites parts streets man most mary
    """) - {"us", "uk", "eu"}

WORDS_TOO = set_of("""
    us car roc rok nice reading bath mobile orange march polish turkey chad cork tank bar most male
    split hull deal sale date bath battle order police victoria prince salt lake
    champion buffalo phoenix corona lima niger guinea china job same can van bor bari ica leon lens
    liege troy rugby derby ford barry crawley dover stone poole worth chester jordan kent angers
    tours essen vice cannes union paradise bay sandy independence enterprise sunrise hope eagle
    surprise plains
    """)
"""Names that are words as well: in a feed without capitals they stay words."""
