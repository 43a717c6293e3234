import gzip
import json
from collections import Counter
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from eventwire.models import datasets, predict, teach, train
from eventwire.models.coder import load_reference
from eventwire.models.corpus import (
    AnnotatedEvent,
    AnnotatedSentence,
    AnnotationError,
    read_standoff,
)
from eventwire.models.datasets import LeakageError, TrainingError
from eventwire.models.examples import Batch, collate, prepare
from eventwire.models.network import EventNetwork, NetworkConfig
from eventwire.models.ontology import STATUSES, ontology
from eventwire.models.scores import Scores, score
from eventwire.models.train import Recipe
from eventwire.models.weights import WeightsError, load_manifest
from eventwire.models.words import TOKENIZER, WordReader
from eventwire.streams.options import parser

reader = WordReader(predict.DEFAULT_MODEL)


def sentence(name: str, text: str, *events: AnnotatedEvent) -> AnnotatedSentence:
    return AnnotatedSentence(name, text, list(events))


def at(text: str, words: str) -> tuple[int, int]:
    return text.index(words), text.index(words) + len(words)


def capture(text: str, actor: str, target: str, status: str = "occurred") -> AnnotatedEvent:
    return AnnotatedEvent(
        "capture", status, at(text, "captured"), actor=[at(text, actor)], target=[at(text, target)]
    )


def test_sentences_of_a_document_stay_on_one_side_of_the_split() -> None:
    fitted, validation = datasets.split([sentence(f"paper-{n // 5}-{n}", "x") for n in range(2000)])
    sides = [{s.id.rpartition("-")[0] for s in side} for side in (fitted, validation)]
    assert not sides[0] & sides[1]
    assert 0.03 < len(validation) / 2000 < 0.09


def test_our_own_corpus_only_trains() -> None:
    _, validation = datasets.split([sentence(f"talks:{n}", "x") for n in range(500)])
    assert validation == []


def test_a_sentence_shared_with_an_evaluation_file_is_refused_whatever_its_punctuation() -> None:
    ours = [sentence("a-1", "Troops left the town."), sentence("a-2", "It rained.")]
    with pytest.raises(LeakageError, match=r"1 training sentences .* first a-1 \(there dev-9\)"):
        datasets.refuse_leakage(ours, [sentence("dev-9", "“Troops left the TOWN”")])


def test_training_refuses_leakage_before_it_starts(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "Troops left.", "events": []}\n')
    arguments = parser().parse_args(["train", "--data", str(gold), "--evaluation", str(gold)])
    with pytest.raises(LeakageError):
        train.run(arguments)


def test_training_refuses_data_without_an_event(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text("")
    arguments = parser().parse_args(["train", "--data", str(gold), "--evaluation", str(gold)])
    with pytest.raises(AnnotationError, match="expected events to learn"):
        train.run(arguments)


def test_offsets_become_words() -> None:
    text = "Rebels captured two pilots."
    example = prepare(sentence("a-1", text, capture(text, "Rebels", "two pilots")), reader, 99)
    (trigger,) = example.triggers
    assert example.labels.argmax(-1).bool().tolist() == [False, True, False, False, False]
    assert trigger.words == [1]
    assert trigger.inside[:, :2].T.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 1, 0]]
    assert trigger.begin[:, 1].tolist() == [0, 0, 1, 0, 0]


def test_a_trigger_beyond_the_cut_is_left_out() -> None:
    text = "The army said so and so on, and then Rebels captured two pilots."
    example = prepare(sentence("a-1", text, capture(text, "Rebels", "two pilots")), reader, 5)
    assert len(example.words.spans) == 5
    assert example.triggers == []


def test_rare_statuses_weigh_more() -> None:
    text = "Rebels captured two pilots."
    events = [capture(text, "Rebels", "pilots")] * 9 + [
        capture(text, "Rebels", "pilots", status="negated")
    ]
    weights = train._status_weights([prepare(sentence("a-1", text, *events), reader, 99)])
    assert weights[4] == pytest.approx(3 * weights[0].item())


def test_calibration_rises_and_follows_the_shares() -> None:
    pairs = [(n / 100, n % 10 < n // 10) for n in range(100)]
    points = train.calibrate(pairs)
    assert list(points) == sorted(points)
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert predict.Decoding(calibration=points).confidence(0.55) == pytest.approx(0.5, abs=0.1)


def test_calibration_of_nothing_changes_nothing() -> None:
    assert train.calibrate([]) == ((0.0, 0.0), (1.0, 1.0))


def test_standoff_annotations_find_their_texts(tmp_path: Path) -> None:
    standoff, texts = standoff_files(tmp_path, text="Rebels captured two pilots.")
    (read,) = read_standoff(standoff, texts)
    assert read.text[slice(*read.events[0].trigger)] == "captured"


def test_standoff_annotations_refuse_another_text(tmp_path: Path) -> None:
    standoff, texts = standoff_files(tmp_path, text="Rebels captured  two pilots.")
    with pytest.raises(AnnotationError, match="has another text for 'x-1'"):
        read_standoff(standoff, texts)


def test_standoff_annotations_find_their_part_of_an_article(tmp_path: Path) -> None:
    standoff, texts = standoff_files(tmp_path, text="")
    line = json.loads(standoff.read_text())
    standoff.write_text(json.dumps({**line, "id": "x-1-s0", "within": [5, 32]}) + "\n")
    feed = texts.with_name("feed.jsonl")
    article = {"id": "x-1", "text": "Yes. Rebels captured two pilots. No.", "source": "Paper"}
    feed.write_text(json.dumps(article) + "\n")
    (read,) = read_standoff(standoff, feed)
    assert (read.id, read.text) == ("x-1-s0", "Rebels captured two pilots.")
    standoff.write_text(json.dumps({**line, "id": "x-1-s0", "within": [6, 32]}) + "\n")
    with pytest.raises(AnnotationError, match="has another text for 'x-1-s0'"):
        read_standoff(standoff, feed)


def standoff_files(folder: Path, *, text: str) -> tuple[Path, Path]:
    digest = sha256(b"Rebels captured two pilots.").hexdigest()[:16]
    event = {"type": "capture", "status": "occurred", "trigger": [7, 15]}
    standoff, texts = folder / "a.standoff.jsonl", folder / "texts.jsonl.gz"
    standoff.write_text(json.dumps({"id": "x-1", "sha256": digest, "events": [event]}) + "\n")
    texts.write_bytes(gzip.compress((json.dumps({"id": "x-1", "text": text}) + "\n").encode()))
    return standoff, texts


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A tiny BERT with random weights and the real vocabulary."""
    torch.manual_seed(0)
    folder = tmp_path / "encoder"
    config = BertConfig(
        hidden_size=48, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, type_vocab_size=2,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / TOKENIZER).write_bytes((predict.DEFAULT_MODEL / TOKENIZER).read_bytes())
    return folder


def test_training_learns_its_sentences_and_writes_a_folder_that_predicts(
    encoder: Path, tmp_path: Path
) -> None:
    sentences = []
    for n, (actor, target) in enumerate(
        (a, t) for a in ("Rebels", "Marines", "Soldiers") for t in ("pilots", "scouts", "guards")
    ):
        text = f"{actor} captured {target} there."
        sentences.append(sentence(f"ours:{n}", text, capture(text, actor, target)))
        sentences.append(sentence(f"ours:n{n}", f"{actor} watched {target} there."))
    out = tmp_path / "out"
    recipe = Recipe(epochs=30, batch=6, rate=2e-3, head_rate=2e-3, average=0.9)
    train.train(recipe, sentences, encoder, out)
    scored = score(sentences, predict.load(out).predict([s.text for s in sentences]))
    assert scored.type.f1 == 1.0
    assert scored.actor.f1 > 0.9
    assert scored.target.f1 > 0.9
    assert json.loads((out / "recipe.json").read_text())["epochs"] == 30

    further = tmp_path / "further"
    train.train(replace(recipe, epochs=1, rate=1e-9, head_rate=1e-9), sentences, out, further)
    scored = score(sentences, predict.load(further).predict([s.text for s in sentences]))
    assert scored.type.f1 == 1.0  # after one epoch: it went on from the model


def test_a_model_is_not_trained_further_in_its_own_folder(tmp_path: Path) -> None:
    same = ["--start", str(tmp_path), "--out", str(tmp_path)]
    with pytest.raises(TrainingError, match="expected another --out than --start"):
        train.run(parser().parse_args(["train", *same]))


def test_what_a_model_was_trained_by_can_be_used_again(tmp_path: Path) -> None:
    recipe = Recipe(seed=3, epochs=2, rate=1e-4)
    train._write_recipe(tmp_path, asdict(recipe))
    assert train.read_recipe(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"mean_of": []}', "expected only seed, epochs, batch"),
        ('{"epochs": "two"}', "Expected `int`, got `str` - at `$.epochs`"),
        ("[]", "Expected `object`, got `array`"),
        ("epochs: 2", "expected a recipe as JSON: JSON is malformed"),
    ],
)
def test_what_is_no_recipe_is_refused(written: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(written)
    with pytest.raises(TrainingError) as refused:
        train.read_recipe(path)
    assert str(refused.value).startswith(f"{path}: expected ")
    assert said in str(refused.value)


def test_the_mean_of_two_models_lies_between_them(encoder: Path, tmp_path: Path) -> None:
    text = "Rebels captured pilots there."
    sentences = [
        sentence(f"paper-{n}-1", text, capture(text, "Rebels", "pilots")) for n in range(40)
    ]
    folders = [tmp_path / name for name in ("one", "other")]
    config = NetworkConfig(types=list(ontology().names), statuses=list(STATUSES))
    for folder, shift in zip(folders, (0.0, 1.0), strict=True):
        torch.manual_seed(0)
        network = EventNetwork.from_encoder(encoder, config)
        with torch.no_grad():
            network.triggers[4].bias += shift
        train.save(network, encoder, folder, predict.Decoding())
    train.mean(folders, sentences, tmp_path / "mean")
    biases = [
        EventNetwork.from_pretrained(folder).triggers[4].bias
        for folder in (*folders, tmp_path / "mean")
    ]
    assert torch.allclose((biases[0] + biases[1]) / 2, biases[2], atol=0.01)


def test_models_of_two_shapes_have_no_mean(encoder: Path, tmp_path: Path) -> None:
    config = NetworkConfig(types=list(ontology().names), statuses=list(STATUSES))
    train.save(
        EventNetwork.from_encoder(encoder, config), encoder, tmp_path / "one", predict.Decoding()
    )
    with pytest.raises(WeightsError, match="expected models of one shape"):
        train.mean([predict.DEFAULT_MODEL, tmp_path / "one"], [], tmp_path / "mean")


def test_training_ends_with_a_reference_for_drift_which_can_be_made_anew_of_other_news(
    encoder: Path, tmp_path: Path
) -> None:
    gold, other, out = (tmp_path / name for name in ("gold.jsonl", "other.jsonl", "out"))
    event = {"type": "capture", "status": "occurred", "trigger": [7, 15]}
    rows = [
        {"id": f"ours:{n}", "text": f"Rebels captured pilot number {n}.", "events": [event]}
        for n in range(4)
    ]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other.write_text("")
    texts = tmp_path / "texts.jsonl.gz"
    words = ["--out", str(out), "--texts", str(texts), "--reference-sentences", "3"]
    files = ["--data", str(gold), "--evaluation", str(other), "--teacher", str(encoder)]
    train.run(parser().parse_args(["train", *files, "--epochs", "1", *words]))
    manifest = load_manifest(out)
    first = load_reference(out, manifest["sha256"])
    assert first is not None
    assert first["sentence_length"] == {"50": 4}  # there are no texts but those trained on

    news = [{"id": f"n-{n}", "text": "It rained."} for n in range(2)]
    news += [{"id": f"m-{n}", "text": "Snow fell all over the land" + "!" * n} for n in range(9)]
    texts.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in news).encode()))
    train.run(parser().parse_args(["train", "--reference-only", *words]))
    assert load_manifest(out) == manifest
    anew = load_reference(out, manifest["sha256"])
    assert anew is not None
    assert anew["sentence_length"] == {"50": 2}  # copies of a sentence count once


@pytest.fixture
def small() -> Recipe:
    return Recipe(epochs=2, batch=2, rate=2e-3, head_rate=2e-3, average=0.9, checkpoint=3)


CAPTURES = [
    sentence(f"ours:{n}", text, capture(text, actor, "pilots"))
    for n, actor in enumerate(("Rebels", "Marines", "Soldiers", "Guards"))
    for text in [f"{actor} captured pilots there."]
]


def test_a_stopped_training_goes_on_from_its_checkpoint(
    encoder: Path, tmp_path: Path, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = train._Fit.step

    def stopping(fit: train._Fit, number: int, batch: Batch) -> dict[str, float]:
        if number == 4 and 4 not in steps:
            steps.append(number)
            raise KeyboardInterrupt
        steps.append(number)
        return step(fit, number, batch)

    monkeypatch.setattr(train._Fit, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train.train(small, CAPTURES, encoder, tmp_path / "out")
    train.train(small, CAPTURES, encoder, tmp_path / "out")
    assert steps == [1, 2, 3, 4, 4]
    assert not (tmp_path / "out" / train.CHECKPOINT).exists()


def test_a_checkpoint_has_all_that_was_fitted(encoder: Path, tmp_path: Path, small: Recipe) -> None:
    reader = WordReader(encoder)
    examples = [prepare(s, reader, 99) for s in CAPTURES]
    one, other = (
        train._Fit(small, fresh(encoder), examples, tmp_path / "c.safetensors") for _ in range(2)
    )
    for number in (1, 2):
        one.step(number, collate(examples, reader, "cpu"))
    one.save_checkpoint(2)
    assert other.go_on() == 2
    for mine, its in zip(one.kept().parameters(), other.kept().parameters(), strict=True):
        assert torch.equal(mine, its)
    for fit in (one, other):
        torch.manual_seed(1)
        fit.step(3, collate(examples, reader, "cpu"))
    for mine, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_learning_rates_rise_and_fall_and_are_those_of_an_unbroken_run_after_a_stop(
    encoder: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    examples = [prepare(s, WordReader(encoder), 99) for s in CAPTURES]
    recipe = Recipe(epochs=5, batch=1, rate=2e-3, head_rate=3e-3, warmup=0.2)
    whole, stopped, resumed = (
        train._Fit(recipe, fresh(encoder), examples, tmp_path / "c.safetensors") for _ in range(3)
    )
    batch = collate(examples[:1], WordReader(encoder), "cpu")

    def rates(fit: train._Fit, steps: range) -> list[list[float]]:
        told = []
        for number in steps:
            fit.step(number, batch)
            told.append(sorted({group["lr"] for group in fit.optimizer.param_groups}))
        return told

    unbroken = rates(whole, range(1, 21))
    # As torch's own LambdaLR has them, which steps after the optimizer.
    factors = [n / 4 for n in range(4)] + [(20 - n) / 16 for n in range(4, 20)]
    assert unbroken == [sorted({2e-3 * factor, 3e-3 * factor}) for factor in factors]

    rates(stopped, range(1, 8))
    stopped.save_checkpoint(7)
    assert resumed.go_on() == 7
    assert rates(resumed, range(8, 21)) == unbroken[7:]
    assert [str(one.message) for one in recwarn if "lr_scheduler" in str(one.message)] == []


def test_a_checkpoint_of_another_recipe_is_refused(
    encoder: Path, tmp_path: Path, small: Recipe
) -> None:
    examples = [prepare(s, WordReader(encoder), 99) for s in CAPTURES]
    path = tmp_path / "c.safetensors"
    fit = train._Fit(small, fresh(encoder), examples, path)
    fit.step(1, collate(examples, WordReader(encoder), "cpu"))
    fit.save_checkpoint(1)
    other = train._Fit(replace(small, seed=2), fresh(encoder), examples, path)
    with pytest.raises(ValueError, match="take it away to train anew"):
        other.go_on()


def fresh(encoder: Path) -> EventNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(types=list(ontology().names), statuses=list(STATUSES))
    return EventNetwork.from_encoder(encoder, config)


def test_a_taught_example_comes_back_from_its_shard(tmp_path: Path) -> None:
    predictor = predict.load(predict.DEFAULT_MODEL)
    texts = tmp_path / "texts.jsonl.gz"
    rows = [
        ("a", "Rebels captured two pilots near Malha, and the ministry denied it on Monday."),
        ("b", "The weather was fine all over the country."),
        ("c", "No."),
    ]
    lines = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in rows)
    texts.write_bytes(gzip.compress(lines.encode()))
    ids, examples = teach.look(predictor, rows)
    assert ids == ["a", "b"]
    assert [len(e.triggers) > 0 for e in examples] == [True, False]
    teach.write(tmp_path / "0000.safetensors", ids, examples)
    back = teach.read(tmp_path, texts, predictor.reader)
    for mine, its in zip(examples, back, strict=True):
        assert mine.words == its.words
        assert torch.equal(mine.labels, its.labels)
        for one, other in zip(mine.triggers, its.triggers, strict=True):
            assert (one.words, one.type) == (other.words, other.type)
            assert torch.equal(one.status, other.status)
            assert torch.equal(one.inside, other.inside)
            assert torch.equal(one.begin, other.begin)


def test_two_teachers_teach_their_mean(tmp_path: Path) -> None:
    predictor = predict.load(predict.DEFAULT_MODEL)
    rows = [("a", "Rebels captured two pilots near Malha, and the ministry denied it on Monday.")]
    _, (other,) = teach.look(predictor, rows)
    assert len(other.triggers) >= 2
    unsure = replace(
        other,
        labels=torch.full_like(other.labels, 0.5),
        triggers=[replace(t, inside=torch.ones_like(t.inside)) for t in other.triggers[1:]],
    )
    (mean,) = teach.beside(predictor, [unsure])
    assert mean.words == other.words
    assert torch.allclose(mean.labels.float(), other.labels.float() / 2 + 0.25, atol=2e-3)
    for one, its in zip(mean.triggers, other.triggers[1:], strict=True):
        assert (one.words, one.type) == (its.words, its.type)
        assert torch.allclose(one.inside.float(), its.inside.float() / 2 + 0.5, atol=2e-3)
        assert torch.allclose(one.status, its.status, atol=2e-3)


def test_what_is_annotated_is_not_taught(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl.gz"
    rows = [{"id": str(n), "text": f"Sentence {n % 7}."} for n in range(9)]
    texts.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    chosen = teach.choose(texts, {datasets.normalised("sentence 3")}, 100)
    assert sorted(text for _, text in chosen) == [f"Sentence {n}." for n in (0, 1, 2, 4, 5, 6)]
    assert teach.choose(texts, set(), 3) == teach.choose(texts, set(), 100)[:3]


def test_accuracy_of_the_status_is_not_bought_with_the_rare_ones() -> None:
    def found(scale: int, **alleged: int) -> Scores:
        rare = {(status, status): 8 * scale for status in train.RARE}
        of_occurred = {("occurred", "occurred"): 100 * scale - alleged["invented"]}
        of_occurred["occurred", "alleged"] = alleged["invented"]
        rare["alleged", "alleged"] -= alleged["lost"]
        pairs = of_occurred | rare | {("alleged", "occurred"): alleged["lost"]}
        return Scores(status=Counter(pairs))

    even, blind = found(10, invented=100, lost=0), found(10, invented=0, lost=40)
    assert even.status_accuracy() < blind.status_accuracy()
    assert train.status_merit(even) > train.status_merit(blind)
    # Of eight events four may be lost by chance.
    few = found(1, invented=0, lost=4)
    assert train.status_merit(few) == few.status_accuracy()
