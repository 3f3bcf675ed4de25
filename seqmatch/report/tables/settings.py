"""Table 4: the hyperparameters of every stage, as the configuration resolves them."""

from collections.abc import Iterable

import pandas as pd

from seqmatch.config import Matching, Run, Section, asks_experts, matches_experts, uses_teachers
from seqmatch.report.tables.text import Sheet

TITLE = "Table 4: hyperparameters"
STAGE = ["dataset", "ipc", "method", "backbone", "network", "stage"]

MATTERS = {
    "trajectory": {
        "synthetic_steps",
        "expert_epochs",
        "max_start_epoch",
        "experts_per_step",
        "synthetic_batch",
        "soft_labels",
        "lr_step_size",
    },
    "gradient": {"real_batch", "updates_per_network", "network_epochs", "augment_matching"},
    "distribution": {"real_batch", "augment_matching"},
    "condensation": {
        "real_batch",
        "synthetic_batch",
        "updates_per_network",
        "network_images",
        "distance",
        "augment_matching",
    },
}
"""Settings of `Matching` that only some objectives look at; every other one matters to all."""

UNTRAINED = {"experts", "initial", "formation", "soft_labels", "iterations", "initial_step_size"}
"""What matters of a stage whose images stay as they are: which were chosen, and the step size they are learned with."""

UNSET = {"synthetic_batch": "all", "learning_rate": "each stage's", "augmentation": "the data's"}
"""What it means that an optional setting is not set: all images of the subset; the stage's own step size; the data
set's augmentation."""


def settings_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a stage: `dataset`, `ipc`, `method`, `backbone`, `network`, `stage` (0 for `whole`), then its settings.

    Those that do not matter to what the stage matches are empty; those of the evaluation begin with `evaluation_`.
    """
    rows = []
    for run in runs:
        about = {"dataset": run.dataset, "ipc": str(run.ipc), "method": run.method, "backbone": run.backbone}
        evaluation = {f"evaluation_{name}": value for name, value in _texts(run.evaluation).items()}
        for index, settings in enumerate([_relevant(stage, k) for k, stage in enumerate(run.stages)] or [{}]):
            number = index + 1 if run.stages else 0
            rows.append(about | {"network": run.network, "stage": number} | settings | evaluation)
    table = pd.DataFrame(rows)
    evaluated = [column for column in table if column.startswith("evaluation_")]
    return table[[*STAGE, *(name for name in Matching.model_fields if name in table), *evaluated]]


def _relevant(stage: Matching, k: int) -> dict[str, str]:
    """The settings that the images of a stage, k from 0, depend on."""
    trained = asks_experts(stage) or (uses_teachers(stage) if k else matches_experts(stage))
    ignored = set() if trained else {"experts"}
    if stage.iterations == 0:
        ignored |= set(Matching.model_fields) - UNTRAINED
    else:
        ignored |= set().union(*MATTERS.values()) - MATTERS[stage.objective]
        ignored |= {"momentum"} if stage.optimizer == "adam" else set()
    return {name: value for name, value in _texts(stage).items() if name not in ignored}


def _texts(section: Section) -> dict[str, str]:
    """Settings as the configuration would have them."""
    settings = section.model_dump()
    return {name: UNSET.get(name, "default") if value is None else _text(value) for name, value in settings.items()}


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def settings_sheets(table: pd.DataFrame) -> list[Sheet]:
    """A row a stage, a column a setting that differs anywhere; those that are the same everywhere stand below."""
    settings = table.drop(columns=STAGE)
    settings = settings.loc[:, settings.notna().any()]
    same = [name for name in settings if settings[name].nunique() == 1]
    shown = pd.concat([table[STAGE], settings.drop(columns=same)], axis="columns")
    body = shown.astype(object).fillna("").astype(str)
    fixed = "; ".join(f"{name} {settings[name].dropna().iloc[0]}" for name in same)
    note = "Empty: does not matter there."
    return [Sheet(TITLE, body, f"{note} The same for every stage that it matters to: {fixed}." if fixed else note)]
