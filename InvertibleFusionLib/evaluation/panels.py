"""Small pictures for a page: slices in grey or colour as data URIs, upright as radiologists read them."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import label

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import Images

MARGIN = 4
OUTLINE = np.array([255, 176, 0], np.uint8)
"""Of lesions: orange, told from grey by every kind of eye."""
COLOURS = "magma"
"""Of errors and spreads: brighter is more, on paper and to every kind of eye."""
SEEN = 0.05
Picture = NDArray[Any]
"""(rows, columns), or (rows, columns, 3) in colour."""


@dataclass(frozen=True)
class Upright:
    """How the slices of a case are turned for showing: from the feet, the patient's right on the left, front up.

    Attributes:
        transposed: rows and columns are exchanged first.
        flipped: then rows, columns are reversed.
        aspect: height of a pixel as a multiple of its width, after that.
        place: rows and columns that are shown, after that.
        known: whether the directions are known; not for PNG.
    """

    transposed: bool
    flipped: tuple[bool, bool]
    aspect: float
    place: tuple[slice, slice]
    known: bool

    def turned(self, image: NDArray[Any]) -> Picture:
        """A slice as it is shown, whole."""
        turned = np.swapaxes(image, 0, 1) if self.transposed else image
        return turned[:: -1 if self.flipped[0] else 1, :: -1 if self.flipped[1] else 1]

    def __call__(self, image: NDArray[Any]) -> Picture:
        """A slice as it is shown."""
        return self.turned(image)[self.place]

    def at(self, place: tuple[slice, slice]) -> "Upright":
        """The same with another part shown."""
        return Upright(self.transposed, self.flipped, self.aspect, place, self.known)


def upright(case: EvaluationCase, index: int) -> Upright:
    """How to show slice ``index``: cropped to where any source shows something."""
    whole = (slice(None), slice(None))
    turn = Upright(False, (False, False), 1.0, whole, False)
    if case.grid is not None:
        rows, columns = (2 - axis for axis in (0, 1, 2) if axis != case.axis)
        main = [int(np.abs(case.grid.axes[:, axis]).argmax()) for axis in (rows, columns)]
        transposed = main[0] < main[1]  # rows run along left–right, or columns along head–feet
        down, across = (columns, rows) if transposed else (rows, columns)
        # LPS: columns go to the patient's left, rows to the back, or down to the feet.
        signs = [case.grid.axes[int(np.abs(case.grid.axes[:, axis]).argmax()), axis] for axis in (down, across)]
        feet = int(np.abs(case.grid.axes[:, down]).argmax()) == 2
        flipped = (bool(signs[0] > 0) if feet else bool(signs[0] < 0), bool(signs[1] < 0))
        aspect = case.grid.spacing[down] / case.grid.spacing[across]
        turn = Upright(transposed, flipped, float(aspect), whole, True)
    shown = np.any([turn.turned(image) > SEEN for image in case.sources_of(index)], axis=0)
    return turn.at(_box(shown, MARGIN))


def close_up(turn: Upright, lesion: NDArray[np.bool_], smallest: int = 24) -> Upright:
    """The part around the largest connected part of a lesion, at least so many pixels wide and high."""
    parts, count = label(turn.turned(lesion))
    mask = parts == 1 + np.argmax(np.bincount(parts.ravel(), minlength=count + 1)[1:])
    rows, columns = _box(mask, 8)
    return turn.at((_at_least(rows, smallest, mask.shape[0]), _at_least(columns, smallest, mask.shape[1])))


def in_colour(names: Sequence[str], images: Images) -> dict[str, Picture]:
    """Images (images, rows, columns) by their names; NAME-R, NAME-G and NAME-B together are the colour image NAME."""
    return {
        name: images[places[0]] if len(places) == 1 else np.moveaxis(images[places], 0, -1)
        for name, places in _places(names).items()
    }


def names_in_colour(names: Sequence[str]) -> list[str]:
    """Names of images, that of a colour image once."""
    return list(_places(names))


def grey(image: Picture, white: float) -> str:
    """A slice with 0 black and ``white`` white, as a data URI; in colour each channel so."""
    return _uri(Image.fromarray(_bytes(image, white)))


def grey_with_outline(image: Picture, white: float, lesion: NDArray[np.bool_]) -> str:
    """The same with the lesion's outline in colour."""
    levels = _bytes(image, white)
    pixels = np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
    inner = lesion.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inner &= np.roll(lesion, shift, axis)
    pixels[lesion & ~inner] = OUTLINE
    return _uri(Image.fromarray(pixels))


def coloured(image: Picture, highest: float) -> str:
    """An error or a spread, from 0 to ``highest``, as a data URI."""
    picture = Image.fromarray(_bytes(image, highest)).convert("P")
    picture.putpalette(_palette())
    return _uri(picture)


def colour_bar() -> str:
    """The colours from lowest to highest, left to right."""
    picture = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(8, axis=0)).convert("P")
    picture.putpalette(_palette())
    return _uri(picture)


def white_of(pictures: Iterable[Picture]) -> float:
    """What is drawn white: the 99.8th percentile of the brightest picture."""
    return max(1e-6, *(float(np.percentile(each, 99.8, axis=(0, 1)).max()) for each in pictures))


def data_uri(content: bytes, kind: str) -> str:
    """Bytes of a file in a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _places(names: Sequence[str]) -> dict[str, list[int]]:
    """Where the channels of each image are."""
    places: dict[str, list[int]] = {}
    first = 0
    while first < len(names):
        name = names[first].removesuffix("-R")
        colours = list(names[first : first + 3]) == [f"{name}-{colour}" for colour in "RGB"]
        places[name if colours else names[first]] = list(range(first, first + (3 if colours else 1)))
        first += 3 if colours else 1
    return places


def _bytes(image: Picture, highest: float) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(255 * np.clip(image / highest, 0, 1)).astype(np.uint8)
    return levels


def _palette() -> bytes:
    colours = colormaps[COLOURS](np.arange(256), bytes=True)
    return bytes(np.asarray(colours)[:, :3].tobytes())


def _uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return data_uri(stream.getvalue(), "png")


def _box(shown: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    box = []
    for axis in (0, 1):
        inside = np.flatnonzero(shown.any(axis=1 - axis))
        first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, shown.shape[axis] - 1)
        box.append(slice(max(first - margin, 0), min(last + margin + 1, shown.shape[axis])))
    return box[0], box[1]


def _at_least(part: slice, smallest: int, size: int) -> slice:
    missing = max(smallest - (part.stop - part.start), 0)
    first = min(max(part.start - missing // 2, 0), max(size - smallest, 0))
    return slice(first, min(max(part.stop, first + smallest), size))
