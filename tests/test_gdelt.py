"""Rows of the gdelt export, read back with the meaning that GDELT's codebook gives each column."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventwire.models import enrich
from eventwire.models.enrich.countries import by_alpha3
from eventwire.models.ontology import ontology
from eventwire.models.records import Event, Participant, Place, Time
from eventwire.streams import gdelt
from eventwire.streams.gdelt import COLUMNS, global_event_id, quad_class

EXAMPLES = Path(__file__).parents[1] / "docs" / "schemas" / "v1" / "examples"
DATA = Path(enrich.__file__).with_name("data")

Value = str | int | float | None


def event(**fields: Any) -> Event:
    """The example event of the contract, changed."""
    return msgspec.structs.replace(
        msgspec.json.decode((EXAMPLES / "event.json").read_bytes(), type=Event), **fields
    )


def read(row: str | None) -> dict[str, Value]:
    """The cells by name, in their column's type; empty cells are None."""
    assert row is not None
    kinds = {"integer": int, "float": float, "string": str}
    cells = row.split("\t")
    return {
        column.name: kinds[column.kind](cell) if cell else None
        for column, cell in zip(COLUMNS, cells, strict=True)
    }


def written(**fields: Any) -> dict[str, Value]:
    return read(gdelt.row(event(**fields)))


def who(text: str = "x", start: int = 0, **fields: Any) -> list[Participant]:
    return [Participant(text=text, start=start, end=start + len(text), **fields)]


def where(**fields: Any) -> Place:
    defaults: dict[str, Any] = {"text": "x", "start": 60, "end": 61, "lat": 1.5, "lon": 2.5}
    return Place(**defaults | fields)


def at(value: str | None) -> Time:
    return Time(text="then", start=0, end=4, value=value, granularity="day")


def test_the_columns_are_those_of_the_codebook_in_its_order() -> None:
    actor = (
        "Code Name CountryCode KnownGroupCode EthnicCode Religion1Code Religion2Code"
        " Type1Code Type2Code Type3Code"
    )
    geo = "Type FullName CountryCode ADM1Code ADM2Code Lat Long FeatureID"
    names = [
        *["GLOBALEVENTID", "SQLDATE", "MonthYear", "Year", "FractionDate"],
        *(f"Actor1{name}" for name in actor.split()),
        *(f"Actor2{name}" for name in actor.split()),
        *[
            "IsRootEvent",
            "EventCode",
            "EventBaseCode",
            "EventRootCode",
            "QuadClass",
            "GoldsteinScale",
        ],
        *["NumMentions", "NumSources", "NumArticles", "AvgTone"],
        *(f"{who}Geo_{name}" for who in ("Actor1", "Actor2", "Action") for name in geo.split()),
        *["DATEADDED", "SOURCEURL"],
    ]
    assert [column.name for column in COLUMNS] == names
    assert len(names) == 61


def test_every_column_of_a_row_means_what_it_means_in_gdelt() -> None:
    assert written() == {
        "GLOBALEVENTID": global_event_id("096a4604-00ab-545c-b143-0c7607de8918"),
        "SQLDATE": 20250304,
        "MonthYear": 202503,
        "Year": 2025,
        "FractionDate": 2025.1753,  # (2 months * 30 + 4 days) / 365
        "Actor1Code": "UAF",
        "Actor1Name": "ARMED MEN",
        "Actor1CountryCode": None,
        "Actor1KnownGroupCode": None,
        "Actor1EthnicCode": None,
        "Actor1Religion1Code": None,
        "Actor1Religion2Code": None,
        "Actor1Type1Code": "UAF",
        "Actor1Type2Code": None,
        "Actor1Type3Code": None,
        "Actor2Code": "KENNGO",
        "Actor2Name": "TWO KENYAN AID WORKERS",
        "Actor2CountryCode": "KEN",
        "Actor2KnownGroupCode": None,
        "Actor2EthnicCode": None,
        "Actor2Religion1Code": None,
        "Actor2Religion2Code": None,
        "Actor2Type1Code": "NGO",
        "Actor2Type2Code": None,
        "Actor2Type3Code": None,
        "IsRootEvent": 1,
        "EventCode": "181",
        "EventBaseCode": "181",
        "EventRootCode": "18",
        "QuadClass": 4,
        "GoldsteinScale": -9.0,
        "NumMentions": 1,
        "NumSources": 1,
        "NumArticles": 1,
        "AvgTone": None,
        "Actor1Geo_Type": 4,
        "Actor1Geo_FullName": "Marsabit, Marsabit, Kenya",
        "Actor1Geo_CountryCode": "KE",
        "Actor1Geo_ADM1Code": "KE",
        "Actor1Geo_ADM2Code": None,
        "Actor1Geo_Lat": 2.3347,
        "Actor1Geo_Long": 37.9909,
        "Actor1Geo_FeatureID": None,
        "Actor2Geo_Type": 1,
        "Actor2Geo_FullName": "Kenya",
        "Actor2Geo_CountryCode": "KE",
        "Actor2Geo_ADM1Code": "KE",
        "Actor2Geo_ADM2Code": None,
        "Actor2Geo_Lat": pytest.approx(0, abs=5),
        "Actor2Geo_Long": pytest.approx(38, abs=4),
        "Actor2Geo_FeatureID": "KE",
        "ActionGeo_Type": 4,
        "ActionGeo_FullName": "Marsabit, Marsabit, Kenya",
        "ActionGeo_CountryCode": "KE",
        "ActionGeo_ADM1Code": "KE",
        "ActionGeo_ADM2Code": None,
        "ActionGeo_Lat": 2.3347,
        "ActionGeo_Long": 37.9909,
        "ActionGeo_FeatureID": None,
        "DATEADDED": 20250305074112,
        "SOURCEURL": "https://lakeside-courier.example/2025/03/05/aid-workers",
    }


def test_an_event_that_cameo_does_not_have_has_no_row() -> None:
    assert gdelt.row(event(cameo=None)) is None


def test_an_id_is_63_bits_and_the_same_each_time() -> None:
    ids = {global_event_id(f"event {n}") for n in range(1000)}
    assert len(ids) == 1000
    assert all(0 <= each < 2**63 for each in ids)
    assert max(ids) > 2**62
    assert global_event_id("event 7") == 789475093856943197


def test_a_row_is_one_line_of_61_cells_whatever_its_texts_hold() -> None:
    hostile = "a\tb\r\nc\u2028d"
    article = msgspec.structs.replace(event().article, url=hostile)
    row = gdelt.row(event(article=article, actors=who(hostile)))
    assert row is not None
    assert len(row.split("\t")) == len(COLUMNS)
    assert row.splitlines() == [row]


@pytest.mark.parametrize(
    ("time", "not_after", "day"),
    [
        (at("2025-02-27"), "2025-03-05", 20250227),
        (at("2025-02-24/2025-03-02"), "2025-03-05", 20250224),
        (at("2025-02-24/.."), "2025-03-05", 20250224),
        (at("2025-02-27T23:30+09:00"), "2025-03-05", 20250227),
        (at(None), "2025-03-05T01:00:00+03:00", 20250304),
        (None, "2025-03-05", 20250305),
        (None, "last spring", 20250305),
        (None, None, 20250305),
        (at("sometime"), "2025-03-01", 20250301),
    ],
)
def test_the_day_is_the_events_else_of_publication_else_of_detection(
    time: Time | None, not_after: str | None, day: int
) -> None:
    assert written(time=time, not_after=not_after)["SQLDATE"] == day


@pytest.mark.parametrize("day", ["2024-01-01", "2024-02-29", "2024-12-31"])
def test_the_fraction_of_the_year_lies_in_the_year(day: str) -> None:
    assert 2024 < written(time=at(day))["FractionDate"] < 2025  # type: ignore[operator]


def test_date_added_is_in_utc() -> None:
    assert written(detected_at="2025-03-05T01:30:00+03:00")["DATEADDED"] == 20250304223000


# ----------------------------------------------------------------------------------------- actors


@pytest.mark.parametrize(
    ("actor", "code", "country", "group", "role"),
    [
        ({"country": "KEN", "sector": "GOV"}, "KENGOV", "KEN", None, "GOV"),
        ({"name": "United Nations", "sector": "IGO"}, "IGOUNO", None, "UNO", "IGO"),
        (
            {"name": "Hezbollah", "country": "LBN", "sector": "REB"},
            "LBNREBHEZ",
            "LBN",
            "HEZ",
            "REB",
        ),
        ({"country": "ROU", "sector": "MIL"}, "ROMMIL", "ROM", None, "MIL"),
        ({"country": "SDN", "sector": "PRM"}, "SDNUAF", "SDN", None, "UAF"),
        ({"country": "DEU", "sector": "PTY"}, "DEU", "DEU", None, None),
        ({"country": "KEN"}, "KEN", "KEN", None, None),
        ({}, None, None, None, None),
    ],
)
def test_actors_have_cameo_codes(
    actor: dict[str, str], code: str, country: str, group: str, role: str
) -> None:
    row = written(actors=who("x", **actor))
    names = ("Code", "CountryCode", "KnownGroupCode", "Type1Code")
    assert [row[f"Actor1{name}"] for name in names] == [code, country, group, role]


def test_an_actor_is_called_by_its_canonical_name_or_else_by_its_words() -> None:
    assert written(actors=who("he", name="Amina Odhiambo"))["Actor1Name"] == "AMINA ODHIAMBO"
    assert written(actors=who("gunmen"))["Actor1Name"] == "GUNMEN"


def test_the_first_actor_that_is_resolved_is_taken() -> None:
    actors = [*who("they"), *who("Nairobi", country="KEN", sector="GOV")]
    assert written(actors=actors)["Actor1Code"] == "KENGOV"


def test_without_an_actor_its_columns_are_empty() -> None:
    row = written(actors=[])
    assert {name: value for name, value in row.items() if name.startswith("Actor1") and value} == {}
    assert row["Actor1Geo_Type"] == 0


def test_every_sector_has_a_role_or_is_known_to_have_none() -> None:
    roles = tomllib.loads((DATA / "roles.toml").read_text("utf-8"))
    sectors = {key for key in roles if re.fullmatch("[A-Z]{3}", key)} | {"IGO", "NGO", "CVL"}
    assert sectors <= gdelt.SECTOR_TYPES.keys()


def test_every_known_group_is_an_organisation_that_actors_are_resolved_to() -> None:
    table = tomllib.loads((DATA / "organisations.toml").read_text("utf-8"))
    names = {name for entries in table.values() if isinstance(entries, dict) for name in entries}
    assert gdelt.KNOWN_GROUPS.keys() <= names


def test_every_country_whose_code_differs_is_one() -> None:
    assert gdelt.COUNTRY_CODES.keys() <= by_alpha3().keys()


# ------------------------------------------------------------------------------------- the action


@pytest.mark.parametrize(
    ("cameo", "base", "root", "quad"),
    [
        ("016", "016", "01", 1),
        ("057", "057", "05", 1),
        ("060", "060", "06", 2),
        ("0831", "083", "08", 2),
        ("090", "090", "09", 3),
        ("1712", "171", "17", 4),
        ("130", "130", "13", 3),
        ("141", "141", "14", 4),
        ("195", "195", "19", 4),
    ],
)
def test_codes_nest_and_the_quad_class_follows_the_root(
    cameo: str, base: str, root: str, quad: int
) -> None:
    row = written(cameo=cameo)
    codes = ("EventCode", "EventBaseCode", "EventRootCode", "QuadClass")
    assert [row[name] for name in codes] == [cameo, base, root, quad]


def test_the_quad_class_is_not_always_that_of_plover() -> None:
    kinds = [kind for kind in ontology().types.values() if kind.cameo]
    differing = {kind.name for kind in kinds if quad_class(kind.cameo or "") != kind.quad_class}
    assert "concession" in differing  # verbal in PLOVER, CAMEO 080 material
    assert "meeting" not in differing


def test_an_unknown_goldstein_value_is_empty() -> None:
    assert written(goldstein=None)["GoldsteinScale"] is None


def test_only_events_of_the_lead_are_root_events() -> None:
    evidence = msgspec.structs.replace(event().evidence, start=2000, end=2100)
    assert written(evidence=evidence)["IsRootEvent"] == 0


def test_an_article_without_url_is_cited_by_its_source() -> None:
    article = msgspec.structs.replace(event().article, url=None)
    assert written(article=article)["SOURCEURL"] == "Lakeside Courier"


# ----------------------------------------------------------------------------------------- places

KYIV = {"name": "Kyiv", "admin": "Kyiv City", "country": "UKR", "precision": "city"}
PARIS_TEXAS = {"name": "Paris", "admin": "Texas", "country": "USA", "precision": "city"}


@pytest.mark.parametrize(
    ("place", "kind", "name", "country", "adm1", "feature"),
    [
        ({"country": "UKR", "precision": "country"}, 1, "Ukraine", "UP", "UP", "UP"),
        (
            {"name": "Texas", "admin": "Texas", "country": "USA", "precision": "region"},
            2,
            "Texas, United States",
            "US",
            "USTX",
            "USTX",
        ),
        (PARIS_TEXAS, 3, "Paris, Texas, United States", "US", "USTX", None),
        (KYIV, 4, "Kyiv, Kyiv City, Ukraine", "UP", "UP", None),
        (
            {"name": "Donetsk", "admin": "Donetsk", "country": "UKR", "precision": "region"},
            5,
            "Donetsk, Ukraine",
            "UP",
            "UP",
            None,
        ),
        (
            {"name": "Gaza", "admin": "Gaza Strip", "country": "PSE", "precision": "city"},
            4,
            "Gaza, Gaza Strip, Palestine",
            "GZ",
            "GZ",
            None,
        ),
        (
            {"name": "Jenin", "country": "PSE", "precision": "city"},
            4,
            "Jenin, Palestine",
            "WE",
            "WE",
            None,
        ),
        # a part of a country
        ({"name": "Syria", "country": "SYR", "precision": "region"}, 1, "Syria", "SY", "SY", "SY"),
        (
            {"name": "United States", "country": "USA", "precision": "region"},
            *(1, "United States", "US", "US", "US"),
        ),
        ({"name": "Kashmir", "precision": "region"}, 5, "Kashmir", None, None, None),
    ],
)
def test_places_have_gdelts_types_and_fips_codes(
    place: dict[str, str], kind: int, name: str, country: str, adm1: str, feature: str
) -> None:
    row = written(places=[where(**place)])
    names = ("Type", "FullName", "CountryCode", "ADM1Code", "FeatureID")
    shown = [row[f"ActionGeo_{part}"] for part in names]
    name = name.replace("Palestine", by_alpha3()["PSE"].name)
    assert shown == [kind, name, country, adm1, feature]


def test_the_action_is_at_the_most_precise_place() -> None:
    ukraine = where(country="UKR", precision="country")
    row = written(places=[ukraine, where(**KYIV), where(**PARIS_TEXAS)])
    assert row["ActionGeo_FullName"] == "Kyiv, Kyiv City, Ukraine"
    assert (row["ActionGeo_Lat"], row["ActionGeo_Long"]) == (1.5, 2.5)


def test_an_action_without_coordinates_is_nowhere() -> None:
    row = written(places=[where(name="Nowhere", lat=None, lon=None, reason="unknown")])
    assert row["ActionGeo_Type"] == 0
    assert row["ActionGeo_FullName"] is None


def test_an_actor_is_at_the_nearest_place_unless_its_words_name_its_country() -> None:
    near, far = where(start=10, end=14, **KYIV), where(start=90, end=95, **PARIS_TEXAS)
    unresolved = written(actors=who("men", 97), places=[near, far])
    assert unresolved["Actor1Geo_FullName"] == "Paris, Texas, United States"
    kenyan = who("Kenyan police", 97, country="KEN", sector="COP", resolution="demonym")
    assert written(actors=kenyan, places=[near, far])["Actor1Geo_FullName"] == "Kenya"


def test_every_country_with_a_capital_has_a_place_on_the_map() -> None:
    for country in by_alpha3().values():
        kind, name, fips, _, _, lat, lon, _ = gdelt._country_geo(country.alpha3)
        assert (kind, name, fips) == (1, country.name, country.fips)
        assert not country.capital or (lat is not None and lon is not None), country.name
