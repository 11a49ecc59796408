"""Whether the boxes that slices are cropped to leave out much of what the sources show."""

import torch

from InvertibleFusionLib.inference.sources import PreparedSources
from InvertibleFusionLib.models.content_box import content_box
from InvertibleFusionLib.models.disentangled_gan import MARGIN, SMALLEST

KEPT_AT_LEAST = 0.5
"""Share of what is bright that the boxes of ordinary scans hold by far."""


def left_out_warning(prepared: PreparedSources) -> str:
    """What to know of a synthesis whose slices were cropped to their content; empty where the boxes hold most of it.

    Bright is what is brighter than the mean of its own slice, which needs no scale. Slices that have no content were
    not cropped and do not count.
    """
    held = bright = 0.0
    for index in range(prepared.stack.count):
        images = torch.from_numpy(prepared.load(index)).clamp(0, 1)
        box = content_box(images, MARGIN, SMALLEST)
        if box is not None:
            brighter = (images > images.mean(dim=(1, 2), keepdim=True)).float()
            held, bright = held + float(box.cut(brighter).sum()), bright + float(brighter.sum())
    if held >= KEPT_AT_LEAST * bright:
        return ""
    return (
        f"The boxes that slices were cropped to hold {held / bright:.0%} of what is bright in the sources, and the "
        "image is 0 outside them. Perhaps a spot much brighter than the head sets the scale: look for it, and set "
        "it to 0."
    )
