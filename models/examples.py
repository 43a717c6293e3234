"""Training examples: sentences with the distributions that the network learns.

An annotated sentence becomes an example of zeros and ones; a teacher's (see `teach`) has what lies
between. Shapes as in `network`.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from eventwire.models.corpus import ROLES, AnnotatedSentence
from eventwire.models.network import Pieces, Triggers
from eventwire.models.ontology import STATUSES, ontology
from eventwire.models.words import WordReader, Words


@dataclass(frozen=True, slots=True)
class Trigger:
    words: list[int]
    type: int
    status: Tensor
    """(statuses,)"""
    inside: Tensor
    """(words, roles) the word belongs to a span of the role."""
    begin: Tensor
    """(words, roles) the word begins one."""


@dataclass(frozen=True, slots=True)
class Example:
    words: Words
    labels: Tensor
    """(words, 1 + types)"""
    triggers: list[Trigger]


@dataclass(frozen=True, slots=True)
class Batch:
    pieces: Pieces
    labels: Tensor
    """(batch, words, 1 + types), zeros for padding."""
    triggers: Triggers
    status: Tensor
    """(triggers, statuses)"""
    inside: Tensor
    """(triggers, words, roles)"""
    begin: Tensor


def prepare(sentence: AnnotatedSentence, reader: WordReader, longest: int) -> Example:
    """Offsets to words, of the first `longest` pieces; a trigger that is cut off is left out."""
    (words,) = reader.read([sentence.text])
    words = _cut(words, longest)
    names, count = ontology().names, len(words.spans)
    labels = torch.zeros(count, 1 + len(names), dtype=torch.half)
    labels[:, 0] = 1
    triggers = []
    for event in sentence.events:
        kind = names.index(event.type)
        covered = _covered(words, event.trigger)
        if not covered:
            continue
        labels[covered] = 0
        labels[covered, 1 + kind] = 1
        status = torch.zeros(len(STATUSES), dtype=torch.half)
        status[STATUSES.index(event.status)] = 1
        inside = torch.zeros(count, len(ROLES), dtype=torch.half)
        begin = torch.zeros_like(inside)
        for number, role in enumerate(ROLES):
            for span in getattr(event, role):
                within = _covered(words, span)
                inside[within, number] = 1
                begin[within[:1], number] = 1
        triggers.append(Trigger(covered, kind, status, inside, begin))
    return Example(words, labels, triggers)


def _cut(words: Words, longest: int) -> Words:
    count = sum(last < longest for last in words.last)
    if count == len(words.spans):
        return words
    end = words.last[count - 1] + 1
    return Words(
        ids=words.ids[:end],
        case=words.case[:end],
        first=words.first[:count],
        last=words.last[:count],
        spans=words.spans[:count],
    )


def _covered(words: Words, span: tuple[int, int]) -> list[int]:
    return [i for i, (s, e) in enumerate(words.spans) if s < span[1] and span[0] < e]


def without_capitals(example: Example) -> Example:
    """As some feeds come; the vocabulary is uncased, so only the cases differ."""
    return replace(example, words=replace(example.words, case=[0] * len(example.words.case)))


def collate(batch: Sequence[Example], reader: WordReader, device: str) -> Batch:
    pieces = reader.pieces([example.words for example in batch])
    count = pieces.word_mask.shape[1]
    labels = torch.zeros(len(batch), count, batch[0].labels.shape[1])
    for row, example in enumerate(batch):
        labels[row, : len(example.labels)] = example.labels
    flat = [(row, trigger) for row, example in enumerate(batch) for trigger in example.triggers]
    marked = torch.zeros(len(flat), count, dtype=torch.bool)
    inside = torch.zeros(len(flat), count, len(ROLES))
    begin = torch.zeros_like(inside)
    status = torch.zeros(len(flat), len(STATUSES))
    for index, (_, trigger) in enumerate(flat):
        marked[index, trigger.words] = True
        inside[index, : len(trigger.inside)] = trigger.inside
        begin[index, : len(trigger.begin)] = trigger.begin
        status[index] = trigger.status
    return Batch(
        pieces=pieces.to(device),
        labels=labels.to(device),
        triggers=Triggers(
            sentence=torch.tensor([row for row, _ in flat], dtype=torch.long, device=device),
            words=marked.to(device),
            type=torch.tensor([t.type for _, t in flat], dtype=torch.long, device=device),
        ),
        status=status.to(device),
        inside=inside.to(device),
        begin=begin.to(device),
    )


def shuffled(
    examples: Sequence[Example], size: int, lowercase: float, rng: random.Random
) -> Iterator[list[Example]]:
    """Batches of near lengths in random order, a share of them without capitals."""
    order = list(range(len(examples)))
    rng.shuffle(order)
    pool = 50 * size
    groups = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda i: len(examples[i].words.ids))
        groups += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(groups)
    for group in groups:
        chosen = [examples[i] for i in group]
        yield [without_capitals(e) if rng.random() < lowercase else e for e in chosen]
