"""The synthetic set: subsets, how their images are stored, and the curriculum that they make."""
