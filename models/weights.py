"""Weights on disk: safetensors, each row of a matrix as 8-bit integers with a scale of its own.

A quarter of float32's size; widened once at load, so that it costs nothing per sentence. The
manifest holds size and SHA-256: a truncated download or a Git LFS pointer is told from a model
before anything tries to parse it.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import torch as safetensors
from torch import Tensor

WEIGHTS = "model.safetensors"
MANIFEST = "manifest.json"
_SCALE = ".scale"
SMALLEST = 2.0**-14
"""Smallest scale that float16 holds with all its digits; far below any trained row's."""


class WeightsError(Exception):
    """The model's files are not what they should be; the message says which, and what to do."""


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


def load_manifest(folder: Path) -> dict[str, str | int]:
    """Raises WeightsError where there is no model in `folder`."""
    try:
        manifest: dict[str, str | int] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: expected a model folder with {MANIFEST}: {error}") from error
    return manifest


def load(folder: Path) -> dict[str, Tensor]:
    """The state dict in float32. Raises WeightsError where a file is missing, cut or changed."""
    manifest = load_manifest(folder)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    found = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    for key, value in found.items():
        if manifest.get(key) != value:
            raise WeightsError(
                f"{path}: expected {key} {manifest.get(key)} ({MANIFEST}), found {value}; "
                "fetch the file again (`git checkout` it, or reinstall eventwire)"
            )
    packed = safetensors.load(data)
    return {
        name: tensor.float() * packed[name + _SCALE]
        if tensor.dtype == torch.int8
        else _wide(tensor)
        for name, tensor in packed.items()
        if not name.endswith(_SCALE)
    }


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
