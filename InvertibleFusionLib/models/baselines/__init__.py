"""Networks of others that fuse or synthesize, small enough to be trained beside ours under the same conditions.

Each takes two sources (batch, 2, rows, columns), about [0, 1], of any size, and gives (batch, 1, rows, columns) in
[0, 1]; the outputs end in a sigmoid, whatever the original ends in, so that all are compared on one range. ``width``
scales all channels: ``published_width`` is the original's, ``reduced_width`` what a small machine can train. U-Net,
UNet++ and the patch discriminator are MONAI's, in ``monai_networks``. ``fusion_baseline`` and ``synthesis_baseline``
make models of them all.
"""
