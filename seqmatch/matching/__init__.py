"""A synthetic batch in, the matching loss and its gradient for the images out."""
