"""The people of an article: who is called what, and whom a pronoun means."""

import re
from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from eventwire.models.enrich.grammar import (
    DETERMINERS,
    GENDER_OF_PRONOUN,
    GENDER_OF_ROLE,
    GENDER_OF_TITLE,
)
from eventwire.models.enrich.introductions import (
    described,
    description_start,
    is_body,
    is_predicate,
    named_after,
    names,
    speaks,
)
from eventwire.models.enrich.leaders import Person, family_name, leader, may_be_same, name_keys
from eventwire.models.enrich.lexicon import Word
from eventwire.models.enrich.noun_phrases import read_phrase
from eventwire.models.enrich.phrases import Facts, Phrase, is_adjective
from eventwire.models.enrich.quotations import Quotation, quotations
from eventwire.models.enrich.speakers import speaker_at

if TYPE_CHECKING:
    from eventwire.models.enrich.story import Story

_REACH = 2000
"""Characters that a pronoun looks back, in sentences without end."""


class _Occurrence(NamedTuple):
    start: int
    end: int
    person: Person


class People:
    """Reads the article once, for full names and what titles and appositions say of them."""

    def __init__(self, story: "Story") -> None:
        self._story = story
        self._by_last: dict[str, list[Person]] = {}
        self._holders: dict[str, list[Person]] = {}
        self._occurrences: list[_Occurrence] = []
        self._read()

    def find(self, name: str) -> Person | None:
        """The person of that full name or surname; None if nobody or several are called so."""
        keys = name_keys(name)
        if not keys:
            return None
        same = [p for p in self._by_last.get(keys[-1], ()) if may_be_same(keys, name_keys(p.name))]
        if len(same) > 1:
            exact = [p for p in same if name_keys(p.name) == keys]
            titled = [p for p in same if p.country or p.sector]
            same = exact if len(exact) == 1 else titled
        return same[0] if len(same) == 1 else None

    def has_surname(self, last: tuple[str, ...]) -> bool:
        """Whether the article gives somebody's full name that ends so."""
        names = (name_keys(p.name) for key in last for p in self._by_last.get(key, ()))
        return any(len(keys) > 1 and keys[-1:] == last for keys in names)

    def named_at(self, start: int) -> int | None:
        """Where the name ends that begins there."""
        here = self._between(start, start + 1)
        return here[0].end if here else None

    def holding(self, role: str, before: int) -> Person | None:
        """The one person whom the article has called by that role before a place."""
        holders = [person for person in self._holders.get(role, ()) if person.start < before]
        return holders[0] if len(holders) == 1 else None

    def meant(self, pronoun: str, start: int) -> Person | None:
        """Whom a pronoun means, if there is exactly one candidate.

        Candidates stand before it in its sentence, else in the last of the three sentences before
        that names anyone or has such a pronoun. What a quotation mentions is none outside of it.
        """
        if pronoun in ("who", "whose", "whom"):
            return self._antecedent(start)
        return self._referents.get(start)

    @cached_property
    def _referents(self) -> dict[int, Person | None]:
        """Whom each "he" and "she" of the text means, by where it stands.

        In text order, since the next pronoun may refer to what an earlier one does.
        """
        found: dict[int, Person | None] = {}
        for word in self._pronouns if self._story.sentences else ():
            quotation = self.quotation_at(word.start)
            candidates = self._nearest(word, quotation, found)
            if quotation is not None and not candidates:
                candidates = self._spoken_of(word, found)
            found[word.start] = candidates.popitem()[1] if len(candidates) == 1 else None
        return found

    def _nearest(
        self, word: Word, quotation: Quotation | None, earlier: dict[int, Person | None]
    ) -> dict[int, Person | None]:
        """Candidates of the nearest sentence that has any, inside or outside of a quotation."""
        here = self._story.sentence_of(word.start)
        for index in range(here, max(-1, here - 4), -1):
            sentence = self._story.sentences[index]
            begin = max(sentence.start, word.start - _REACH)
            end = min(sentence.end, word.start)
            if found := self._candidates(word, begin, end, quotation, earlier):
                return found
        return {}

    def _spoken_of(self, word: Word, earlier: dict[int, Person | None]) -> dict[int, Person | None]:
        """Whom "he" in a quotation may mean who is named before it, but not the speaker."""
        span = speaker_at(self._story, word.start)
        if span is None or self._story.text[slice(*span)].lower() in GENDER_OF_PRONOUN:
            return {}
        speakers = {id(one.person) for one in self._between(*span)}
        found = self._nearest(word, None, earlier)
        return {key: person for key, person in found.items() if key not in speakers}

    def _candidates(
        self,
        word: Word,
        start: int,
        end: int,
        quotation: Quotation | None,
        earlier: dict[int, Person | None],
    ) -> dict[int, Person | None]:
        """Whom a pronoun may mean among the persons and the pronouns of text[start:end]."""
        gender = GENDER_OF_PRONOUN[word.key]
        found: dict[int, Person | None] = {}
        for one in self._between(start, end):
            if one.person.gender in (None, gender) and quotation == self.quotation_at(one.start):
                found[id(one.person)] = one.person
        first = bisect_left(self._pronoun_starts, start)
        for other in self._pronouns[first : bisect_left(self._pronoun_starts, end, first)]:
            same = GENDER_OF_PRONOUN[other.key] == gender
            if same and quotation == self.quotation_at(other.start):
                found[id(earlier[other.start])] = earlier[other.start]
        return found

    @cached_property
    def _pronouns(self) -> list[Word]:
        words = self._story.words
        return [w for w in words if w.key in GENDER_OF_PRONOUN and not w.text.isupper()]

    @cached_property
    def _pronoun_starts(self) -> list[int]:
        return [word.start for word in self._pronouns]

    @cached_property
    def quotations(self) -> list[Quotation]:
        return quotations(self._story.text)

    def quotation_at(self, position: int) -> Quotation | None:
        """The outermost quotation that holds a position."""
        index = bisect_right(self._quotation_starts, position) - 1
        if index >= 0 and position < self.quotations[index].end:
            return self.quotations[index]
        return None

    @cached_property
    def _quotation_starts(self) -> list[int]:
        return [quotation.start for quotation in self.quotations]

    def _antecedent(self, start: int) -> Person | None:
        """The person whose mention ends right before "who"."""
        before = self._between(max(0, start - 120), start)
        if not before:
            return None
        gap = self._story.text[before[-1].end : start].strip()
        # ", Sweden's defence minister," may stand between.
        return before[-1].person if re.fullmatch(r",?|,[^,.;:!?]+,", gap) else None

    def _between(self, start: int, end: int) -> list[_Occurrence]:
        first = bisect_left(self._starts, start)
        return self._occurrences[first : bisect_left(self._starts, end, first)]

    @cached_property
    def _starts(self) -> list[int]:
        return [occurrence.start for occurrence in self._occurrences]

    # -------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        known = self._story
        phrase = known.phrase
        surnames: list[tuple[int, int]] = []
        for first, end in names(phrase, known):
            facts, titled = described(phrase, first, end)
            if end - first > 1 or titled or speaks(phrase, first, end):
                self._add(phrase, first, end, facts)
            else:
                surnames.append((first, end))
        for first, end in surnames:
            person = self.find(phrase.quote(first, end)) or self._leader(phrase, first, end)
            modifies = end < len(phrase.words) and is_body(phrase, end)  # "Assad regime"
            if person is not None and not modifies:
                self._note(phrase, first, end, person)
        self._add_descriptions(phrase)
        self._occurrences.sort(key=lambda occurrence: occurrence.start)

    def _add(self, phrase: Phrase, first: int, end: int, facts: Facts) -> None:
        name = phrase.quote(first, end)
        keys = name_keys(name)
        same = [p for p in self._by_last.get(keys[-1], ()) if may_be_same(keys, name_keys(p.name))]
        if len(same) == 1:
            person = same[0]
            if person.name is None or (len(name) > len(person.name) and " " in name):
                person.name = name
        elif len(same) > 1 and len(keys) == 1:
            return
        else:
            person = Person(name, start=phrase.words[first].start)
        if person.gender is None and (listed := leader(name, titled=True)):
            person.gender = listed.gender
        self._tell(person, facts, phrase, first)
        for last in {keys[-1], family_name(keys)}:
            if person not in (known := self._by_last.setdefault(last, [])):
                known.append(person)
        self._note(phrase, first, end, person)

    def _leader(self, phrase: Phrase, first: int, end: int) -> Person | None:
        """Whom the article names and does not introduce: "Putin"."""
        name = phrase.quote(first, end)
        if self.has_surname(name_keys(name)[-1:]):
            return None
        person = leader(name, self._story.day)
        if person is not None and person.name:
            self._by_last.setdefault(name_keys(person.name)[-1], []).append(person)
        return person

    def _tell(self, person: Person, facts: Facts, phrase: Phrase, first: int) -> None:
        unsure = facts.foreign or (facts.organisation is not None and facts.organisation.generic)
        person.country = person.country or (None if unsure else facts.country)
        person.sector = person.sector or facts.sector
        if facts.role is not None:
            if facts.role.key not in person.roles:
                person.roles.add(facts.role.key)
                self._holders.setdefault(facts.role.key, []).append(person)
            person.gender = person.gender or GENDER_OF_ROLE.get(facts.role.key)
        if first > 0:
            person.gender = person.gender or GENDER_OF_TITLE.get(phrase.words[first - 1].key)

    def _note(self, phrase: Phrase, first: int, end: int, person: Person) -> None:
        words = phrase.words
        self._occurrences.append(_Occurrence(words[first].start, words[end - 1].end, person))

    def _add_descriptions(self, phrase: Phrase) -> None:
        """Persons without a name, "a Russian soldier": a pronoun may mean them."""
        named = {one.start: one.person for one in self._occurrences}
        ends = {one.end for one in self._occurrences}
        begins = {sentence.start for sentence in self._story.sentences}
        words = phrase.words
        for mention in phrase.mentions:
            sense, end = mention.sense, mention.end
            if not sense.person or phrase.at[mention.first] is not mention:
                continue
            if is_adjective(phrase, mention):
                continue
            first = description_start(phrase, mention.first)
            before = words[first - 1] if first else None
            if before is None or not (before.key in DETERMINERS or before.possessive):
                continue
            if words[end - 1].possessive or is_predicate(phrase, first - 1, ends):
                continue
            if before.start in begins and (subject := named_after(phrase, end, named)):
                self._tell(subject, read_phrase(phrase, first, end), phrase, 0)
                continue  # "A child of refugees, X …"
            follows = named.get(words[end].start) if end < len(words) else None
            if follows or (end < len(words) and phrase.at[end] is not None):
                gap = phrase.gap(end).strip()
                if follows and gap == ",":  # "the foreign minister, X"
                    self._tell(follows, read_phrase(phrase, first, end), phrase, 0)
                if follows or not gap:
                    continue  # a title, or the colour of another noun
            start = words[mention.first].start
            holder = self.holding(sense.key, start) if before.key == "the" else None
            if holder is None:
                facts = read_phrase(phrase, first, end)
                if facts.person:
                    continue
                gender = GENDER_OF_ROLE.get(sense.key)
                holder = Person(None, facts.country, facts.sector, gender=gender)
            self._note(phrase, mention.first, end, holder)
