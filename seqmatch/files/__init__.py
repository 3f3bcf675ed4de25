"""What is kept: whole or not at all, with a checksum and provenance."""
