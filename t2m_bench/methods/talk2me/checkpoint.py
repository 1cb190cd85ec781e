"""Checkpoints: tensors in safetensors, the rest in JSON. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from t2m_bench.core.atomic import atomic_path, write_text
from t2m_bench.core.errors import MethodError


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors to `path`, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, temporary)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote.

    Raises:
        MethodError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise MethodError(
            f"Checkpoint file {path} cannot be read ({error})", hint="Delete its folder to train again"
        ) from error


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to `path`, atomically, in their own precision."""
    save_tensors(
        path, {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}
    )


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote."""
    return {name: value.numpy() for name, value in load_tensors(path).items()}


def save_json(path: Path, value: Any) -> None:
    """Write a JSON value to `path`, atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MethodError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MethodError(
            f"Checkpoint file {path} cannot be read ({error})", hint="Delete its folder to train again"
        ) from error


def save_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write a resumable state: parameters, Adam's moments and the number of steps done."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"adam.{index}.{name}"] = torch.as_tensor(value)
    tensors["step"] = torch.tensor(step)
    save_tensors(path, tensors)


def load_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put a state back and return its number of steps; 0 and nothing changed if there is none."""
    if not path.exists():
        return 0
    tensors = load_tensors(path)
    step = int(tensors.pop("step"))
    module.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    return step
