"""Which run the rows of a table are of."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from seqmatch.files.kinds import RUN


def run_of(parameters: Mapping[str, Any], *further: str) -> dict[str, Any]:
    """The run that a job with these parameters is of, and `further` ones of its parameters."""
    return {name: parameters[name] for name in (*RUN, *further)}


def add_run(run: Mapping[str, Any], table: pd.DataFrame) -> pd.DataFrame:
    """The table, with columns before its own that say which run its rows are of."""
    return table.assign(**run)[[*run, *table.columns]]
