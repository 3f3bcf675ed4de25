import copy
import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import yaml
from helpers.tiny import ROOT
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from seqmatch import config
from seqmatch.config.catalog import NEED_PATH, SOURCES, smallest_class, splits_of
from seqmatch.errors import SeqmatchError
from seqmatch.planning.contents import published_data

PIXELS = {"parameterisation": "pixels"}
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(**changes):
    """The default configuration with values replaced at dotted keys, `__` for a dot."""
    raw = copy.deepcopy(DEFAULT)
    for key, value in changes.items():
        *path, last = [int(part) if part.isdigit() else part for part in key.split("__")]
        place = raw
        for part in path:
            place = place[part]
        place[last] = value
    return raw


def test_the_default_configuration_is_valid():
    runs = config.load(DEFAULT).runs
    assert {name for _, name, _ in runs} == {"random", "herding", "dm", "mtt", "seqmatch-mtt", "whole"}
    assert runs["digits", "seqmatch-mtt", "2"].subsets == 2
    assert runs["digits", "mtt", "2"].subsets == 1


FAULTS = [
    ({"matching__iteration": 3}, "matching.iteration: unknown key; did you mean iterations?", "allowed: experts"),
    ({"cells__1__methods": {"mtt": {"stages": [{"steps": 1}]}}}, "cells[1].methods.mtt.stages[0].steps: unknown key",),
    ({"datasets__digits__source": "minst"}, "datasets.digits.source = 'minst'", "'digits'"),
    ({"datasets__digits__path": "x"}, "datasets.digits.path = x: digits takes none", "data.mirrors"),
    ({"datasets__digits__source": "imagefolder"}, "datasets.digits.path: missing; imagefolder needs the folder"),
    ({"datasets__digits__image_size": 4}, "datasets.digits.image_size = 4", "8"),
    ({"data": {"mirrors": {"digits": ["x"]}}}, "data.mirrors.digits", "cifar10"),
    ({"cells__1__dataset": "digit"}, "cells[1].dataset = digit: not defined; did you mean digits?", "allowed: digits"),
    ({"cells__1__methods": {"mmt": None}}, "cells[1].methods.mmt: unknown method", "dc, dsa, dm, cafe, mtt"),
    ({"cells__1__ipc": 1}, "cells[1].methods.seqmatch-mtt.stages: 2 subsets of ipc 1",),
    ({"cells__1__ipc": 0}, "cells[1].ipc = 0", "greater than or equal to 1", "'all'"),
    ({"cells__1__ipc": 2.5}, "cells[1].ipc = 2.5", "integer"),
    ({"cells__1__methods": {"mtt": {"stages": [{}, {}]}}}, "mtt has one; for more use seqmatch-mtt"),
    ({"cells__1__methods": {"ftd": None}}, "experts.convnet.rho = 0: cells[1].methods.ftd matches sharpness-aware"),
    ({"cells__1__methods": {"ftd": {"stages": [{}, {}]}}}, "ftd has one; for more use seqmatch-ftd"),
    ({"cells__1__methods": {"herding": {"backbone": "mtt"}}}, "herding has the backbone herding"),
    ({"cells__1__methods": {"mtt": {"stages": []}}}, "cells[1].methods.mtt.stages = []"),
    ({"cells__1__methods": {"mtt": {"backbone": "random"}}}, "cells[1].methods.mtt.backbone = random"),
    ({"cells__1__methods": {"whole": None}}, "`whole` goes with ipc `all`"),
    ({"cells__0__methods": {"mtt": None}}, "`whole` goes with ipc `all`"),
    ({"cells__0__methods": {"whole": None}}, "cells[0].methods.whole.evaluation.learning_rate: missing"),
    ({"cells__0": DEFAULT["cells"][1]}, "stands in another cell too"),
    ({"cells": []}, "cells = []"),
    ({"[": None}, "[: unknown key; allowed: device"),
    ({"none": None}, "none: unknown key; allowed: device"),
    ({"cells__1__Method": {}}, "cells[1].Method: unknown key; did you mean methods? allowed: dataset"),
    ({"seeds": 3}, "seeds = 3", "list"),
    ({"seeds": [True]}, "seeds[0] = True", "integer"),
    ({"seeds": [-1]}, "seeds[0] = -1"),
    ({"device": "tpu"}, "device = 'tpu'", "'auto', 'cpu' or 'cuda'"),
    ({"evaluation__momentum": 1.5}, "evaluation.momentum = 1.5", "less than 1"),
    ({"evaluation__momentum": True}, "evaluation.momentum = True", "expected a number"),
    ({"evaluation__networks": "many"}, "evaluation.networks = 'many'", "integer"),
    ({"evaluation__decay_at": [0.5, 0.2]}, "evaluation.decay_at", "ascending"),
    ({"matching__initial_step_size": -0.1}, "matching.initial_step_size = -0.1", "greater than 0"),
    ({"matching__lr_images": float("inf")}, "matching.lr_images = inf", "finite"),
    ({"datasets__digits__augmentation": ["colour"]}, "datasets.digits.augmentation[0] = 'colour'", "'color'"),
    ({"datasets__digits__validation_fraction": 1}, "datasets.digits.validation_fraction = 1"),
    ({"architectures__convnet__norm": "batch"}, "architectures.convnet.norm = batch", "instance or none"),
    ({"architectures__convnet__family": "resnet"}, "family = 'resnet'", "did you mean resnet18?", "module:Class"),
    ({"architectures__convnet__options": {"width": 8}}, "convnet.options = {", "a class of your own", "set width"),
    ({"architectures__convnet": {"family": "a.b:C", "width": 8}}, "architectures.convnet.width = 8", "in `options`"),
    ({"architectures__convnet": {"family": "a.b:C", "depth": 2}}, "architectures.convnet.depth = 2", "in `options`"),
    ({"architectures__convnet__options": {"x": float("nan")}}, "architectures.convnet.options", "JSON"),
    ({"architectures__convnet__depth": 9}, "architectures.convnet.depth = 9", "7"),
    ({"experts__convnet__architecture": "x"}, "experts.convnet.architecture = x: not defined"),
    ({"experts__convnet__epochs": 3}, "experts.convnet.epochs = 3: cells[1].methods.mtt can match up to epoch 15"),
    ({"experts": {}}, "experts: missing"),
    ({"matching__experts": "x"}, "experts = x: not defined; allowed: convnet"),
    ({"analysed": ["mttt"]}, "analysed[0] = mttt: not defined; did you mean mtt?"),
    ({"analysed": ["mtt", "mtt"]}, "analysed = ['mtt', 'mtt']"),
    ({"cross_architecture__architectures": ["lenet"]}, "cross_architecture.architectures[0] = lenet: not defined"),
    ({"cross_architecture__seeds": 0}, "cross_architecture.seeds = 0"),
    ({"cells__1__methods": {"seqmatch-mtt": None}}, "cells[1].methods.seqmatch-mtt.stages: missing"),
    ({"cells__1__methods": ["mtt"]}, "cells[1].methods = ['mtt']: expected keys with values below it"),
    ({"matching": None}, "matching = None: expected keys with values below it, or {} for none"),
    ({"selection__also": ["best"]}, "selection.also[0] = 'best'"),
    ({"evaluation__batch_size": 1}, "evaluation.batch_size = 1", "2"),
    ({"cells__1__methods": {"experts": {"backbone": "mtt"}}}, "cells[1].methods.experts: this name is taken"),
    ({"datasets__figures": {"source": "digits"}}, "datasets.figures: this name is taken"),
    ({"datasets__Bad/Name": {"source": "digits"}}, "Bad/Name"),
    ({"datasets__a\nb": {"source": "digits"}}, "datasets.'a\\nb'"),
    ({"datasets__digits__path": "a\0b"}, "datasets.digits.path = 'a\\x00b'", "pattern"),
    ({"data": {"mirrors": {"mnist": ["a\nb"]}}}, "data.mirrors.mnist[0] = 'a\\nb'", "pattern"),
    ({"seeds": [0, 1, 0]}, "seeds = [0, 1, 0]", "distinct"),
    ({"seeds": [2**32]}, "seeds[0] = 4294967296", "less than"),
    ({"evaluation__batch_size": 2**63}, "evaluation.batch_size = 9223372036854775808", "10000000"),
    ({"matching__lr_images": 1e308}, "matching.lr_images = 1e+308", "less than or equal to 1000000000"),
    ({"datasets__digits__normalization": "zca", "datasets__digits__zca_regularization": 1e-300}, "0.000000001"),
    ({"datasets__digits": {"source": "mnist", "test_fraction": 0.2}}, "test_fraction = 0.2: a source without a test"),
    ({"datasets__digits": {"source": "mnist", "validation_fraction": 0, "split_seed": 1}}, "digits.split_seed = 1"),
    ({"datasets__digits__channels": 3}, "datasets.digits.channels = 3: an imagefolder alone reads it; leave it out"),
    ({"datasets__digits__fit": "crop"}, "digits.fit = crop: a subset of ImageNet, or an imagefolder with"),
    ({"datasets__digits__zca_regularization": 0.1}, "digits.zca_regularization = 0.1: `normalization: zca` alone"),
    ({"datasets__digits__validation_fraction": 0.005}, "validation_fraction = 0.005: holds out 7 images of 10 classes"),
    ({"datasets__digits__test_fraction": 0.005}, "digits.test_fraction = 0.005: holds out 9 images of 10 classes"),
    ({"datasets__digits__validation_fraction": 0.995}, "leaves 6 training images of 10 classes"),
    ({"architectures__vgg11__depth": 3}, "architectures.vgg11.depth = 3: a convnet alone reads it"),
    ({"experts__convnet__gsam_alpha": 0.3}, "experts.convnet.gsam_alpha = 0.3: a recipe with `rho` alone reads it"),
    ({"experts__convnet__decay_factor": 0.3}, "experts.convnet.decay_factor = 0.3: training with `decay_at` alone"),
    ({"cells__1__methods": {"mtt": {"stages": [{"momentum": 0.9}]}}}, "momentum = 0.9: `optimizer: sgd` alone"),
    ({"cells__1__methods": {"dc": {"stages": [{"learner": {"decay_factor": 0.1}}]}}}, "stages[0].learner.decay_factor"),
    (
        {"cells__1__methods": {"mtt": {"evaluation": {"decay_at": [], "decay_factor": 0.1}}}},
        "methods.mtt.evaluation.decay_factor = 0.1: training with `decay_at` alone reads it",
    ),
    (
        {"datasets__digits": {"source": "imagenette", "path": "x", "normalization": "zca"}},
        "datasets.digits.normalization = zca: images of 49,152 numbers would need 97 GB",
        "an image_size up to 104",
    ),
    ({"cells__0__architectures": ["vgg11"]}, "cells[0].architectures: `whole` is trained on the matched architecture"),
    ({"cells__1__ipc": 119}, "methods.random: ipc = 119: the smallest class of digits has 118 training images"),
    ({"cells__1__methods": {"mtt": {"stages": [None]}}}, "stages[0] = None: expected keys with values below it, or {}"),
    ({"matching__iterations": 16**5000}, "matching.iterations = a number of thousands of digits"),
    ({"architectures__convnet": {"family": "a.b:C", "options": {"x": [16**5000]}}}, "a number of thousands of digits"),
    (
        {"cells__1__methods": {"seqmatch-dd": {"stages": [{"synthetic_steps": 1}, {"synthetic_steps": 1}]}}},
        "seqmatch-dd.stages[1].synthetic_steps = 1: with `order: fixed`, 2 images of each class take 2 steps",
    ),
    ({"cells__1__methods": {"kip": {"stages": [{"kernel": "rbf"}]}}}, "stages[0].kernel = 'rbf'", "'pooled'"),
    ({"cells__1__methods": {"kip": {"stages": [{"kernel_depth": 0}]}}}, "stages[0].kernel_depth = 0", "1"),
    ({"cells__1__methods": {"kip": {"stages": [{"ridge": 0}]}}}, "stages[0].ridge = 0", "greater than 0"),
    ({"cells__1__methods": {"kip": {"stages": [{"lr_step_size": 1}]}}}, "lr_step_size: kip does not read it; it reads"),
    (
        {"cells__1__methods": {"seqmatch-kip": {"stages": [{}, {"kernel": "pooled"}]}}},
        "methods.seqmatch-kip.stages: kernel has to be the same in all of them",
    ),
    ({"cells__1__methods": {"datm": None}}, "experts.convnet.rho = 0: cells[1].methods.datm matches sharpness-aware"),
    (
        {"cells__1__methods": {"datm": {"stages": [{"min_start_epoch": 14}]}}},
        "methods.datm.stages[0]: min_start_epoch = 14: expected less than max_start_epoch, 14",
    ),
    (
        {"cells__1__methods": {"datm": {"stages": [{"initial_max_start_epoch": 15}]}}},
        "methods.datm.stages[0]: initial_max_start_epoch = 15: expected at most max_start_epoch, 14",
    ),
    (
        {"cells__1__methods": {"datm": {"stages": [{"expansion_iterations": 9}]}}},
        "stages[0].expansion_iterations = 9: a stage with `initial_max_start_epoch` alone reads it",
    ),
    (
        {"cells__1__methods": {"datm": {"stages": [{"soft_labels": False, "lr_labels": 1}]}}},
        "lr_labels = 1.0: `soft_labels: true` alone reads it",
    ),
    (
        {"cells__1__methods": {"datm": {"stages": [{"lr_labels": 0, "momentum_labels": 0.5}]}}},
        "momentum_labels = 0.5: a stage with `soft_labels` and `lr_labels` alone reads it",
    ),
    (
        {"cells__1__methods": {"haba": {"stages": [{"hallucinators": 1}]}}},
        "methods.haba.stages[0]: hallucinators = 1: the adversary compares two",
    ),
    (
        {"cells__1__methods": {"haba": {"stages": [{"lr_adversary": 0, "likeness": 0.2}]}}},
        "likeness = 0.2: a stage with `lr_adversary` above 0 alone reads it",
    ),
    ({"cells__1__methods": {"haba": {"stages": [{"parameterisation": "pixels"}]}}}, "haba does not read it"),
    (
        {"cells__1__methods": {"mtt": {"stages": [{"memories": 4}]}}},
        "stages[0].memories = 4: `parameterisation: memories` alone reads it",
    ),
    (
        {"cells__1__methods": {"mtt": {"stages": [{"lr_decoder": 1}]}}},
        "lr_decoder = 1.0: `parameterisation: memories` or `parameterisation: hallucinators` alone reads it",
    ),
    (
        {"cells__1__methods": {"dm": {"stages": [{"parameterisation": "memories", "memories": 9000}]}}},
        "methods.dm.stages[0].memories = 9000: they leave no room for sums of them in the budget of ipc 2",
    ),
    (
        {"cells__1__ipc": 40, "cells__1__methods": {"dm": {"stages": [{"parameterisation": "memories"}]}}},
        "the sums of memories start from 158 real images of each class, but the smallest class of digits has 118",
    ),
    (
        {"cells__1__methods": {"random": {"stages": [{"parameterisation": "hallucinators"}]}}},
        "random moves nothing, and hallucinators say something only once they are distilled",
    ),
    (
        {"cells__1__methods": {"seqmatch-dm": {"stages": [{"parameterisation": "hallucinators"}, {}]}}},
        "methods.seqmatch-dm.stages: parameterisation has to be the same in all of them",
    ),
    ({"cells__1__methods": {"mtt": {"stages": [{"skip_above": 1}]}}}, "skip_above: mtt does not read it"),
    ({"cells__1__methods": {"datm": {"stages": [{"skip_above": 0}]}}}, "stages[0].skip_above = 0", "greater than 0"),
    (
        {"cells__1__methods": {"mtt": {"evaluation": {"momentum_restarts": False}}}},
        "methods.mtt.evaluation.momentum_restarts: with one subset there is nothing to choose",
    ),
    ({"evaluation__momentum_restarts": 0}, "evaluation.momentum_restarts = 0", "valid boolean"),
    (
        {
            "datasets__digits": {"source": "digits", "validation_fraction": 0.8},
            "cells__1__methods": {"idc": {"stages": [{"formation": 8}]}},
        },
        "each stored image starts from 64; use a smaller formation",
    ),
    ({"cells__1__ipc": 60, "cells__1__methods": {"idc": None}}, "each stored image starts from 4; use at most ipc 29"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "messages"), [(fault[0], fault[1:]) for fault in FAULTS])
def test_a_fault_is_one_line_that_names_key_value_and_what_is_allowed(changes, messages):
    with pytest.raises(SeqmatchError) as caught:
        config.load(changed(**changes))
    text = str(caught.value)
    assert all(message in text for message in messages), text
    assert len(text.splitlines()) == 1


def test_several_faults_are_told_together():
    with pytest.raises(SeqmatchError) as caught:
        config.load(changed(evaluation__epochs=0, matching__momentum=2))
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_section_is_named():
    raw = copy.deepcopy(DEFAULT)
    del raw["cells"]
    with pytest.raises(SeqmatchError, match="cells: missing"):
        config.load(raw)


def test_settings_are_layered():
    raw = changed(matching__iterations=10, matching__synthetic_steps=11, matching__expert_epochs=1)
    raw["cells"][1]["matching"] = {"synthetic_steps": 12, "max_start_epoch": 13}
    raw["cells"][1]["methods"] = {"seqmatch-mtt": {"stages": [{}, {"max_start_epoch": 14}]}}
    run = config.load(raw).runs["digits", "seqmatch-mtt", "2"]
    values = [(s.iterations, s.synthetic_steps, s.max_start_epoch, s.momentum) for s in run.stages]
    assert values == [(10, 12, 13, 0.5), (10, 12, 14, 0.5)]


def test_a_method_of_ones_own_is_a_variant_of_a_backbone():
    raw = changed(cells__1__methods={"mtt-long": {"backbone": "mtt", "evaluation": {"epochs": 7}}})
    run = config.load(raw).runs["digits", "mtt-long", "2"]
    assert run.backbone == "mtt" and run.evaluation.epochs == 7 and run.evaluation.networks == 5


def test_random_is_distillation_without_iterations():
    run = config.load(DEFAULT).runs["digits", "random", "2"]
    assert [stage.iterations for stage in run.stages] == [0] and run.selections == ("last",)
    other = changed(matching__lr_images=0.5, matching__iterations=9, matching__synthetic_steps=3)
    assert config.load(other).runs["digits", "random", "2"] == run  # so that its jobs do not run again


def test_without_a_validation_split_the_last_snapshot_is_the_main_selection():
    runs = config.load(changed(datasets__digits__validation_fraction=0)).runs
    assert runs["digits", "mtt", "2"].selections == ("last", "test")


@pytest.mark.parametrize("also", [["test"], ["test", "last"], []])
def test_test_data_never_choose_the_main_selection(also):
    for fraction, main_selection in ((0.1, "validation"), (0, "last")):
        raw = changed(datasets__digits__validation_fraction=fraction)
        raw["selection"]["also"] = also
        assert config.load(raw).runs["digits", "mtt", "2"].selections[0] == main_selection


def test_experts_record_what_first_stages_can_match_and_no_more():
    assert config.load(DEFAULT).recorded_epochs["convnet", "digits"] == 13 + 2
    pinned = config.load(changed(experts__convnet__epochs=30))
    assert pinned.recorded_epochs["convnet", "digits"] == 30


def test_the_schema_accepts_the_default_and_refuses_an_unknown_key():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    jsonschema.validate(DEFAULT, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(matching__iteration=3), schema)


def test_ftd_averages_its_images_and_coresets_move_none():
    raw = copy.deepcopy(DEFAULT)
    raw["experts"]["flat"] = raw["experts"]["convnet"] | {"rho": 0.01}
    raw["matching"]["experts"] = "convnet"
    del raw["cells"][2]
    raw["cells"][1]["methods"] = {
        "herding": None,
        "k-center": None,
        "k-means": None,
        "mtt": None,
        "ftd": {"stages": [{"experts": "flat"}]},
        "seqmatch-ftd": {"stages": [{"experts": "flat", "ema": 0.9}, {"experts": "flat"}]},
    }
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    assert [stage.ema for stage in runs["seqmatch-ftd"].stages] == [0.9, 0.999]
    assert runs["mtt"].stages[0].ema == 0 and runs["ftd"].stages[0].ema == 0.999
    for name in ("herding", "k-center", "k-means"):
        (stage,) = runs[name].stages
        assert (stage.initial, stage.iterations) == (name, 0) and runs[name].asks_experts(1)
    assert config.load(raw).recorded_epochs["flat", "digits"] == 15


def test_idc_has_its_own_matching_and_evaluation_unless_the_configuration_says_otherwise():
    raw = changed(evaluation__epochs=7)
    raw["cells"][1]["methods"] = {
        "mtt": None,
        "idc": None,
        "seqmatch-idc": {
            "stages": [{"updates_per_network": 50, "formation": 3}, {"formation": 3}],
            "evaluation": {"cutmix": 0, "learning_rate": 0.1},
        },
    }
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    (plain,), stages = runs["idc"].stages, runs["seqmatch-idc"].stages
    assert {type(stage) for stage in (plain, *stages)} == {config.CondensationMatching}
    assert (plain.formation, plain.real_batch, plain.updates_per_network) == (2, 64, 100)
    assert [(stage.formation, stage.updates_per_network) for stage in stages] == [(3, 50), (3, 100)]
    idc, mtt = runs["idc"].evaluation, runs["mtt"].evaluation
    assert (idc.cutmix, idc.learning_rate, idc.batch_size, idc.epochs) == (0.5, 0.01, 64, 7)
    assert "cutout" not in idc.augmentation and "crop" in idc.augmentation
    assert (idc.augmentation_form, mtt.augmentation_form) == ("composed", "single")
    assert (mtt.cutmix, mtt.learning_rate, mtt.augmentation) == (0, None, None)
    assert (runs["seqmatch-idc"].evaluation.cutmix, runs["seqmatch-idc"].evaluation.learning_rate) == (0, 0.1)
    assert not list(runs["idc"].shared_experts()) and runs["seqmatch-idc"].uses_teachers(2)
    assert runs["seqmatch-idc"].epochs(2) == 0 < runs["mtt"].epochs(1)


@pytest.mark.parametrize(
    ("methods", "fault"),
    [
        ({"idc": {"stages": [{}, {}]}}, "2 subsets; idc has one; for more use seqmatch-idc"),
        ({"dm": {"stages": [{}, {}]}}, "dm has one; for more use seqmatch-dm"),
        ({"dm": {"stages": [{"soft_labels": True}]}}, r"dm does not read it; it reads experts, .*real_batch"),
        (
            {"mtt": {"stages": [{"network_epochs": 3}]}},
            r"mtt.stages\[0\].network_epochs: mtt does not read it; it reads",
        ),
        ({"dc": {"stages": [{"augment_matching": True}]}}, "dc does not read it"),
        ({"cafe": {"stages": [{"updates_per_network": 1, "learner": {}}]}}, "learner = .* above 1 alone reads it"),
        ({"cafe": {"stages": [{"network_images": 9}]}}, "cafe does not read it; it reads .*layer_weights"),
        ({"cafe": {"stages": [{"layer_weights": [0.1, -1]}]}}, r"layer_weights\[1\]"),
        ({"herding": {"stages": [{"initial": "random"}]}}, "herding does not read it"),
        ({"mtt": {"stages": [{"formation": 2}]}}, r"formation = 2: images stored as pixels do not read it"),
        ({"mtt": {"stages": [{"parameterisation": "multi-formation"}]}}, r"stages\[0\].formation = 1: multi-formation"),
        ({}, "methods = {}"),
        ({"seqmatch-mtt": {"stages": [{"soft_labels": True}, {}]}}, "soft_labels has to be the same in all of them"),
        ({"seqmatch-idc": {"stages": [{"formation": 3}, {}]}}, "formation has to be the same in all of them"),
        ({"mtt": {"stages": [{"soft_labels": True, "initial": "noise"}]}}, "soft_labels need images that experts know"),
        ({"mtt": {"stages": [{"iterations": 0, "snapshots": 2}]}}, r"snapshots = 2: a stage that moves images"),
        ({"mtt": {"evaluation": {"curriculum": "subset"}}}, "evaluation.curriculum: with one subset there is nothing"),
        ({"dc": {"stages": [{"updates_per_network": 1, "network_epochs": 2}]}}, "network_epochs = 2: .* above 1 alone"),
        ({"idc": {"stages": [{"updates_per_network": 1, "learner": {}}]}}, "learner = .* above 1 alone reads it"),
        (
            {"mtt": {"evaluation": {"augmentation": [], "augmentation_form": "composed"}}},
            "form = composed: training with",
        ),
        ({"mtt": {"evaluation": {"decay_restarts": True, "momentum": 0}}}, "restarts = True: .*and `momentum` alone"),
    ],
)
def test_settings_that_contradict_a_method_are_refused(methods, fault):
    raw = copy.deepcopy(DEFAULT)
    raw["cells"][1]["methods"] = methods
    with pytest.raises(SeqmatchError, match=fault):
        config.load(raw)


SEQUENTIAL = {"stages": [{"iterations": 30}, {"iterations": 20}], "evaluation": {"epochs": 40}}


@pytest.mark.parametrize(
    ("methods", "fault"),
    [
        ({"seqmatch-mtt": {"stages": [{"size": 1}, {"size": 1}]}}, r"mtt.stages: .*2 together; `size` of all"),
        ({"mtt": {"stages": [{"size": 1}]}}, r"mtt.stages: 3 images per class cannot be divided"),
        (
            {"seqmatch-mtt": {"stages": [{"size": 3}, {}]}},
            "cannot be divided into 2 subsets of which 1 have 3 together",
        ),
        ({"seqmatch-mtt": SEQUENTIAL | {"teachers": "first"}}, "teachers = first: it is for methods with teachers and"),
        ({"seqmatch-dm": {"stages": [{}] * 3, "teachers": "first"}}, "teachers = first: it is for methods with"),
        (
            {"seqmatch-mtt": SEQUENTIAL | {"evaluation": {"step_sizes": "first", "learning_rate": 0.1}}},
            "step_sizes = first: an evaluation without `learning_rate` alone reads it",
        ),
        ({"mtt": {"evaluation": {"step_sizes": "first"}}}, "evaluation.step_sizes: with one subset there is nothing"),
        ({"mtt": {"against": "dm"}}, "against = dm: expected another method of this cell"),
        ({"mtt": {"against": "mtt"}}, "against = mtt: expected another method of this cell"),
        ({"mtt": {"rounds": 2}}, "rounds = 2: it is for methods that distil several subsets"),
        ({"random": {"stages": [{}, {}], "rounds": 2}}, "rounds = 2: it is for methods that distil several subsets"),
        ({"seqmatch-mtt": SEQUENTIAL | {"rounds": 21}}, "rounds = 21: the 20 iterations of subset 2 cannot be divided"),
        (
            {"seqmatch-dc": {"stages": [{"iterations": 20}, {"iterations": 20}], "rounds": 3}},
            r"rounds = 3: the 20 iterations of subset 1 .* whole 10 \(updates_per_network\); use fewer",
        ),
        ({"mtt": {"equal_compute": "seqmatch-mtt"}}, r"= seqmatch-mtt: expected a method .* several subsets \(none\)"),
        ({"mtt": {"equal_compute": "mtt"}, "seqmatch-mtt": SEQUENTIAL}, r"= mtt: expected .* \(seqmatch-mtt\)"),
        ({"dm": {"equal_compute": "seqmatch-mtt"}, "seqmatch-mtt": SEQUENTIAL}, "it has the backbone mtt, not dm"),
        (
            {"mtt": {"equal_compute": "seqmatch-mtt", "evaluation": {"epochs": 3}}, "seqmatch-mtt": SEQUENTIAL},
            r"mtt.evaluation.epochs: equal_compute decides it",
        ),
        (
            {"mtt": {"equal_compute": "seqmatch-mtt", "stages": [{"iterations": 3}]}, "seqmatch-mtt": SEQUENTIAL},
            r"mtt.stages\[0\].iterations: equal_compute decides it",
        ),
        (
            {"two": {"backbone": "mtt", "equal_compute": "seqmatch-mtt", **SEQUENTIAL}, "seqmatch-mtt": SEQUENTIAL},
            "equal_compute: it is for one subset; this method has 2",
        ),
    ],
)
def test_divisions_rounds_and_equal_compute_that_cannot_be_are_refused(methods, fault):
    raw = copy.deepcopy(DEFAULT)
    raw["cells"][1] = {"dataset": "digits", "ipc": 3, "methods": methods}
    with pytest.raises(SeqmatchError, match=fault):
        config.load(raw)


def test_equal_compute_is_counted_in_images_that_iterations_and_epochs_deal_with():
    """Subsets of two and one image per class, and their unions of two and three."""
    raw = copy.deepcopy(DEFAULT)
    longer = {"backbone": "mtt", "equal_compute": "seqmatch-mtt", "stages": [{"max_start_epoch": 4}]}
    raw["cells"] = [{"dataset": "digits", "ipc": 3, "methods": {"mtt-equal": longer, "seqmatch-mtt": SEQUENTIAL}}]
    run = config.load(raw).runs["digits", "mtt-equal", "3"]
    iterations, epochs = round((2 * 30 + 1 * 20) / 3), round(40 * (2 + 3) / 3)
    assert (run.stages[0].iterations, run.stages[0].max_start_epoch, run.evaluation.epochs) == (iterations, 4, epochs)


def test_equal_compute_of_memories_that_the_assumed_classes_of_a_folder_leave_no_room_for_is_refused():
    raw = copy.deepcopy(DEFAULT)
    raw["datasets"] = {"mine": {"source": "imagefolder", "path": "mine", "image_size": 32}}
    stage = {"parameterisation": "memories", "memories": 64, "initial": "noise"}
    methods = {
        "seqmatch-rtp": {"stages": [stage, stage]},
        "longer": {"backbone": "rtp", "equal_compute": "seqmatch-rtp", "stages": [stage]},
    }
    raw["cells"] = [{"dataset": "mine", "ipc": 2, "methods": methods}]
    with pytest.raises(SeqmatchError, match=r"equal_compute = seqmatch-rtp: .* assumed to be of 10 classes"):
        config.load(raw)


def test_a_general_0_to_try_an_experiment_leaves_rounds_teachers_and_equal_compute_as_they_are():
    raw = config.read(ROOT / "config/choices.yaml")
    raw["matching"]["iterations"] = 0
    for cell in raw["cells"]:
        cell.get("matching", {}).pop("iterations", None)
        cell["methods"].pop("mtt-long", None)  # which says itself how many
    longer = {"backbone": "mtt", "equal_compute": "seqmatch-mtt", "stages": [{"max_start_epoch": 4}]}
    raw["cells"][-1]["methods"] = dict(raw["cells"][-1]["methods"]) | {"mtt-equal": longer}
    runs = config.load(raw).runs
    assert not any(run.distilled or run.rounds for run in runs.values())
    assert runs["fashion-mnist", "mtt-equal", "10"].stages[0].max_start_epoch == 4


def test_rounds_share_the_iterations_in_parts_from_which_distillation_can_go_on():
    raw = copy.deepcopy(DEFAULT)
    stages = [{"iterations": 50, "updates_per_network": 10}, {"iterations": 55, "updates_per_network": 1, "size": 2}]
    raw["cells"] = [{"dataset": "digits", "ipc": 3, "methods": {"seqmatch-dsa": {"stages": stages, "rounds": 4}}}]
    run = config.load(raw).runs["digits", "seqmatch-dsa", "3"]
    assert [run.done_after(1, number) for number in range(5)] == [0, 10, 20, 30, 50]
    assert [run.done_after(2, number) for number in range(5)] == [0, 13, 27, 41, 55]
    assert run.sizes == [1, 2]


@pytest.mark.parametrize(("teachers", "counts"), [("all", [0, 1, 2, 3]), ("first", [0, 1, 1, 1])])
def test_teachers_go_through_all_earlier_subsets_or_the_first(teachers, counts):
    raw = copy.deepcopy(DEFAULT)
    method = {"seqmatch-mtt": {"stages": [{}] * 4, "teachers": teachers}}
    raw["cells"] = [{"dataset": "digits", "ipc": 4, "methods": method}]
    run = config.load(raw).runs["digits", "seqmatch-mtt", "4"]
    assert [run.taught_by(k) for k in range(1, 5)] == counts


def test_an_unread_key_of_a_general_section_is_named_in_a_warning():
    raw = copy.deepcopy(DEFAULT)
    raw["matching"] |= {"network_epochs": 5, "real_batch": 64}
    raw["cells"][1]["matching"] = {"distance": "absolute", "iterations": 3}
    assert config.load(raw).warnings == [
        "matching.network_epochs: no method of the experiment reads it",
        "cells[1].matching.distance: no method of this cell reads it",
    ]
    assert config.load(DEFAULT).warnings == []


def test_what_nothing_of_the_experiment_uses_is_named_in_a_warning():
    raw = changed(matching__momentum=0.5, evaluation__decay_factor=0.5, evaluation__decay_at=[])
    raw["datasets"]["other"] = {"source": "mnist"}
    raw["data"] = {"mirrors": {"svhn": ["x"]}}
    raw["architectures"] |= {"unused": {"family": "convnet"}, "wide": {"family": "convnet"}}
    raw["experts"] |= {"unused": {"architecture": "wide"}, "teachers": {"architecture": "convnet", "epochs": 40}}
    raw["matching"]["experts"] = "convnet"
    raw["cells"][1]["methods"] = {"seqmatch-mtt": {"stages": [{}, {"experts": "teachers"}]}}
    assert config.load(raw).warnings == [
        "matching.momentum: no method of the experiment reads it",
        "evaluation.decay_factor: no method of the experiment reads it",
        "datasets.other: nothing of the experiment uses it",
        "experts.unused: nothing of the experiment uses it",
        "architectures.unused: nothing of the experiment uses it",
        "architectures.wide: nothing of the experiment uses it",
        "data.mirrors.svhn: nothing of the experiment uses it",
        "experts.teachers.epochs: it trains teachers alone, which record what their stages match",
    ]
    raw = changed(coupling={"draws": 2}, cross_architecture__architectures=[])
    raw["cells"] = [raw["cells"][0]]
    assert config.load(raw).warnings[-5:] == [
        "experts.convnet: no method of the experiment needs experts, so nothing reads batch_size, learning_rate, "
        "networks_per_shard",
        "difficulty: it applies to nothing of the experiment",
        "coupling: it applies to nothing of the experiment",
        "selection: it applies to nothing of the experiment",
        "cross_architecture.seeds: nothing is evaluated on other architectures",
    ]
    found = config.load(changed(analysed=[], coupling={"draws": 2})).warnings
    assert [line.partition(":")[0] for line in found] == ["difficulty", "coupling"]
    raw = changed(datasets__digits__validation_fraction=0, selection__also=[], evaluation__curriculum="subset")
    raw["cells"] = [raw["cells"][1] | {"architectures": ["resnet18", "vgg11", "alexnet"], "methods": {"mtt": None}}]
    assert config.load(raw).warnings == [
        "evaluation.curriculum: no method of the experiment reads it",
        "selection.networks: the last snapshot is taken everywhere, so none is scored",
        "cross_architecture.architectures: every cell has its own",
    ]
    config.load(changed(matching__iterations=0))  # to try an experiment; what its stages set stays


def test_a_key_that_some_stage_reads_is_no_warning():
    raw = changed(matching__momentum=0.5)
    raw["cells"][1]["methods"]["dm"] = {"stages": [{"optimizer": "sgd"}]}
    raw["cells"][2]["methods"].pop("dm")
    assert config.load(raw).warnings == []


NATURAL = {name: {"image_size": source.shape[1], "channels": source.shape[0]} for name, source in SOURCES.items()}


@pytest.mark.parametrize("source", NATURAL)
def test_a_source_s_own_size_and_channels_are_as_if_they_were_not_given(source):
    plain = config.Dataset(source=source)
    assert config.Dataset(source=source, **NATURAL[source]).model_dump_json() == plain.model_dump_json()
    assert config.Dataset(source=source, image_size=16).image_size == 16
    raw = changed(
        datasets__digits={"source": source, **NATURAL[source]} | ({"path": "x"} if source in NEED_PATH else {})
    )
    assert published_data(config.load(raw)) == {"digits": source}


def test_sizes_of_splits_are_those_that_scikit_learn_makes():
    digits = SOURCES["digits"]
    counts = np.bincount(load_digits().target)
    assert (counts.min(), counts.sum()) == (digits.smallest, digits.train)
    for test, validation in ((0.25, 0.1), (0.1, 0.33), (0.7, 0.5), (0.25, 0.0)):
        labels = load_digits().target
        rest, held_out = train_test_split(labels, test_size=test, stratify=labels, random_state=0)
        train = train_test_split(rest, test_size=validation, stratify=rest, random_state=0)[0] if validation else rest
        sizes = splits_of(digits, test, validation)
        assert (sizes.train, sizes.validation, sizes.test) == (len(train), len(rest) - len(train), len(held_out))
        assert smallest_class(digits, sizes) - 2 <= np.bincount(train).min() <= smallest_class(digits, sizes)


def test_noise_to_start_from_needs_no_experts_and_is_no_coreset():
    raw = copy.deepcopy(DEFAULT)
    raw["cells"] = [raw["cells"][1] | {"methods": {"dc": {"stages": [{"initial": "noise"}]}}}]
    experiment = config.load(raw)
    assert experiment.runs["digits", "dc", "2"].stages[0].initial == "noise" and experiment.recorded_epochs == {}
    raw["cells"][0]["methods"] = {"random": {"stages": [{"initial": "noise"}]}}
    with pytest.raises(SeqmatchError, match="random does not read it"):
        config.load(raw)


def test_the_papers_experiments_have_the_published_values():
    """Where they differ between cells: FTD's Table 7, the learning rate of DSA, and MTT without whitening."""
    experiment = config.load(config.read(ROOT / "config/paper.yaml"))
    runs, experts = experiment.runs, experiment.config.experts
    assert experiment.config.architectures["alexnet"].norm == "none"
    flat = {
        ("cifar10", "10"): (30, 20, None, 100, 0.001, 0.9995, 0.3),
        ("cifar10", "50"): (30, 40, None, 1000, 0.01, 0.999, 1),
        ("cifar100", "10"): (20, 40, None, 1000, 0.01, 0.9995, 1),
        ("cifar100", "50"): (80, 40, 1000, 1000, 0.01, 0.999, 1),
        ("tiny-imagenet", "10"): (20, 40, 500, 10000, 0.01, 0.999, 1),
    }
    keys = ("synthetic_steps", "max_start_epoch", "synthetic_batch", "lr_images", "initial_step_size", "ema")
    for (dataset, ipc), published in flat.items():
        (stage,) = runs[dataset, "ftd", ipc].stages
        recipe = experts[stage.experts]
        assert (*(getattr(stage, key) for key in keys), recipe.gsam_alpha) == published
        assert (recipe.rho, recipe.adaptive) == (0.01, True)
    ranged = {
        ("cifar10", "10"): (80, 0, 10, 20, 1000, None, 100, 2, 1e-5),
        ("cifar10", "50"): (80, 0, 20, 40, 2000, None, 1000, 2, 1e-5),
        ("cifar100", "10"): (80, 0, 30, 50, 2000, None, 1000, 10, 1e-5),
        ("cifar100", "50"): (80, 20, None, 70, 1000, 1000, 1000, 10, 1e-5),
        ("tiny-imagenet", "10"): (40, 10, None, 50, 1000, 500, 100, 10, 1e-4),
    }
    keys = ("synthetic_steps", "min_start_epoch", "initial_max_start_epoch", "max_start_epoch", "expansion_iterations")
    keys += ("synthetic_batch", "lr_images", "lr_labels", "lr_step_size")
    for (dataset, ipc), published in ranged.items():
        run = runs[dataset, "datm", ipc]
        (stage,) = run.stages
        recipe = experts[stage.experts]
        assert tuple(getattr(stage, key) for key in keys) == published
        assert (stage.iterations, stage.initial_step_size, stage.momentum_labels, stage.skip_above) == (
            10000,
            0.01,
            0.9,
            1,
        )
        assert (recipe.rho, recipe.gsam_alpha, recipe.adaptive, run.evaluation.batch_size) == (0.01, 0.3, True, 128)
    for ipc in ("10", "50"):
        (dc,), (dsa,) = (runs["cifar10-standardized", name, ipc].stages for name in ("dc", "dsa"))
        assert (dc.lr_images, dc.initial, dc.learner.momentum) == (0.067, "noise", 0.5)  # 0.1 of their pixels
        assert (dsa.lr_images, dsa.initial, dsa.learner.momentum) == (0.067, "random", 0)
    assert [runs[f"{data}-standardized", "dm", "10"].stages[0].lr_images for data in ("cifar10", "cifar100")] == [
        0.67,
        1,
    ]
    assert {("cifar10-standardized", "mtt", "50"), ("cifar100-standardized", "mtt", "10")} <= set(runs)
    sequences = [run for (_, method, _), run in runs.items() if method in ("seqmatch-mtt", "seqmatch-ftd")]
    reached = {run.epochs(k) + 1 for run in sequences for k in range(1, run.subsets + 1)}
    assert reached == {5, 10, 20, 40}  # as in Table 4


def test_pdd_is_its_backbone_in_five_stages():
    """With one stage it is the backbone, with two and SeqMatch's settings `seqmatch-` and its name."""
    experiment = config.load(config.read(ROOT / "config/methods.yaml"))
    pdd = next(run for (_, method, _), run in experiment.runs.items() if method == "pdd")
    assert pdd.backbone == "mtt" and pdd.subsets == 5 and len(set(map(repr, pdd.stages))) == 1
    assert not pdd.evaluation.momentum_restarts
    raw = copy.deepcopy(DEFAULT)
    two = {"stages": [{}, {"max_start_epoch": 6}]}
    raw["cells"][1]["methods"] = {"mtt": None, "pdd-1": {"backbone": "mtt"}}
    raw["cells"][1]["methods"] |= {"seqmatch-mtt": two, "pdd-2": {"backbone": "mtt", **two}}
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    assert replace(runs["pdd-1"], method="mtt") == runs["mtt"]
    assert replace(runs["pdd-2"], method="seqmatch-mtt") == runs["seqmatch-mtt"]


def test_a_section_within_a_section_is_layered_key_by_key():
    raw = copy.deepcopy(DEFAULT)
    raw["matching"]["learner"] = {"momentum": 0.3}
    raw["cells"][1]["methods"] = {"dc": None, "idc": {"stages": [{"learner": {"cutmix": 0}}]}}
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    (dc,), (idc,) = runs["dc"].stages, runs["idc"].stages
    assert (dc.learner.momentum, dc.learner.batch_size, dc.augment_matching) == (0.3, 256, False)
    assert (idc.learner.momentum, idc.learner.cutmix, idc.learner.batch_size) == (0.3, 0, 64)


def test_a_default_that_a_learner_inherits_reaches_the_job_as_a_parameter():
    """So that another default reruns it: the job's own code does not change with it."""
    raw = copy.deepcopy(DEFAULT)
    raw["cells"][1]["methods"] = {"dc": None, "idc": None}
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    given = [json.loads(runs[name].stages[0].model_dump_json())["learner"] for name in ("dc", "idc")]
    assert [set(learner) for learner in given] == [set(config.Training.model_fields)] * 2
    assert given[0]["batch_size"] == config.Training().batch_size


def test_a_formation_for_other_methods_does_not_reach_those_that_store_pixels():
    raw = copy.deepcopy(DEFAULT)
    raw["matching"]["formation"] = 3
    raw["cells"][1]["methods"] = {"mtt": None, "idc": None, "idc-pixels": {"backbone": "idc", "stages": [PIXELS]}}
    runs = {name: run for (_, name, _), run in config.load(raw).runs.items()}
    assert [runs[name].stages[0].formation for name in ("mtt", "idc", "idc-pixels")] == [1, 3, 1]


def test_stages_that_name_their_experts_need_no_general_one():
    raw = copy.deepcopy(DEFAULT)
    raw["experts"]["other"] = raw["experts"]["convnet"]
    raw["cells"] = [raw["cells"][1] | {"methods": {"mtt": {"stages": [{"experts": "other"}]}}}]
    assert config.load(raw).runs["digits", "mtt", "2"].architecture == "convnet"
    raw["cells"][0]["methods"] = {"mtt": None}
    with pytest.raises(SeqmatchError, match=r"cells\[0\].methods.mtt.stages\[0\].experts: missing"):
        config.load(raw)
