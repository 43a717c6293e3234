"""Sentences as the network reads them: word pieces, words with offsets, windows and batches."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from eventwire.models.network import Pieces

TOKENIZER = "tokenizer.json"

WINDOW = 192
"""Pieces a window holds; 99.9 % of news sentences fit into one."""
OVERLAP = 96
"""Pieces that neighbouring windows share: an event on a border stands whole in one of them."""

GRAIN = 4
"""Sentences are padded to a multiple of this many pieces, and batched with those of the same padded
length. So a sentence has one shape whatever it is batched with, and its result is the same to the
last bit: sums over its pieces are never regrouped. It is faster too, there being less padding."""


@dataclass(frozen=True, slots=True)
class Words:
    """One window of a sentence."""

    ids: list[int]
    """Piece ids, without [CLS] and [SEP]."""
    case: list[int]
    """Case of each piece's word, see `Pieces.case`."""
    first: list[int]
    """Index of each word's first piece."""
    last: list[int]
    spans: list[tuple[int, int]]
    """Offsets of each word in the sentence."""
    skipped: int = 0
    """Words of the sentence before this window."""


class WordReader:
    """Cuts sentences into words and pieces."""

    def __init__(self, folder: Path) -> None:
        """Reads `tokenizer.json` of a model folder; OSError where there is none."""
        self._tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        opening, closing = self._tokenizer.encode("").ids
        self.cls, self.sep = opening, closing
        unknown = self._tokenizer.token_to_id("[UNK]")
        self._unknown = -1 if unknown is None else unknown

    def read(self, sentences: Sequence[str]) -> list[Words]:
        """One `Words` a sentence, of any length."""
        encodings = self._tokenizer.encode_batch(list(sentences), add_special_tokens=False)
        return [
            _words(sentence, encoding.ids, encoding.word_ids, encoding.offsets)
            for sentence, encoding in zip(sentences, encodings, strict=True)
        ]

    def unknown_share(self, words: Words) -> float:
        """Of a sentence's pieces those that stand for what the vocabulary does not have."""
        return words.ids.count(self._unknown) / max(1, len(words.ids))

    def pieces(self, batch: Sequence[Words]) -> Pieces:
        """Padded tensors; [CLS] moves every piece one to the right."""
        count = max(padded(len(words.ids)) for words in batch)
        seq = count + 2
        ids, case, mask, first, last, word_mask = [], [], [], [], [], []
        for words in batch:
            pad, word_pad = seq - len(words.ids) - 2, count - len(words.spans)
            ids.append([self.cls, *words.ids, self.sep] + [0] * pad)
            case.append([0, *words.case, 0] + [0] * pad)
            mask.append([1] * (seq - pad) + [0] * pad)
            first.append([i + 1 for i in words.first] + [0] * word_pad)
            last.append([i + 1 for i in words.last] + [0] * word_pad)
            word_mask.append([True] * (count - word_pad) + [False] * word_pad)
        return Pieces(
            ids=torch.tensor(ids),
            case=torch.tensor(case),
            mask=torch.tensor(mask),
            first=torch.tensor(first),
            last=torch.tensor(last),
            word_mask=torch.tensor(word_mask),
        )


def _words(
    sentence: str, ids: list[int], word_ids: list[int | None], offsets: list[tuple[int, int]]
) -> Words:
    case: list[int] = []
    first: list[int] = []
    last: list[int] = []
    spans: list[tuple[int, int]] = []
    previous = None
    for index, (word, (start, end)) in enumerate(zip(word_ids, offsets, strict=True)):
        if word != previous:
            previous = word
            first.append(index)
            last.append(index)
            spans.append((start, end))
        else:
            last[-1] = index
            spans[-1] = (spans[-1][0], end)
    for begin, stop, (start, end) in zip(first, last, spans, strict=True):
        case += [case_of(sentence[start:end])] * (stop + 1 - begin)
    return Words(ids=ids, case=case, first=first, last=last, spans=spans)


def case_of(word: str) -> int:
    """0 lower case or no letters, 1 Capitalised (also a single capital), 2 UPPER or miXed."""
    if word == word.lower():
        return 0
    return 1 if word[1:] == word[1:].lower() else 2


def windows(words: Words) -> list[Words]:
    """The sentence itself, or overlapping parts of it that each fit into `WINDOW` pieces."""
    if len(words.ids) <= WINDOW:
        return [words]
    parts = []
    begin = 0
    while True:
        origin = words.first[begin]
        end = begin
        while end < len(words.spans) and words.last[end] < origin + WINDOW:
            end += 1
        stop = words.last[end - 1] + 1
        parts.append(
            Words(
                ids=words.ids[origin:stop],
                case=words.case[origin:stop],
                first=[i - origin for i in words.first[begin:end]],
                last=[i - origin for i in words.last[begin:end]],
                spans=words.spans[begin:end],
                skipped=begin,
            )
        )
        if end == len(words.spans):
            return parts
        begin = end
        while begin > 0 and words.first[begin - 1] >= stop - OVERLAP:
            begin -= 1


def padded(length: int) -> int:
    return max(1, -(-length // GRAIN)) * GRAIN


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices grouped so that each group is of one padded length and its size fits `budget`."""
    ordered = sorted(range(len(lengths)), key=lengths.__getitem__)
    for length, alike in itertools.groupby(ordered, lambda index: padded(lengths[index])):
        group = list(alike)
        size = max(1, budget // length)
        yield from (group[start : start + size] for start in range(0, len(group), size))
