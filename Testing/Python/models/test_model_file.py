import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from InvertibleFusionLib.errors import ConfigurationError, ModelFileError, OutputError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_file import CARD_KEY, DIGEST_KEY, read_card
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.models.model_file import read_model, save_model
from InvertibleFusionLib.models.shipped import fusion_model_for, load_model, shipped_cards, shipped_models


def card(**other: object) -> ModelCard:
    fields: dict[str, object] = {
        "name": "small",
        "architecture": "fusioninn",
        "configuration": PRESETS["default"].to_json(),
        "task": "fusion",
        "inputs": ["ADC", "FLAIR"],
        "outputs": ["fused"],
        "intensity": {"method": "percentile", "lower": 0.1, "upper": 99.9},
    }
    return ModelCard(**{**fields, **other})  # type: ignore[arg-type]


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_model(FusionINN(PRESETS["default"], seed=4), card(), path)
    return path


def rewritten(path: Path, change: dict[str, str] | None = None, **tensors: torch.Tensor) -> Path:
    """The file with other metadata or tensors, as somebody might make it by hand."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), **(change or {})}
    save_file({**load_file(path), **tensors}, path, metadata)
    return path


def test_a_model_comes_back_as_it_was(model_file: Path) -> None:
    model = read_model(model_file)
    original = FusionINN(PRESETS["default"], seed=4)
    x = torch.rand(1, 2, 8, 8)
    assert torch.equal(model.network(x), original(x))
    assert model.card == card() == read_card(model_file)
    assert len(model.sha256) == 64
    assert list(model_file.parent.iterdir()) == [model_file]


def test_half_precision_halves_the_file_and_is_read_as_float32(model_file: Path, tmp_path: Path) -> None:
    """Rounded to eleven bits; the permutations, whole numbers, are as before."""
    half = tmp_path / "half.safetensors"
    save_model(FusionINN(PRESETS["default"], seed=4), card(), half, "float16")
    whole, rounded = read_model(model_file).network.state_dict(), read_model(half).network.state_dict()
    for name, value in whole.items():
        assert rounded[name].dtype == value.dtype
        if value.is_floating_point():
            torch.testing.assert_close(rounded[name], value, rtol=2**-11, atol=2**-25)
        else:
            assert torch.equal(rounded[name], value)
    bytes_of = [sum(t.nbytes for t in load_file(path).values() if t.is_floating_point()) for path in (model_file, half)]
    assert bytes_of[0] == 2 * bytes_of[1]
    damaged = bytearray(half.read_bytes())
    damaged[-1] ^= 1
    half.write_bytes(damaged)
    with pytest.raises(ModelFileError, match="digest"):
        read_model(half)


def test_weights_too_large_for_half_precision_are_not_written(tmp_path: Path) -> None:
    network = FusionINN(PRESETS["default"], seed=4)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = 1e5
    with pytest.raises(OutputError, match="values too large for float16"):
        save_model(network, card(), tmp_path / "half.safetensors", "float16")
    assert not list(tmp_path.iterdir())
    save_model(network, card(), tmp_path / "whole.safetensors")
    assert read_model(tmp_path / "whole.safetensors")


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 3000, -1])
def test_a_cut_model_file_is_refused(model_file: Path, keep: int) -> None:
    model_file.write_bytes(model_file.read_bytes()[:keep])
    refuses(model_file)


def test_a_changed_weight_is_noticed_by_its_digest(model_file: Path) -> None:
    data = bytearray(model_file.read_bytes())
    data[-5] ^= 1
    model_file.write_bytes(data)
    assert "digest" in refuses(model_file)


def test_wrong_shapes_missing_and_unknown_tensors_are_named(model_file: Path) -> None:
    from InvertibleFusionLib.models.model_file import tensor_digest

    def saved(tensors: dict[str, torch.Tensor]) -> Path:
        save_file(tensors, model_file, {CARD_KEY: json.dumps(card().to_json()), DIGEST_KEY: tensor_digest(tensors)})
        return model_file

    tensors = load_file(model_file)
    name = "flow.layers.1.subnet1.0.weight"
    wrong = refuses(saved({**tensors, name: torch.zeros(16, 1, 3, 3)}))
    assert name in wrong
    assert "(16, 1, 3, 3)" in wrong
    assert "(32, 1, 3, 3)" in wrong
    assert name in refuses(saved({key: value for key, value in tensors.items() if key != name}))
    assert "extra" in refuses(saved({**tensors, "extra": torch.zeros(1)}))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_is_never_opened(tmp_path: Path, how: str) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (trace,))  # type: ignore[return-value]

    if how == "torch":
        torch.save({"model_state_dict": Bomb()}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    assert "import-checkpoint" in refuses(path)
    assert not trace.exists()


def test_files_of_other_kinds_are_refused(tmp_path: Path, model_file: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not a model")
    refuses(text)
    plain = tmp_path / "plain.safetensors"
    save_file({"a": torch.zeros(3)}, plain)
    assert "description" in refuses(plain)
    refuses(tmp_path / "missing.safetensors")
    newer = {CARD_KEY: json.dumps({**card().to_json(), "format_version": 99})}
    assert "99" in refuses(rewritten(model_file, newer))


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "unheard-of"},
        {"configuration": {"blocks": 3, "colour": "red"}},
        {"configuration": {"blocks": -1}},
        {"configuration": {"blocks": "three"}},
    ],
)
def test_a_description_that_makes_no_network_is_refused(model_file: Path, change: dict[str, object]) -> None:
    refuses(rewritten(model_file, {CARD_KEY: json.dumps(card(**change).to_json())}))


def refuses(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_model_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        save_model(FusionINN(), card(), blocked / "model.safetensors")
    assert list(tmp_path.iterdir()) == [blocked]


def test_every_shipped_model_loads_and_says_what_it_is() -> None:
    assert "fusioninn-t1gd-flair" in shipped_models()
    for name, each in zip(shipped_models(), shipped_cards(), strict=True):
        model = load_model(name)
        assert each == model.card
        assert each.name == name
        assert each.training["data"]
        assert all(source["licence"] for source in each.training["data"])
        assert each.metrics
        assert "esearch use only" in each.intended_use


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelFileError, match="fusioninn-t1gd-flair"):
        load_model("fusioninn-t1gd-flare")


def test_a_model_for_comparison_does_not_take_the_default_ones_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order the files come in."""
    cards = [card for card in shipped_cards() if card.inputs == ["T1Gd", "FLAIR"]]
    assert len(cards) > 1
    for order in (cards, cards[::-1]):
        monkeypatch.setattr("InvertibleFusionLib.models.shipped.shipped_cards", lambda order=order: order)
        assert fusion_model_for(["T1Gd", "FLAIR"]) == "fusioninn-t1gd-flair"


def test_the_model_for_unknown_contrasts_is_the_default() -> None:
    assert fusion_model_for(["t1gd", "flair"]) == "fusioninn-t1gd-flair"
    assert fusion_model_for(["CT", "PET"]) == "fusioninn-t1gd-flair"


def test_every_length_of_header_can_be_loaded(tmp_path: Path) -> None:
    """A file begins with its header's length, whose first byte can be that of a pickle or of a zip."""
    network, first_bytes = FusionINN(PRESETS["default"]), set()
    for length in range(0, 400, 8):
        path = tmp_path / f"{length}.safetensors"
        save_model(network, card(intended_use="x" * length), path)
        first_bytes.add(path.read_bytes()[0])
        assert read_model(path).card.intended_use == "x" * length
    assert 0x80 in first_bytes


def test_weights_that_are_not_numbers_and_orders_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    network = FusionINN(PRESETS["default"])
    with torch.no_grad():
        network.flow.layers[0].bias[0, 0] = float("nan")
    save_model(network, card(), path)
    assert "not finite" in refuses(path)
    network = FusionINN(PRESETS["default"])
    network.flow.layers[2].order = torch.tensor([0, 0])
    save_model(network, card(), path)
    assert "[0, 0]" in refuses(path)


@pytest.mark.parametrize(
    "change", [{"prior": "nonsense"}, {"backwards_from": "nowhere"}, {"permutation": "none"}], ids=str
)
def test_unknown_settings_are_not_taken_for_known_ones(model_file: Path, change: dict[str, object]) -> None:
    configuration = {**PRESETS["default"].to_json(), **change}
    text = json.dumps(card(configuration=configuration).to_json())
    assert str(next(iter(change.values()))) in refuses(rewritten(model_file, {CARD_KEY: text}))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_model_that_may_not_be_read_is_a_sentence(model_file: Path) -> None:
    model_file.chmod(0)
    assert "permissions" in refuses(model_file)


def ivan_card(**other: object) -> ModelCard:
    fields: dict[str, object] = {
        "name": "tiny",
        "architecture": "ivan",
        "configuration": IvanConfiguration(inputs=(1, 1), outputs=(3,), blocks=2, growth=2).to_json(),
        "task": "synthesis",
        "inputs": ["T1", "T2"],
        "outputs": ["PET"],
    }
    return card(**{**fields, **other})


def test_an_ivan_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    network = Ivan(IvanConfiguration(inputs=(1, 1), outputs=(3,), blocks=2, growth=2, start_as_identity=False), seed=4)
    network.eval()  # while it learns it is computed otherwise, with other last bits
    saved = ivan_card(configuration=network.configuration.to_json())
    save_model(network, saved, path)
    model = read_model(path)
    x = torch.rand(1, 2, 5, 7)
    assert torch.equal(model.synthesis_network.synthesize(x), network.synthesize(x))
    assert torch.equal(model.invertible_synthesis_network.inverse(network(x)), network.inverse(network(x)))
    assert model.card == saved == read_card(path)
    with pytest.raises(ConfigurationError, match=r"makes PET from T1 \+ T2; it does not fuse"):
        _ = model.fusion_network


def test_a_fusion_model_does_not_synthesize(model_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not synthesize"):
        _ = read_model(model_file).synthesis_network


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": ["T1"]},
        {"inputs": 2},
        {"outputs": ["R", "G", "B"]},
        {"task": "fusion"},
        {"configuration": {"inputs": [1, 2]}},
        {"configuration": {"inputs": [1, 1], "outputs": [1, 1], "growth": 2}, "outputs": ["T2", "T2"]},
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_its_network_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(Ivan(IvanConfiguration(blocks=2, growth=2)), ivan_card(**change), path)
    refuses(path)


def test_a_convolution_that_cannot_be_inverted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    network = Ivan(IvanConfiguration(inputs=(1, 1), outputs=(3,), blocks=2, growth=2))
    network.flow.layers[0].permutation.zero_()
    save_model(network, ivan_card(), path)
    assert "not a permutation" in refuses(path)
