"""`eventwire bench coder`: the whole coder beside the loop that most people would write.

All are measured in turns in one run on the same sentences, on this machine: what counts are the
ratios. The loop is the transformers `pipeline("text-classification")` over the same encoder in
float32, fed one sentence at a time, or 32; it only classifies, while the coder also splits,
tokenises, finds spans and writes records.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

from eventwire.models import predict, text
from eventwire.models.coder import EventCoder, load_coder
from eventwire.models.network import EventNetwork
from eventwire.models.records import Article
from eventwire.models.words import TOKENIZER

ROUNDS = 3
LOOP_SENTENCES = 320
"""The loop is slow: it gets a sample."""


class Report(msgspec.Struct, kw_only=True):
    """Sentences a second are medians over the rounds."""

    cpu: str
    features: list[str]
    threads: int
    device: str
    precision: str
    articles: int
    sentences: int
    coder: float
    pipeline_1: float
    pipeline_32: float
    coder_over_pipeline_1: float
    coder_over_pipeline_32: float
    stages: dict[str, float]
    """Share of the coder's time."""
    padding: float
    """Share of the positions of batches that was padding."""

    def table(self) -> str:
        lines = [
            f"{self.cpu} ({', '.join(self.features) or 'no matrix instructions'}), "
            f"{self.threads} threads, {self.device} in {self.precision}",
            f"{self.articles} articles, {self.sentences} sentences",
            "",
            f"coder                   {self.coder:8.0f} sentences/s",
            f"pipeline, one by one    {self.pipeline_1:8.0f} sentences/s  "
            f"coder is {self.coder_over_pipeline_1:.1f} times as fast",
            f"pipeline, batches of 32 {self.pipeline_32:8.0f} sentences/s  "
            f"coder is {self.coder_over_pipeline_32:.1f} times as fast",
            "",
            *(f"{stage:12}{share:7.1%}" for stage, share in self.stages.items()),
            f"{'padding':12}{self.padding:7.1%} of the positions",
        ]
        return "\n".join(lines)


def run(sample: Sequence[Article], *, model: Path | None = None) -> Report:
    """Raises WeightsError."""
    sentences = [
        article.text[s.start : s.end] for article in sample for s in text.sentences(article.text)
    ]
    every = max(1, len(sentences) // LOOP_SENTENCES)
    part = sentences[::every][:LOOP_SENTENCES]
    coder = load_coder(model)
    pipe = loop(model)
    coder.code(sample[:5])
    pipe(part[:8])
    before = coder.stats.tokens, coder.stats.padded_tokens, dict(coder.stats.seconds)
    times: dict[str, list[float]] = {"coder": [], "pipeline_1": [], "pipeline_32": []}
    for _ in range(ROUNDS):
        times["coder"].append(len(sentences) / _seconds(lambda: coder.code(sample)))
        times["pipeline_1"].append(len(part) / _seconds(lambda: [pipe(one) for one in part]))
        times["pipeline_32"].append(len(part) / _seconds(lambda: pipe(part, batch_size=32)))
    speed = {name: median(values) for name, values in times.items()}
    return Report(
        cpu=predict.cpu_name(),
        features=predict.matrix_instructions(),
        threads=torch.get_num_threads(),
        device=coder.device,
        precision=coder.precision,
        articles=len(sample),
        sentences=len(sentences),
        **speed,
        coder_over_pipeline_1=speed["coder"] / speed["pipeline_1"],
        coder_over_pipeline_32=speed["coder"] / speed["pipeline_32"],
        stages=_stages(coder, before[2]),
        padding=1
        - (coder.stats.tokens - before[0]) / max(1, coder.stats.padded_tokens - before[1]),
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _stages(coder: EventCoder, before: dict[str, float]) -> dict[str, float]:
    spent = {stage: s - before.get(stage, 0.0) for stage, s in coder.stats.seconds.items()}
    total = sum(spent.values())
    return {stage: seconds / total for stage, seconds in spent.items()}


def loop(model: Path | None = None, threads: int | None = None) -> Callable[..., Any]:
    """The pipeline around our own encoder, with a head for the types that was never trained."""
    if threads:
        torch.set_num_threads(threads)
    folder = model or predict.DEFAULT_MODEL
    network = EventNetwork.from_pretrained(folder)
    config = BertConfig(**network.config.encoder, type_vocab_size=3)
    config.num_labels = len(network.config.types)
    classifier = BertForSequenceClassification(config)
    classifier.bert.load_state_dict(network.encoder.state_dict(), strict=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / TOKENIZER),
        pad_token="[PAD]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
    )
    made: Callable[..., Any] = pipeline(
        "text-classification", model=classifier, tokenizer=tokenizer, device="cpu",
        truncation=True, max_length=512,
    )  # fmt: skip
    return made
