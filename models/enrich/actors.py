"""Who an actor is: country, PLOVER sector and canonical name of the words that name them.

    resolver = Resolver(text, sentences)
    resolver.participant(start, end)      # a list: "Beijing and Moscow" are two

How a participant was resolved is in `resolution`:

    exact        its country or organisation is named in these words ("Ukraine's army", "NATO")
    demonym      its country by the word for its people ("Russian army", "two Chinese nationals")
    metonym      a capital or a seat stands for a government ("Moscow", "the White House")
    place        its country by a place in these words ("Lagos police")
    coreference  from another mention in the article ("Sybiha", "the foreign minister", "he")
    leader       by name from data/leaders.toml, where the article does not say
    context      its country is the only one that the article is about ("police" in a Kenyan story)
    role         the sector alone, by a noun ("police"); no country
    None         nothing was found, or nothing certain

A country alone is its government ("China has denied": CHN GOV). Rules for disputed territories are
in data/nations.toml, for organisations in data/organisations.toml, sectors in data/roles.toml.
What is not known stays null: pronouns with two candidates, unknown persons, several countries.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Protocol

import msgspec

from eventwire.models.enrich.countries import countries
from eventwire.models.enrich.grammar import (
    ABBREVIATED,
    FROM_ELSEWHERE,
    GENDER_OF_TITLE,
    NO_NOUN,
    OF_SEVERAL,
    POINTING_BACK,
    PRONOUNS,
    SURNAMES,
)
from eventwire.models.enrich.leaders import Person, leader, name_keys
from eventwire.models.enrich.lexicon import (
    Mention,
    Sense,
    Word,
    adjective,
    country_name,
    evidence,
    organisation,
    read,
)
from eventwire.models.enrich.people import People, leftmost
from eventwire.models.enrich.phrases import Facts, Phrase, is_demonym, merge, read_phrase
from eventwire.models.enrich.times import parse_published
from eventwire.models.records import Participant


class SentenceLike(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Resolver:
    """Resolves the actors of one article; what it reads of the article, it reads once."""

    def __init__(
        self, text: str, sentences: Sequence[SentenceLike], published_at: str | None = None
    ) -> None:
        self.text = text
        self.sentences = sentences
        published = parse_published(published_at) if published_at else None
        self.day = published.isoformat()[:10] if published else None
        self._known: dict[tuple[int, int], list[Participant]] = {}
        self._by_role: dict[str, dict[str | None, int]] = {}

    def participant(self, start: int, end: int, *, on_places: bool = False) -> list[Participant]:
        """The actors that text[start:end] names: usually one, spans exact; none for no word.

        `on_places`: they are what an event such as a shelling hit, so that a capital is the city.
        """
        if (start, end) not in self._known:
            self._known[start, end] = self._resolve(start, end)
        found = self._known[start, end]
        return [self._as_city(one) if on_places or self._is_located(one) else one for one in found]

    @cached_property
    def words(self) -> list[Word]:
        return read(self.text)

    @cached_property
    def phrase(self) -> Phrase:
        """All words of the article."""
        return Phrase(self.text, self.words, self.lower_case, day=self.day)

    @property
    def mentions(self) -> list[Mention]:
        return self.phrase.mentions

    @cached_property
    def lower_case(self) -> bool:
        return self.text.islower()

    @cached_property
    def people(self) -> People:
        return People(self)

    @cached_property
    def country(self) -> str | None:
        """The country that the article is about: named three times, and thrice as often as any."""
        (first, most), (_, second) = [*self._countries.most_common(2), (None, 0), (None, 0)][:2]
        return first if most >= 3 and most >= 3 * second else None

    @cached_property
    def _foremost(self) -> str | None:
        """The country that the article names most often; None where two are level."""
        (first, most), (_, second) = [*self._countries.most_common(2), (None, 0), (None, 0)][:2]
        return first if most > second else None

    @cached_property
    def _countries(self) -> Counter[str]:
        return Counter(m.sense.country for m in self.mentions if m.sense.country and self._tells(m))

    def _tells(self, mention: Mention) -> bool:
        """Whether a mention tells what the article is about; "Nigerian prince" in marks does not,
        nor does who reports."""
        sense = mention.sense
        if sense.generic or sense.sector == "MED" or self._is_surname(self.words, mention):
            return False
        quotation = self.people.quotation_at(self.words[mention.first].start)
        return quotation is None or len(self.between(*quotation[:2])) > 3

    def between(self, start: int, end: int) -> list[Word]:
        """The words of text[start:end]; words that cross its borders are cut there."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end, first)
        crossed = first > 0 and self.words[first - 1].end > start
        if crossed or (last > first and self.words[last - 1].end > end):
            return read(self.text, start, end)
        return self.words[first:last]

    def sentence_of(self, position: int) -> int:
        """Index of the sentence that holds a position, or of the last one before it."""
        return max(0, bisect_right(self._sentence_starts, position) - 1)

    # ------------------------------------------------------------------- one actor or several

    def _resolve(self, start: int, end: int) -> list[Participant]:
        phrase = Phrase(self.text, self.between(start, end), self.lower_case, day=self.day)
        if not phrase.words:
            return []
        self._release_surnames(phrase)
        parts = _parts(phrase)
        if len(parts) == 1 and (adjective := self._adjective(start, end)):
            return [self._one(phrase.words, adjective, start, end)]
        if len(parts) == 1 and (cut := self._widened(start, end)):
            facts = [read_phrase(self.phrase, *cut)]
            return [self._one(phrase.words, facts[0], start, end, self.words[cut[0]].start)]
        facts = [read_phrase(phrase, first, last) for first, last in parts]
        if len(parts) > 1 and (count := _appositions(phrase, parts, facts)) > 1:
            for other in facts[1:count]:
                facts[0] = merge(facts[0], other)
            return [self._participant(facts[0], start, end, start)]
        if len(parts) > 1 and self._is_list(phrase, parts, facts):
            _share(facts)
            found = []
            for one, part in zip(facts, parts, strict=True):
                words = _without_article(phrase.words[part[0] : part[1]])
                found.append(self._one(words, one, words[0].start, words[-1].end))
            same = len({(p.country, p.sector, p.name) for p in found}) == 1
            if not same or found[0].name:
                return found
        whole = facts[0] if len(parts) == 1 else read_phrase(phrase)
        return [self._one(phrase.words, whole, start, end)]

    def _widened(self, start: int, end: int) -> tuple[int, int] | None:
        """The words whose middle or end the span is: "State" of "Islamic State", "president" of
        "Turkish president"; None if it is cut nowhere."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end, first)
        if first == last or self.words[first].start != start:
            return None
        at = self.phrase.at
        known, closing = at[first], at[last - 1]
        begin = known.first if known else first
        stop = closing.end if closing else last
        stop = self._continued(stop)
        head = at[begin]
        if begin == first and head is not None and head.sense.kind == "role":
            begin = self._modified_from(first)
        return (begin, stop) if (begin, stop) != (first, last) else None

    def _continued(self, stop: int) -> int:
        """Where a phrase ends whose next words are the role of "Turkish president", the name of
        "President X"."""
        words, at = self.words, self.phrase.at
        gap = self.phrase.gap(stop) if stop < len(words) else ""
        if gap != " " and not (gap == ". " and words[stop - 1].key in ABBREVIATED):
            return stop
        closing, after = at[stop - 1], at[stop]
        if closing and is_demonym(closing.sense) and after and after.sense.kind == "role":
            return after.end
        if (closing and closing.sense.person) or words[stop - 1].key in GENDER_OF_TITLE:
            named = self.people.named_at(words[stop].start)
            return bisect_left(self._starts, named) if named else stop
        return stop

    def _adjective(self, start: int, end: int) -> Facts | None:
        """Of a span that is an adjective alone: "Turkish" of "Turkish incursion", which a state
        makes, and of "Turkish and Iranian forces"."""
        words, at = self.words, self.phrase.at
        first = bisect_left(self._starts, start)
        known = at[first] if first < len(words) else None
        if known is None or known.first != first or known.end == len(words):
            return None
        after, whole = known.end, (words[first].start, words[known.end - 1].end) == (start, end)
        plural = known.sense.key == "plural people"
        if not whole or plural or not is_demonym(known.sense) or self.phrase.gap(after) != " ":
            return None
        facts = read_phrase(self.phrase, first, after)
        if words[after].key in ("and", "or"):
            other = at[after + 1] if after + 1 < len(words) else None
            role = at[other.end] if other and other.end < len(words) else None
            if other is None or other.sense.country is None or role is None:
                return None
            facts.role, facts.sector, facts.people = role.sense, role.sense.sector, False
            return facts if role.sense.kind == "role" else None
        if facts.sector:
            return facts
        noun = at[after] is None and not words[after].upper and words[after].key not in NO_NOUN
        facts.sector, facts.people = "GOV", False
        return facts if noun else None

    def _modified_from(self, first: int) -> int:
        """Where what modifies words[first] begins: nations, owners, possessive pronouns."""
        begin = self._begin(first)
        if self._is_second(begin):
            return first  # whose?
        known = self.phrase.at[begin]
        if known is not None and known.sense.kind in ("country", "seat", "place"):
            before = self.words[begin - 1].key if begin else ""
            if before in _LOCATIVES:
                return first  # "in Kenya police"
        return begin

    def _is_surname(self, words: Sequence[Word], mention: Mention) -> bool:
        """Whether a place is called as somebody in the article: Kingston after Sean Kingston.

        Not a capital that stands for a government, which is named so oftener than a person is.
        """
        key = words[mention.first].key
        return mention.sense.kind == "place" and key in SURNAMES and self.people.has_surname((key,))

    def _release_surnames(self, phrase: Phrase) -> None:
        """Let a surname by itself or after a title be a name; "Kingston police" are the place's."""
        words, at = phrase.words, phrase.at
        for mention in phrase.mentions:
            first, end = mention.first, mention.end
            if at[first] is not mention or not self._is_surname(words, mention):
                continue
            title = at[first - 1] if first else None
            follows = at[end] if end < len(words) else None
            place = _NAMES_A_PLACE.search(
                self.text, max(0, words[first].start - 8), words[first].start
            )
            alone = not place and (first == 0 or (title is not None and title.sense.person))
            relative = words[first].possessive and follows and follows.sense.sector == "CVL"
            if alone and (relative or follows is None or follows.sense.kind != "role"):
                at[first:end] = [None] * (end - first)

    def _one(
        self, words: Sequence[Word], facts: Facts, start: int, end: int, begin: int | None = None
    ) -> Participant:
        """`begin`: where the facts were read from, if not from `start`."""
        if len(words) == 1 and words[0].key in _ALONE and not _is_acronym(words[0]):
            return self._pronoun(words[0].key, start, end)
        return self._participant(facts, start, end, start if begin is None else begin)

    def _is_list(self, phrase: Phrase, parts: list[tuple[int, int]], facts: list[Facts]) -> bool:
        """Whether each part names an actor by itself."""
        return all(
            self._is_actor(phrase, first, last, one)
            for one, (first, last) in zip(facts, parts, strict=True)
        )

    def _is_actor(self, phrase: Phrase, first: int, last: int, facts: Facts) -> bool:
        if facts.person and not (facts.country or facts.sector or facts.role):
            known = self.people.find(facts.person) or leader(facts.person)
            plain = phrase.quote(first, last) == facts.person
            return plain and (known is not None or " " in facts.person)
        if facts.organisation or facts.ambiguous or facts.name or facts.people:
            return True
        if facts.country and not (facts.sector or facts.role or facts.person):
            return facts.how == "place"  # not "US air" of "US air and naval force"
        if facts.sector and facts.bare and last - first == 1 and first > 0:
            # "Ministry of Justice and Police": capitals make one name of it.
            return phrase.lower_case or not phrase.words[first].upper
        pronoun = phrase.words[first].key in PRONOUNS
        return bool(facts.sector or facts.role or facts.pronoun or facts.definite or pronoun)

    # -------------------------------------------------------------- what the article tells

    def _participant(self, facts: Facts, start: int, end: int, begin: int) -> Participant:
        """Facts of a phrase at a place, filled from the article."""
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
            self._add_context(facts, found, begin)
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
        group, counts = found.organisation, self._countries
        if group is None or not group.generic or self.country in (None, group.country):
            return
        if 5 * counts[group.country or ""] < counts[self.country or ""]:
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

    def introduced(
        self, name: str, known: Person | None, *, titled: bool = False, country: str | None = None
    ) -> Person | None:
        """Who bears a name: as the article says, or the leader whom it need not introduce."""
        if known is not None:
            if known.country or known.sector not in _OF_LEADERS:
                return known
            titled = titled or known.sector in ("GOV", "LEG")
            name = known.name or name
        elif self.people.has_surname(name_keys(name)[-1:]):
            return None  # several are called so
        listed = leader(name, self.day, titled=titled)
        if listed is None or country not in (None, listed.country):
            return known
        sector = known.sector if known and listed.sector != "GOV" else None
        return replace(listed, sector=sector or listed.sector)

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
        named = self._named(sentence.start, start)
        return named.pop() if len(named) == 1 else None

    def _named(self, start: int, end: int, *, places: bool = False) -> set[str]:
        """Countries that text[start:end] names; by a place in them too, if asked."""
        first = bisect_left(self._mention_starts, start)
        between = self.mentions[first : bisect_left(self._mention_starts, end, first)]
        return {
            m.sense.country
            for m in between
            if m.sense.country and (places or m.sense.kind != "place")
        }

    def _point_back(self, facts: Facts, found: "_Found", start: int) -> bool:
        """ "the group", "the newspaper": the one organisation of that kind named before."""
        role = facts.role
        if role is None or role.key not in POINTING_BACK or not (facts.bare or facts.definite):
            return False
        if not self._is_definite(facts, start):
            return False
        named = [
            sense
            for sense, first in self._organisations.items()
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
        keys = [key for key in (role.key, facts.within) if key and self._countries_of(key)]
        countries = self._countries_of(keys[0]) if keys else {}
        if len(countries) != 1 or found.sector not in _OF_STATES:
            return False
        ((country, first),) = countries.items()
        if country is None or self.country not in (None, country):
            return False
        definite = keys[0] != role.key or self._is_definite(facts, start)
        named_before = first < start and definite
        if not (named_before or country == self._foremost) or self._named_here(start) - {country}:
            return False
        found.country, found.how = country, "coreference"
        if role.name and not found.name:
            found.name = f"{adjective(country)} {role.name}"
        return True

    def _named_here(self, position: int, *, places: bool = False) -> set[str]:
        """Countries that the sentence names."""
        if not self.sentences:
            return set()
        sentence = self.sentences[self.sentence_of(position)]
        return self._named(sentence.start, sentence.end, places=places)

    def _countries_of(self, role: str) -> dict[str | None, int]:
        """The countries whose "officials" the article names, and where it does so first; None
        where it cannot be told."""
        if role not in self._by_role:
            found = self._by_role[role] = {}
            for mention in self.mentions:
                if mention.sense.kind == "role" and mention.sense.key == role:
                    begin = self._begin(mention.first)
                    facts = read_phrase(self.phrase, begin, self._stop(mention))
                    country = facts.country or self._of_leader(facts.owner)
                    several = country is not None and self._is_second(begin)
                    if not facts.foreign and (country or facts.ambiguous):
                        found.setdefault(None if several else country, self.words[begin].start)
        return self._by_role[role]

    def _of_leader(self, owner: str | None) -> str | None:
        """Country of "Obama administration"."""
        person = self.introduced(owner, self.people.find(owner)) if owner else None
        return person.country if person else None

    def _begin(self, role: int) -> int:
        """Where the phrase of a role begins; "Obama administration" with its owner."""
        phrase, begin = self.phrase, leftmost(self.phrase, role)
        known = phrase.at[role]
        if begin == role and known is not None and known.sense.body:
            while begin and phrase.is_name(begin - 1) and phrase.gap(begin) == " ":
                begin -= 1
        return begin

    def _stop(self, mention: Mention) -> int:
        """Where a role's phrase ends, "of Ukraine" after it included."""
        phrase, words, stop = self.phrase, self.words, mention.end
        if stop < len(words) and words[stop].key in ("of", "from", "in") and not phrase.at[stop]:
            stop += 1
            while stop < min(len(words), mention.end + 4) and phrase.gap(stop) == " ":
                stop += 1
        return stop

    def _is_second(self, begin: int) -> bool:
        """Whether a phrase is the second of "Turkish and Syrian officials"."""
        known = self.phrase.at[begin - 2] if begin > 1 else None
        joined = known is not None and self.words[begin - 1].key in ("and", "or")
        return joined and known is not None and known.sense.country is not None

    def _add_context(self, facts: Facts, found: "_Found", begin: int) -> None:
        """The police of a story about Kenya are Kenya's."""
        role = facts.role
        if role is None or role.key in FROM_ELSEWHERE or facts.foreign or facts.pronoun:
            return
        if found.sector in (None, "IGO", "NGO", "REF", "UAF") or facts.ambiguous:
            return
        if role.key in OF_SEVERAL and not role.person:
            return
        named = self._named_here(begin, places=True)
        if named and self.country not in named:
            return  # "lawyers for the Boston bomber asked a judge" in a story about France
        found.country = self.country
        found.how = "context" if found.country else found.how

    def _is_located(self, one: Participant) -> bool:
        """Whether it stands after "in" or "near"."""
        return _LOCATIVE.search(self.text, max(0, one.start - 24), one.start) is not None

    def _as_city(self, one: Participant) -> Participant:
        """A capital that stands for no government: "shelled Damascus", "officials in Moscow"."""
        key = tuple(word.key for word in _without_article(self.between(one.start, one.end)))
        if one.resolution != "metonym" or one.sector != "GOV" or key not in _cities():
            return one
        return msgspec.structs.replace(one, name=None, sector=None, resolution="place")

    def _pronoun(self, pronoun: str, start: int, end: int) -> Participant:
        meant = self.people.meant(pronoun, start)
        person = meant and self.introduced(meant.name or "", meant)
        if person is None:
            return Participant(text=self.text[start:end], start=start, end=end)
        return Participant(
            text=self.text[start:end],
            start=start,
            end=end,
            name=person.name,
            country=person.country,
            sector=person.sector,
            resolution="coreference",
        )

    # ----------------------------------------------------------------------------- indexes

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self.words]

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [sentence.start for sentence in self.sentences]

    @cached_property
    def _mention_starts(self) -> list[int]:
        return [self.words[mention.first].start for mention in self.mentions]

    @cached_property
    def _organisations(self) -> dict[Sense, int]:
        """The organisations that the article names, and where it does so first."""
        found: dict[Sense, int] = {}
        for mention in self.mentions:
            if mention.sense.kind == "organisation":
                found.setdefault(mention.sense, self.words[mention.first].start)
        return found


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
_NAMES_A_PLACE = re.compile(r"\b(?:in|at|from|near|to)\s+$")
_ALONE = PRONOUNS | {"his"}
_LOCATIVES = frozenset(["in", "at", "from", "near", "to", "across", "outside", "inside"])
_OF_STATES = ("GOV", "LEG", "JUD", "MIL", "COP", "SPY", "OPP")
# Sectors of those who may be the leader of that name, and no namesake.
_OF_LEADERS = (None, "GOV", "MIL", "LEG", "OPP", "PTY", "CVL")


@cache
def _cities() -> frozenset[tuple[str, ...]]:
    """Keys of the capitals, which are cities, as the White House is none."""
    return frozenset(tuple(w.key for w in read(c.capital)) for c in countries() if c.capital)


def _is_acronym(word: Word) -> bool:
    return word.text.isupper() and len(word.text) > 1  # US is no pronoun


def _without_article(words: Sequence[Word]) -> Sequence[Word]:
    while len(words) > 1 and words[0].key in ("the", "a", "an", "both"):
        words = words[1:]
    return words


def _parts(phrase: Phrase) -> list[tuple[int, int]]:
    """Word ranges between the commas and the "and"s that stand outside of known names."""
    parts: list[tuple[int, int]] = []
    first, count = 0, len(phrase.words)
    for position in range(1, count):
        known = phrase.at[position]
        if known is not None and known is phrase.at[position - 1]:
            continue
        joins = phrase.words[position].key in ("and", "or") and position + 1 < count
        if known is None and joins:
            if position > first:
                parts.append((first, position))
            first = position + 1
        elif set(phrase.gap(position)) & set(",;&"):
            if position > first:
                parts.append((first, position))
            first = position
    parts.append((first, count))
    return parts


def _appositions(phrase: Phrase, parts: list[tuple[int, int]], facts: list[Facts]) -> int:
    """How many parts from the first on describe one actor: "X, the minister of Y"; 1 if none do."""
    first, second, rest = facts[0], facts[1], facts[2:]
    if "," not in phrase.gap(parts[1][0]):
        return 1
    article = phrase.words[parts[1][0]].key in ("a", "an", "the")
    if first.person and second.role and not second.person and (second.role.person or article):
        others = any(one.person or one.organisation or one.pronoun for one in rest)
        return 1 if others else len(facts)
    if any(phrase.words[begin - 1].key in ("and", "or") for begin, _ in parts[1:]):
        return 1
    persons = sum(one.person is not None for one in facts)
    described = any(one.role and not one.person for one in facts)
    if persons == 1 and described:
        return len(facts)
    return 2 if not rest and _describes(phrase, first, second, article=article) else 1


def _describes(phrase: Phrase, first: Facts, second: Facts, *, article: bool) -> bool:
    if phrase.lower_case and bool(first.role) != bool(second.role):
        return True
    if article and first.name and second.role and second.bare:
        return True  # "Boko Haram, a faction"
    if first.person and not second.person and not second.role:
        return not (second.country and second.sector == "GOV")
    return first.how == "place" and second.how == "exact" and not first.role  # "Aleppo, Syria"


def _share(facts: list[Facts]) -> None:
    """ "Ukrainian and Russian officials" are officials both, "Iraqi army and police" both Iraqi."""
    first, last = facts[0], facts[-1]
    for one in facts[:-1]:
        # "US" before "and Japanese hostages" is an adjective.
        alike = one.people or (one.country in ("USA", "GBR") and last.how == "demonym")
        if alike and one.role is None and not one.person and last.role and last.country:
            one.sector, one.role, one.people, one.name = last.sector, last.role, False, None
    for one in facts[1:]:
        state = one.bare and one.sector in ("GOV", "MIL", "COP", "SPY", "JUD", "LEG")
        if state and first.country and first.role and not (first.person or one.definite):
            one.country, one.how, one.bare = first.country, first.how, False
