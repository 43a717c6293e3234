import random
from pathlib import Path

import pytest
import torch

from eventwire.models import predict
from eventwire.models.corpus import read_corpus
from eventwire.models.network import Pieces
from eventwire.models.packed import encoder
from eventwire.models.predict import Predictor
from eventwire.models.words import Words

BEHAVIOUR = Path(__file__).with_name("behaviour")


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    return predict.load(predict.DEFAULT_MODEL, dtype=request.param)


@pytest.fixture(scope="module")
def sentences(predictor: Predictor) -> list[Words]:
    return predictor.reader.read([s.text for s in read_corpus(BEHAVIOUR)][::12])


@torch.inference_mode()
def packed(predictor: Predictor, pieces: Pieces) -> torch.Tensor:
    return encoder(predictor.network)(pieces)


@torch.inference_mode()
def test_words_have_the_vectors_that_the_padded_encoder_gives_them(
    predictor: Predictor, sentences: list[Words]
) -> None:
    batch = predictor.reader.pieces(sentences)
    difference = packed(predictor, batch) - predictor.network.encode(batch)
    furthest = difference[batch.word_mask].abs().max()
    assert furthest < (1e-4 if predictor.dtype == torch.float32 else 0.15)


def test_a_sentence_has_the_same_vectors_to_the_last_bit_whatever_stands_beside_it(
    predictor: Predictor, sentences: list[Words]
) -> None:
    shuffled = list(range(len(sentences)))
    random.Random(7).shuffle(shuffled)
    together = packed(predictor, predictor.reader.pieces([sentences[n] for n in shuffled]))
    for row, number in enumerate(shuffled):
        (alone,) = packed(predictor, predictor.reader.pieces([sentences[number]]))
        count = len(sentences[number].spans)
        assert torch.equal(together[row, :count], alone[:count])
