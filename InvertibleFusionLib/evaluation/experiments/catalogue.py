"""The experiments by their names."""

from collections.abc import Callable

from InvertibleFusionLib.evaluation.experiments import fusioninn, gan, ivan_fusion, ivan_synthesis
from InvertibleFusionLib.evaluation.experiments.definition import Experiment

EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "fusioninn-table1": fusioninn.table_1,
    "fusioninn-table2": fusioninn.table_2,
    "ivan-table1": ivan_synthesis.table_1,
    "ivan-table2": ivan_synthesis.table_2,
    "ivan-table3": ivan_fusion.table_3,
    "ivan-table4": ivan_fusion.table_4,
    "ivan-table5": ivan_synthesis.table_5,
    "ivan-table6": ivan_synthesis.table_6,
    "gan-table1": gan.table_1,
    "gan-table2": gan.table_2,
    "gan-figure6": gan.figure_6,
}
