"""What learns: architectures for small square images, built from one description."""

from seqmatch.networks.build import activations, build, initialize, structure

__all__ = ["activations", "build", "initialize", "structure"]
