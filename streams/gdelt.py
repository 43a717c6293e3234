"""Events as rows of the events table of GDELT 2.0 (Event Database Data Format Codebook V2.0).

61 columns, tab-separated, no header. What an event record does not know is left empty, never
guessed: ethnic and religious codes, districts (ADM2), GNS feature ids, tone. One event is one row,
with its first resolved actor and target. docs/export.md tells each column's meaning here.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Literal, NamedTuple

from eventwire.models.enrich.countries import by_alpha3
from eventwire.models.enrich.gazetteer import gazetteer, key_of
from eventwire.models.records import Event, Participant, Place, Span
from eventwire.streams.feeds import moment


class Column(NamedTuple):
    name: str
    kind: Literal["integer", "float", "string"]


def _columns(kind: Literal["integer", "float", "string"], *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name in names)


def _actor(actor: str) -> tuple[Column, ...]:
    parts = "Code Name CountryCode KnownGroupCode EthnicCode Religion1Code Religion2Code Type1Code"
    names = [*parts.split(), "Type2Code", "Type3Code"]
    return _columns("string", *(actor + name for name in names))


def _geo(what: str) -> tuple[Column, ...]:
    codes = ("FullName", "CountryCode", "ADM1Code", "ADM2Code")
    return (
        Column(f"{what}Geo_Type", "integer"),
        *_columns("string", *(f"{what}Geo_{name}" for name in codes)),
        *_columns("float", f"{what}Geo_Lat", f"{what}Geo_Long"),
        Column(f"{what}Geo_FeatureID", "string"),
    )


COLUMNS: tuple[Column, ...] = (
    *_columns("integer", "GLOBALEVENTID", "SQLDATE", "MonthYear", "Year"),
    Column("FractionDate", "float"),
    *_actor("Actor1"),
    *_actor("Actor2"),
    Column("IsRootEvent", "integer"),
    *_columns("string", "EventCode", "EventBaseCode", "EventRootCode"),
    Column("QuadClass", "integer"),
    Column("GoldsteinScale", "float"),
    *_columns("integer", "NumMentions", "NumSources", "NumArticles"),
    Column("AvgTone", "float"),
    *_geo("Actor1"),
    *_geo("Actor2"),
    *_geo("Action"),
    Column("DATEADDED", "integer"),
    Column("SOURCEURL", "string"),
)

LEAD_CHARACTERS = 300
"""Up to where an event's sentence begins in what counts as the lead paragraph: a record does not
know the paragraphs, and leads of news articles have about so many characters."""

_Cell = str | int | float | None
_Geo = tuple[_Cell, ...]

_NO_GEO: _Geo = (0, *[None] * 7)
"""GDELT's own files have type 0 where there is no place."""


def row(event: Event) -> str | None:
    """The event as a line without its end; None where CAMEO has no such event."""
    if event.cameo is None:
        return None
    first, second = _resolved(event.actors), _resolved(event.targets)
    day = event_day(event)
    cells: list[_Cell] = [
        global_event_id(event.event_id),
        f"{day:%Y%m%d}",
        f"{day:%Y%m}",
        day.year,
        _fraction_date(day),
        *_actor_cells(first),
        *_actor_cells(second),
        int(event.evidence.start < LEAD_CHARACTERS),
        event.cameo,
        event.cameo[:3],
        event.cameo[:2],
        quad_class(event.cameo),
        event.goldstein,
        1,
        1,
        1,
        None,
        *_actor_geo(first, event.places),
        *_actor_geo(second, event.places),
        *_place_geo(finest(event.places)),
        f"{_detected(event):%Y%m%d%H%M%S}",
        event.article.url or event.article.source,
    ]
    return "\t".join(_text(cell) for cell in cells)


def global_event_id(event_id: str) -> int:
    """63 bits of the id's SHA-256: the same for every run, and a signed 64-bit column holds it."""
    return int.from_bytes(hashlib.sha256(event_id.encode()).digest()[:8]) >> 1


def quad_class(cameo: str) -> int:
    """Of a CAMEO code, as GDELT has it: 1 to 4 by its root. Ours follows PLOVER, and differs."""
    root = int(cameo[:2])
    if root <= 5:
        return 1
    if root <= 8:
        return 2
    return 3 if root <= 13 else 4


def event_day(event: Event) -> date:
    """The first day of the event's time, else the day of publication, else that of detection."""
    if event.time and event.time.value:
        try:
            return date.fromisoformat(event.time.value[:10])
        except ValueError:
            pass  # another program's record
    return (moment(event.not_after) or _detected(event)).date()


def finest(places: Sequence[Place]) -> Place | None:
    """The first of the most precise places that have coordinates."""
    located = [place for place in places if place.lat is not None and place.lon is not None]
    ranks = {"city": 0, "region": 1, "country": 2}
    return min(located, key=lambda place: ranks.get(place.precision or "", 3), default=None)


def _detected(event: Event) -> datetime:
    found = moment(event.detected_at)
    if found is None:
        raise ValueError(f"detected_at: expected ISO 8601, got {event.detected_at[:40]!r}")
    return found.astimezone(UTC)


def _fraction_date(day: date) -> str:
    # The codebook's (MONTH * 30 + DAY) / 365 would pass its own limit of 0.9999 in December; the
    # published files count whole months before the day.
    return f"{day.year + ((day.month - 1) * 30 + day.day) / 365:.4f}"


# ----------------------------------------------------------------------------------------- actors

_SAME = (
    "GOV", "LEG", "JUD", "MIL", "COP", "SPY", "OPP", "REB", "UAF", "CVL", "BUS", "EDU", "LAB",
    "AGR", "REF", "CRM", "MED", "HLH", "IGO", "NGO",
)  # fmt: skip

SECTOR_TYPES = {
    **{sector: sector for sector in _SAME},
    "PRM": "UAF",
    "SOC": "CVL",
    # CAMEO counts a party to the government or the opposition, which we do not know, and has codes
    # of religions but no role for them.
    "PTY": "",
    "REL": "",
}
"""Our sectors (PLOVER's) to CAMEO's role codes."""

COUNTRY_CODES = {"ROU": "ROM", "TLS": "TMP", "MNE": "MTN", "IMN": "IMY"}
"""Where CAMEO's country code is not ISO's. Countries younger than its list keep ISO's."""

KNOWN_GROUPS = {
    "Al-Aqsa Martyrs' Brigades": "AAM", "Al-Qaeda": "ALQ", "Amnesty International": "AMN",
    "Arab League": "ARL", "ASEAN": "ASN", "African Union": "OAU", "Asian Development Bank": "ADB",
    "Commonwealth of Independent States": "CIS", "Commonwealth of Nations": "CWN",
    "Council of Europe": "COE", "ECOWAS": "WAS", "European Commission": "EEC",
    "European Council": "EEC", "European Parliament": "EEC", "European Union": "EEC",
    "Food and Agriculture Organization": "FAO", "G7": "GOS", "GIA": "GIA",
    "Gulf Cooperation Council": "GCC", "Hamas": "HMS", "Hezbollah": "HEZ",
    "Human Rights Watch": "HRW", "IGAD": "IAD",
    "International Atomic Energy Agency": "IAE", "International Committee of the Red Cross": "IRC",
    "International Court of Justice": "ICJ", "International Criminal Court": "ICC",
    "International Criminal Tribunal for the former Yugoslavia": "WCT",
    "International Crisis Group": "ICG",
    "International Federation of Red Cross and Red Crescent Societies": "CRC",
    "International Labour Organization": "ILO", "International Monetary Fund": "IMF",
    "International Organization for Migration": "IOM", "Interpol": "ITP",
    "Mujahedin-e-Khalq": "PMD", "Muslim Brotherhood": "MBR", "Médecins Sans Frontières": "MSF",
    "NATO": "NAT", "OHCHR": "HCH", "OPEC": "OPC", "OSCE": "SCE",
    "Organisation of Islamic Cooperation": "OIC", "Organization of American States": "OAS",
    "Oxfam": "XFM", "Palestine Liberation Organization": "PLO", "Palestinian Islamic Jihad": "ISJ",
    "Polisario Front": "PLS", "Popular Front for the Liberation of Palestine": "PFL",
    "Red Crescent": "RCR", "SAARC": "SAA", "SADC": "SAD", "Taliban": "TAL",
    "UN General Assembly": "UNO", "UN Human Rights Council": "UNO", "UN Secretariat": "UNO",
    "UN Security Council": "UNO", "UNHCR": "HCR", "UNICEF": "KID", "United Nations": "UNO",
    "World Bank": "WBK", "World Food Programme": "WFP", "World Health Organization": "WHO",
    "World Trade Organization": "WTO",
}  # fmt: skip
"""Canonical names of organisations (models/enrich/data/organisations.toml) to CAMEO's codes."""


def _resolved(participants: Sequence[Participant]) -> Participant | None:
    """The first that has a country or a sector, else the first."""
    known = (each for each in participants if each.country or each.sector)
    return next(known, participants[0] if participants else None)


def _actor_cells(actor: Participant | None) -> tuple[_Cell, ...]:
    if actor is None:
        return (None,) * 10
    country = COUNTRY_CODES.get(actor.country or "", actor.country or "")
    role = SECTOR_TYPES.get(actor.sector or "", "")
    group = KNOWN_GROUPS.get(actor.name or "", "")
    name = (actor.name or actor.text).upper()
    return (country + role + group, name, country, group, None, None, None, role, None, None)


# ----------------------------------------------------------------------------------------- places


def _actor_geo(actor: Participant | None, places: Sequence[Place]) -> _Geo:
    """The closest place to the actor, as in GDELT: the country in the actor's own words, else the
    nearest of the event's places."""
    if actor is None:
        return _NO_GEO
    if actor.country and actor.resolution in ("exact", "demonym", "metonym"):
        return _country_geo(actor.country)
    located = [place for place in places if place.lat is not None]
    return _place_geo(min(located, key=lambda place: _gap(place, actor), default=None))


def _gap(one: Span, other: Span) -> int:
    return max(one.start - other.end, other.start - one.end, 0)


def _place_geo(place: Place | None) -> _Geo:
    if place is None:
        return _NO_GEO
    country = by_alpha3().get(place.country or "")
    if place.precision == "country" and country:
        return _country_geo(country.alpha3)
    if place.precision == "region" and country and place.name == country.name:
        # The south of Syria, which has no name of its own.
        return (
            1,
            country.name,
            country.fips,
            country.fips,
            None,
            place.lat,
            place.lon,
            country.fips,
        )
    is_american, is_city = place.country == "USA", place.precision == "city"
    kind = {(False, True): 2, (True, True): 3, (True, False): 4, (False, False): 5}[
        is_city, is_american
    ]
    fips = (country.fips if country else "") or ""
    if fips == "WE" and place.admin == "Gaza Strip":
        fips = "GZ"
    state = _american_states().get(key_of(place.admin)) if is_american and place.admin else None
    name = place.name or place.text
    names = [name, place.admin if is_city else None, country.name if country else None]
    # FIPS 10-4 divisions of other countries are in no source that we may use: GDELT has the
    # country's code alone where it knows no more.
    adm1 = f"US{state}" if state else fips
    return (
        kind,
        ", ".join(filter(None, names)),
        fips,
        adm1,
        None,
        place.lat,
        place.lon,
        adm1 if kind == 2 and state else None,
    )


@cache
def _country_geo(alpha3: str) -> _Geo:
    country = by_alpha3().get(alpha3)
    if country is None:
        return _NO_GEO
    found = [entry for entry in gazetteer().entries(key_of(country.name)) if entry.kind == "N"]
    lat, lon = next(((e.lat, e.lon) for e in found if e.country == country.alpha2), (None, None))
    return (1, country.name, country.fips, country.fips, None, lat, lon, country.fips)


@cache
def _american_states() -> dict[str, str]:
    """Keys of their names to their postal codes, which FIPS 10-4 has too."""
    codes = (
        "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH"
        " NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY"
    )
    regions = ((code, gazetteer().region("US", code)) for code in codes.split())
    return {key_of(region.name): code for code, region in regions if region}


def _text(cell: _Cell) -> str:
    """One cell: no tab and no line end is left in it."""
    return "" if cell is None else " ".join(str(cell).split())
