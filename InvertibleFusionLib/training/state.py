"""Training states: everything needed to go on exactly where a run was stopped. Tensors and JSON, nothing unpickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.card_file import DIGEST_KEY
from InvertibleFusionLib.models.model_file import tensor_digest, write_tensors
from InvertibleFusionLib.training.objective import Objective
from InvertibleFusionLib.training.schedule import Progression

STATE_KEY = "invertible_fusion_training_state"


@dataclass
class Position:
    """How far a run is.

    Attributes:
        step: optimization steps done.
        progression: of the validations.
        ceilings: of each turn, the loss above which it has diverged; from the run's first step.
        settings: what the run was told, so that it goes on under the same; JSON-ready.
        sessions: where and how it was trained, one entry for each change, with the step it holds from; JSON-ready.
    """

    step: int = 0
    progression: Progression = field(default_factory=Progression)
    ceilings: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def add_session(self, session: dict[str, Any], steps: int) -> None:
        """Note how the run goes on, if it goes on and is not as before."""
        before = (
            {name: value for name, value in self.sessions[-1].items() if name != "from_step"} if self.sessions else {}
        )
        if self.step < steps and session != before:
            self.sessions = [*self.sessions, {"from_step": self.step, **session}]


def save_state(path: Path, objective: Objective, optimizers: Mapping[str, Optimizer], position: Position) -> None:
    """Write the state, whole or not at all.

    Raises:
        OutputError: when it cannot be written.
    """
    tensors = {f"objective.{name}": _plain(value) for name, value in objective.state_dict().items()}
    for turn, optimizer in optimizers.items():
        for number, of_parameter in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{turn}.{number}.{name}": _plain(value) for name, value in of_parameter.items()}
    described = {
        "step": position.step,
        "progression": position.progression.to_json(),
        "ceilings": position.ceilings,
        "settings": position.settings,
        "sessions": position.sessions,
    }
    metadata = {STATE_KEY: json.dumps(described, sort_keys=True), DIGEST_KEY: tensor_digest(tensors)}
    write_tensors(tensors, metadata, path)


def load_state(path: Path, objective: Objective, optimizers: Mapping[str, Optimizer]) -> Position:
    """Put a state back into an objective and its optimizers.

    Raises:
        ConfigurationError: when the file is damaged or is the state of something else.
    """
    tensors, position = read_state(path)
    expected = objective.state_dict()
    weights = {name.removeprefix("objective."): value for name, value in tensors.items() if name[:10] == "objective."}
    if weights.keys() != expected.keys() or any(weights[n].shape != expected[n].shape for n in expected):
        raise ConfigurationError(f"{path} is the training state of another network. Start again without it.")
    objective.load_state_dict(weights)
    for turn, optimizer in optimizers.items():
        _load_optimizer(optimizer, turn, tensors)
    return position


def read_state(path: Path) -> tuple[dict[str, Tensor], Position]:
    """The tensors and the position of a state.

    Raises:
        ConfigurationError: when it is missing, cut or changed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        described = json.loads(metadata[STATE_KEY])
        if tensor_digest(tensors) != metadata[DIGEST_KEY]:
            raise ConfigurationError(f"The training state {path} is damaged. Remove it and start again.")
        progression = Progression(**described["progression"])
        position = Position(
            described["step"], progression, described["ceilings"], described["settings"], described["sessions"]
        )
        return tensors, position
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"{path} is no training state ({error}). Remove it and start again.") from error


def _load_optimizer(optimizer: Optimizer, turn: str, tensors: Mapping[str, Tensor]) -> None:
    """Moments go into tensors laid out like their parameters, as those of an uninterrupted run are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(parameters):
        prefix = f"optimizer.{turn}.{number}."
        for name, value in tensors.items():
            if name.startswith(prefix):
                like = parameter if value.shape == parameter.shape else value
                optimizer.state[parameter][name.removeprefix(prefix)] = torch.empty_like(like).copy_(value).detach()


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()
