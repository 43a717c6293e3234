import gzip
import json
from argparse import ArgumentParser
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from eventwire.models import predict, train
from eventwire.models.corpus import (
    AnnotatedEvent,
    AnnotatedSentence,
    AnnotationError,
    read_standoff,
)
from eventwire.models.scores import score
from eventwire.models.examples import prepare
from eventwire.models.train import LeakageError, Recipe
from eventwire.models.words import TOKENIZER, WordReader

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
    fitted, validation = train.split([sentence(f"paper-{n // 5}-{n}", "x") for n in range(2000)])
    sides = [{s.id.rpartition("-")[0] for s in side} for side in (fitted, validation)]
    assert not sides[0] & sides[1]
    assert 0.03 < len(validation) / 2000 < 0.09


def test_our_own_corpus_only_trains() -> None:
    _, validation = train.split([sentence(f"talks:{n}", "x") for n in range(500)])
    assert validation == []


def test_a_sentence_shared_with_an_evaluation_file_is_refused_whatever_its_punctuation() -> None:
    ours = [sentence("a-1", "Troops left the town."), sentence("a-2", "It rained.")]
    with pytest.raises(LeakageError, match=r"1 training sentences .* first a-1 \(there dev-9\)"):
        train.refuse_leakage(ours, [sentence("dev-9", "“Troops left the TOWN”")])


def test_training_refuses_leakage_before_it_starts(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "Troops left.", "events": []}\n')
    parser = ArgumentParser()
    train.add_arguments(parser)
    arguments = parser.parse_args(["--data", str(gold), "--evaluation", str(gold)])
    with pytest.raises(LeakageError):
        train.run(arguments)


def test_training_refuses_data_without_an_event(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text("")
    parser = ArgumentParser()
    train.add_arguments(parser)
    arguments = parser.parse_args(["--data", str(gold), "--evaluation", str(gold)])
    with pytest.raises(AnnotationError, match="expected events to learn"):
        train.run(arguments)


def test_offsets_become_words() -> None:
    text = "Rebels captured two pilots."
    example = prepare(
        sentence("a-1", text, capture(text, "Rebels", "two pilots")), reader, 99
    )
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
