"""Places: spans of articles to places of the gazetteer."""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwire.models.enrich.countries import by_alpha3, by_demonym, by_name, countries
from eventwire.models.enrich.gazetteer import gazetteer, key_of
from eventwire.models.enrich.places import (
    ABROAD,
    BORDER,
    NO_NAME,
    UNKNOWN,
    UNLIKELY,
    ArticlePlaces,
    signals,
)
from eventwire.models.records import Place


def place(text: str, span: str | None = None) -> Place:
    span = text if span is None else span
    start = text.index(span)
    return ArticlePlaces(text).geocode(start, start + len(span))


def brief(found: Place) -> tuple[str | None, str | None, str | None]:
    return found.name, found.country, found.precision


@pytest.mark.parametrize(
    ("span", "name", "country", "precision"),
    [
        ("Donetsk region", "Donetsk", "UKR", "region"),
        ("Donetsk", "Donetsk", "UKR", "city"),
        ("the Donetsk oblast", "Donetsk", "UKR", "region"),
        ("Sindh", "Sindh", "PAK", "region"),
        ("the Gaza Strip", "Gaza Strip", "PSE", "region"),
        ("Gaza", "Gaza Strip", "PSE", "region"),
        ("Gaza City", "Gaza", "PSE", "city"),
        ("the West Bank", "West Bank", "PSE", "region"),
        ("occupied West Bank", "West Bank", "PSE", "region"),
        ("West Bank town of Ramallah", "Ramallah", "PSE", "city"),
        ("northern Syria", "Syria", "SYR", "region"),
        ("north-eastern Syria", "Syria", "SYR", "region"),
        ("eastern Ukraine", "Ukraine", "UKR", "region"),
        ("Syria's north-east", "Syria", "SYR", "region"),
        ("the north of Syria", "Syria", "SYR", "region"),
        ("central Syria", "Syria", "SYR", "country"),
        ("South Yemen", "Yemen", "YEM", "region"),
        ("south Lebanon", "South Lebanon", "LBN", "region"),
        ("southern Lebanon", "South Lebanon", "LBN", "region"),
        ("north Kivu", "Nord Kivu", "COD", "region"),
        ("south Korea", "South Korea", "KOR", "country"),
        ("northern Gaza", "Gaza Strip", "PSE", "region"),
        ("north London", "London", "GBR", "city"),
        ("Damascus suburb of Douma", "Dūmā", "SYR", "city"),
        ("London suburb of Brixton", "Brixton", "GBR", "city"),
        ("Saint-Denis suburb of Paris", "Saint-Denis", "FRA", "city"),
        ("Boston-area town of Watertown", "Watertown", "USA", "city"),
        ("South Sudan", "South Sudan", "SSD", "country"),
        ("North Korea", "North Korea", "PRK", "country"),
        ("outskirts of Aleppo", "Aleppo", "SYR", "city"),
        ("eastern Aleppo", "Aleppo", "SYR", "city"),
        ("Aleppo province", "Aleppo", "SYR", "region"),
        ("Idlib province", "Idlib", "SYR", "region"),
        ("province of Idlib", "Idlib", "SYR", "region"),
        ("Deir Ezzor province", "Deir ez-Zor", "SYR", "region"),
        ("Basra", "Basrah", "IRQ", "city"),
        ("Basra governorate", "Basra", "IRQ", "region"),
        ("every Florida town", "Florida", "USA", "region"),
        ("Georgia’s Bibb County jail", "Bibb County", "USA", "region"),
        ("Syria's Idlib", "Idlib", "SYR", "city"),
        ("Kyiv's Maidan square", "Kyiv", "UKR", "city"),
        ("Syrian border town of Qamishli", "Al Qāmishlī", "SYR", "city"),
        ("Black Sea resort of Sochi", "Sochi", "RUS", "city"),
        ("Raqqa in northern Syria", "Ar Raqqah", "SYR", "city"),
        ("Raqqa, northern Syria", "Ar Raqqah", "SYR", "city"),
        ("Hama, Syria", "Ḩamāh", "SYR", "city"),
        ("Ferguson, Missouri", "Ferguson", "USA", "city"),
        ("Aurora, Colorado", "Aurora", "USA", "city"),
        ("Madison, Indiana", "Madison", "USA", "city"),
        ("Dublin, California", "Dublin", "USA", "city"),
        ("the Afghan capital", "Kabul", "AFG", "city"),
        ("Syria's capital", "Damascus", "SYR", "city"),
        ("near the capital, Tehran", "Tehran", "IRN", "city"),
        ("capital Kiev", "Kyiv", "UKR", "city"),
        ("Kiev", "Kyiv", "UKR", "city"),
        ("Bombay", "Mumbai", "IND", "city"),
        ("Calcutta", "Kolkata", "IND", "city"),
        ("Rangoon", "Yangon", "MMR", "city"),
        ("Saigon", "Ho Chi Minh City", "VNM", "city"),
        ("Mosul", "Mosul", "IRQ", "city"),
        ("Nineveh", "Nineveh", "IRQ", "region"),
        ("Kobani", "‘Ayn al ‘Arab", "SYR", "city"),
        ("Hodeidah", "Al Ḩudaydah", "YEM", "city"),
        ("St. Petersburg", "Saint Petersburg", "RUS", "city"),
        ("Xinjiang", "Xinjiang", "CHN", "region"),
        ("Donbas", "Donbas", "UKR", "region"),
        ("eastern Donbas region", "Donbas", "UKR", "region"),
        ("Sudan's Darfur region", "Darfur", "SDN", "region"),
        ("Crimea", "Crimea", "UKR", "region"),
        ("Chechnya", "Chechnya", "RUS", "region"),
        ("Iraqi Kurdistan", "Kurdistan Region", "IRQ", "region"),
        ("South Waziristan Agency", "South Waziristan", "PAK", "region"),
        ("Eastern Ghouta", "Eastern Ghouta", "SYR", "region"),
        ("Golan Heights", "Golan Heights", "SYR", "region"),
        ("Scotland", "Scotland", "GBR", "region"),
        ("California", "California", "USA", "region"),
        ("New York", "New York City", "USA", "city"),
        ("New York state", "New York", "USA", "region"),
        ("Washington", "Washington", "USA", "city"),
        ("Washington state", "Washington", "USA", "region"),
        ("White House", "Washington", "USA", "city"),
        ("Downing Street", "London", "GBR", "city"),
        ("Mexico City", "Mexico City", "MEX", "city"),
        ("the US", "United States", "USA", "country"),
        ("the U.S.", "United States", "USA", "country"),
        ("Britain", "United Kingdom", "GBR", "country"),
        ("DRC", "Democratic Republic of the Congo", "COD", "country"),
        ("Kosovo", "Kosovo", "XKX", "country"),
        ("Taiwan", "Taiwan", "TWN", "country"),
        ("Hong Kong", "Hong Kong", "HKG", "country"),
        ("Russian territory", "Russia", "RUS", "country"),
        ("court in Ljubljana", "Ljubljana", "SVN", "city"),
        ("17km west of Arish", "Arīsh", "EGY", "city"),
        ("Cross River State", "Cross River", "NGA", "region"),
        ("al-Bab", "Al Bāb", "SYR", "city"),
        ("Stoke-on-Trent", "Stoke-on-Trent", "GBR", "city"),
    ],
)
def test_a_span_alone_is_geocoded(span: str, name: str, country: str, precision: str) -> None:
    assert brief(place(span)) == (name, country, precision)


@pytest.mark.parametrize(
    ("text", "span", "country"),
    [
        ("Lebanese troops deployed after clashes in Tripoli.", "Tripoli", "LBN"),
        ("Beirut sent the army to Tripoli, Lebanon said.", "Tripoli", "LBN"),
        ("Libyan militias fought in Tripoli.", "Tripoli", "LBY"),
        ("Fighting broke out in Tripoli.", "Tripoli", "LBY"),
        ("Voters in Georgia, led by Atlanta, turned out.", "Georgia", "USA"),
        ("Texas and Georgia passed the law.", "Georgia", "USA"),
        ("Tbilisi said Russian tanks had entered Georgia.", "Georgia", "GEO"),
        ("The United States said Georgia had a right to defend itself.", "Georgia", "GEO"),
        ("Protesters marched in Georgia.", "Georgia", "GEO"),
        ("Pakistani rangers closed the road to Hyderabad in Sindh.", "Hyderabad", "PAK"),
        ("Indian police closed the road to Hyderabad.", "Hyderabad", "IND"),
        ("Egyptian police raided a flat in Alexandria.", "Alexandria", "EGY"),
        ("Police in Alexandria, Virginia, raided a flat.", "Alexandria", "USA"),
        ("Canadian officials flew to London.", "London", "GBR"),
        ("Officials flew to London, Ontario.", "London", "CAN"),
        ("Spanish police made arrests in Valencia.", "Valencia", "ESP"),
        ("Venezuelan police made arrests in Valencia.", "Valencia", "VEN"),
        ("Protests spread to Punjab, Indian media said.", "Punjab", "IND"),
        ("Protests spread to Punjab, Pakistani media said.", "Punjab", "PAK"),
        ("Rafah, in the Palestinian territory, was shelled.", "Rafah", "PSE"),
        ("Shelling hit the Ukrainian city of Donetsk.", "Donetsk", "UKR"),
        ("Mexican troops reached Cordoba.", "Cordoba", "MEX"),
        ("Ukraine compared the siege with the war in Chechnya.", "Chechnya", "RUS"),
        ("The Chilean town of Victoria was evacuated.", "Victoria", "CHL"),
    ],
)
def test_an_ambiguous_name_is_decided_by_the_article(text: str, span: str, country: str) -> None:
    assert place(text, span).country == country


@pytest.mark.parametrize(
    ("text", "span", "place_name", "country"),
    [
        # a small namesake needs more than its country's name
        ("US officials flew from New York to Geneva.", "Geneva", "Geneva", "CHE"),
        (
            "U.S. envoys, American senators and US generals went to Geneva.",
            "Geneva",
            "Geneva",
            "CHE",
        ),
        ("Florida police made arrests in Naples, a US official said.", "Naples", "Naples", "USA"),
        # what a city was called once
        ("British police sealed a bench in Salisbury.", "Salisbury", "Salisbury", "GBR"),
        ("Rhodesian troops left Salisbury, Zimbabwe, then.", "Salisbury", "Harare", "ZWE"),
    ],
)
def test_a_namesake_is_not_taken_for_the_place_that_is_meant(
    text: str, span: str, place_name: str | None, country: str | None
) -> None:
    found = place(text, span)
    assert (found.name, found.country) == (place_name, country)


PARTS = [
    # part, a city in it, a city that is not
    ("northern Nigeria", "Kano", "Lagos"),
    ("southern Nigeria", "Lagos", "Kano"),
    ("eastern Ukraine", "Kharkiv", "Lviv"),
    ("western Ukraine", "Lviv", "Kharkiv"),
    ("northern Israel", "Haifa", "Beersheba"),
    ("northern Gaza", "Jabalia", "Khan Younis"),
    ("southern Gaza", "Khan Younis", "Jabalia"),
    ("south-east Turkey", "Gaziantep", "Istanbul"),
    ("southeastern Turkey", "Gaziantep", "Istanbul"),
    ("northern England", "Leeds", "London"),
    ("eastern Congo", "Bukavu", "Kinshasa"),
    ("north-eastern Syria", "Hasakah", "Aleppo"),
]


@pytest.mark.parametrize(("part", "inside", "outside"), PARTS)
def test_a_part_of_a_country_lies_where_it_says(part: str, inside: str, outside: str) -> None:
    country = place(part).country
    here, near, far = (place(part), place(inside), place(outside))
    assert near.country == far.country == country
    assert _distance(here, near) < _distance(here, far)


@pytest.mark.parametrize(
    ("text", "span", "name"),
    [
        ("Police in San Diego made an arrest.", "San", "San Diego"),
        ("Police in New York made an arrest.", "York", "New York City"),
        ("Troops left South Africa then.", "Africa", "South Africa"),
        ("The clerk in San Bernadino left.", "San Bernadino", None),
        ("Then Boston Police left.", "Boston", "Boston"),
        ("Talks were held in east Jerusalem.", "east Jerusalem", "East Jerusalem"),
        ("In Paris Police left.", "Paris", "Paris"),
        ("US police in north St. Louis left.", "north St. Louis", "St. Louis"),
    ],
)
def test_a_span_that_cuts_a_name_is_the_whole_place(text: str, span: str, name: str | None) -> None:
    assert place(text, span).name == name


def test_a_span_that_has_lost_its_province_is_one() -> None:
    found = place("Syrian rebels left Idlib province.", "Idlib")
    assert (found.name, found.precision) == ("Idlib", "region")


@pytest.mark.parametrize(
    ("span", "region"),
    [
        ("southern Helmand province", "Helmand province"),
        ("the northern province of Idlib", "Idlib province"),
        ("India's southern Kerala state", "Kerala state"),
    ],
)
def test_a_direction_before_a_province_says_where_it_lies(span: str, region: str) -> None:
    found, whole = place(span), place(region)
    assert (found.lat, found.lon) == (whole.lat, whole.lon)


def _distance(one: Place, other: Place) -> float:
    assert None not in (one.lat, one.lon, other.lat, other.lon)
    return math.hypot(one.lat - other.lat, one.lon - other.lon)  # type: ignore[operator]


def test_a_name_is_no_evidence_for_its_own_country() -> None:
    text = "Tripoli, Tripoli and again Tripoli, a Lebanese officer said."
    assert place(text, "Tripoli").country == "LBN"


MARCH = "Protesters marched in Paris, Texas, and Richmond, CA, on Sunday."


@pytest.mark.parametrize("text", [MARCH, MARCH + " PHOTO desk note"])
def test_a_state_after_a_comma_decides_and_trailing_words_change_nothing(text: str) -> None:
    found = [place(text, span) for span in ("Paris", "Richmond")]
    assert [(p.name, p.admin, p.country) for p in found] == [
        ("Paris", "Texas", "USA"),
        ("Richmond", "California", "USA"),
    ]


def test_paris_alone_is_in_france() -> None:
    found = place("Protesters marched in Paris on Sunday.", "Paris")
    assert (found.country, found.admin, found.geoname_id) == ("FRA", "Île-de-France", 2988507)


@pytest.mark.parametrize("state", ["Texas", "TX", "Tex."])
def test_states_are_read_in_full_and_abbreviated(state: str) -> None:
    assert place(f"A man was arrested in Paris, {state}, on Monday.", "Paris").admin == "Texas"


def test_a_place_located_once_is_the_same_place_further_on() -> None:
    text = "Police in Paris, Texas, made an arrest. Paris has a curfew."
    start = text.rindex("Paris")
    assert ArticlePlaces(text).geocode(start, start + 5).admin == "Texas"


def test_a_possessive_after_a_comma_does_not_locate() -> None:
    assert place("In Moscow, Ukraine's envoy met officials.", "Moscow").country == "RUS"


def test_a_well_known_city_is_not_moved_by_the_country_after_its_comma() -> None:
    assert place("In Moscow, Ukraine said, nothing had changed.", "Moscow").country == "RUS"


def test_a_town_that_its_state_lacks_is_not_replaced_by_a_namesake() -> None:
    found = place("on Route 2 in Randolph, New Hampshire")
    assert (found.name, found.precision) == ("New Hampshire", "region")


@pytest.mark.parametrize(
    ("text", "span", "name"),
    [
        ("ukraine said its troops had left kiev.", "kiev", "Kyiv"),
        ("the us sent troops to baghdad, iraq said.", "baghdad", "Baghdad"),
        ("protests went on in new york.", "new york", "New York City"),
        ("the army shelled northern syria.", "northern syria", "Syria"),
        ("talks were held in the hague.", "the hague", "The Hague"),
    ],
)
def test_feeds_without_capitals_are_geocoded(text: str, span: str, name: str) -> None:
    assert place(text, span).name == name


@pytest.mark.parametrize("word", ["us", "car", "nice", "tank", "bath", "turkey"])
def test_words_in_feeds_without_capitals_stay_words(word: str) -> None:
    found = place(f"police told {word} to wait.", word.split(maxsplit=1)[0])
    assert (found.name, found.reason) == (None, NO_NAME)


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ("the Red Sea", "sea"),
        ("Gulf of Aden", "sea"),
        ("Pacific Ocean", "ocean"),
        ("Strait of Hormuz", "strait"),
        ("Europe", "continent"),
        ("the Middle East", "region of several countries"),
        ("Soviet Union", "state that no longer exists"),
        ("Israel-Lebanon border", BORDER),
        ("the Turkish border", BORDER),
        ("Russian embassy", ABROAD),
        ("US consulate", ABROAD),
        ("his home", NO_NAME),
        ("the village", NO_NAME),
        ("country", NO_NAME),
        ("nationwide", NO_NAME),
        ("Facebook", NO_NAME),
        ("", NO_NAME),
        ("Qxzzyvil", UNKNOWN),
        ("Cavehill Road", UNKNOWN),
        ("دمشق", NO_NAME),
    ],
)
def test_what_is_no_point_keeps_its_words_and_says_why(span: str, reason: str) -> None:
    text = f"They met at {span} today."
    found = place(text, span)
    assert (found.text, found.lat, found.lon, found.geoname_id, found.reason) == (
        span,
        None,
        None,
        None,
        reason,
    )


def test_a_small_namesake_in_a_country_that_is_not_spoken_of_is_not_taken() -> None:
    found = place("Nigerian troops entered Bor village.", "Bor village")
    assert (found.lat, found.reason) == (None, UNLIKELY)


def test_a_small_place_is_found_where_its_country_is_spoken_of() -> None:
    assert place("South Sudanese rebels entered Bor.", "Bor").country == "SSD"


def test_kashmir_has_coordinates_and_no_country() -> None:
    found = place("Kashmir")
    assert (found.country, found.precision) == (None, "region")
    assert found.lat is not None


def test_indian_kashmir_is_in_india() -> None:
    assert place("Indian-administered Kashmir").country == "IND"


def test_a_city_has_its_region_id_and_coordinates() -> None:
    found = place("Rockets hit Kharkiv.", "Kharkiv")
    assert (found.admin, found.geoname_id, found.reason) == ("Kharkiv", 706483, None)
    assert found.lat == pytest.approx(49.98, abs=0.1)
    assert found.lon == pytest.approx(36.25, abs=0.1)


def test_a_region_lies_among_its_cities() -> None:
    found = place("Sindh")
    assert found.lat == pytest.approx(25.5, abs=2)
    assert found.lon == pytest.approx(68, abs=2)


@pytest.mark.parametrize(
    ("span", "same"),
    [("KYIV", "Kyiv"), ("Kyiv’s", "Kyiv"), ("São Paulo", "Sao Paulo"), ("Sana'a", "Sanaa"),
     ("Sana’a", "Sanaa"), ("Deir ez-Zor", "Deir Ezzor"), ("Tel-Aviv", "Tel Aviv"),
     ("Cote d'Ivoire", "Côte d’Ivoire"), ("Sa\u0303o Paulo", "São Paulo"),
     ("New\u00a0York", "New York")],
)  # fmt: skip
def test_spellings_of_one_name_are_one_place(span: str, same: str) -> None:
    assert place(span).geoname_id == place(same).geoname_id is not None


def test_keys_forget_case_accents_hyphens_and_apostrophes() -> None:
    assert key_of("Al-Qāmishlī") == "al qamishli"
    assert key_of("Côte d’Ivoire") == "cote divoire"
    assert key_of("Łódź") == "lodz"


def test_every_line_of_the_gazetteer_is_found_by_its_key() -> None:
    path = Path(__file__).parent.parent / "models" / "enrich" / "data" / "names.tsv"
    lines = path.read_text("utf-8").splitlines()
    keys = [line.partition("\t")[0] for line in lines]
    assert keys == sorted(keys, key=str.encode)
    for key in (keys[0], keys[-1], *keys[:: len(keys) // 500]):
        entries = gazetteer().entries(key)
        assert entries
        assert all(entry.name for entry in entries)


def test_names_that_are_not_there_are_not_found() -> None:
    for key in ("", "0", "zzzzzz", "kyivv", "kyiv x"):
        assert gazetteer().entries(key) == ()


def test_the_gazetteer_is_ready_at_once() -> None:
    def seconds() -> float:
        gazetteer.cache_clear()
        signals.cache_clear()
        began = time.process_time()
        place("Rockets hit Kharkiv.", "Kharkiv")
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 0.5


def test_every_country_has_codes_of_the_right_form() -> None:
    for country in countries():
        assert len(country.alpha2) == 2
        assert len(country.alpha3) == 3
        assert len(country.fips) in (0, 2)
    assert len(by_alpha3()) == len(countries()) == 250


def test_fips_codes_are_not_iso_codes() -> None:
    fips = {country.alpha3: country.fips for country in countries()}
    assert [fips[code] for code in ("CHN", "CHE", "AUT", "AUS", "UKR", "GBR", "XKX")] == [
        "CH", "SZ", "AU", "AS", "UP", "UK", "KV",
    ]  # fmt: skip


def test_countries_are_known_by_names_and_demonyms() -> None:
    assert by_name()["burma"].alpha3 == "MMR"
    assert by_demonym()["swiss"].alpha3 == "CHE"
    assert by_demonym()["afghans"].alpha3 == "AFG"


ALPHABET = st.sampled_from(
    ["Paris", ", ", "Texas", "TX", " ", "’s ", "Syrian ", "town of ", "é", "\u0301", "🙂", "-", ".",
     "\r\n", "U.S.", "al-", "border", "capital ", "Georgia", "\u00a0", "דמשק", "St. ", "and "]
)  # fmt: skip


@given(st.lists(ALPHABET, max_size=12).map("".join), st.data())
def test_no_text_raises_and_the_span_is_kept(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = ArticlePlaces(text).geocode(start, end)
    assert (found.text, found.start, found.end) == (text[start:end], start, end)
    assert (found.lat is None) == (found.lon is None) == (found.reason is not None)


SPANS = Path(__file__).parents[2] / "shared" / "data" / "train_world.jsonl"


@pytest.mark.skipif(not SPANS.exists(), reason=f"{SPANS} is not here")
def test_most_real_spans_that_hold_a_name_are_found() -> None:
    named = found = 0
    for line in SPANS.read_text("utf-8").splitlines()[:2000]:
        sentence = json.loads(line)
        places = ArticlePlaces(sentence["text"])
        for event in sentence["events"]:
            for start, end in event["place"]:
                result = places.geocode(start, end)
                named += result.reason != NO_NAME
                found += result.country is not None
    assert found / named > 0.8
