"""U-Net, UNet++ and the patch discriminator as MONAI has them. MONAI is loaded when one of them is made.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI 2015); Zhou et al.,
"UNet++: A Nested U-Net Architecture for Medical Image Segmentation" (DLMIA 2018); Isola et al., "Image-to-Image
Translation with Conditional Adversarial Networks" (CVPR 2017). Batch normalisation in all of them, as in the networks
that the authors of FusionINN compare with; MONAI's instance normalisation would tell a crop from a whole slice.
"""

from typing import Any

import torch
from torch import Tensor, nn

from InvertibleFusionLib.models.slice_padding import pad_by_reflection

HALVINGS = 4
NORMALIZATION = "batch"


class UNet(nn.Module):
    """Sources (batch, sources, rows, columns) to images (batch, images, rows, columns) in [0, 1].

    Slices are mirrored at their end up to a multiple of 16, at least 32, and cropped back. ``width`` is that of the
    two upper levels; the lower ones have 2, 4 and 8 times as many channels.
    """

    published_width = 64
    reduced_width = 16

    def __init__(self, width: int = published_width, seed: int = 0, sources: int = 2, images: int = 1) -> None:
        from monai.networks.nets.basic_unet import BasicUNet

        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = BasicUNet(2, sources, images, features=_features(width), norm=NORMALIZATION)

    def forward(self, sources: Tensor) -> Tensor:
        """The images."""
        return torch.sigmoid(_cropped(self.network(_padded(sources)), sources))


class NestedUNet(nn.Module):
    """UNet++: as ``UNet``, with convolutions between encoder and decoder on every level."""

    published_width = 32
    reduced_width = 8

    def __init__(self, width: int = published_width, seed: int = 0, sources: int = 2, images: int = 1) -> None:
        from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus

        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: Any = BasicUNetPlusPlus(2, sources, images, features=_features(width), norm=NORMALIZATION)
        # The ends of the shorter branches, of which only deep supervision makes anything.
        for unused in ("final_conv_0_1", "final_conv_0_2", "final_conv_0_3"):
            setattr(self.network, unused, nn.Identity())

    def forward(self, sources: Tensor) -> Tensor:
        """The images, of the longest branch."""
        return torch.sigmoid(_cropped(self.network(_padded(sources))[-1], sources))


class PatchDiscriminator(nn.Module):
    """Sources and images, true or made, to logits, one for each patch: pix2pix's discriminator.

    Args:
        channels: of sources and images together.
        width: channels after the first layer (64 in the paper); twice as many after each further one.
        seed: of the first weights.
    """

    layers = 3

    def __init__(self, channels: int, width: int, seed: int = 0) -> None:
        from monai.networks.nets.patchgan_discriminator import PatchDiscriminator as Patches

        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Patches(2, width, channels, num_layers_d=self.layers)

    def forward(self, sources: Tensor, images: Tensor) -> Tensor:
        """Logits (batch, 1, rows′, columns′)."""
        logits: Tensor = self.network(_padded(torch.cat((sources, images), dim=1)))[-1]
        return logits


def _features(width: int) -> tuple[int, ...]:
    """MONAI's: the five levels, and the width of the last convolutions."""
    return (width, width, 2 * width, 4 * width, 8 * width, width)


def _padded(slices: Tensor) -> Tensor:
    # Twice the multiple: batch normalisation of a single crop needs more than one value to a channel.
    return pad_by_reflection(slices, 2**HALVINGS, 2 ** (HALVINGS + 1))


def _cropped(images: Tensor, like: Tensor) -> Tensor:
    return images[..., : like.shape[-2], : like.shape[-1]]
