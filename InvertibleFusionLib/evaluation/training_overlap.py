"""Whether a model may have learnt from a case that it is measured on, as far as its card tells."""

from collections.abc import Sequence

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import Method
from InvertibleFusionLib.training.data.leakage import patient_of


def overlap_remarks(methods: Sequence[Method], cases: Sequence[EvaluationCase]) -> list[str]:
    """A sentence for each model whose card names a patient as a measured case is called among its training data.

    Only the last part of the names is compared, since folders lie elsewhere on every computer: the same name can be
    another patient of another data set, and the same patient can have another name.
    """
    remarks = []
    for method in methods:
        data = method.card.training.get("data", []) if method.card else []
        learnt = {_last(patient) for source in data for patient in source.get("patients", [])}
        both = [case.name for case in cases if _last(case.patient) in learnt]
        if both:
            remarks.append(
                f"{method.name} learnt from a patient who is called like {', '.join(both)}. If it is the same one, "
                "these figures say nothing of patients it has not seen."
            )
    return remarks


def _last(patient: str) -> str:
    return patient_of(patient).split("/")[-1].casefold()
