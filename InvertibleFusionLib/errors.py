"""What can go wrong in a user's hands; every message says what is wrong, with which volume, the numbers, what to do."""


class InvertibleFusionError(Exception):
    """Base class: a mistake or a mishap that a user can act on. Commands print its message and exit with code 1."""


class UnreadableFileError(InvertibleFusionError):
    """A volume file or DICOM series that is missing, cut short, inconsistent or not an image."""


class UnsuitableVolumeError(InvertibleFusionError):
    """A volume that was read well but cannot be used here: 4-D, colour, a label map, empty, not finite, constant."""


class GridMismatchError(InvertibleFusionError):
    """Volumes whose voxels do not lie at the same places."""


class ModelFileError(InvertibleFusionError):
    """A model that is unknown, or whose file is cut, changed, of another kind, or does not fit its architecture."""


class RecordMismatchError(InvertibleFusionError):
    """An image, a latent and a model that do not belong together, or an image changed since it was fused."""


class CertificationError(InvertibleFusionError):
    """A decomposition that was asked to be bit for bit identical to the source and is not."""


class InferenceError(InvertibleFusionError):
    """A network that gave no usable result on this input, or a device that cannot run it."""


class OutputError(InvertibleFusionError):
    """A result that could not be written: no permission, a full disk, an unknown file type."""


class SceneError(InvertibleFusionError):
    """A node that is missing from the scene, was deleted meanwhile, or cannot take a result."""


class ConfigurationError(InvertibleFusionError):
    """A setting, case list or training configuration that does not make sense."""


class TooSlowError(InvertibleFusionError):
    """A benchmark with ratios below those committed, results that disagree, or more memory than is promised."""
