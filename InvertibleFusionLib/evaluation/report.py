"""The demonstration's report: one self-contained page of HTML that opens offline and prints well."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from InvertibleFusionLib.evaluation.pages import rendered
from InvertibleFusionLib.inference.record import NOTICE


@dataclass(frozen=True)
class SourceFigures:
    """What the report says of one source, all in the source's units.

    Attributes:
        name: of the source.
        units: as the source states them.
        value_range: largest minus smallest value.
        exact_largest: largest error of the exact way.
        head_error: mean absolute error from the image alone, inside the head.
        tumour_error: the same in tumour and oedema.
        head_spread: mean spread inside the head.
        head_mean: mean value inside the head, to compare with.
    """

    name: str
    units: str
    value_range: float
    exact_largest: float
    head_error: float
    tumour_error: float
    head_spread: float
    head_mean: float


def write_report(
    figures: list[SourceFigures], grids: str, record: dict[str, Any], samples: int, montage: Path, path: Path
) -> None:
    """Write the page.

    Args:
        figures: one entry for each source.
        grids: how the sources' grids differed, in words.
        record: of the fusion.
        samples: draws of the decomposition from the image alone.
        montage: PNG to embed.
        path: of the HTML file.
    """
    page = rendered(
        "demo.html",
        figures=figures,
        grids=grids,
        record=record,
        record_text=json.dumps(record, indent=1, ensure_ascii=False),
        samples=samples,
        notice=NOTICE,
        montage=base64.b64encode(montage.read_bytes()).decode("ascii"),
    )
    path.write_text(page, encoding="utf-8")
