"""Pure functions of image batches: what is random is drawn first, then applied."""
