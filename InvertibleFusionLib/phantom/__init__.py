"""A phantom patient: a head with a tumour, seen by eight contrasts on any grid. Simulated; research use only.

    from InvertibleFusionLib.phantom import Patient, clinical_flair_grid, default_grid

    patient = Patient.from_seed(7)
    adc = patient.acquire("ADC", default_grid())
    flair = patient.acquire("FLAIR", clinical_flair_grid())

From the bottom up: ``shapes``, ``waves`` and ``canvas`` know no anatomy; ``skull_contents``, ``folding``, ``brain``,
``outer_head`` and ``tumour`` are parts of the head that ``anatomy`` puts together; ``tissues``, ``signal`` and
``scanner`` say how bright it is; ``sampling``, ``artefacts`` and ``acquisition`` make voxels of it.
"""

from InvertibleFusionLib.phantom.patient import Patient
from InvertibleFusionLib.phantom.scanner import CONTRASTS
from InvertibleFusionLib.phantom.study import (
    clinical_flair_grid,
    default_grid,
    patient_seeds,
    write_patient,
    write_study,
)
from InvertibleFusionLib.phantom.tissues import TISSUES, Tissue

__all__ = [
    "CONTRASTS",
    "TISSUES",
    "Patient",
    "Tissue",
    "clinical_flair_grid",
    "default_grid",
    "patient_seeds",
    "write_patient",
    "write_study",
]
