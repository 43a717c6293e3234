"""A model's folder on disk: its weights, and what is said about them in JSON.

Weights are safetensors, each row of a matrix as 8-bit integers with a scale of its own: a quarter
of float32's size, widened once at load, so that it costs nothing per sentence. The manifest holds
size and SHA-256: a truncated download or a Git LFS pointer is told from a model before anything
tries to parse it.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, TypeVar

import msgspec
import torch
from msgspec import Meta
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from eventwire.models.ontology import STATUSES, ontology

WEIGHTS = "model.safetensors"
MANIFEST = "manifest.json"
CONFIG = "config.json"
_SCALE = ".scale"
SMALLEST = 2.0**-14
"""Smallest scale that float16 holds with all its digits; far below any trained row's."""

REMEDY = "fetch the file again (`git checkout` it, or reinstall eventwire)"


class WeightsError(Exception):
    """The model's files are not what they should be; the message says which, and what to do."""


class Manifest(TypedDict):
    bytes: int
    """Of the weights file."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


_Size = Annotated[int, Meta(ge=1, le=1_000_000)]
_Share = Annotated[float, Meta(ge=0, lt=1)]


class _Encoder(TypedDict):
    vocab_size: _Size
    hidden_size: _Size
    num_hidden_layers: _Size
    num_attention_heads: _Size
    intermediate_size: _Size
    max_position_embeddings: _Size


class _Config(TypedDict):
    encoder: _Encoder
    types: Annotated[list[str], Meta(min_length=1)]
    statuses: Annotated[list[str], Meta(min_length=1)]
    reader_width: NotRequired[_Size]
    reader_layers: NotRequired[_Size]
    reader_heads: NotRequired[_Size]
    dropout: NotRequired[_Share]


T = TypeVar("T")


def save(folder: Path, state: dict[str, Tensor]) -> None:
    """Write the weights and their manifest into `folder`."""
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim == 2 and tensor.shape[1] >= 32:
            scale = (tensor.float().abs().amax(1, keepdim=True) / 127).clamp(min=SMALLEST).half()
            packed[name] = (tensor.float() / scale).round().clamp(-127, 127).to(torch.int8)
            packed[name + _SCALE] = scale
        else:
            packed[name] = tensor.to(torch.float16 if tensor.is_floating_point() else tensor.dtype)
    path = folder / WEIGHTS
    safetensors.save_file({name: tensor.contiguous() for name, tensor in packed.items()}, path)
    data = path.read_bytes()
    manifest = {"file": WEIGHTS, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def read(folder: Path, name: str, kind: type[T]) -> T:
    """A JSON file of a model folder. Raises WeightsError where it is missing or no `kind`."""
    path = folder / name
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> WeightsError:
    reason = error.strerror if isinstance(error, OSError) else error
    return WeightsError(f"{path}: cannot be read: {reason}; {REMEDY}")


def unfit(folder: Path, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())
    return WeightsError(
        f"{folder}: {CONFIG} and {WEIGHTS} do not fit each other: {reason[:200]}; {REMEDY}"
    )


def load_manifest(folder: Path) -> Manifest:
    """Raises WeightsError where there is no model in `folder`."""
    if not (folder / MANIFEST).is_file():
        raise WeightsError(f"{folder}: expected a model folder with {MANIFEST}, came none")
    return read(folder, MANIFEST, Manifest)


def load_config(folder: Path) -> dict[str, Any]:
    """The network's config.json, all of it. Raises WeightsError where a field that we need is
    missing or wrong, or names what the ontology does not have."""
    needed = read(folder, CONFIG, _Config)
    unknown = set(needed["types"]) - set(ontology().names) | set(needed["statuses"]) - set(STATUSES)
    if unknown:
        raise WeightsError(
            f"{folder / CONFIG}: expected types and statuses of the ontology, got {min(unknown)!r};"
            " train the model anew, or use the eventwire that it was trained with"
        )
    return read(folder, CONFIG, dict[str, Any])


def load(folder: Path) -> dict[str, Tensor]:
    """The state dict in float32. Raises WeightsError where a file is missing, cut or changed."""
    manifest = load_manifest(folder)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) != manifest["bytes"]:
        raise _unlike(path, "bytes", manifest["bytes"], len(data))
    if (digest := hashlib.sha256(data).hexdigest()) != manifest["sha256"]:
        raise _unlike(path, "sha256", manifest["sha256"], digest)
    try:
        packed = safetensors.load(data)
    except SafetensorError as error:
        raise unreadable(path, error) from error
    return {
        name: tensor.float() * packed[name + _SCALE]
        if tensor.dtype == torch.int8
        else _wide(tensor)
        for name, tensor in packed.items()
        if not name.endswith(_SCALE)
    }


def _unlike(path: Path, what: str, expected: int | str, found: int | str) -> WeightsError:
    return WeightsError(f"{path}: expected {what} {expected} ({MANIFEST}), found {found}; {REMEDY}")


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
