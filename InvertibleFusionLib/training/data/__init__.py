"""Training data: from what a user has (folders, manifests, .h5, PNG, phantoms, label maps) to random batches.

    require_separate_patients(training, validation, ["T1Gd", "FLAIR"], folder)
    stocks = load_stocks(training, ["T1Gd", "FLAIR"], folder, with_scale(IntensityScale()))
    for batch in loader(Samples(stocks, Augmentation(), seed=0, total=32000), start=0, batch_size=8):
        batch["images"], batch["seed"]

From the bottom up: ``patients``, ``selection``, ``normalization``, ``source`` and ``cases`` say what there is;
``manifest``, ``layouts``, ``hdf5``, ``png_pairs``, ``phantoms`` and ``discrete_model`` (settings: ``simulated``) each
read one kind of origin; ``cache`` keeps slices on disk; ``leakage`` keeps training and validation apart; ``loading``
puts them together; ``augmentation`` and ``samples`` make batches.
"""

from InvertibleFusionLib.training.data.augmentation import Augmentation, random_crop
from InvertibleFusionLib.training.data.discrete_model import SimulatedTarget, simulated_target
from InvertibleFusionLib.training.data.leakage import (
    require_no_leakage,
    require_separate_patients,
    require_separate_settings,
)
from InvertibleFusionLib.training.data.loading import load_both_sides, load_patients, load_stocks
from InvertibleFusionLib.training.data.normalization import for_reporting, scaling_in_words, with_scale
from InvertibleFusionLib.training.data.patients import LoadedStock, PatientSlices, Stock
from InvertibleFusionLib.training.data.samples import Samples, loader
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.training.data.simulated import SimulatedScanner, Simulation
from InvertibleFusionLib.training.data.source import DataSource

__all__ = [
    "Augmentation",
    "DataSource",
    "LoadedStock",
    "PatientSlices",
    "Samples",
    "SimulatedScanner",
    "SimulatedTarget",
    "Simulation",
    "SliceSelection",
    "Stock",
    "for_reporting",
    "load_both_sides",
    "load_patients",
    "load_stocks",
    "loader",
    "random_crop",
    "require_no_leakage",
    "require_separate_patients",
    "require_separate_settings",
    "scaling_in_words",
    "simulated_target",
    "with_scale",
]
