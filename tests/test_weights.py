from pathlib import Path

import pytest
import torch

from eventwire.models import weights
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
