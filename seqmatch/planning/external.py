"""Files of synthetic sets that other programs made, before anything runs. Imports no torch."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from seqmatch.config import Experiment, External
from seqmatch.errors import SeqmatchError


def files(stage: External) -> list[str]:
    """Those that a stage is read from: images, then labels and step size, where these have files of their own."""
    return [path for path in (stage.images, stage.labels, stage.step_size) if isinstance(path, str)]


def check(experiment: Experiment) -> None:
    """Whether all are there, and are such as PyTorch writes; what is in them, their jobs will say.

    Raises:
        SeqmatchError: names the file, and where the configuration names it.
    """
    for place, path in _named(experiment):
        if {"{", "}"} & set(path):
            raise SeqmatchError(f"{place} = {path}: Snakemake takes braces in a path for wildcards; rename it")
        if not Path(path).is_file():
            raise SeqmatchError(f"{place} = {path}: there is no such file (seen from {Path.cwd()})")
        if not _written_by_torch(Path(path)):
            raise SeqmatchError(f"{place} = {path}: not a file that torch.save wrote")


def _named(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Each file, and its key."""
    for run in experiment.runs.values():
        for k, stage in enumerate(run.stages if run.external else ()):
            for key in ("images", "labels", "step_size"):
                path = getattr(stage, key)
                if isinstance(path, str):
                    yield f"{run.dataset}, ipc {run.ipc}, {run.method}: stages[{k}].{key}", path


def _written_by_torch(path: Path) -> bool:
    """Archives with a pickle in them; before version 1.6 pickles of protocol 2."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    with path.open("rb") as file:
        return file.read(2) == b"\x80\x02"
