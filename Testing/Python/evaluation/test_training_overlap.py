from collections.abc import Callable
from dataclasses import replace

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import model_method
from InvertibleFusionLib.evaluation.training_overlap import overlap_remarks
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules
from InvertibleFusionLib.models.model import Model


def test_a_patient_of_the_training_data_is_named(model: Model, blocks: Callable[..., EvaluationCase]) -> None:
    """Folders lie elsewhere on every computer, and studies are folders inside a patient's."""
    training = {"data": [{"name": "set", "patients": ["open_ms/patient07/study1"]}, {"name": "made", "phantoms": 3}]}
    method = replace(model_method(model, "ours", "cpu"), card=replace(model.card, training=training))
    seen, unseen = blocks("elsewhere/patient07", 0), blocks("patient19", 1)
    assert overlap_remarks([*fusion_rules(), method], [unseen]) == []
    (remark,) = overlap_remarks([*fusion_rules(), method], [unseen, seen])
    assert remark.startswith("ours learnt from a patient who is called like elsewhere/patient07.")
