"""The experiment that a tool is asked about, read as Snakemake reads it."""

from pathlib import Path

from snakemake.utils import update_config

from seqmatch import config


def merged(paths: list[Path]) -> dict:
    """The files in turn, one laid over the other, as Snakemake does it; config.yaml where there is none."""
    settings: dict = {}
    for path in paths or [Path("config.yaml")]:
        update_config(settings, config.read(path))
    return settings
