"""The people of an article: who is called what, and whom a pronoun means."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from eventwire.models.enrich.grammar import (
    ABBREVIATED,
    APPOSITION,
    COPULAS,
    DETERMINERS,
    GENDER_OF_PRONOUN,
    GENDER_OF_ROLE,
    GENDER_OF_TITLE,
    MODIFIERS,
    NO_NAME,
    PARTICLES,
    SPEECH,
)
from eventwire.models.enrich.leaders import Person, family_name, leader, may_be_same, name_keys
from eventwire.models.enrich.lexicon import Word
from eventwire.models.enrich.noun_phrases import merge, read_phrase
from eventwire.models.enrich.phrases import Facts, Phrase
from eventwire.models.enrich.quotations import Quotation, quotations
from eventwire.models.enrich.speakers import speaker_at

if TYPE_CHECKING:
    from eventwire.models.enrich.story import Story


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
        for first, end in _without_openings(phrase, list(_runs(phrase, known)), known):
            facts, titled = _described(phrase, first, end)
            if end - first > 1 or titled or _speaks(phrase, first, end):
                self._add(phrase, first, end, facts)
            else:
                surnames.append((first, end))
        for first, end in surnames:
            person = self.find(phrase.quote(first, end)) or self._leader(phrase, first, end)
            modifies = end < len(phrase.words) and _is_body(phrase, end)  # "Assad regime"
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
            first = _description_start(phrase, mention.first)
            before = words[first - 1] if first else None
            if before is None or not (before.key in DETERMINERS or before.possessive):
                continue
            if words[end - 1].possessive or _is_predicate(phrase, first - 1, ends):
                continue
            if before.start in begins and (subject := _named_after(phrase, end, named)):
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


def _is_predicate(phrase: Phrase, first: int, ends: set[int]) -> bool:
    """Whether a description at words[first] says what somebody named is: "X is a medic", "X, the
    chairman", "joined as a medic"; not "there is a medic"."""
    words = phrase.words
    before = words[first - 1] if first else None
    if before is None:
        return False
    if before.key in COPULAS:
        return first < 2 or words[first - 2].key != "there"
    return before.key == "as" or (before.end in ends and phrase.gap(first).strip() == ",")


def _named_after(phrase: Phrase, end: int, named: dict[int, Person]) -> Person | None:
    """Whose name follows the next comma, within a dozen words and the sentence."""
    for position in range(end, min(len(phrase.words), end + 12)):
        gap = phrase.gap(position)
        if set(gap) & _BREAKS:
            return named.get(phrase.words[position].start) if gap.strip() == "," else None
    return None


def _runs(phrase: Phrase, story: "Story") -> Iterator[tuple[int, int]]:
    """Runs of up to five unknown capitalised words: names, mostly of people.

    One word at the start of a sentence is none if the article writes it small elsewhere, nor is a
    word in capitals, as of a dateline, or the front of an institution's name.
    """
    words = phrase.words
    small = {word.key for word in words if not word.upper}
    begins = {s.start for s in story.sentences}
    position = 0
    while position < len(words):
        if not phrase.is_name(position):
            position += 1
            continue
        first, end = position, _run_end(phrase, position)
        position = end
        word = words[first]
        opens = word.start in begins or phrase.text[word.start - 1] in "\"“‘'«(\n"
        everyday = end - first == 1 and opens and word.key in small
        capitals = word.text.isupper() and len(word.text) > 3
        if not (everyday or capitals or end - first > 5 or _is_institution(phrase, end)):
            yield first, end


def _without_openings(
    phrase: Phrase, runs: list[tuple[int, int]], story: "Story"
) -> Iterator[tuple[int, int]]:
    """Runs without the word that opens the sentence, where the full name after it stands alone
    elsewhere: "Clearly Ana Kos"."""
    begins = {sentence.start for sentence in story.sentences}
    names = {phrase.quote(first, end) for first, end in runs if end - first > 1}
    for first, end in runs:
        opens = end - first > 2 and phrase.words[first].start in begins
        yield (first + 1 if opens and phrase.quote(first + 1, end) in names else first), end


def _run_end(phrase: Phrase, first: int) -> int:
    words, end = phrase.words, first + 1
    while end < len(words) and not words[end - 1].possessive:
        gap = phrase.gap(end)
        if "\n" in gap or (gap.strip() and gap not in (". ", " ‘", "-")):
            break
        if gap == ". " and len(words[end - 1].text) > 2:
            break
        if phrase.is_name(end):
            end += 1
        elif words[end].key in PARTICLES and not phrase.at[end] and phrase.is_name(end + 1):
            end += 2
        else:
            break
    return end


def _is_institution(phrase: Phrase, end: int) -> bool:
    """Whether a run ends in front of "Brigade", as in Azov Brigade."""
    return end < len(phrase.words) and phrase.words[end].upper and _is_body(phrase, end)


def _is_body(phrase: Phrase, position: int) -> bool:
    """Whether an institution follows at once."""
    mention = phrase.at[position]
    return mention is not None and mention.sense.body and phrase.gap(position) == " "


def _described(phrase: Phrase, first: int, end: int) -> tuple[Facts, bool]:
    """What titles before and an apposition after a name say; whether there is any."""
    left = leftmost(phrase, first)
    facts, titled = Facts(), False
    if left < first:
        facts = read_phrase(phrase, left, end)
        titled = facts.person is not None and facts.role is not None
    elif first > 0 and phrase.gap(first).strip() == ",":
        before = phrase.at[first - 1]
        if before is not None and before.sense.person:  # "the foreign minister, X"
            facts, titled = read_phrase(phrase, leftmost(phrase, before.first), first), True
    titled = titled or (first > 0 and phrase.words[first - 1].key in GENDER_OF_TITLE)
    after = _apposition(phrase, end)
    if after is not None:
        facts, titled = merge(facts, after) if titled else after, True
    if _OF_CONGRESS.match(phrase.text, phrase.words[end - 1].end):
        american = Facts(country="USA", sector="LEG", how="exact")
        facts, titled = merge(facts, american) if titled else american, True
    return (facts if titled else Facts()), titled


def _apposition(phrase: Phrase, end: int) -> Facts | None:
    """ ", the foreign minister of Ukraine," after a name."""
    words = phrase.words
    if end >= len(words) or words[end - 1].possessive or phrase.gap(end).strip() != ",":
        return None
    opening, known = words[end], phrase.at[end]
    telling = known is not None and (opening.possessive or known.sense.kind != "organisation")
    if opening.key not in APPOSITION and not telling:
        return None
    stop = end + 1
    while stop < min(len(words), end + 14) and not set(phrase.gap(stop)) & _BREAKS:
        stop += 1
    facts = read_phrase(phrase, end, stop)
    return facts if facts.role and facts.role.person and not facts.person else None


def _description_start(phrase: Phrase, first: int) -> int:
    """Where a description begins, up to three adjectives included: "the tech entrepreneur"."""
    first = leftmost(phrase, first)
    for _ in range(3):
        word = phrase.words[first - 1]
        if first == 0 or phrase.at[first - 1] or word.upper or word.key in _NO_MODIFIER:
            break
        if phrase.gap(first).strip():
            break
        first -= 1
    return first


def leftmost(phrase: Phrase, first: int) -> int:
    """Where the titles before words[first] begin."""
    position = first
    while position > 0:
        gap, before = phrase.gap(position), phrase.words[position - 1]
        if gap.strip(" \u00a0'’sS.") or "\n" in gap:
            break
        if "." in gap and before.key not in ABBREVIATED:
            break
        if phrase.at[position - 1] is None:
            owner = before.upper and before.possessive and before.key not in NO_NAME
            compound = "-" in before.key and not before.possessive
            if not (owner or compound or before.key in MODIFIERS):
                break
        position -= 1
    return position


def _speaks(phrase: Phrase, first: int, end: int) -> bool:
    words = phrase.words
    after = words[end].key if end < len(words) and phrase.gap(end).strip() == "" else ""
    before = words[first - 1].key if first and phrase.gap(first).strip() == "" else ""
    return after in SPEECH or before in SPEECH


_OF_CONGRESS = re.compile(r",? \(?[RD]-[A-Z]")
"""As American news introduces who is of which party and state: (R-Tenn.)."""
_REACH = 2000
"""Characters that a pronoun looks back, in sentences without end."""
_NO_MODIFIER = NO_NAME | DETERMINERS
_BREAKS = frozenset(',.;:()"“”\n—–')
