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
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from eventwire.models.lexicon import (
    Mention,
    Word,
    adjective,
    country_name,
    evidence,
    mentions,
    organisation,
    read,
)
from eventwire.models.people import People, Person, leader
from eventwire.models.phrases import Facts, Phrase, merge, read_phrase, words_of
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
        self.published_at = published_at
        self._known: dict[tuple[int, int], list[Participant]] = {}

    def participant(self, start: int, end: int) -> list[Participant]:
        """The actors that text[start:end] names: usually one, spans exact; none for no word."""
        if (start, end) not in self._known:
            self._known[start, end] = self._resolve(start, end)
        return self._known[start, end]

    @cached_property
    def words(self) -> list[Word]:
        return read(self.text)

    @cached_property
    def mentions(self) -> list[Mention]:
        return mentions(self.text, self.words, lower_case=self.lower_case)

    @cached_property
    def lower_case(self) -> bool:
        return self.text.islower()

    @cached_property
    def people(self) -> People:
        return People(self)

    @cached_property
    def country(self) -> str | None:
        """The one country that the article is about: named twice, and thrice as often as others."""
        counts = Counter(
            m.sense.country for m in self.mentions if m.sense.country and not m.sense.generic
        )
        top = counts.most_common(2)
        if not top or top[0][1] < 2 or (len(top) > 1 and top[0][1] < 3 * top[1][1]):
            return None
        return top[0][0]

    def between(self, start: int, end: int) -> list[Word]:
        """The words of text[start:end]; words that cross its borders are cut there."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end, first)
        crossed = first > 0 and self.words[first - 1].end > start
        if crossed or (last > first and self.words[last - 1].end > end):
            return read(self.text, start, end)
        return self.words[first:last]

    def phrase(self, start: int, end: int) -> Phrase:
        return Phrase(self.text, self.between(start, end), self.lower_case)

    def sentence_of(self, position: int) -> int:
        """Index of the sentence that holds a position, or of the last one before it."""
        return max(0, bisect_right(self._sentence_starts, position) - 1)

    # -------------------------------------------------------------------------------- details

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self.words]

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [sentence.start for sentence in self.sentences]

    def _resolve(self, start: int, end: int) -> list[Participant]:
        phrase = self.phrase(start, end)
        if not phrase.words:
            return []
        parts = _parts(phrase)
        if len(parts) == 1:
            if len(phrase.words) == 1 and _is_pronoun(phrase.words[0]):
                return [self._pronoun(phrase.words[0].key, start, end)]
            return [self._complete(read_phrase(phrase), start, end)]
        facts = [read_phrase(phrase, first, last) for first, last in parts]
        if _is_apposition(phrase, parts, facts):
            whole = facts[0]
            for other in facts[1:]:
                whole = merge(whole, other)
            return [self._complete(whole, start, end)]
        if not self._is_list(phrase, parts, facts):
            return [self._complete(read_phrase(phrase), start, end)]
        _share(facts)
        found = []
        for one, (first, last) in zip(facts, parts, strict=True):
            while last - first > 1 and phrase.words[first].key in ("the", "a", "an", "both"):
                first += 1
            a, b = phrase.words[first].start, phrase.words[last - 1].end
            if last - first == 1 and _is_pronoun(phrase.words[first]):
                found.append(self._pronoun(phrase.words[first].key, a, b))
            else:
                found.append(self._complete(one, a, b))
        if len({(p.country, p.sector, p.name) for p in found}) == 1 and found[0].name is None:
            return [self._complete(read_phrase(phrase), start, end)]
        return found

    def _is_list(
        self, phrase: Phrase, parts: list[tuple[int, int]], facts: list[Facts]
    ) -> bool:
        """Whether each part names an actor by itself."""
        for one, (first, last) in zip(facts, parts, strict=True):
            key = phrase.words[first].key
            if one.person and not (one.country or one.sector or one.role):
                a, b = phrase.words[first].start, phrase.words[last - 1].end
                names = " " in one.person or self.people.find(one.person) or leader(one.person)
                if not names or self.text[a:b] != one.person:
                    return False
            elif not (one.country or one.sector or one.organisation or one.ambiguous or one.name):
                if not (one.pronoun or one.definite or one.role or key in PRONOUNS):
                    return False
            elif one.role and one.bare and not phrase.lower_case and last - first == 1:
                # "Ministry of Justice and Police": capitals make one name of it.
                if phrase.words[first].upper and first > 0:
                    return False
        return True

    def _complete(self, facts: Facts, start: int, end: int) -> Participant:
        """Facts of a phrase at a place, filled from the article."""
        name, country, sector, how = facts.name, facts.country, facts.sector, facts.how
        group = facts.organisation
        if group is not None:
            sector = self._dated(facts)
            if group.generic and self.country not in (None, group.country):
                country, how, name = self.country, "context", None
        if facts.ambiguous and not country:
            code = self._decide(facts.ambiguous)
            if code == "EU":
                union = organisation("European Union")
                name, sector, how = union.name, sector if facts.role else "IGO", "metonym"
                group = union
            else:
                country = code
                how = how if code else ("role" if sector else None)
                speaks = facts.sector == "GOV" or (code and facts.ambiguous == "brussels")
                if code and speaks and facts.role is None and not facts.person:
                    name, sector = country_name(code), "GOV"
                    how = "metonym" if facts.ambiguous == "brussels" else how
                elif not code and facts.role is None:
                    sector = None
        person = self._person(facts, start)
        if person is not None:
            name = person.name if facts.person or not name else name
            if not country and person.country and not (group and group.sector == "IGO"):
                country = person.country
                how = "leader" if person.listed else "coreference"
            if not sector or facts.role is None or facts.role.weak:
                told = sector if facts.role is not None and facts.role.weak else None
                if not told and person.sector and not facts.former:
                    sector = person.sector
                    how = how or ("leader" if person.listed else "coreference")
                if person.country is None and person.sector == "IGO" and how is None:
                    how = "coreference"
        elif facts.person:
            name = facts.person
        if not country and facts.owner and not (group and group.sector in ("IGO", "NGO")):
            owner = self.people.find(facts.owner, start) or leader(facts.owner, self.published_at)
            if owner is not None and owner.country:
                country = owner.country
                how = "leader" if owner.listed else "coreference"
                if facts.role is not None and (facts.role.weak or sector is None):
                    sector = sector or owner.sector
                if facts.name and facts.name.startswith(facts.owner):
                    name = None  # "Trump administration" is no organisation's name
        owned = facts.pronoun and facts.role is not None and not facts.role.apart
        if owned and facts.pronoun and facts.role and not country and not facts.foreign:
            country = self._owner_country(facts.pronoun, start)
            if country:
                how = "coreference"
                name = f"{adjective(country)} {facts.role.name}" if facts.role.name else name
        if (facts.bare or facts.definite) and not country and person is None and group is None:
            back = self._back_reference(facts, start)
            if back is not None:
                name, country, sector, how = back
        if (
            not country
            and not facts.foreign
            and not facts.pronoun
            and facts.role is not None
            and sector not in (None, "IGO", "NGO", "REF", "UAF")
            and facts.role.key not in _FROM_ELSEWHERE
            and not (facts.ambiguous and facts.ambiguous != "brussels")
            and group is None
        ):
            country = self.country
            how = "context" if country else how
        return Participant(
            text=self.text[start:end],
            start=start,
            end=end,
            name=name,
            country=country,
            sector=sector,
            resolution=how if country or sector else None,
        )

    def _dated(self, facts: Facts) -> str | None:
        """The sector that an organisation had when the article appeared."""
        group = facts.organisation
        if group is None or group.before is None or facts.sector != group.sector:
            return facts.sector
        date, earlier = group.before
        return earlier if self.published_at and self.published_at[:10] < date else facts.sector

    def _decide(self, word: str) -> str | None:
        """The country of a word that names several, from what else the article says."""
        default, clues = evidence()[word]
        counts = {code: len(set(map(str.lower, p.findall(self.text)))) for code, p in clues.items()}
        best = max(counts.values())
        leading = [code for code, count in counts.items() if count == best]
        if best == 0 or len(leading) > 1:
            return default
        return leading[0]

    def _person(self, facts: Facts, start: int) -> Person | None:
        """Who is named, or meant by "the foreign minister"."""
        if facts.person:
            known = self.people.find(facts.person, start)
            if known is not None and known.country:
                return known
            listed = leader(
                facts.person,
                self.published_at,
                titled=bool(facts.role and facts.role.sector in ("GOV", "LEG")),
            )
            if listed is not None and facts.country in (None, listed.country):
                if known is not None and known.sector:
                    return replace(listed, sector=known.sector)
                return listed
            return known
        role = facts.role
        plain = facts.definite or facts.bare
        if role is None or not role.person or facts.owner or facts.pronoun or not plain:
            return None
        if facts.former or facts.organisation or (facts.country and not facts.bare):
            return None
        if not facts.definite and not _has_article(self.text, start):
            return None
        return self.people.holding(role.key, facts.country, start)

    def _back_reference(
        self, facts: Facts, start: int
    ) -> tuple[str | None, str | None, str | None, str] | None:
        """ "the group", "the ministry": the one organisation of that kind named before."""
        role = facts.role
        if role is None or not (facts.definite or _has_article(self.text, start)):
            return None
        if role.key not in _KINDS:
            return None
        sectors = _KINDS[role.key]
        named = {
            m.sense
            for m in self.mentions
            if self.words[m.first].start < start
            and m.sense.kind == "organisation"
            and m.sense.sector in sectors
        }
        if len(named) != 1:
            return None
        group = named.pop()
        sector = self._dated(Facts(organisation=group, sector=group.sector))
        return group.name, group.country, sector, "coreference"

    def _owner_country(self, pronoun: str, start: int) -> str | None:
        """ "its army": the one country named before it in the sentence; "his": the person's."""
        if pronoun in ("his", "her"):
            owner = self.people.meant(pronoun, start)
            return owner.country if owner else None
        if pronoun not in ("its", "their"):
            return None
        begin = self.sentences[self.sentence_of(start)].start if self.sentences else 0
        named = {
            m.sense.country
            for m in self._mentions_between(begin, start)
            if m.sense.country and m.sense.kind != "place"
        }
        return named.pop() if len(named) == 1 else None

    def _mentions_between(self, start: int, end: int) -> list[Mention]:
        first = bisect_left(self._mention_starts, start)
        return self.mentions[first : bisect_left(self._mention_starts, end, first)]

    @cached_property
    def _mention_starts(self) -> list[int]:
        return [self.words[mention.first].start for mention in self.mentions]

    def _pronoun(self, pronoun: str, start: int, end: int) -> Participant:
        person = self.people.meant(pronoun, start)
        found = Participant(text=self.text[start:end], start=start, end=end)
        if person is None:
            return found
        country, sector = person.country, person.sector
        if country is None and (listed := leader(person.name or "", self.published_at)):
            country, sector = listed.country, sector or listed.sector
        return Participant(
            text=found.text,
            start=start,
            end=end,
            name=person.name,
            country=country,
            sector=sector,
            resolution="coreference",
        )


PRONOUNS = words_of("he she him her himself herself i me who it they them we us you itself themselves")
# Words that point back, and the sectors of organisations they may mean.
_KINDS: dict[str, frozenset[str]] = {
    "group": words_of("REB PRM NGO CRM SOC PTY"),
    "movement": words_of("REB SOC PTY"),
    "militant": words_of("REB"),
    "militants": words_of("REB"),
    "rebel": words_of("REB"),
    "insurgent": words_of("REB"),
    "jihadist": words_of("REB"),
    "militant group": words_of("REB"),
    "rebel group": words_of("REB"),
    "terrorist group": words_of("REB"),
    "armed group": words_of("REB PRM"),
    "militia": words_of("REB PRM"),
    "organisation": words_of("REB NGO IGO"),
    "organization": words_of("REB NGO IGO"),
    "bloc": words_of("IGO"),
    "alliance": words_of("IGO"),
    "company": words_of("BUS"),
    "firm": words_of("BUS"),
    "agency": words_of("IGO MED SPY COP GOV"),
    "news agency": words_of("MED"),
    "newspaper": words_of("MED"),
    "paper": words_of("MED"),
    "broadcaster": words_of("MED"),
    "charity": words_of("NGO"),
    "party": words_of("PTY"),
    "cartel": words_of("CRM"),
    "gang": words_of("CRM"),
}
_FROM_ELSEWHERE = words_of(
    "foreigner foreigners tourist tourists migrant migrants pilgrim pilgrims expatriate ally allies",
    "counterpart counterparts ambassador ambassadors diplomat diplomats envoy enemy mercenary embassy",
    "peacekeeper peacekeepers immigrant coalition nation country countries nations power powers",
    "analyst analysts expert experts state mediator observer observers republic kingdom",
)
_SEPARATOR = re.compile(r"\s*(?:,|;|\band\b|&|\bas well as\b|\bplus\b|\balong with\b)+\s*")


def _is_pronoun(word: Word) -> bool:
    return word.key in PRONOUNS and not (word.text.isupper() and len(word.text) > 1)  # US


def _has_article(text: str, start: int) -> bool:
    return text[max(0, start - 4) : start].lower().strip() in ("the", "that", "this") or text[
        max(0, start - 5) : start
    ].lower().endswith(("that ", "this "))


def _parts(phrase: Phrase) -> list[tuple[int, int]]:
    """Word ranges between the commas and the "and"s that stand outside of known names."""
    parts: list[tuple[int, int]] = []
    first = 0
    count = len(phrase.words)
    position = 1
    while position < count:
        word = phrase.words[position]
        joined = phrase.at[position] is not None and phrase.at[position] is phrase.at[position - 1]
        if joined:
            position += 1
            continue
        if phrase.at[position] is None and word.key in ("and", "or") and position + 1 < count:
            if position > first:
                parts.append((first, position))
            first = position + 1
        elif "," in (gap := phrase.gap(position)) or "&" in gap or ";" in gap:
            if position > first:
                parts.append((first, position))
            first = position
        position += 1
    parts.append((first, count))
    if len(parts) > 1 and all(
        phrase.text[phrase.words[a].start : phrase.words[b - 1].end].replace(",", "").isdigit()
        for a, b in parts[:1]
    ):
        return [(0, count)]
    return parts


def _is_apposition(phrase: Phrase, parts: list[tuple[int, int]], facts: list[Facts]) -> bool:
    """Commas only, and one part is a person whom the others describe: "X, the minister of Y"."""
    for first, _ in parts[1:]:
        if phrase.words[first - 1].key in ("and", "or"):
            return False
    if phrase.lower_case:
        return len(facts) == 2 and bool(facts[0].role) != bool(facts[1].role)
    named = [bool(f.person) for f in facts]
    described = [bool(f.role) for f in facts]
    if sum(named) == 1 and any(d and not n for d, n in zip(described, named, strict=True)):
        return True
    if sum(named) == 1 and len(facts) == 2 and facts[0].person and not facts[1].role:
        return not (facts[1].country and facts[1].sector == "GOV")
    # "the capital, Damascus"; "Aleppo, Syria"
    return (
        len(facts) == 2
        and facts[0].how == "place"
        and facts[1].how == "exact"
        and not facts[0].role
    )


def _share(facts: list[Facts]) -> None:
    """ "Ukrainian and Russian officials": the head is both's; "Iraqi army and police": both Iraqi."""
    last = facts[-1]
    for one in facts[:-1]:
        if one.people and one.role is None and last.role is not None and last.country:
            one.sector, one.role, one.people = last.sector, last.role, False
    first = facts[0]
    for one in facts[1:]:
        alone = one.bare and not one.definite and not one.pronoun
        alone = alone and one.sector in ("GOV", "MIL", "COP", "SPY", "JUD", "LEG")
        if first.country and first.role and not first.person and alone and not one.country:
            one.country, one.how, one.bare = first.country, first.how, False
