"""What learns: architectures for small square images, built from one description."""

from seqmatch.networks.build import activations, build, count_operations, structure, written
from seqmatch.networks.features import features, layer_maps
from seqmatch.networks.joined import join, joinable
from seqmatch.networks.layers import averages_batches, channels_last
