"""How the words of a span are read: as one actor or several, and as more than they are where the
span cuts a name or a noun phrase in two.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from eventwire.models.enrich.grammar import (
    ABBREVIATED,
    ELSEWHERE,
    GENDER_OF_TITLE,
    NO_NOUN,
    PRONOUNS,
)
from eventwire.models.enrich.leaders import leader
from eventwire.models.enrich.lexicon import Word
from eventwire.models.enrich.noun_phrases import merge, read_phrase
from eventwire.models.enrich.phrases import Facts, Phrase, is_demonym
from eventwire.models.enrich.story import Story


class Reading(NamedTuple):
    """One actor: text[start:end] of the article."""

    start: int
    end: int
    facts: Facts
    begin: int
    """Where the words begin that the facts are of: before `start` if the span cuts a phrase."""
    pronoun: str | None = None
    """Where the actor is called by nothing else."""


def read_span(story: Story, start: int, end: int) -> list[Reading]:
    """The actors that text[start:end] names, mostly one; none where it has no word."""
    phrase = _phrase(story, start, end)
    if not phrase.words:
        return []
    parts = _parts(phrase)
    if len(parts) == 1:
        return [_cut(story, start, end) or _one(phrase.words, read_phrase(phrase), start, end)]
    facts = [read_phrase(phrase, first, last) for first, last in parts]
    if (count := _appositions(phrase, parts, facts)) > 1:
        for other in facts[1:count]:
            facts[0] = merge(facts[0], other)
        return [Reading(start, end, facts[0], start)]
    if not _is_list(story, phrase, parts, facts):
        return [_one(phrase.words, read_phrase(phrase), start, end)]
    _share(facts)
    found = []
    for one, (first, last) in zip(facts, parts, strict=True):
        words = without_article(phrase.words[first:last])
        found.append(_one(words, one, words[0].start, words[-1].end))
    return found


def read_as_one(story: Story, start: int, end: int) -> Reading:
    """The words of text[start:end] as one actor."""
    phrase = _phrase(story, start, end)
    return _one(phrase.words, read_phrase(phrase), start, end)


def without_article(words: Sequence[Word]) -> Sequence[Word]:
    while len(words) > 1 and words[0].key in ("the", "a", "an", "both"):
        words = words[1:]
    return words


# ------------------------------------------------------------------------------------ details

_ALONE = PRONOUNS | {"his"}
_NAMES_A_PLACE = re.compile(r"\b(?:in|at|from|near|to)\s+$")


def _phrase(story: Story, start: int, end: int) -> Phrase:
    phrase = Phrase(story.text, story.between(start, end), story.lower_case, day=story.day)
    _release_surnames(story, phrase)
    return phrase


def _one(words: Sequence[Word], facts: Facts, start: int, end: int) -> Reading:
    only = words[0] if len(words) == 1 else None
    pronoun = only.key if only and only.key in _ALONE and not _is_acronym(only) else None
    return Reading(start, end, facts, start, pronoun)


def _is_acronym(word: Word) -> bool:
    return word.text.isupper() and len(word.text) > 1  # US is no pronoun


# ---------------------------------------------------------------------------- spans cut in two


def _cut(story: Story, start: int, end: int) -> Reading | None:
    """As more than the span, where it is a part of a name or a noun phrase."""
    if adjective := _adjective(story, start, end):
        return Reading(start, end, adjective, start)
    if wide := _widened(story, start, end):
        facts = read_phrase(story.phrase, *wide)
        return _one(story.between(start, end), facts, start, end)._replace(
            begin=story.words[wide[0]].start
        )
    return None


def _widened(story: Story, start: int, end: int) -> tuple[int, int] | None:
    """The words whose middle or end the span is: "State" of "Islamic State", "president" of
    "Turkish president"; None if it is cut nowhere."""
    first = bisect_left(story.starts, start)
    last = bisect_left(story.starts, end, first)
    if first == last or story.words[first].start != start:
        return None
    at = story.phrase.at
    known, closing = at[first], at[last - 1]
    begin = known.first if known else first
    stop = closing.end if closing else last
    stop = _continued(story, stop)
    head = at[begin]
    if head is not None and head.sense.kind == "role":
        begin = _modified_from(story, begin)
    return (begin, stop) if (begin, stop) != (first, last) else None


def _continued(story: Story, stop: int) -> int:
    """Where a phrase ends whose next words are the role of "Turkish president", the name of
    "President X"."""
    words, at = story.words, story.phrase.at
    gap = story.phrase.gap(stop) if stop < len(words) else ""
    if gap != " " and not (gap == ". " and words[stop - 1].key in ABBREVIATED):
        return stop
    closing, after = at[stop - 1], at[stop]
    if closing and is_demonym(closing.sense) and after and after.sense.kind == "role":
        return after.end
    if (closing and closing.sense.person) or words[stop - 1].key in GENDER_OF_TITLE:
        named = story.people.named_at(words[stop].start)
        return bisect_left(story.starts, named) if named else stop
    return stop


def _adjective(story: Story, start: int, end: int) -> Facts | None:
    """Of a span that is an adjective alone: "Turkish" of "Turkish incursion", which a state
    makes, and of "Turkish and Iranian forces"."""
    words, at = story.words, story.phrase.at
    first = bisect_left(story.starts, start)
    known = at[first] if first < len(words) else None
    if known is None or known.first != first or known.end == len(words):
        return None
    after, whole = known.end, (words[first].start, words[known.end - 1].end) == (start, end)
    plural = known.sense.key == "plural people"
    if not whole or plural or not is_demonym(known.sense) or story.phrase.gap(after) != " ":
        return None
    facts = read_phrase(story.phrase, first, after)
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


def _modified_from(story: Story, first: int) -> int:
    """Where what modifies words[first] begins: nations, owners, possessive pronouns."""
    begin = story.begin_of(first)
    if story.is_second(begin):
        return first  # whose?
    abroad = begin > 0 and story.words[begin - 1].key in ELSEWHERE
    return begin - 1 if abroad and story.phrase.gap(begin) == " " else begin


def _release_surnames(story: Story, phrase: Phrase) -> None:
    """Let a surname by itself or after a title be a name; "Kingston police" are the place's."""
    words, at = phrase.words, phrase.at
    for mention in phrase.mentions:
        first, end = mention.first, mention.end
        if at[first] is not mention or not story.is_surname(words, mention):
            continue
        title = at[first - 1] if first else None
        follows = at[end] if end < len(words) else None
        place = _NAMES_A_PLACE.search(
            story.text, max(0, words[first].start - 8), words[first].start
        )
        alone = not place and (first == 0 or (title is not None and title.sense.person))
        relative = words[first].possessive and follows and follows.sense.sector == "CVL"
        if alone and (relative or follows is None or follows.sense.kind != "role"):
            at[first:end] = [None] * (end - first)


# ------------------------------------------------------------------------- several in one span


def _is_list(
    story: Story, phrase: Phrase, parts: list[tuple[int, int]], facts: list[Facts]
) -> bool:
    """Whether each part names an actor by itstory."""
    return all(
        _is_actor(story, phrase, first, last, one)
        for one, (first, last) in zip(facts, parts, strict=True)
    )


def _is_actor(story: Story, phrase: Phrase, first: int, last: int, facts: Facts) -> bool:
    if facts.person and not (facts.country or facts.sector or facts.role):
        known = story.people.find(facts.person) or leader(facts.person)
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
    if first.person and phrase.words[parts[1][0]].key.isdigit():
        return len(facts)  # "X, 67, of Slidell"
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
