"""Who an actor is: country, PLOVER sector and canonical name of the words that name them.

    resolver = Resolver(text, sentences)
    resolver.participant(start, end)      # a list: "Beijing and Moscow" are two

How a participant was resolved is in `resolution`:

    exact        its country or organisation is named in these words ("Ukraine's army", "NATO"),
                 or an office that one country alone has ("Taoiseach")
    demonym      its country by the word for its people ("Russian army", "two Chinese nationals")
    metonym      a capital or a seat stands for a government ("Moscow", "the White House")
    place        its country by a place in these words ("Lagos police"), or by a capital that stands
                 for no government ("shelled Damascus")
    coreference  from another mention in the article: "Sybiha", "the foreign minister", "he", and
                 "the officials" where it speaks of one country's
    leader       by name from data/leaders.toml, where the article does not say
    context      its country is the only one that the article is about ("police" in a Kenyan story),
                 or is spoken of and usually has the office ("Secretary of State")
    role         the sector alone, by a noun ("police"); no country
    None         nothing was found, or nothing certain

A country alone is its government ("China has denied": CHN GOV). Rules for disputed territories are
in data/nations.toml, for organisations in data/organisations.toml, sectors in data/roles.toml.
What is not known stays null: pronouns with two candidates, unknown persons, several countries.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from eventwire.models.enrich.countries import countries
from eventwire.models.enrich.grammar import FROM_ELSEWHERE, OF_SEVERAL, POINTING_BACK, USUALLY
from eventwire.models.enrich.leaders import Person
from eventwire.models.enrich.lexicon import (
    Sense,
    adjective,
    country_name,
    evidence,
    organisation,
    read,
)
from eventwire.models.enrich.phrases import Facts
from eventwire.models.enrich.spans import Reading, read_as_one, read_span, without_article
from eventwire.models.enrich.speakers import speaker_at
from eventwire.models.enrich.story import SentenceLike, Story
from eventwire.models.records import Participant


class Resolver(Story):
    """Resolves the actors of one article."""

    def __init__(
        self, text: str, sentences: Sequence[SentenceLike], published_at: str | None = None
    ) -> None:
        super().__init__(text, sentences, published_at)
        self._known: dict[tuple[int, int], list[Participant]] = {}

    def participant(self, start: int, end: int, *, on_places: bool = False) -> list[Participant]:
        """The actors that text[start:end] names: usually one, spans exact; none for no word.

        `on_places`: they are what an event such as a shelling hit, so that a capital is the city.
        """
        if (start, end) not in self._known:
            self._known[start, end] = self._resolve(start, end)
        found = self._known[start, end]
        return [self._as_city(one) if on_places or self._is_located(one) else one for one in found]

    def _resolve(self, start: int, end: int) -> list[Participant]:
        found = [self._participant(one) for one in read_span(self, start, end)]
        alike = len({(one.country, one.sector, one.name) for one in found}) == 1
        if len(found) > 1 and alike and not found[0].name:
            return [self._participant(read_as_one(self, start, end))]  # "men and women"
        return found

    def _participant(self, reading: Reading) -> Participant:
        """What a phrase says, filled from the article."""
        start, end, facts, begin, pronoun = reading
        if pronoun:
            return self._pronoun(pronoun, start, end)
        found = _Found(facts.name, facts.country, facts.sector, facts.how, facts.organisation)
        self._generic(found)
        if facts.ambiguous and not found.country:
            self._decide(facts, found)
        person = self._person(facts, begin)
        if person is not None:
            _add_person(facts, found, person)
        elif facts.person:
            found.name = facts.person
        if not found.country and not found.international:
            self._add_owner(facts, found, begin)
        stranger = person is not None and found.sector not in _OF_STATES
        unknown = not found.country and not stranger and found.organisation is None
        if unknown and not (
            self._point_back(facts, found, begin) or self._add_namesake(facts, found, begin)
        ):
            self._add_context(facts, found, begin, person)
        return Participant(
            text=self.text[start:end],
            start=start,
            end=end,
            name=found.name,
            country=found.country,
            sector=found.sector,
            resolution=found.how if found.country or found.sector else None,
        )

    def _generic(self, found: "_Found") -> None:
        """Whose an organisation is whose name others bear in other countries."""
        group = found.organisation
        if group is None or not group.generic or self.country in (None, group.country):
            return
        if not self.speaks_of(group.country):
            found.country, found.how, found.name = self.country, "context", None
            if group.history and found.sector in ("GOV", "OPP"):
                found.sector = "PTY"

    def _decide(self, facts: Facts, found: "_Found") -> None:
        """The country of a word that names several, from what else the article says."""
        word = facts.ambiguous or ""
        code, clues = evidence()[word]
        counts = {c: len(set(map(str.lower, p.findall(self.text)))) for c, p in clues.items()}
        best = max(counts.values())
        leading = [c for c, count in counts.items() if count == best]
        code = leading[0] if best and len(leading) == 1 else code
        alone = facts.role is None and not facts.person
        found.how = "metonym" if word == "brussels" and code else found.how
        if code == "EU":
            union = found.organisation = organisation("European Union")
            found.name = union.name
            found.sector = union.sector if alone else found.sector
        elif code:
            found.country = code
            found.name = country_name(code) if alone and facts.sector else found.name
        elif alone:
            found.sector = None
        else:
            found.how = "role"

    def _person(self, facts: Facts, start: int) -> Person | None:
        """Who is named, or meant by "the foreign minister"."""
        if not facts.person:
            return self._holder(facts, start)
        titled = facts.role is not None and facts.role.sector in ("GOV", "LEG")
        known = self.people.find(facts.person)
        return self.introduced(facts.person, known, titled=titled, country=facts.country)

    def _holder(self, facts: Facts, start: int) -> Person | None:
        role = facts.role
        if role is None or not role.person or not (facts.bare or facts.definite):
            return None
        if facts.former or facts.owner or facts.pronoun or facts.organisation or facts.country:
            return None
        if not self._is_definite(facts, start):
            return None
        holder = self.people.holding(role.key, start)
        return holder and self.introduced(holder.name or "", holder)

    def _is_definite(self, facts: Facts, start: int) -> bool:
        """Whether an article stands in the phrase or, as spans have none, before it."""
        before = self.text[max(0, start - 5) : start].lower()
        return facts.definite or before.endswith(("the ", "this ", "that "))

    def _add_owner(self, facts: Facts, found: "_Found", start: int) -> None:
        """ "Assad regime" by the person, "its army" by the country named before."""
        role = facts.role
        if facts.owner:
            owner = self.introduced(facts.owner, self.people.find(facts.owner))
            if owner is not None and owner.country:
                found.country = owner.country
                found.how = "leader" if owner.listed else "coreference"
                if role is not None:
                    found.sector = found.sector or owner.sector
                if facts.name and facts.name.startswith(facts.owner):
                    found.name = None  # "Trump administration" is no organisation's name
        elif facts.pronoun and role and not role.apart and not facts.foreign:
            found.country = self._owner_country(facts.pronoun, start)
            holder = self._owner(facts.pronoun, start)
            if role.key == "party" and holder and holder.sector in ("GOV", "OPP"):
                found.sector = holder.sector
            if found.country:
                found.how = "coreference"
                label = f"{adjective(found.country)} {role.name}" if role.name else None
                found.name = label or found.name

    def _owner(self, pronoun: str, start: int) -> Person | None:
        meant = self.people.meant(pronoun, start) if pronoun in ("his", "her") else None
        return meant and self.introduced(meant.name or "", meant)

    def _owner_country(self, pronoun: str, start: int) -> str | None:
        """ "its army": the one country named before it in the sentence; "his": the person's."""
        if owner := self._owner(pronoun, start):
            return owner.country
        if pronoun != "its" or not self.sentences:
            return None
        sentence = self.sentences[self.sentence_of(start)]
        named = self.named(sentence.start, start)
        return named.pop() if len(named) == 1 else None

    def _point_back(self, facts: Facts, found: "_Found", start: int) -> bool:
        """ "the group", "the newspaper": the one organisation of that kind named before."""
        role = facts.role
        if role is None or role.key not in POINTING_BACK or not (facts.bare or facts.definite):
            return False
        if not self._is_definite(facts, start):
            return False
        named = [
            sense
            for sense, first in self.organisations.items()
            if first < start and sense.sector in POINTING_BACK[role.key]
        ]
        if len(named) != 1:
            return False
        group = found.organisation = named[0]
        found.name, found.country, found.sector = group.name, group.country, group.sector
        self._generic(found)
        found.how = "coreference"
        return True

    def _add_namesake(self, facts: Facts, found: "_Found", start: int) -> bool:
        """ "the officials": the country's whose officials alone the article speaks of."""
        role = facts.role
        plain = facts.bare and facts.headed and not (facts.counted or facts.foreign)
        if role is None or not plain or facts.pronoun or facts.ambiguous:
            return False
        keys = [key for key in (role.key, facts.within) if key and self.countries_of(key)]
        countries = self.countries_of(keys[0]) if keys else {}
        if len(countries) != 1 or found.sector not in _OF_STATES:
            return False
        ((country, first),) = countries.items()
        if country is None or self.country not in (None, country):
            return False
        definite = keys[0] != role.key or self._is_definite(facts, start)
        named_before = first < start and definite
        if not (named_before or country == self.foremost) or self.named_here(start) - {country}:
            return False
        found.country, found.how = country, "coreference"
        if role.name and not found.name:
            found.name = f"{adjective(country)} {role.name}"
        return True

    def _add_context(
        self, facts: Facts, found: "_Found", begin: int, person: Person | None
    ) -> None:
        """The police of a story about Kenya are Kenya's, and so is its President X."""
        role = facts.role
        if found.sector in (None, "IGO", "NGO", "REF", "UAF") or facts.ambiguous:
            return
        if facts.foreign or facts.pronoun or (role is None and person is None):
            return
        if role is not None and (
            role.key in FROM_ELSEWHERE or (role.key in OF_SEVERAL and not role.person)
        ):
            return
        offices = {role.key} if role else set()
        offices |= person.roles if person else set()
        usual = {USUALLY[office] for office in offices if office in USUALLY}
        country = usual.pop() if len(usual) == 1 else None
        if country is None or not self.speaks_of(country):
            official = person is None and found.sector in _OF_STATES
            country, named = self.country, self.named_here(begin, places=True)
            if country is None and official and len(named) < 2:
                country = self.likely
            if named and country not in named:
                return  # "lawyers for the Boston bomber asked a judge" in a story about France
        found.country = country
        found.how = "context" if country else found.how

    def _is_located(self, one: Participant) -> bool:
        """Whether it stands after "in" or "near"."""
        return _LOCATIVE.search(self.text, max(0, one.start - 24), one.start) is not None

    def _as_city(self, one: Participant) -> Participant:
        """A capital that stands for no government: "shelled Damascus", "officials in Moscow"."""
        key = tuple(word.key for word in without_article(self.between(one.start, one.end)))
        if one.resolution != "metonym" or one.sector != "GOV" or key not in _cities():
            return one
        return msgspec.structs.replace(one, name=None, sector=None, resolution="place")

    def _pronoun(self, pronoun: str, start: int, end: int) -> Participant:
        meant: Person | Participant | None = self.people.meant(pronoun, start)
        if isinstance(meant, Person):
            meant = self.introduced(meant.name or "", meant)
        elif pronoun in ("i", "me", "myself") and (span := speaker_at(self, start)):
            meant = self.participant(*span)[0]
        found = Participant(text=self.text[start:end], start=start, end=end)
        if meant is None:
            return found
        return msgspec.structs.replace(
            found,
            name=meant.name,
            country=meant.country,
            sector=meant.sector,
            resolution="coreference",
        )


@dataclass(slots=True)
class _Found:
    """A participant in the making."""

    name: str | None
    country: str | None
    sector: str | None
    how: str | None
    organisation: Sense | None

    @property
    def international(self) -> bool:
        return self.organisation is not None and self.organisation.sector in ("IGO", "NGO")


def _add_person(facts: Facts, found: _Found, person: Person) -> None:
    origin = "leader" if person.listed else "coreference"
    found.name = person.name if facts.person or not found.name else found.name
    if not found.country and person.country and not found.international:
        found.country, found.how = person.country, origin
    vague = facts.role is None or (facts.role.weak and not found.sector)
    if (vague or not found.sector) and person.sector and not facts.former:
        found.sector = person.sector
        found.how = found.how or origin


_LOCATIVE = re.compile(r"\b(?:in|near|outside|inside|around|across|throughout)(?: the)?\s+$")
_OF_STATES = ("GOV", "LEG", "JUD", "MIL", "COP", "SPY", "OPP")


@cache
def _cities() -> frozenset[tuple[str, ...]]:
    """Keys of the capitals, which are cities, as the White House is none."""
    return frozenset(tuple(w.key for w in read(c.capital)) for c in countries() if c.capital)
