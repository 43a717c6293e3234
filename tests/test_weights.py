import json
from pathlib import Path
from typing import Any

import pytest
import torch

from eventwire.models import predict, weights
from eventwire.models.weights import WeightsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = {"matrix": torch.randn(8, 64), "bias": torch.randn(8), "flat": torch.zeros(2, 64)}
    weights.save(tmp_path, state)
    return tmp_path


def test_a_row_comes_back_within_half_a_step_of_its_scale(folder: Path) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(8, 64)
    error = (weights.load(folder)["matrix"] - matrix).abs()
    assert (error <= matrix.abs().amax(1, keepdim=True) / 127 * 0.52).all()


def test_vectors_come_back_in_float32(folder: Path) -> None:
    assert weights.load(folder)["bias"].dtype == torch.float32


def test_a_row_of_zeros_stays_zero(folder: Path) -> None:
    assert (weights.load(folder)["flat"] == 0).all()


def test_no_scale_is_left_in_the_state(folder: Path) -> None:
    assert sorted(weights.load(folder)) == ["bias", "flat", "matrix"]


def test_a_git_lfs_pointer_is_refused_with_both_sizes(folder: Path) -> None:
    path = folder / weights.WEIGHTS
    size = path.stat().st_size
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 24\n")
    with pytest.raises(WeightsError, match=rf"expected bytes {size} .* found \d+; fetch the file"):
        weights.load(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    path = folder / weights.WEIGHTS
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="found 100"):
        weights.load(folder)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / weights.WEIGHTS).write_bytes(b"")
    with pytest.raises(WeightsError, match="found 0"):
        weights.load(folder)


def test_a_changed_byte_is_refused(folder: Path) -> None:
    path = folder / weights.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="expected sha256"):
        weights.load(folder)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected a model folder with manifest\.json"):
        weights.load(tmp_path)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / weights.WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors: cannot be read"):
        weights.load(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "missing required field `bytes`"),
        ("[]", "Expected `object`, got `array`"),
        ("{", "truncated"),
        ('{"bytes": "many", "sha256": ""}', r"Expected `int`, got `str` - at `\$\.bytes`"),
        ('{"bytes": 1, "sha256": "x"}', r"at `\$\.sha256`"),
    ],
)
def test_a_manifest_that_is_none_is_blamed_itself(folder: Path, content: str, reason: str) -> None:
    (folder / weights.MANIFEST).write_text(content)
    with pytest.raises(WeightsError, match=rf"manifest\.json: .*{reason}.*; fetch the file again"):
        weights.load(folder)


def test_weights_that_match_their_manifest_and_are_none_are_refused(folder: Path) -> None:
    (folder / weights.WEIGHTS).write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (folder / weights.MANIFEST).write_text(json.dumps({"bytes": 0, "sha256": empty}))
    with pytest.raises(WeightsError, match=r"model\.safetensors: cannot be read: .*header"):
        weights.load(folder)


# ---------------------------------------------------------------------------------- whole folders


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the model that ships, the large files linked."""
    for file in predict.DEFAULT_MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def put(model: Path, name: str, content: str | bytes) -> None:
    (model / name).unlink()
    (model / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def config(**changes: Any) -> str:
    stored = json.loads((predict.DEFAULT_MODEL / weights.CONFIG).read_text())
    encoder = stored["encoder"] | changes.pop("encoder", {})
    return json.dumps(stored | {"encoder": encoder} | changes)


def test_the_config_of_the_model_that_ships_is_read_whole(model: Path) -> None:
    assert weights.load_config(model) == json.loads(config())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "truncated"),
        (b"\xff\xfe{", "malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `encoder`"),
        (config(types="capture"), r"Expected `array`, got `str` - at `\$\.types`"),
        (config(types=[]), r"at `\$\.types`"),
        (config(encoder={"hidden_size": "wide"}), r"at `\$\.encoder\.hidden_size`"),
        (config(encoder={"hidden_size": 0}), r"at `\$\.encoder\.hidden_size`"),
        (config(reader_width=1.5), r"at `\$\.reader_width`"),
        (config(types=["gathering"]), "types and statuses of the ontology, got 'gathering'"),
        (config(statuses=["rumoured"]), "of the ontology, got 'rumoured'"),
        (config(reader_heads=3), "reader_heads that divide reader_width, 256, got 3"),
        ("[" * 100_000, "recursion|malformed|truncated|`object`"),
    ],
)
def test_a_config_that_is_none_is_refused_with_its_field(
    model: Path, content: str | bytes, reason: str
) -> None:
    put(model, weights.CONFIG, content)
    with pytest.raises(WeightsError, match=rf"config\.json: .*({reason}).*; "):
        predict.load(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"reader_width": 128},
        {"types": ["capture"]},
        {"encoder": {"num_attention_heads": 11}},
        {"dtype": "int99"},
    ],
)
def test_a_config_of_other_weights_is_refused_in_one_line(
    model: Path, changes: dict[str, Any]
) -> None:
    put(model, weights.CONFIG, config(**changes))
    with pytest.raises(WeightsError, match="do not fit each other") as refused:
        predict.load(model)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("name", ["config.json", "decoding.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[]"])
def test_every_file_of_a_model_is_named_where_it_is_missing_or_broken(
    model: Path, name: str, content: bytes | None
) -> None:
    put(model, name, content or b"")
    if content is None:
        (model / name).unlink()
    with pytest.raises(WeightsError, match=rf"{name}: cannot be read: .*; fetch the file again"):
        predict.load(model)
