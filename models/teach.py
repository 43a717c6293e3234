"""`eventwire teach`: a large network's view of sentences that nobody annotated.

The small network learns from it beside the annotations (`eventwire train --taught FOLDER`). A shard
holds what the teacher sees in 1,000 sentences, without their texts; a stopped run goes on with the
shards that are missing. A second network can look at the sentences of such shards: the mean of both
is righter than either.
"""

import argparse
import gzip
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from eventwire.models import predict
from eventwire.models.datasets import (
    EVALUATION,
    TRAINING,
    UNLABELLED,
    TrainingError,
    normalised,
    read_sentences,
)
from eventwire.models.examples import Example, Trigger
from eventwire.models.words import WordReader, Words, batches

log = logging.getLogger(__name__)

SHARD = 1000
"""Sentences."""
THRESHOLD = 0.25
"""Below the one of decoding: what may be an event teaches too."""
LENGTHS = range(6, 120)
"""Pieces of a sentence worth it."""


def run(arguments: argparse.Namespace) -> None:
    """What the options of `eventwire teach` ask for. Raises WeightsError for the teacher,
    AnnotationError and OSError for the texts."""
    dtype = torch.bfloat16 if predict.fast_bfloat16() else torch.float32
    teacher = predict.load(arguments.teacher, device=predict.device(), dtype=dtype)
    teacher.decoding = replace(teacher.decoding, threshold=THRESHOLD, least=0.0)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.beside:
        for shard, ids, examples in read_shards(arguments.beside, arguments.texts, teacher.reader):
            path = arguments.out / shard.name
            if not path.exists():
                write(path, ids, beside(teacher, examples))
                log.info("%s: the mean of two", path)
        return
    annotated = [s for file in TRAINING + EVALUATION for s in read_sentences(file, UNLABELLED)]
    known = {normalised(sentence.text) for sentence in annotated}
    chosen = choose(arguments.texts, known, arguments.sentences)
    for number, start in enumerate(range(0, len(chosen), SHARD)):
        path = arguments.out / f"{number:04}.safetensors"
        if path.exists():
            continue
        write(path, *look(teacher, chosen[start : start + SHARD]))
        log.info("%s: %d of %d sentences", path, start + SHARD, len(chosen))


def choose(texts: Path, known: set[str], count: int) -> list[tuple[str, str]]:
    """Ids and texts of `count` sentences, the same in every run; none of `known`, none twice."""
    seen, found = set(known), []
    for id_, text in read_texts(texts):
        if (key := normalised(text)) not in seen:
            seen.add(key)
            found.append((id_, text))
    found.sort(key=lambda pair: hashlib.sha256(pair[0].encode()).digest())
    return found[:count]


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["id"], row["text"]


def look(
    teacher: predict.Predictor, sentences: Sequence[tuple[str, str]]
) -> tuple[list[str], list[Example]]:
    """Ids and examples, of the sentences whose length is worth it."""
    read = teacher.reader.read([text for _, text in sentences])
    kept = [
        (id_, words)
        for (id_, _), words in zip(sentences, read, strict=True)
        if len(words.ids) in LENGTHS
    ]
    return [id_ for id_, _ in kept], _look(teacher, [words for _, words in kept])


def beside(teacher: predict.Predictor, examples: Sequence[Example]) -> list[Example]:
    """The mean of `examples`, another teacher's, and what `teacher` makes of the same triggers."""
    triggers = [example.triggers for example in examples]
    own = _look(teacher, [example.words for example in examples], triggers)
    return [
        replace(
            one,
            labels=_mean(one.labels, other.labels),
            triggers=[
                replace(
                    t,
                    status=_mean(t.status, o.status),
                    inside=_mean(t.inside, o.inside),
                    begin=_mean(t.begin, o.begin),
                )
                for t, o in zip(one.triggers, other.triggers, strict=True)
            ],
        )
        for one, other in zip(examples, own, strict=True)
    ]


def _mean(one: Tensor, other: Tensor) -> Tensor:
    return torch.stack([one.float(), other.float()]).mean(0).half()


@torch.inference_mode()
def _look(
    teacher: predict.Predictor,
    read: Sequence[Words],
    triggers: Sequence[Sequence[Trigger]] | None = None,
) -> list[Example]:
    """With `triggers`, those of every sentence, it finds none of its own."""
    examples: dict[int, Example] = {}
    for group in batches([len(words.ids) for words in read], predict.BUDGET):
        given = None if triggers is None else [triggers[i] for i in group]
        batch = _look_at_batch(teacher, [read[i] for i in group], given)
        examples |= zip(group, batch, strict=True)
    return [examples[index] for index in range(len(read))]


def _look_at_batch(
    teacher: predict.Predictor, batch: list[Words], given: list[Sequence[Trigger]] | None
) -> list[Example]:
    pieces = teacher.reader.pieces(batch).to(teacher.device)
    vectors = teacher.network.encode(pieces)
    labels = teacher.network.trigger_logits(vectors).float().softmax(-1).cpu()
    if given is None:
        found = teacher.triggers(labels, pieces.word_mask.cpu())
    else:
        found = [
            predict.FoundTrigger(row, (t.words[0], t.words[-1]), t.type, 1.0)
            for row, triggers in enumerate(given)
            for t in triggers
        ]
    taught: list[list[Trigger]] = [[] for _ in batch]
    if found:
        reading = teacher.reading(vectors, pieces.word_mask, found)
        status = reading.status.float().softmax(-1).half().cpu()
        inside, begin = (x.float().sigmoid().half().cpu() for x in (reading.inside, reading.begin))
        for row, trigger in enumerate(found):
            count = len(batch[trigger.window].spans)
            taught[trigger.window].append(
                Trigger(
                    words=list(range(trigger.words[0], trigger.words[1] + 1)),
                    type=trigger.type,
                    status=status[row],
                    inside=inside[row, :count],
                    begin=begin[row, :count],
                )
            )
    return [
        Example(words, labels[row, : len(words.spans)].half(), taught[row])
        for row, words in enumerate(batch)
    ]


def write(path: Path, ids: list[str], examples: Sequence[Example]) -> None:
    triggers = [(row, t) for row, example in enumerate(examples) for t in example.triggers]
    tensors = {
        "words": torch.tensor([len(e.words.spans) for e in examples]),
        "labels": torch.cat([e.labels for e in examples]),
        "triggers": torch.tensor(
            [(row, t.words[0], t.words[-1], t.type) for row, t in triggers]
        ).reshape(-1, 4),
    }
    for name in ("status", "inside", "begin"):
        parts = [getattr(t, name) for _, t in triggers]
        if parts:
            tensors[name] = torch.stack(parts) if name == "status" else torch.cat(parts)
    temporary = path.with_suffix(".new")
    safetensors.torch.save_file(tensors, temporary, metadata={"ids": json.dumps(ids)})
    temporary.replace(path)


def read(folder: Path, texts: Path, reader: WordReader) -> list[Example]:
    """The taught examples as `reader` reads their texts. Raises OSError, TrainingError."""
    shards = read_shards(folder, texts, reader)
    return [example for _, _, examples in shards for example in examples]


def read_shards(
    folder: Path, texts: Path, reader: WordReader
) -> Iterator[tuple[Path, list[str], list[Example]]]:
    """Every shard, the ids of its sentences and their examples, see `read`."""
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise TrainingError(f"{folder}: expected shards of `eventwire teach`, came none")
    stored = dict(read_texts(texts))
    for shard in shards:
        yield shard, *_read(shard, stored, reader)


def _read(
    shard: Path, texts: dict[str, str], reader: WordReader
) -> tuple[list[str], list[Example]]:
    with safetensors.safe_open(shard, "pt") as stored:
        ids = json.loads(stored.metadata()["ids"])
        tensors: dict[str, Tensor] = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    counts = tensors["words"].tolist()
    labels = tensors["labels"].split(counts)
    triggers: list[list[Trigger]] = [[] for _ in ids]
    rows = tensors["triggers"].tolist()
    if rows:
        sizes = [counts[row] for row, *_ in rows]
        inside, begin = tensors["inside"].split(sizes), tensors["begin"].split(sizes)
        for index, (row, first, last, kind) in enumerate(rows):
            status = tensors["status"][index]
            covered = list(range(first, last + 1))
            triggers[row].append(Trigger(covered, kind, status, inside[index], begin[index]))
    read = reader.read([texts[id_] for id_ in ids])
    for id_, words, count in zip(ids, read, counts, strict=True):
        if len(words.spans) != count:
            raise TrainingError(
                f"{shard}: expected {count} words in {id_!r}, came {len(words.spans)}"
            )
    return ids, [Example(*parts) for parts in zip(read, labels, triggers, strict=True)]
