"""What learns: architectures for small square images, built from one description."""

from seqmatch.networks.build import build, initialize, structure

__all__ = ["build", "initialize", "structure"]
