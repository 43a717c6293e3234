"""Sentences in, predicted events out: batches, decoding, device and precision."""

import itertools
import platform
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from eventwire.models import weights
from eventwire.models.corpus import ROLES, AnnotatedEvent
from eventwire.models.network import EventNetwork, Pieces, Reading, Triggers
from eventwire.models.packed import encoder
from eventwire.models.records import Stats, Status
from eventwire.models.words import TOKENIZER, WordReader, Words, batches, windows

DEFAULT_MODEL = Path(__file__).with_name("event-coder-en")
DECODING = "decoding.json"

BUDGET = 1024
"""Padded pieces a batch holds; larger ones gain nothing on a CPU, and cost each thread memory."""

READ_TRIGGERS = 8
READ_WORDS = 16
"""Triggers are read so many at a time, in sentences filled up to a multiple of so many words:
oneDNN keeps a kernel for every shape that it has met, and that memory for good."""


class Prediction(AnnotatedEvent, frozen=True, kw_only=True):
    """An event with offsets into its sentence."""

    status: Status
    confidence: float
    """Calibrated probability of the event with this type."""


@dataclass(frozen=True)
class Decoding:
    """How probabilities become events; chosen on validation data, stored with the model."""

    threshold: float = 0.5
    """A word begins a trigger where the probability of any event is above this."""
    extend: float = 0.2
    """Neighbouring words join the trigger where the probability of its type is above this."""
    least: float = 0.0
    """A trigger whose type is nowhere more probable than this is dropped: something happened, but
    which of several types is anyone's guess."""
    occurred: float = 0.0
    """Added to the logit of `occurred`, because training weighs the other statuses up."""
    calibration: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))
    """Raw score to confidence, linear between the points; both rise."""

    def confidence(self, score: float) -> float:
        """Of an event with this raw score, 0 to 1."""
        for (x0, y0), (x1, y1) in itertools.pairwise(self.calibration):
            if score <= x1:
                return round(y0 + (y1 - y0) * (score - x0) / (x1 - x0), 4)
        return self.calibration[-1][1]

    @classmethod
    def load(cls, folder: Path) -> "Decoding":
        """Raises WeightsError."""
        return weights.read(folder, DECODING, cls)


@dataclass(frozen=True)
class FoundTrigger:
    """A trigger found in a window."""

    window: int
    words: tuple[int, int]
    """First and last word in the window."""
    type: int
    score: float


class _Found(NamedTuple):
    margin: int
    """Words between the trigger and the nearer border of its window."""
    prediction: Prediction


class Predictor:
    """A trained network with its word reader; not thread-safe.

    On a CPU each of its threads computes batches of its own: several in one operation would wait
    for each other after every one.
    """

    def __init__(
        self,
        network: EventNetwork,
        reader: WordReader,
        decoding: Decoding,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        threads: int | None = None,
    ) -> None:
        """`threads` of a CPU, by default as many as torch would use."""
        network.train(mode=False)
        self.network = network
        torch.nn.Module.to(network, device=device, dtype=dtype)
        self.reader = reader
        self.decoding = decoding
        self.device = torch.device(device)
        self.dtype = dtype
        self.threads = (threads or torch.get_num_threads()) if device == "cpu" else 1
        self._encode = encoder(network)
        self._pool = ThreadPoolExecutor(
            self.threads, "predict", initializer=torch.set_num_threads, initargs=(1,)
        )
        self.types: list[str] = network.config.types
        self.statuses = cast("list[Status]", network.config.statuses)
        self.stats = Stats()
        self.unknown_shares: list[float] = []
        """Of each sentence of the last `predict`, see `WordReader.unknown_share`."""

    def remember(self) -> None:
        """Encode what comes again only once, for one decoding after the other of the same."""
        encode = self._encode
        encoded: dict[tuple[bytes, bytes], Tensor] = {}

        def remembered(pieces: Pieces) -> Tensor:
            key = pieces.ids.cpu().numpy().tobytes(), pieces.case.cpu().numpy().tobytes()
            if key not in encoded:
                encoded[key] = encode(pieces)
            return encoded[key]

        self._encode = remembered

    def predict(self, sentences: Sequence[str]) -> list[list[Prediction]]:
        """Events of each sentence, in order of their triggers."""
        clock = Clock(self.stats)
        parts: list[Words] = []
        owner: list[int] = []
        read = self.reader.read(sentences)
        self.unknown_shares = [self.reader.unknown_share(words) for words in read]
        for index, words in enumerate(read):
            if words.spans:
                cut = windows(words)
                parts += cut
                owner += [index] * len(cut)
        clock.lap("tokenise")
        groups = list(batches([len(words.ids) for words in parts], BUDGET))
        # The largest first: when the threads run out of batches, they do so at about the same time.
        groups.sort(key=lambda group: -sum(len(parts[index].ids) for index in group))
        of_part: list[list[_Found]] = [[] for _ in parts]
        spent = Stats()
        for group, (found, cost) in zip(
            groups,
            self._pool.map(
                self._batch,
                ([parts[index] for index in group] for group in groups),
                ([sentences[owner[index]] for index in group] for group in groups),
            ),
            strict=True,
        ):
            for index, events in zip(group, found, strict=True):
                of_part[index] = events
            spent.add(cost)
        clock.share(spent.seconds)
        spent.seconds = {}
        self.stats.add(spent)
        self.stats.sentences += len(sentences)
        of_sentence: list[list[_Found]] = [[] for _ in sentences]
        for index, events in zip(owner, of_part, strict=True):
            of_sentence[index] += events
        return [_without_repeats(events) for events in of_sentence]

    @torch.inference_mode()
    def _batch(self, batch: list[Words], texts: list[str]) -> tuple[list[list[_Found]], Stats]:
        """Events of each window, and what they cost; `texts` are those of the sentences."""
        spent = Stats()
        clock = Clock(spent)
        found: list[list[_Found]] = [[] for _ in batch]
        pieces = self.reader.pieces(batch).to(self.device)
        spent.tokens = sum(len(words.ids) for words in batch) + 2 * len(batch)
        spent.padded_tokens = pieces.ids.numel()
        clock.lap("tokenise")
        vectors = self._encode(pieces)
        probabilities = self.network.trigger_logits(vectors).float().softmax(-1).cpu()
        clock.lap("encode")
        triggers = self.triggers(probabilities, pieces.word_mask.cpu())
        if triggers:
            events = self._read(vectors, pieces.word_mask, triggers, batch, texts)
            for trigger, event in zip(triggers, events, strict=True):
                (first, last), count = trigger.words, len(batch[trigger.window].spans)
                found[trigger.window].append(_Found(min(first, count - 1 - last), event))
        clock.lap("spans")
        return found, spent

    def triggers(self, probabilities: Tensor, word_mask: Tensor) -> list[FoundTrigger]:
        """`probabilities` (batch, words, 1 + types), `word_mask` (batch, words)."""
        event = (1 - probabilities[..., 0]) * word_mask
        kind = probabilities[..., 1:].argmax(-1)
        triggers: list[FoundTrigger] = []
        taken = -1, -1
        for row, word in (event > self.decoding.threshold).nonzero().tolist():
            if row == taken[0] and word <= taken[1]:
                continue
            type_ = int(kind[row, word])
            of_type = (probabilities[row, :, 1 + type_] * word_mask[row]).tolist()
            above = self.decoding.extend
            rivals = event[row].tolist(), kind[row].tolist()
            first = last = word
            floor = taken[1] + 1 if row == taken[0] else 0
            while first > floor and of_type[first - 1] > above:
                first -= 1
            while last + 1 < len(of_type) and of_type[last + 1] > above:
                if rivals[0][last + 1] > self.decoding.threshold and rivals[1][last + 1] != type_:
                    break  # the next word is a trigger of another type
                last += 1
            taken = row, last
            score = max(of_type[first : last + 1])
            if score > self.decoding.least:
                triggers.append(
                    FoundTrigger(window=row, words=(first, last), type=type_, score=score)
                )
        return triggers

    def reading(
        self, vectors: Tensor, word_mask: Tensor, triggers: Sequence[FoundTrigger]
    ) -> Reading:
        """`vectors` (batch, words, width), `word_mask` (batch, words); at least one trigger. More
        words come back, up to a multiple of `READ_WORDS`."""
        if rest := -vectors.shape[1] % READ_WORDS:
            vectors = functional.pad(vectors, (0, 0, 0, rest))
            word_mask = functional.pad(word_mask, (0, rest))
        parts = [
            self._reading(vectors, word_mask, triggers[start : start + READ_TRIGGERS])
            for start in range(0, len(triggers), READ_TRIGGERS)
        ]
        return Reading(
            inside=torch.cat([part.inside for part in parts])[: len(triggers)],
            begin=torch.cat([part.begin for part in parts])[: len(triggers)],
            status=torch.cat([part.status for part in parts])[: len(triggers)],
        )

    def _reading(
        self, vectors: Tensor, word_mask: Tensor, triggers: Sequence[FoundTrigger]
    ) -> Reading:
        """Of `READ_TRIGGERS`: where there are fewer, the last again and again."""
        filled = [*triggers, *[triggers[-1]] * (READ_TRIGGERS - len(triggers))]
        marked = torch.zeros(len(filled), vectors.shape[1], dtype=torch.bool)
        for row, trigger in enumerate(filled):
            marked[row, trigger.words[0] : trigger.words[1] + 1] = True
        return self.network.read(
            vectors,
            word_mask,
            Triggers(
                sentence=torch.tensor([t.window for t in filled], device=self.device),
                words=marked.to(self.device),
                type=torch.tensor([t.type for t in filled], device=self.device),
            ),
        )

    def _read(
        self,
        vectors: Tensor,
        word_mask: Tensor,
        triggers: list[FoundTrigger],
        batch: list[Words],
        texts: list[str],
    ) -> list[Prediction]:
        reading = self.reading(vectors, word_mask, triggers)
        inside = (reading.inside > 0).cpu().transpose(1, 2).tolist()
        begin = (reading.begin > 0).cpu().transpose(1, 2).tolist()
        scores = reading.status.float().cpu()
        scores[:, self.statuses.index("occurred")] += self.decoding.occurred
        for row, trigger in enumerate(triggers):
            spans, text = batch[trigger.window].spans, texts[trigger.window]
            if trigger.words[0] and text[slice(*spans[trigger.words[0] - 1])] in _MODALS:
                scores[row, self.statuses.index("planned")] = -torch.inf
        status = scores.argmax(-1).tolist()
        events = []
        for row, trigger in enumerate(triggers):
            spans, text = batch[trigger.window].spans, texts[trigger.window]
            glued = _glued(text, spans)
            arguments = {
                role: _spans(text, inside[row][number], begin[row][number], spans, glued)
                for number, role in enumerate(ROLES)
            }
            at = spans[trigger.words[0]][0], spans[trigger.words[1]][1]
            arguments["time"] = _of_the_event(text, at, arguments["time"])
            kind = self.types[trigger.type]
            if kind == "decline_comment" and _DENIED.search(text[slice(*at)]):
                kind = "denial"
            events.append(
                Prediction(
                    type=kind,
                    status=self.statuses[status[row]],
                    trigger=at,
                    confidence=self.decoding.confidence(trigger.score),
                    **arguments,
                )
            )
        return events


def _spans(
    text: str,
    inside: list[bool],
    begin: list[bool],
    spans: list[tuple[int, int]],
    glued: list[bool],
) -> list[tuple[int, int]]:
    """Runs of words inside, as offsets; cut where a new span begins behind a loose word and the
    words are not glued. Annotators never have two spans of a role side by side."""
    within = inside[: len(spans)]
    glued = list(glued)
    for word in range(1, len(within) - 1):
        if within[word - 1] and within[word + 1] and text[slice(*spans[word])].lower() in _JOINING:
            glued[word] = glued[word + 1] = True
    for word in range(len(within) - 1, 0, -1):
        within[word - 1] |= glued[word] and within[word]
    for word in range(1, len(within)):
        within[word] |= glued[word] and within[word - 1]
    runs: list[list[tuple[int, int]]] = []
    for word, span in enumerate(spans):
        if not within[word]:
            continue
        cut = begin[word] and _is_loose(text[slice(*spans[word - 1])].lower(), -1)
        if word and within[word - 1] and (glued[word] or not cut):
            runs[-1].append(span)
        else:
            runs.append([span])
    return [trimmed for run in runs if (trimmed := _trimmed(text, run))]


_GLUE = re.compile(
    r"\b(?:[^\W\d_]\.){2,}"  # U.N.
    r"|\b[^\W\d_]{1,3}['’](?!(?:s|t|d|m|re|ve|ll)\b)\w+"  # d'affaires, O'Brien
    r"|\b(?:last|next|this|past) (?:night|day|week(?:end)?|month|year|decade|century|spring|summer"
    r"|autumn|fall|winter|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b"
)


def _glued(text: str, spans: list[tuple[int, int]]) -> list[bool]:
    """Which words are one with the word before."""
    glue = [match.span() for match in _GLUE.finditer(text)]
    return [any(start < at < end for start, end in glue) for at, _ in spans]


def _of_the_event(
    text: str, trigger: tuple[int, int], times: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Without the times when it was only said."""
    said = [_SAID_ON.search(text[:start]) for start, _ in times]
    return [
        time
        for time, found in zip(times, said, strict=True)
        if not found or trigger[0] <= found.start() < trigger[1]
    ]


_SAID_ON = re.compile(r"\b(?:said|reported)(?: on)? $")
"""Before a time: that is when it was said. In 541 annotations of what was said on a day, 456 leave
the day out or know another one."""

_DENIED = re.compile(r"\b(?:denied|denies|deny|denying)\b", re.IGNORECASE)
"""Who denies has commented: of 330 annotated triggers with "denied" none declines to."""

_MODALS = frozenset({"may", "might"})
"""Before a trigger: annotators call 1 in 43 such events planned."""

_JOINING = frozenset({"in", "of"})
"""Between two words of a role: a bank in Madrid is one place, in all of 6,355 annotations."""

_LOOSE = frozenset(
    {"the", "a", "an", "and", "or", "but", "of", "to", "in", "on", "at", "by", "for", "with"}
    | {"from", "as", "that", "near", "outside", "inside"}
)
"""Words that no argument begins or ends with."""


def _trimmed(text: str, run: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The run without loose words and punctuation at its ends, which border words leave behind."""
    words = [text[start:end].lower() for start, end in run]
    first, last = 0, len(run)
    while first < last and _is_loose(words[first], 0):
        first += 1
    while first < last and _is_loose(words[last - 1], -1):
        if words[last - 1] == "." and len(words[last - 2]) == 1:
            break  # U.S.
        last -= 1
    return (run[first][0], run[last - 1][1]) if first < last else None


def _is_loose(word: str, end: int) -> bool:
    """Whether a lower-case word may not stand at this end (0 or -1) of an argument."""
    return word in _LOOSE or not word[end].isalnum()


def _without_repeats(found: list[_Found]) -> list[Prediction]:
    """Windows overlap: of triggers that do, keep the one furthest from a border."""
    kept: list[Prediction] = []
    for _, event in sorted(found, key=lambda one: -one.margin):
        start, end = event.trigger
        if all(end <= other.trigger[0] or other.trigger[1] <= start for other in kept):
            kept.append(event)
    return sorted(kept, key=lambda event: event.trigger)


def load(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
) -> Predictor:
    """The predictor of a model folder. Raises WeightsError."""
    network = EventNetwork.from_pretrained(folder)
    try:
        reader = WordReader(folder)
    except Exception as error:  # tokenizers raises nothing narrower
        raise weights.unreadable(folder / TOKENIZER, error) from error
    decoding = Decoding.load(folder)
    return Predictor(network, reader, decoding, device=device, dtype=dtype, threads=threads)


def device() -> str:
    """The accelerator that is there, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def cpu_name() -> str:
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor()
    return str(name or platform.machine())


def matrix_instructions() -> list[str]:
    """Those of this CPU that multiply bfloat16: AMX, AVX512-BF16, both or none."""
    capabilities = torch.cpu.get_capabilities()
    names = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
    return [name for key, name in names.items() if capabilities.get(key)]


def fast_bfloat16() -> bool:
    """Whether bfloat16 is worth it here: without its instructions it is slower than float32."""
    return bool(matrix_instructions())


class Clock:
    """Adds wall seconds to the stages of `stats`."""

    def __init__(self, stats: Stats) -> None:
        self._seconds = stats.seconds
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def share(self, spent: Mapping[str, float]) -> None:
        """Of a lap of several stages at a time, to each as much as threads have `spent` in it."""
        now = time.perf_counter()
        wall = (now - self._last) / max(sum(spent.values()), 1e-9)
        for stage, seconds in spent.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + wall * seconds
        self._last = now
