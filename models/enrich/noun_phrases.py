"""What a noun phrase says by itself about the actor it names: country, sector, name.

No article is needed here; `actors` completes the facts with what the article says.
"""

from dataclasses import replace

from eventwire.models.enrich.cores import Core
from eventwire.models.enrich.grammar import (
    ARTICLES,
    AWAY,
    CHILDREN,
    LEADING,
    NOT_OFFICIAL,
    PARTICIPLES,
    POSSESSIVES,
    PREPOSITIONS,
)
from eventwire.models.enrich.phrases import Facts, Phrase


def read_phrase(phrase: Phrase, first: int = 0, end: int | None = None) -> Facts:
    """The facts of words[first:end], read as one noun phrase."""
    end = len(phrase.words) if end is None else end
    facts = Facts()
    first = _leading(phrase, first, end, facts)
    cut = _core_end(phrase, first, end)
    Core(phrase, first, cut, facts).read()
    facts.headed = facts.headed and cut == end
    if cut + 1 < end and phrase.at[cut] is None:
        _read_complement(phrase, cut, end, facts)
    if facts.former and facts.sector in _LEFT:
        facts.sector = "CVL"
    return facts


def merge(first: Facts, second: Facts) -> Facts:
    """Two phrases for one actor, the second in apposition: each fills what the other lacks."""
    both = replace(first)
    for name in ("person", "organisation", "ambiguous", "role", "owner", "sector", "country"):
        setattr(both, name, getattr(first, name) or getattr(second, name))
    both.former = first.former or second.former
    if second.country and not first.country:
        both.how = second.how
    else:
        both.how = first.how or second.how
    both.name = first.name or (None if both.person else second.name)
    both.bare = False
    return both


# ------------------------------------------------------------------------------------ details

_LEFT = frozenset({"GOV", "MIL", "LEG", "COP", "JUD", "SPY", "REB"})
"""Sectors that one leaves with the post; a former leader of the opposition is still of it."""


def _leading(phrase: Phrase, first: int, end: int, facts: Facts) -> int:
    """Past articles and possessive pronouns; notes what they say."""
    while first < end and phrase.at[first] is None:
        key = phrase.words[first].key
        if key in ("the", "this", "that", "these", "those"):
            facts.definite = True
        elif key in POSSESSIVES:
            facts.pronoun = key
        elif key not in ARTICLES:
            break
        first += 1
    return first


def _core_end(phrase: Phrase, first: int, end: int) -> int:
    """Where the noun phrase's own words end and its complements begin."""
    named = False
    for position in range(first, end):
        known, word = phrase.at[position], phrase.words[position]
        if position > first:
            if known is None:
                if word.key in PREPOSITIONS and not _in_title(phrase, position):
                    return position
                if word.key in PARTICIPLES and named:
                    return position
            if (known is None or known is not phrase.at[position - 1]) and "(" in phrase.gap(
                position
            ):
                return position
        named = named or known is not None or word.upper
    return end


def _in_title(phrase: Phrase, position: int) -> bool:
    """Whether an "of" stands in a name: House of Freedom, Union of Teachers."""
    words, after = phrase.words, position + 1
    return (
        words[position].key == "of"
        and phrase.at[position - 1] is None
        and words[position - 1].upper
        and after < len(words)
        and words[after].upper
        and phrase.at[after] is None
    )


_WHERE = ("in", "at", "from", "within", "on")
_WHOSE = ("of", "for", "with", "to")


def _read_complement(phrase: Phrase, cut: int, end: int, facts: Facts) -> None:
    """What "of", "for", "from" and "in" add."""
    preposition, head = phrase.words[cut].key, facts.role
    if head is None and facts.country and facts.sector:
        return  # "Russia's use of Chinese citizens"
    if preposition not in _WHERE and preposition not in _WHOSE:
        return
    stop = next((i for i in range(cut + 2, end) if "," in phrase.gap(i)), end)
    inner = read_phrase(phrase, cut + 1, stop)
    if preposition in _WHERE:
        _add_where(facts, inner, preposition)
        return
    official = inner.person or inner.sector in ("GOV", "MIL", "LEG")
    if head is not None and head.key in CHILDREN and not official:
        return
    titled = head is not None and head.person and not facts.person
    if titled and inner.role is None and (inner.country or inner.organisation):
        facts.person = inner.person  # "ambassador to Ghana Kofi Mensah"
    if head is not None and head.apart:
        facts.foreign = True
    elif preposition in ("of", "for") or (head is not None and head.weak):
        _add_whose(facts, inner)
        unknown = inner.person and not (facts.country or inner.sector or facts.ambiguous)
        if unknown and preposition == "of" and head and head.key.endswith("president"):
            facts.sector = facts.sector if facts.person else None  # "president of Brookings"


def _add_where(facts: Facts, inner: Facts, preposition: str) -> None:
    """ "police in Kenya" are Kenya's, "the embassy in Kyiv" is not Ukraine's."""
    head = facts.role
    away = facts.foreign or (head is not None and head.key in AWAY)
    if not (facts.country or facts.organisation or away):
        if inner.organisation is None or preposition == "from":
            facts.ambiguous = facts.ambiguous or inner.ambiguous
            if inner.country:
                facts.country = inner.country
                facts.how = "place" if inner.how == "metonym" else inner.how
        if preposition == "from" and inner.organisation and (head is None or head.weak):
            facts.sector = inner.sector
    if head is not None and head.weak and inner.sector and inner.role:
        facts.sector = inner.sector  # "source in the Syrian foreign ministry"


def _add_whose(facts: Facts, inner: Facts) -> None:
    """ "head of the army" is military, "hundreds of Syrians" are Syrians."""
    head = facts.role
    vague = head is None or head.weak
    inherits = head is None or head.weak or head.key in LEADING
    leads = inherits and inner.sector != "GOV" and not facts.person
    if (vague or leads) and inner.sector and not (facts.organisation and facts.name):
        facts.sector = inner.sector
    if inherits and not facts.person:
        if inner.organisation and not facts.country:
            facts.organisation, facts.how = inner.organisation, inner.how
        facts.owner = facts.owner or inner.owner or inner.person
        if head is None:
            facts.role, facts.people, facts.bare = inner.role, inner.people, inner.bare
            facts.name = facts.name or inner.name
    elif head is not None and head.body and inner.person and not inner.country:
        facts.owner, facts.bare = facts.owner or inner.person, False  # "government of Ana Kos"
    if not facts.country and inner.country:
        facts.country, facts.how = inner.country, inner.how
    facts.ambiguous = facts.ambiguous or inner.ambiguous
    if facts.country and not facts.sector and head is not None and inherits:
        facts.sector = None if head.key in NOT_OFFICIAL else "GOV"
    if facts.sector and facts.how is None:
        facts.how = inner.how or "role"
