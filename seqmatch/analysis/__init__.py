"""What a synthetic set is worth, and what it does to networks."""
