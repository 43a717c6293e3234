"""What a noun phrase says by itself about the actor it names: country, sector, name.

No article is needed here; `actors` completes the facts with what the article says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eventwire.models.enrich.grammar import (
    ADJECTIVES,
    AGAINST_GOVERNMENT,
    ARTICLES,
    AWAY,
    CHILDREN,
    COUNTS,
    DIRECTIONS,
    ELSEWHERE,
    FORMER,
    GIVEN_NAMES,
    HONORIFICS,
    LEADING,
    MINORITIES,
    NAMES_TOO,
    NO_NAME,
    NOT_OFFICIAL,
    OF_DESCENT,
    OPPOSED,
    PARTICIPLES,
    PARTICLES,
    POSSESSIVES,
    PREFIXES,
    PREPOSITIONS,
    PRESIDING,
    SMALL,
    SPORTS,
    SURNAMES,
    TAILS,
)
from eventwire.models.enrich.lexicon import Mention, Sense, Word, adjective, country_name, mentions


@dataclass(slots=True)
class Facts:
    """What a phrase says; None where it says nothing."""

    name: str | None = None
    country: str | None = None
    sector: str | None = None
    how: str | None = None
    """`exact`, `demonym`, `metonym` or `place` (how the country was told), or `role`."""
    person: str | None = None
    """A person's name as the phrase has it, without titles."""
    owner: str | None = None
    """A name in front of the role, perhaps a person's: "Assad" of "Assad regime"."""
    role: Sense | None = None
    """The head: the role that says what the actor is."""
    within: str | None = None
    """What the head is of: "administration" of "administration official"."""
    organisation: Sense | None = None
    ambiguous: str | None = None
    """A word that names several countries, where no other word tells the country."""
    foreign: bool = False
    """The country in the phrase's surroundings is not the actor's."""
    former: bool = False
    definite: bool = False
    """Begins with the, this or that."""
    pronoun: str | None = None
    """A possessive pronoun in front: "its army"."""
    people: bool = False
    """The country's people and nobody more precise: "Israelis"."""
    bare: bool = False
    """Role words alone: no name, no country."""
    counted: bool = False
    """Some of many: "three countries", "every official"."""
    headed: bool = False
    """The role is the last word: not "military exercises", "officials from the board"."""


@dataclass(slots=True)
class Phrase:
    """Words with the known phrases among them."""

    text: str
    words: Sequence[Word]
    lower_case: bool
    mentions: list[Mention] = field(default_factory=list)
    """Found here if not given."""
    day: str | None = None
    """When the words were published: ISO date."""
    at: list[Mention | None] = field(default_factory=list)
    """The mention that covers each word."""

    def __post_init__(self) -> None:
        if not self.mentions:
            self.mentions = self.find(self.words)
        at = self.at = [None] * len(self.words)
        for mention in self.mentions:
            at[mention.first] = mention
            for position in range(mention.first + 1, mention.end):
                at[position] = mention
        for mention in self.mentions:
            key, generic = self.words[mention.first].key, mention.sense.generic
            other = generic and self._is_longer(mention.first)
            if other or (key in _MAYBE_NAMES and self._is_in_name(mention)):
                at[mention.first : mention.end] = [None] * (mention.end - mention.first)

    def find(self, words: Sequence[Word]) -> list[Mention]:
        """What of these words is known."""
        return mentions(self.text, words, lower_case=self.lower_case, day=self.day)

    def is_name(self, position: int) -> bool:
        """Whether an unknown word may be part of somebody's name."""
        if not 0 <= position < len(self.words) or self.at[position] is not None:
            return False
        word = self.words[position]
        if not word.upper:
            return False
        if word.key in NO_NAME:
            return word.key in NAMES_TOO and self.is_name(position - 1)
        return "-" not in word.key or not _is_compound(word.key)

    def gap(self, position: int) -> str:
        """What stands between words[position - 1] and words[position]."""
        return self.text[self.words[position - 1].end : self.words[position].start]

    def quote(self, first: int, end: int) -> str:
        return self.text[self.words[first].start : self.words[end - 1].end]

    def _is_longer(self, first: int) -> bool:
        """ "Youth Congress": another institution than Congress."""
        before = self.at[first - 1] if first else None
        civil = before is not None and before.sense.sector not in (None, "GOV", "LEG", "OPP")
        return self.is_name(first - 1) or (civil and self.words[first - 1].upper)

    def _is_in_name(self, mention: Mention) -> bool:
        """Jordan, Chad, Israel, King or Bishop as part of somebody's name."""
        first, end = mention.first, mention.end
        if end - first > 1 or self.lower_case:
            return False
        word = self.words[first]
        if word.key in GIVEN_NAMES and self.is_name(end) and not word.possessive:
            if mention.sense.kind == "role" and first and self.at[first - 1]:
                return False  # "US Marine X"
            # "Kenya Human Rights Commission" is a body's name.
            return not any(m is not None and m.sense.body for m in self.at[end : end + 6])
        if not (word.upper and word.key in SURNAMES and self.is_name(first - 1)):
            return False
        before = self.words[first - 1]
        if before.key in DIRECTIONS or before.possessive:
            return False
        last = end == len(self.words) or not self.words[end].upper
        return mention.sense.kind == "role" or (last and not self._is_role(end))

    def _is_role(self, position: int) -> bool:
        mention = self.at[position] if position < len(self.words) else None
        return mention is not None and mention.sense.kind == "role"


def read_phrase(phrase: Phrase, first: int = 0, end: int | None = None) -> Facts:
    """The facts of words[first:end], read as one noun phrase."""
    end = len(phrase.words) if end is None else end
    facts = Facts()
    first = _leading(phrase, first, end, facts)
    cut = _core_end(phrase, first, end)
    _Core(phrase, first, cut, facts).read()
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

_MAYBE_NAMES = GIVEN_NAMES | SURNAMES
_OFFICES = frozenset({"GOV", "MIL", "LEG", "COP", "JUD", "SPY"})
_LEFT = _OFFICES | {"REB"}
"""Sectors that one leaves with the post; a former leader of the opposition is still of it."""
# Sectors that modifiers give to civilians: "student protesters".
_COLOURS = frozenset({"OPP", "REL", "EDU", "LAB", "AGR", "REF", "MED", "HLH", "PTY", "NGO", "REB"})


def _is_compound(key: str) -> bool:
    head, _, tail = key.partition("-")
    last = tail.rpartition("-")[2]
    return head in PREFIXES or last in TAILS or last in OF_DESCENT


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


class _Core:
    """Reads words[first:end], a noun phrase without its complements, into facts."""

    def __init__(self, phrase: Phrase, first: int, end: int, facts: Facts) -> None:
        self.phrase, self.first, self.end, self.facts = phrase, first, end, facts
        at = phrase.at
        self.known = [m for i in range(first, end) if (m := at[i]) is not None and m.first == i]
        self.roles = [m for m in self.known if m.sense.kind == "role" and not self._is_adjective(m)]
        self.head = next((m for m in reversed(self.roles) if not self._is_honorific(m)), None)
        self.owned = first
        """Where what is possessed begins: after the last "'s"."""
        for position in range(end - 2, first - 1, -1):
            if phrase.words[position].possessive:
                self.owned = position + 1
                break
        self.unknown = {phrase.words[i].key for i in range(first, end) if phrase.at[i] is None}

    def read(self) -> None:
        facts = self.facts
        facts.role = self.head.sense if self.head else None
        bodies = [m.sense.key for m in self.roles if m.sense.body and m is not self.head]
        facts.within = bodies[-1] if bodies else None
        facts.former = not self.unknown.isdisjoint(FORMER)
        facts.foreign = not self.unknown.isdisjoint(ELSEWHERE)
        self._read_name()
        self._read_country()
        if "ethnic" in self.unknown:  # no citizens
            facts.country, facts.how = None, None
        if self._read_organisation():
            self._read_sector()
        if facts.sector and facts.how is None:
            facts.how = "role"
        self._name_institution()
        named = facts.name or facts.person or facts.owner or facts.country
        facts.bare = bool(self.roles) and not named
        facts.counted = any(
            key in COUNTS or key in ("every", "each", "any") or key[0].isdigit()
            for key in self.unknown
        )
        facts.headed = self.head is not None and self.head.end == self.end

    def _is_adjective(self, mention: Mention) -> bool:
        """A role word that only colours the noun after it: "general strike", "state visit"."""
        end, words = mention.end, self.phrase.words
        return (
            words[mention.first].key in ADJECTIVES
            and end < self.end
            and self.phrase.at[end] is None
            and not words[end].upper
        )

    def _is_honorific(self, mention: Mention) -> bool:
        """Dr or Major after a role and before a name."""
        return (
            self.phrase.words[mention.first].key in HONORIFICS
            and mention.end < self.end
            and any(role.first < mention.first for role in self.roles)
        )

    def _read_name(self) -> None:
        """The last run of unknown names: the person after the title, or what is before the role."""
        run = self._last_run()
        if run is None:
            return
        first, end = run
        phrase, facts = self.phrase, self.facts
        name = phrase.quote(first, end)
        after = [m for m in self.known if m.first >= end and m.sense.kind in _ACTING]
        if not after and all(phrase.at[i] is not None for i in range(end, self.end)):
            facts.person = name
            return
        facts.owner = name
        if (
            after
            and after[-1].sense.body
            and not phrase.words[end - 1].possessive
            and all(
                phrase.words[i].upper or phrase.words[i].key in SMALL
                for i in range(first, self.end)
            )
        ):
            facts.name = phrase.quote(self._name_start(), self.end)

    def _name_start(self) -> int:
        """Where an institution's name begins: after possessors, "Kenya's"."""
        return self.owned if self.owned < self.end else self.first

    def _last_run(self) -> tuple[int, int] | None:
        """The last run of unknown capitalised words, with the particles between them."""
        phrase, first = self.phrase, self.first
        position = self.end - 1
        while position >= first and not phrase.is_name(position):
            position -= 1
        if position < first:
            return self._lower_case_run() if phrase.lower_case else None
        end = position + 1
        while position > first:
            before = position - 1
            if "," in phrase.gap(position) or phrase.words[before].possessive:
                break
            particle = phrase.words[before].key in PARTICLES and phrase.at[before] is None
            if not phrase.is_name(before) and not particle:
                break
            position = before
        return position, end

    def _lower_case_run(self) -> tuple[int, int] | None:
        """In a text without capitals: up to three words after a title."""
        title = self.known[-1] if self.known else None
        if title is None or not title.sense.person or title.sense.weak:
            return None
        return (title.end, self.end) if 0 < self.end - title.end <= 3 else None

    def _read_country(self) -> None:
        """What is possessed tells the country before who possesses; at one level, the first."""
        facts, head = self.facts, self.head
        telling = [m for m in self.known if m.sense.kind not in _ACTING]
        mention = next((m for m in telling if m.first >= self.owned), None)
        mention = mention or (telling[0] if telling else None)
        if mention is None:
            self._read_hyphenated()
            if head is not None and head.sense.country and not facts.country:
                facts.country, facts.how = head.sense.country, "exact"
            return
        mention = self._citizenship(mention)
        sense = mention.sense
        if head is not None and head.sense.apart and head.first >= mention.end:
            outside = mention.first < self.owned or sense.kind in ("seat", "country")
            if outside or head.sense.key in OPPOSED:
                facts.foreign = True
                return
        demonym = is_demonym(sense)
        facts.ambiguous = sense.key if sense.kind == "ambiguous" else None
        facts.country = sense.country
        kinds = {"place": "place", "seat": "metonym"}
        facts.how = "demonym" if demonym else kinds.get(sense.kind, "exact")
        if demonym:
            facts.people = not (facts.role or facts.person) and mention.end == self.end
        elif sense.kind in ("country", "seat", "ambiguous") and self._is_whole(mention):
            facts.sector = "GOV"
            facts.name = country_name(sense.country) if sense.country else None

    def _citizenship(self, mention: Mention) -> Mention:
        """The last of demonyms in a row, "Indian American": those before it tell descent."""
        while is_demonym(mention.sense) and mention.end < self.end:
            after = self.phrase.at[mention.end]
            if after is None or not is_demonym(after.sense) or self.phrase.gap(mention.end) != " ":
                break
            if self.phrase.words[mention.end].key in MINORITIES:
                break
            mention = after
        return mention

    def _is_whole(self, mention: Mention) -> bool:
        return all(
            mention.first <= i < mention.end or self.phrase.words[i].key in DIRECTIONS
            for i in range(self.first, self.end)
        )

    def _read_hyphenated(self) -> None:
        """ "US-led coalition", "London-based group"; not "Israeli-occupied", "Iran-backed"."""
        for position in range(self.first, self.end):
            word = self.phrase.words[position]
            stem, _, tail = word.key.rpartition("-")
            if tail in OF_DESCENT and self._is_someone(position):
                self._read_descent(word, len(stem))
                return
            if not stem or tail not in ("led", "based", "run"):
                continue
            cut = word._replace(end=word.start + len(stem), text=word.text[: len(stem)], key=stem)
            for mention in self.phrase.find([cut]):
                sense, facts = mention.sense, self.facts
                if sense.kind == "organisation":
                    facts.organisation, facts.country, facts.how = sense, sense.country, "exact"
                elif sense.kind != "role":
                    facts.country = sense.country
                    facts.how = "exact" if sense.kind == "country" else "demonym"

    def _is_someone(self, position: int) -> bool:
        """Whether it is of persons: not "Mexican-American War" nor two states' officials."""
        if self.head is None:
            return position + 1 == self.end or " " in (self.facts.person or "")
        sense = self.head.sense
        return sense.person or not (sense.body or sense.sector in ("GOV", "MIL"))

    def _read_descent(self, word: Word, stem: int) -> None:
        """ "Indian-American": the last is the country; "Latin-American" has none."""
        phrase = self.phrase
        one, last = (
            word._replace(start=start, end=end, text=text, key=text.lower())
            for start, end in ((word.start, word.start + stem), (word.start + stem + 1, word.end))
            for text in (phrase.text[start:end],)
        )
        first = phrase.find([one])
        if one.key not in ELSEWHERE and not (first and is_demonym(first[0].sense)):
            return
        for mention in phrase.find([last]):
            self.facts.country, self.facts.how = mention.sense.country, "demonym"

    def _read_organisation(self) -> bool:
        """Whether the sector is still to be read from the roles."""
        facts, head = self.facts, self.head
        named = [m for m in self.known if m.sense.kind == "organisation"]
        if not named:
            return True
        mention = next((m for m in reversed(named) if m.first >= self.owned), named[-1])
        sense = mention.sense
        if head is not None and head.sense.apart and mention.end < self.end:
            facts.foreign = True  # "Kremlin critic", "Taliban victims"
            facts.country, facts.how, facts.sector = None, None, head.sense.sector
            return False
        national = facts.country is not None and facts.how in ("demonym", "exact")
        if national and sense.sector == "IGO" and head is not None:
            return True  # "Ukraine's UN ambassador", "Rwandan UN peacekeepers": the country's
        facts.organisation, facts.sector, facts.how = sense, sense.sector, "exact"
        if sense.history and head is not None and head.sense.sector in _OFFICES:
            facts.sector = head.sense.sector  # "Republican senator"
        if sense.country or not national:
            facts.country = sense.country
        title = head is not None and (head.first > mention.first or head.sense.person)
        if not facts.person and not title:
            facts.name = sense.name
        return False

    def _read_sector(self) -> None:
        facts = self.facts
        head = facts.role
        strong = [m for m in self.roles if not m.sense.weak]
        if head is None:
            unknown_head = self.phrase.at[self.end - 1] is None if self.end > self.first else False
            named = facts.person or facts.owner
            if facts.people and self._is_civilian():
                facts.sector = "CVL"
            elif unknown_head and self.owned > self.first and facts.country and not named:
                facts.sector = "GOV"  # "Russia's use of force": a state's doing
        elif not head.weak:
            facts.sector = self._coloured(head, strong)
        elif strong:
            facts.sector = strong[-1].sense.sector
        elif facts.country and not (facts.foreign or facts.name or head.key in NOT_OFFICIAL):
            facts.sector = "GOV"  # "Chinese leader"; no institution with a name of its own

    def _coloured(self, head: Sense, strong: list[Mention]) -> str | None:
        """The head's sector, unless it is a general one and a modifier says more."""
        against = any(
            self.phrase.words[i].key in AGAINST_GOVERNMENT for i in range(self.first, self.end)
        )
        if against and head.sector in ("CVL", "SOC"):
            return "OPP"
        if against and head.sector == "PRM":
            return "REB"
        if head.key in PRESIDING:
            return self._presided(strong)
        colours = [
            m.sense.sector for m in strong if m.first >= self.owned and m.sense.sector in _COLOURS
        ]
        return colours[-1] if colours and head.sector == "CVL" and not head.apart else head.sector

    def _presided(self, strong: list[Mention]) -> str | None:
        """Of a president, official or officer: what they are of, if it is no government."""
        head = self.head
        if head is None or not self.unknown.isdisjoint(SPORTS):
            return "SOC"
        bodies = [m.sense.sector for m in strong if m.sense.body and m.end <= head.first]
        if bodies and bodies[-1] != "CVL":
            return bodies[-1]
        unknown = self.facts.owner and not self.facts.country
        return None if unknown and head.sense.key.endswith("president") else head.sense.sector

    def _is_civilian(self) -> bool:
        """ "two Chinese", "many Israelis"; "the Russians" may be an army."""
        begin = self.first
        while begin > max(0, self.first - 2) and self.phrase.gap(begin) == " ":
            begin -= 1
        words = self.phrase.words[begin : self.end]
        if any(w.key in COUNTS or w.key.replace(",", "").isdigit() for w in words):
            return True
        last = self.phrase.at[self.end - 1]
        definite = self.first > 0 and self.phrase.words[self.first - 1].key == "the"
        return last is not None and last.sense.key == "plural people" and not definite

    def _name_institution(self) -> None:
        """ "Russian army" is the Russian armed forces; "Russian army convoy" has no name."""
        facts = self.facts
        named = facts.name or facts.person or facts.owner or facts.organisation
        plain = all(self.phrase.at[i] is not None for i in range(self.first, self.end))
        if not plain or named or len(self.roles) != 1 or facts.how == "place":
            return
        if facts.role and facts.role.name and facts.country:
            facts.name = f"{adjective(facts.country)} {facts.role.name}"


def is_demonym(sense: Sense) -> bool:
    return sense.kind == "people" or (
        sense.kind == "ambiguous" and sense.key.endswith(("n", "ns", "ese"))
    )


_ACTING = ("role", "organisation")
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
