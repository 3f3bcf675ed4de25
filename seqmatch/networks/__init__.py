"""What learns: architectures for small square images, built from one description."""

from seqmatch.networks.build import activations, build, initialize, size, structure, written
from seqmatch.networks.features import features, head
from seqmatch.networks.layers import channels_last

__all__ = ["activations", "build", "channels_last", "features", "head", "initialize", "size", "structure", "written"]
