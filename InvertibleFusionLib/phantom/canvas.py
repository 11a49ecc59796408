"""Filling cells with tissues, from the front to the back: what is painted first hides what comes later."""

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.phantom.shapes import Floats
from InvertibleFusionLib.phantom.tissues import Tissue


class Canvas:
    """How much of each of ``cells`` cells is filled with which tissue.

    Attributes:
        shares: shape (tissues, cells), in [0, 1].
        room: the share of each cell that is still empty, shape (cells,).
    """

    def __init__(self, cells: int) -> None:
        self.shares: Floats = np.zeros((len(Tissue), cells), dtype=np.float32)
        self.room: Floats = np.ones(cells, dtype=np.float32)

    def paint(self, tissue: Tissue, share: Floats) -> None:
        """Give ``share`` of the room that is left to a tissue."""
        taken = self.room * share
        self.shares[tissue] += taken
        self.room = self.room - taken

    def fill(self, tissue: Tissue) -> None:
        """Give all the room that is left to a tissue."""
        self.shares[tissue] += self.room
        self.room = np.zeros_like(self.room)

    def turn_into(self, old: Tissue, new: Tissue, share: Floats) -> None:
        """Give ``share`` of what one tissue has to another."""
        taken = self.shares[old] * share
        self.shares[old] -= taken
        self.shares[new] += taken

    def place(self, where: NDArray[np.intp], part: "Canvas", share: Floats) -> None:
        """Let a full canvas of some cells, painted apart, take ``share`` of their room."""
        taken = self.room[where] * share
        for tissue in np.flatnonzero(part.shares.any(axis=1)):
            self.shares[tissue, where] += part.shares[tissue] * taken
        self.room[where] -= taken
