"""The part of a slice that has content, so that a network sees a head alike whatever air was scanned around it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

LEVEL = 0.1
"""Above which an image has content. In ordinary scans, raw with the skull and skull-stripped, half as much and one and
a half times as much mostly find the same edge within two pixels. Strong noise in the air is content, too: the box grows
to the whole slice, and the air counts as it does without a box. Where a spot ten times as bright as the head sets the
scale, the head lies below this, and the box holds the spot alone."""
NEIGHBOURHOOD = 5
"""Pixels on a side over which images are averaged for this, so that single bright pixels of the air do not count."""
REACH = NEIGHBOURHOOD // 2


@dataclass(frozen=True)
class ContentBox:
    """A range of rows and columns, which may reach beyond a slice.

    Attributes:
        rows: first, and one behind the last.
        columns: likewise.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    def cut(self, slices: Tensor) -> Tensor:
        """Of slices (…, rows, columns) what lies in the box, with zeros where it reaches beyond them."""
        rows, columns = slices.shape[-2:]
        (top, bottom), (left, right) = self.rows, self.columns
        return pad(slices, (-left, right - columns, -top, bottom - rows))

    def put_back(self, parts: Tensor, rows: int, columns: int) -> Tensor:
        """Undo ``cut``: slices of so many rows and columns, zero outside the box."""
        (top, bottom), (left, right) = self.rows, self.columns
        return pad(parts, (left, columns - right, top, rows - bottom))


def content_box(images: Tensor, margin: int, smallest: int = 1) -> ContentBox | None:
    """The box around everything that is brighter than ``LEVEL`` in any of a slice's images, with a margin.

    Zeros that are added to the images' sides, or cut off there, move the box and change nothing else of it.

    Args:
        images: (images, rows, columns), about [0, 1]; zero where one is missing.
        margin: rows and columns around it, on each side, also beyond the slice's edge.
        smallest: rows and columns that it has at least, its middle kept.

    Returns:
        The box; None for a slice that has no content.
    """
    # Also beyond the slice's edge, where a head that ends there would be seen in a larger field of view.
    larger = pad(images.detach().clamp(0, 1)[:, None], (2 * REACH,) * 4)
    content = (avg_pool2d(larger, NEIGHBOURHOOD, stride=1) > LEVEL).any(dim=0)[0]
    if not bool(content.any()):
        return None
    return ContentBox(*(_range(content.any(dim=side), margin, smallest) for side in (1, 0)))


def _range(there: Tensor, margin: int, smallest: int) -> tuple[int, int]:
    """From the margin before the first true place to that behind the last; places begin ``REACH`` before the slice."""
    places = torch.nonzero(there) - REACH
    first, end = int(places[0]) - margin, int(places[-1]) + 1 + margin
    more = max(smallest - (end - first), 0)
    return first - more // 2, end + more - more // 2
