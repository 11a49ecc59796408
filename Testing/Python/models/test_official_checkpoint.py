"""FrEIA itself writes the checkpoints; the newer layout is made from it as newer FrEIA documents the change."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN
from InvertibleFusionLib.models.official_checkpoint import read_official_checkpoint
from InvertibleFusionLib.models.shipped import load_model


@pytest.fixture
def graph() -> torch.nn.Module:
    """A FrEIA graph with weights of its own, not ours; unseeded permutations may be the identity, as theirs."""
    torch.manual_seed(2)
    made = freia_graph(FusionINN(PRESETS["paper"]), 12, 8)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:  # not the kernel of the squeeze
                parameter.normal_(std=0.1)
    order = torch.tensor([3, 0, 7, 2, 6, 1, 5, 4])
    state = made.state_dict()
    state["module_list.2.perm"], state["module_list.2.perm_inv"] = torch.tensor([0, 1]), torch.tensor([0, 1])
    state["module_list.5.perm"], state["module_list.5.perm_inv"] = order, torch.argsort(order)
    made.load_state_dict(state)
    return made


def newer_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """ActNorm as FrEIA writes it since 2023: (x − loc) / exp(log_scale)."""
    state = dict(state)
    scale, bias = state.pop("module_list.0.scale"), state.pop("module_list.0.bias")
    added = {"log_scale": -scale, "loc": -torch.exp(-scale) * bias, "is_initialized": torch.tensor(True)}
    return {**state, **{f"module_list.0.{name}": value for name, value in added.items()}}


def save(graph: torch.nn.Module, path: Path, layout: str) -> None:
    state = graph.state_dict()
    if "newer" in layout:
        state = newer_layout(state)
    if "parallel" in layout:
        state = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 399, "model_state_dict": state} if "bare" not in layout else state, path)


@pytest.mark.parametrize("layout", ["FrEIA 0.2", "newer", "FrEIA 0.2, bare", "newer, parallel"])
def test_an_imported_checkpoint_computes_what_the_graph_did(
    tmp_path: Path, graph: torch.nn.Module, layout: str
) -> None:
    path = tmp_path / "inn.pt"
    save(graph, path, layout)
    network = read_official_checkpoint(path)
    x = torch.rand(2, 2, 12, 8)
    (y, z), _ = graph(x)
    torch.testing.assert_close(network(x), torch.cat((y, z), 1), rtol=1e-5, atol=1e-5)
    back, _ = graph([y, z], rev=True)
    torch.testing.assert_close(network.inverse(torch.cat((y, z), 1)), back, rtol=1e-4, atol=1e-4)


def test_the_command_makes_a_model_file(
    tmp_path: Path, graph: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    save(graph, tmp_path / "inn.pt", "FrEIA 0.2")
    out = tmp_path / "official.safetensors"
    assert main(["import-checkpoint", str(tmp_path / "inn.pt"), "--out", str(out), "--inputs", "T1", "T2"]) == 0
    model = load_model(out)
    x = torch.rand(1, 2, 12, 8)
    torch.testing.assert_close(model.network(x)[:, :1], graph(x)[0][0], rtol=1e-5, atol=1e-5)
    assert model.card.inputs == ["T1", "T2"]
    assert model.card.intensity["method"] == "slice-minmax"
    assert str(out) in capsys.readouterr().out


def test_other_files_are_refused_and_run_nothing(tmp_path: Path, graph: torch.nn.Module) -> None:
    path, trace = tmp_path / "inn.pt", tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (trace,))

    def refuses() -> str:
        with pytest.raises(ModelFileError) as caught:
            read_official_checkpoint(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    refuses()
    torch.save({"model_state_dict": Bomb()}, path)
    refuses()
    assert not trace.exists()
    path.write_text("hello")
    refuses()
    torch.save([1, 2], path)
    refuses()
    state = graph.state_dict()
    torch.save({"model_state_dict": {**state, "module_list.4.subnet1.0.weight": torch.zeros(16, 4, 3, 3)}}, path)
    assert "(16, 4, 3, 3)" in refuses()
    torch.save({"model_state_dict": {k: v for k, v in state.items() if k != "module_list.7.subnet2.2.bias"}}, path)
    assert "module_list.7.subnet2.2.bias" in refuses()
    torch.save({"model_state_dict": {**state, "module_list.2.perm": torch.tensor([1, 1])}}, path)
    assert "permutation" in refuses()
    torch.save({"model_state_dict": {**state, "module_list.9.subnet1.0.weight": torch.zeros(1)}}, path)
    assert "module_list.9" in refuses()  # five blocks would become a wrong network of three
    weight = state["module_list.1.subnet1.0.weight"]
    torch.save({"model_state_dict": {**state, "module_list.1.subnet1.0.weight": weight.transpose(0, 1)}}, path)
    assert "(1, 32, 3, 3)" in refuses()
    torch.save({"model_state_dict": {**state, "module_list.1.subnet1.0.weight": weight * float("nan")}}, path)
    assert "finite" in refuses()
    save(graph, path, "FrEIA 0.2")
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for length in (0, 1, 100, 2000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refuses()
    for _ in range(60):
        damaged = bytearray(whole)
        for place in generator.integers(0, min(len(whole), 3000), 20):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_official_checkpoint(path)
        except ModelFileError as error:
            assert "\n" not in str(error)  # noqa: PT017 - damage outside what is read is no error
