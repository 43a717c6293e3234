"""A phrase: words with what is known among them, and the facts that it tells of an actor."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from eventwire.models.enrich.grammar import (
    ADJECTIVES,
    DIRECTIONS,
    GIVEN_NAMES,
    NAMES_TOO,
    NO_NAME,
    OF_DESCENT,
    PREFIXES,
    SURNAMES,
    TAILS,
)
from eventwire.models.enrich.lexicon import Mention, Sense, Word, mentions


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


def is_adjective(phrase: Phrase, mention: Mention) -> bool:
    """Whether a role word only colours the noun after it: "general strike", "state visit"."""
    end, words = mention.end, phrase.words
    return (
        words[mention.first].key in ADJECTIVES
        and end < len(words)
        and phrase.gap(end) == " "
        and phrase.at[end] is None
        and not words[end].upper
    )


def is_demonym(sense: Sense) -> bool:
    return sense.kind == "people" or (
        sense.kind == "ambiguous" and sense.key.endswith(("n", "ns", "ese"))
    )


# ------------------------------------------------------------------------------------ details

_MAYBE_NAMES = GIVEN_NAMES | SURNAMES


def _is_compound(key: str) -> bool:
    head, _, tail = key.partition("-")
    last = tail.rpartition("-")[2]
    return head in PREFIXES or last in TAILS or last in OF_DESCENT
