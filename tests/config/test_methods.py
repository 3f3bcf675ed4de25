"""Every declaration is complete, and every look-up of an unknown name an error."""

from collections import defaultdict
from importlib import import_module

import pytest
from helpers.tiny import ROOT

from seqmatch.config.experiment import SECTIONS
from seqmatch.config.methods import METHODS, OBJECTIVES, Images, Method, standard_names


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_names_a_step_that_exists_and_costs_something(name):
    objective = OBJECTIVES[name]
    module, _, function = objective.step.partition(":")
    assert callable(getattr(import_module(module), function))
    section = objective.section()
    passes = objective.cost(section, Images(classes=10, real=100, new=20, union=30, pixels=64))
    assert passes.work > 0
    assert objective.resumes_every(section) >= 1
    if objective.own_protocol is not None:
        module, _, function = objective.own_protocol.partition(":")
        assert callable(getattr(import_module(module), function))
    assert (objective.epochs(section) > 0) == (objective.needs == "trajectories")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_sets_what_its_section_has_and_has_a_page(name):
    method = METHODS[name]
    assert set(method.usual) | set(method.fixed) <= set(method.section.model_fields)
    method.section(**method.usual | method.fixed)
    assert not method.page or (ROOT / f"docs/methods/{method.page}.md").is_file()


def test_a_key_means_the_same_in_every_section():
    annotations = defaultdict(set)
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            annotations[name].add((str(field.annotation), str(field.metadata)))
    assert {name for name, found in annotations.items() if len(found) > 1} == set()


def test_every_method_with_subsets_has_a_sequential_form():
    names = standard_names()
    assert set(names) == set(METHODS) | {f"seqmatch-{name}" for name in METHODS if name != "whole"}
    assert names["seqmatch-dm"] == "dm" and list(names)[-1] == "whole"


@pytest.mark.parametrize(
    "wrong",
    [{"objective": "trajectories"}, {"objective": "trajectory", "usual": {"emaa": 1}}, {"evaluation": {"x": 1}}],
)
def test_an_incomplete_declaration_is_an_error(wrong):
    with pytest.raises((KeyError, ValueError)):
        Method(title="x", **wrong)
