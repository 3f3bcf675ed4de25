"""Real data: where they come from, how they are split and normalised."""
