"""A whole experiment as the configuration has it, before anything is resolved."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, create_model

from seqmatch.config.methods import METHODS
from seqmatch.config.sections import (
    DOWNLOADED,
    Architecture,
    CompileMode,
    Count,
    Coupling,
    CrossArchitecture,
    Dataset,
    Difficulty,
    Evaluation,
    Experts,
    Figures,
    Gigabytes,
    Name,
    Place,
    Section,
    SeedNumber,
    Selection,
)
from seqmatch.errors import allowed

RESERVED = {"datasets": {"benchmarks", "figures"}, "methods": {"experts"}}
"""Names that would be mistaken for other folders under results/."""

SECTIONS = list(dict.fromkeys(method.section for method in METHODS.values()))
"""What methods read of `matching`, each once."""

AnyMatching = create_model(
    "AnyMatching",
    __base__=Section,
    __doc__="Every key that some method reads; which ones a method reads, its own section says.",
    **{
        name: (field.annotation, field)
        for section in reversed(SECTIONS)
        for name, field in section.model_fields.items()
    },
)


def _known(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"unknown method; {allowed(name, METHODS)}")
    return name


def _distinct(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError("expected distinct numbers")
    return values


class Entry(Section):
    """A method in a cell of the table; every key may be left out."""

    backbone: Annotated[str, AfterValidator(_known)] | None = Field(
        None, description="for a name of your own, such as `mtt-long`: the method that it is a variant of"
    )
    stages: Annotated[list[AnyMatching], Field(min_length=1)] = Field(
        [AnyMatching()],
        description="one entry per subset (K entries), each with what differs from `matching`; needed for `seqmatch-…`",
    )
    evaluation: Evaluation = Field(Evaluation(), description="what differs from `evaluation`")
    rounds: Count | None = Field(
        None,
        description="with several subsets: distil them side by side, in so many rounds, each against what the round "
        "before left of the earlier subsets; by default one after the other",
    )
    against: Name | None = Field(
        None,
        description="a method of this cell that results/comparison.csv compares this one with; by default, if it has "
        "several subsets, those of one subset and equal backbone",
    )
    teachers: Literal["all", "first"] = Field(
        "all",
        description="the subsets that the teachers of a later one went through: `all` before it, or the `first` alone, "
        "as those of the released code",
    )
    equal_compute: Name | None = Field(
        None,
        description="for one subset: a method of this cell with several; so many iterations, and epochs of evaluation, "
        "that as much is computed as for all of its subsets, their teachers aside",
    )


class Cell(Section):
    """One column of Table 1: a data set at a number of images per class, and the methods to run."""

    dataset: Name = Field(description="a key of `datasets`")
    ipc: Count | Literal["all"] = Field(description="synthetic images per class; `all` for the method `whole`")
    methods: Annotated[dict[Name, Entry | None], Field(min_length=1)] = Field(
        description="by name; an empty value takes every default"
    )
    matching: AnyMatching = Field(AnyMatching(), description="what differs from the general `matching`")
    evaluation: Evaluation = Field(Evaluation(), description="what differs from the general `evaluation`")
    architectures: list[Name] | None = Field(
        None, description="architectures that this cell is evaluated on, instead of `cross_architecture.architectures`"
    )


class Data(Section):
    """Where the files of data sets are looked for before they are downloaded."""

    mirrors: dict[Literal[*DOWNLOADED], list[Place]] = Field(
        {},
        description="for a source, folders on this machine or URLs of folders that hold its published files, tried in "
        "this order before their authors' own",
    )


class Config(Section):
    """A whole experiment."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="`auto` asks for GPUs where the planning machine has one"
    )
    compile: CompileMode = Field(
        "auto",
        description="PyTorch's compiler for the inner loops: `auto` uses it where the work is long enough to repay "
        "compiling, and does without it where it fails",
    )
    kept_memory: Gigabytes = Field(
        "auto",
        description="GB that a distillation may use to keep what its student's steps computed, instead of computing it "
        "again: a tenth of its time or more. `auto`: an eighth of the memory that this machine has for its threads, 2 "
        "at most; on a GPU 8.6 of its own",
    )
    seeds: Annotated[list[SeedNumber], Field(min_length=1), AfterValidator(_distinct)] = Field(
        [0], description="distillation seeds"
    )
    datasets: dict[Name, Dataset] = Field(description="data sets by name")
    data: Data = Field(Data(), description="where their files come from")
    architectures: dict[Name, Architecture] = Field(description="architectures by name")
    experts: dict[Name, Experts] = Field({}, description="recipes for expert trajectories by name")
    matching: AnyMatching = Field(AnyMatching(), description="settings of every stage, unless overridden")
    evaluation: Evaluation = Field(Evaluation(), description="settings of every evaluation, unless overridden")
    selection: Selection = Field(Selection(), description="selection of snapshots")
    analysed: Annotated[list[Name], AfterValidator(_distinct)] | None = Field(
        None,
        description="methods, in every cell, whose difficulty, coupling and stages are measured and drawn; all where "
        "nothing is said, [] for none",
    )
    difficulty: Difficulty = Field(Difficulty(), description="hard and easy instances")
    coupling: Coupling = Field(Coupling(), description="coupling of synthetic images")
    cells: Annotated[list[Cell], Field(min_length=1)] = Field(description="what to run")
    cross_architecture: CrossArchitecture = Field(CrossArchitecture(), description="the second table")
    figures: Figures = Field(Figures(), description="how figures look")
    fair_comparison: bool = Field(
        False,
        strict=True,
        description="whether each set is also compared with random images under its own evaluation and step sizes, and "
        "with all real data (results/fair.csv); one more evaluation for each run and seed",
    )
