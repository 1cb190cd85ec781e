"""`Job`: a request with every name looked up, so that wrong use shows before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2m_bench.core.errors import UsageError
from t2m_bench.core.method import Method
from t2m_bench.core.recipe import Recipe
from t2m_bench.runs.keys import method_facts
from t2m_bench.runs.label import MethodChoice
from t2m_bench.runs.plan import Unit, check_drives, choose_clips, choose_methods, plan_units
from t2m_bench.runs.problem import Problem, problem_of
from t2m_bench.runs.request import RunRequest
from t2m_bench.runs.wiring import Dataset, Wiring


@dataclass(frozen=True)
class ReadyMethod:
    """A method that could be made, and what decides its behaviour."""

    method: Method
    facts: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a run is to do."""

    request: RunRequest
    dataset: Dataset
    recipe: Recipe
    units: tuple[Unit, ...]
    methods: Mapping[str, ReadyMethod | Problem]
    """By label. A method whose libraries or model files are missing is a problem of its units, not of the run."""
    data: Mapping[str, Any]
    """Digests of the manifest and of the clips at hand."""


def resolve(request: RunRequest, wiring: Wiring) -> Job:
    """Look up all names of a request and make its methods.

    Raises:
        UsageError: an unknown name, a wrong setting, or nothing to do.
        DataError: the dataset has no data.
    """
    check_drives(request)
    choices = choose_methods(request, wiring.methods())
    dataset = wiring.dataset(request.dataset)
    recipe = wiring.recipe(request.recipe or dataset.card.recipe)
    every = dataset.clips(request.data_root)
    units = plan_units(choices, choose_clips(every, request), every, request)
    first = {unit.method.label: unit for unit in reversed(units)}
    methods = {label: _make(unit.method, wiring, request.out) for label, unit in first.items()}
    return Job(request, dataset, recipe, units, methods, dataset.digests(every))


def _make(choice: MethodChoice, wiring: Wiring, out: Path) -> ReadyMethod | Problem:
    try:
        method = wiring.make_method(choice.card, choice.preset, dict(choice.settings))
        return ReadyMethod(method, method_facts(choice, method.identity()))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a method is foreign code: whatever it raises is its units' failure
        return problem_of("prepare", error, out)
