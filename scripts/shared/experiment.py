"""The experiment that a tool is asked about, read as Snakemake reads it."""

from pathlib import Path

from snakemake.utils import update_config

from seqmatch import config

CHECKOUT = Path(__file__).resolve().parents[2]


def merged(paths: list[Path]) -> dict:
    """The files in turn, one laid over the other, as Snakemake does it; the default experiment where there is none."""
    settings: dict = {}
    for path in paths or [config.default_file(CHECKOUT)]:
        update_config(settings, config.read(path))
    return settings
