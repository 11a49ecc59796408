"""Where training images come from: one origin, its terms, and how often it is drawn."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.simulated import Simulation

ORIGINS = ("patients", "manifest", "h5", "png", "phantoms", "simulated")


@dataclass(frozen=True)
class DataSource:
    """One data set, or a part of one. Exactly one of patients, manifest, h5, png, phantoms and simulated is given.

    Attributes:
        name: of the data set.
        licence: under which it may be used.
        attribution: how its authors ask to be named.
        patients: folders relative to the data folder, one for each patient or study, with one file for each contrast.
        manifest: CSV or YAML list of cases, relative to the data folder; see ``training.data.manifest``.
        split: which cases of the manifest, by its column split; empty for all of them.
        h5: file of slices as the FusionINN authors publish them, relative to the data folder.
        png: folder with a folder of PNG slices for each contrast, relative to the data folder.
        cases: of the PNG folder; empty for all of them.
        slices: first and last slice of each PNG case, counted from 0; empty for all. Where one case is all there is, it
            may stand on both sides in slabs that lie apart.
        phantoms: how many simulated patients there are to draw from. They are made when they are needed.
        phantom_seed: of the first of them; the others follow it.
        simulated: scans simulated of a discrete anatomical model; the source's name must say so.
        contrast_sets: file names that stand in for the model's contrasts, in their order, as in [[T1Gd, FLAIR],
            [T2, FLAIR]]; empty for the model's own contrasts. An empty name, as in [[T1, T2, "", FLAIR]], says that
            the source lacks this contrast: it is marked as missing wherever it is drawn.
        weight: how often the source is drawn, relative to the others.
        mask: name of the file of a lesion mask in the patients' folders; a manifest has a column for it.

    Raises:
        ConfigurationError: for none or several origins, and for settings that do not go with the origin.
    """

    name: str
    licence: str
    attribution: str
    patients: list[str] = field(default_factory=list)
    manifest: Path | None = None
    split: str = ""
    h5: Path | None = None
    png: Path | None = None
    cases: list[str] = field(default_factory=list)
    slices: list[int] = field(default_factory=list)
    phantoms: int = 0
    phantom_seed: int = 0
    simulated: Simulation | None = None
    contrast_sets: list[list[str]] = field(default_factory=list)
    weight: float = 1.0
    mask: str = ""

    def __post_init__(self) -> None:
        origins = [name for name in ORIGINS if getattr(self, name)]
        if len(origins) != 1:
            given = ", ".join(origins) or "none of them"
            self._refuse(f"gives {given}; it needs exactly one of {', '.join(ORIGINS)}")
        if self.phantoms < 0 or self.phantom_seed < 0:
            self._refuse(f"asks for {self.phantoms} phantoms from seed {self.phantom_seed}; neither can be negative")
        if not (self.weight > 0 and math.isfinite(self.weight)):
            self._refuse(f"has the weight {self.weight}; a weight is a positive number")
        for setting, origin in (("split", "manifest"), ("cases", "png"), ("slices", "png"), ("mask", "patients")):
            if getattr(self, setting) and origin not in origins:
                self._refuse(f"sets {setting}, which goes with {origin} only, not with {origins[0]}")
        if self.slices and not (len(self.slices) == 2 and 0 <= self.slices[0] <= self.slices[1]):
            self._refuse(f"takes the slices {self.slices}; it needs the first and the last one, counted from 0")
        if self.simulated and "simulated" not in self.name.lower():
            self._refuse("is simulated and its name does not say so; put the word in, cards and tables show it")
        self._require_once("patients", self.patients)
        self._require_once("cases", self.cases)
        if any(not names or len(names) != len(self.contrast_sets[0]) for names in self.contrast_sets):
            self._refuse(f"has contrast sets of different or no length: {self.contrast_sets}")
        if self.lacking and not {"patients", "manifest"} & set(origins):
            self._refuse("lacks a contrast, which only patients and a manifest may")

    def sets_for(self, contrasts: Sequence[str]) -> list[list[str]]:
        """The names to look for in each case, one list for each set of images that it gives.

        Raises:
            ConfigurationError: when a set is shorter or longer than the model's contrasts.
        """
        if self.contrast_sets and len(self.contrast_sets[0]) != len(contrasts):
            self._refuse(
                f"has contrast sets of {len(self.contrast_sets[0])} names, but the model takes {len(contrasts)} "
                f"contrasts ({', '.join(contrasts)})"
            )
        return self.contrast_sets or [list(contrasts)]

    @property
    def lacking(self) -> set[int]:
        """Positions of the contrasts that are missing from any of the contrast sets."""
        return {place for names in self.contrast_sets for place, name in enumerate(names) if not name}

    def to_json(self) -> dict[str, Any]:
        """What was set, as JSON-ready data for a model's card; defaults are left out."""
        written: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if (value and value != each.default) or each.name in ("name", "licence", "attribution"):
                value = asdict(value) if isinstance(value, Simulation) else value
                written[each.name] = value.as_posix() if isinstance(value, Path) else value
        return written

    def _require_once(self, setting: str, names: list[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self._refuse(f"names {twice[0]} more than once among its {setting}")

    def _refuse(self, why: str) -> None:
        raise ConfigurationError(f"The data source {self.name!r} {why}.")
