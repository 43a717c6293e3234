from pathlib import Path

import pytest
import torch

from eventwire.models.network import REACH, EventNetwork, NetworkConfig, Pieces, Triggers, distances

ENCODER = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}


@pytest.fixture
def network() -> EventNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(
        encoder=ENCODER,
        types=["capture", "summons", "denial"],
        statuses=["occurred", "negated"],
        reader_width=32,
        reader_heads=2,
    )
    network = EventNetwork(config)
    network.train(mode=False)
    return network


def pieces(rows: list[list[int]]) -> Pieces:
    """One word a piece."""
    seq = max(map(len, rows)) + 2
    padded = [[1, *row, 2] + [0] * (seq - len(row) - 2) for row in rows]
    words = [[n + 1 for n in range(len(row))] + [0] * (seq - 2 - len(row)) for row in rows]
    mask = torch.tensor([[1] * (len(row) + 2) + [0] * (seq - len(row) - 2) for row in rows])
    return Pieces(
        ids=torch.tensor(padded),
        case=torch.zeros(len(rows), seq, dtype=torch.long),
        mask=mask,
        first=torch.tensor(words),
        last=torch.tensor(words),
        word_mask=torch.tensor(words) > 0,
    )


def triggers(sentence: list[int], words: list[list[bool]], kind: list[int]) -> Triggers:
    return Triggers(
        sentence=torch.tensor(sentence), words=torch.tensor(words), type=torch.tensor(kind)
    )


def test_every_word_gets_a_logit_for_no_event_and_for_every_type(network: EventNetwork) -> None:
    vectors = network.encode(pieces([[5, 6, 7], [8, 9]]))
    assert vectors.shape == (2, 3, 32)
    assert network.trigger_logits(vectors).shape == (2, 3, 4)


def test_padding_changes_nothing(network: EventNetwork) -> None:
    alone, padded = pieces([[5, 6]]), pieces([[5, 6], [7, 8, 9, 10]])
    one, both = network.encode(alone), network.encode(padded)
    assert torch.allclose(one[0, :2], both[0, :2], atol=1e-5)
    read_one = network.read(one, alone.word_mask, triggers([0], [[False, True]], [0]))
    marked = [[False, True, False, False]]
    read_both = network.read(both, padded.word_mask, triggers([0], marked, [0]))
    assert torch.allclose(read_one.inside[0], read_both.inside[0, :2], atol=1e-5)
    assert torch.allclose(read_one.status, read_both.status, atol=1e-5)


def test_two_triggers_of_a_sentence_are_read_differently(network: EventNetwork) -> None:
    batch = pieces([[5, 6, 7, 8]])
    marked = [[True, False, False, False], [False, False, False, True]]
    reading = network.read(network.encode(batch), batch.word_mask, triggers([0, 0], marked, [0, 0]))
    assert reading.inside.shape == (2, 4, 5)
    assert not torch.allclose(reading.inside[0], reading.inside[1], atol=1e-3)


def test_the_type_of_a_trigger_matters_to_its_arguments(network: EventNetwork) -> None:
    batch = pieces([[5, 6, 7, 8]])
    marked = [[False, True, False, False]] * 2
    reading = network.read(network.encode(batch), batch.word_mask, triggers([0, 0], marked, [0, 2]))
    assert not torch.allclose(reading.status[0], reading.status[1], atol=1e-4)


def test_distance_is_signed_and_flat_on_the_trigger() -> None:
    marked = torch.tensor([[False, False, True, True, False]])
    assert (distances(marked) - REACH).tolist() == [[-2, -1, 0, 0, 1]]


def test_distance_is_clipped() -> None:
    marked = torch.zeros(1, 3 * REACH, dtype=torch.bool)
    marked[0, 0] = True
    assert distances(marked).max() == 2 * REACH


def test_a_saved_network_reads_the_same(network: EventNetwork, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    again = EventNetwork.from_pretrained(tmp_path)
    batch = pieces([[5, 6, 7, 8]])
    one, other = network.encode(batch), again.encode(batch)
    assert torch.allclose(one, other, atol=0.1)
    twice = tmp_path / "twice"
    again.save_pretrained(twice)
    assert torch.allclose(EventNetwork.from_pretrained(twice).encode(batch), other, atol=1e-3)
