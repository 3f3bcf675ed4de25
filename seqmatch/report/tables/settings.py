"""Table 4: the hyperparameters of every stage, as the configuration resolves them."""

from collections.abc import Iterable, Iterator

import pandas as pd

from seqmatch.config import Run, Section
from seqmatch.config.experiment import AnyMatching
from seqmatch.config.unread import unread
from seqmatch.report.tables.text import Sheet

TITLE = "Table 4: hyperparameters"
STAGE = ["dataset", "ipc", "method", "backbone", "architecture", "stage"]

UNSET = {
    "size": "near-equal",
    "synthetic_batch": "all",
    "learning_rate": "each stage's",
    "augmentation": "the data's",
    "labels": "with the images",
    "mean": "the data's",
    "std": "the data's",
    "clip": "none",
    "skip_above": "none",
    "initial_max_start_epoch": "max_start_epoch",
    "layer_weights": "0.1 each, 1 the last, 2 features",
    "lr_decoder": "lr_images",
}
"""What it means that an optional setting is not set: all images of the subset; the stage's own step size; the data
set's augmentation; labels in the file of the images; the statistics of the data set; no bounds; a range that does not
grow; CAFE's weights; one learning rate for all that is stored."""


def settings_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per stage: `dataset`, `ipc`, `method`, `backbone`, `architecture`, `stage` (0 for `whole`), its settings.

    Those that do not matter to what the stage matches are empty; those of the evaluation begin with `evaluation_`.
    """
    rows = []
    for run in runs:
        about = {"dataset": run.dataset, "ipc": str(run.ipc), "method": run.method, "backbone": run.backbone}
        evaluation = {f"evaluation_{name}": text for name, text in _texts(run.evaluation)}
        for k in range(1, run.subsets + 1) or [0]:
            settings = _relevant(run, k) if k else {}
            rows.append(about | {"architecture": run.architecture, "stage": k} | settings | evaluation)
    table = pd.DataFrame(rows)
    evaluated = [column for column in table if column.startswith("evaluation_")]
    order = {name: index for index, name in enumerate(["objective", *AnyMatching.model_fields])}
    own = [column for column in table if column not in (*STAGE, *evaluated)]
    own.sort(key=lambda column: order.get(column, len(order)))
    return table[[*STAGE, *own, *evaluated]]


def _relevant(run: Run, k: int) -> dict[str, str]:
    """The settings that the images of stage k, from 1, depend on."""
    stage = run.stages[k - 1]
    objective = {"objective": run.declaration.objective} if stage.iterations else {}
    ignored = {condition.key for condition in unread(stage, type(stage).model_fields)}
    if not (run.asks_experts(k) or run.matches_experts(k) or run.uses_teachers(k)):
        ignored.add("experts")
    own = {"iterations": "0"} | {name: text for name, text in _texts(stage) if name not in ignored}
    if run.rounds:
        own["rounds"] = str(run.rounds)
    if run.teachers != "all" and run.uses_teachers(k):
        own["teachers"] = run.teachers
    return objective | own


def _texts(section: Section) -> Iterator[tuple[str, str]]:
    """Settings as the configuration would have them; those of a section within begin with its name."""
    for name, value in section:
        if isinstance(value, Section):
            yield from ((f"{name}_{key}", text) for key, text in _texts(value))
        else:
            yield name, UNSET.get(name, "default") if value is None else _text(value)


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_sheets(table: pd.DataFrame) -> list[Sheet]:
    """One row per stage, one column per setting that differs anywhere; those that are equal everywhere stand below."""
    settings = table.drop(columns=STAGE)
    settings = settings.loc[:, settings.notna().any()]
    same = [name for name in settings if settings[name].nunique() == 1]
    shown = pd.concat([table[STAGE], settings.drop(columns=same)], axis="columns")
    body = shown.astype(object).fillna("").astype(str)
    fixed = "; ".join(f"{name} {settings[name].dropna().iloc[0]}" for name in same)
    note = "Empty: does not matter there."
    return [Sheet(TITLE, body, f"{note} The same for every stage that it matters to: {fixed}." if fixed else note)]
