"""Hundreds of forged files, well formed and with a right checksum but with nonsense inside: all are refused.

They follow from `seqmatch.files.kinds`: every tensor is left out, gets another type, another shape, and numbers that
are not finite or out of range; every key of a header is left out or of another type; every cell of a table is.
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.distilling import distilled
from helpers.files import PARAMETERS, TABLES, write_all
from helpers.tiny import TINY, labelled
from safetensors.torch import save_file

from seqmatch import config
from seqmatch.data import dataset
from seqmatch.data.download import check
from seqmatch.errors import SeqmatchError
from seqmatch.files import kinds, schema, store
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.store import load_arrays, load_table, save_table
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.matching.match import Match
from seqmatch.networks import build
from seqmatch.report.published import read_published
from seqmatch.seeds import Seed
from seqmatch.sets.distilled import load as load_set
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import Subset, load_subset
from seqmatch.training import ensemble
from seqmatch.training.ensemble import Member, always_eager, train_ensemble
from seqmatch.training.experts import Trajectories
from seqmatch.training.loop import Phase, Stage

SIZES = {"C": 1, "H": 8, "W": 8, "classes": 3}


def read_experts(path):
    with Trajectories([path], {"P": PARAMETERS}) as experts:
        return [experts.parameters(expert, epoch) for expert in range(len(experts)) for epoch in range(3)]


@dataclass(frozen=True)
class Readers:
    """What reads a kind of file, and keys of its header that are needed."""

    kind: schema.Kind
    readers: tuple
    header: tuple = ()


subset = partial(load_subset, known=SIZES)
FILES = {
    "data": Readers(kinds.DATASET, (dataset.load,), ("class_names", "augmentation")),
    "subset": Readers(kinds.SUBSET, (subset,), ("parameterisation",)),
    "whitened": Readers(kinds.SUBSET, (subset,), ("parameterisation",)),
    "set": Readers(
        kinds.distilled_set(1, "whitened"),
        (load_set,),
        ("normalized", "subsets", "class_names", "augmentation", "architecture", "accuracies"),
    ),
    "soft": Readers(kinds.SUBSET, (subset,), ("parameterisation",)),
    "snapshots": Readers(kinds.SNAPSHOTS, (partial(load_snapshots, known=SIZES),), ("parameterisation",)),
    "experts": Readers(kinds.EXPERTS, (read_experts,)),
    "half": Readers(kinds.EXPERTS, (read_experts,)),
    "losses": Readers(kinds.LOSSES, (partial(load_arrays, kind=kinds.LOSSES),), ("parameters",)),
}
ROWS = {
    "scores": kinds.Scores,
    "accuracies": kinds.Accuracy,
    "baselines": kinds.BaselineAccuracy,
    "convergence": kinds.Convergence,
    "common_difficulty": kinds.CommonDifficulty,
    "difficulty": kinds.DifficultyRow,
    "losses-table": kinds.BinnedLosses,
    "coupling": kinds.CouplingRow,
    "stages": kinds.StageAccuracy,
    "resources": kinds.Resources,
    "methods": kinds.MethodRow,
    "architectures": kinds.ArchitectureRow,
    "comparison": kinds.ComparisonRow,
}
HEADERS = ["", "{", "[]", "1", "null", '"x"', '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}',
           '{"a": ' + "9" * 20 + "}", '{"a": ' + "9" * 9999 + "}", '{"a": ' + "[" * 9999 + "]" * 9999 + "}",
           '{"a": ' + "[" * 70 + "]" * 70 + "}"]  # fmt: skip
"""JSON that is none, or no header; the checksum is added."""


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(store.os, "fsync", lambda number: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forged")
    write_all(folder)
    return folder


def all_refused(forged, readers):
    """How many forged files there were; each has to be refused by each of its readers, by its name."""
    number = 0
    for path, what in forged:
        number += 1
        for reader in readers:
            try:
                reader(path)
            except SeqmatchError as error:
                assert path.name in str(error) and len(str(error)) < 1500, f"{what}: {error}"
            else:
                raise AssertionError(f"{path.name}, {what}: taken")
    return number


def declared(kind, tensors):
    every = {**kind.arrays, **{name: array for form in kind.either for name, array in form.items()}}
    return {name: every[name] for name in tensors if name in every}


def forged_tensors(kind, tensors):
    """(name, what is wrong, tensor), None for none."""
    arrays = declared(kind, tensors)
    symbols = [symbol for array in arrays.values() for symbol in array.shape.replace("*", " ").split()]
    known = {"P", *(SIZES if kind is not kinds.DATASET else {"classes"})}
    tied = {symbol for symbol in symbols if symbols.count(symbol) > 1 or symbol in known}
    for name, array in arrays.items():
        tensor = tensors[name]
        if not array.optional:
            yield name, "left out", None
        others = {torch.float32, torch.bfloat16, torch.int32} - {tensor.dtype}
        for dtype in others:
            yield name, f"of {dtype}", tensor.to(dtype)
        yield name, "another dimension", tensor[None]
        yield name, "one number", tensor.flatten()[:1] if tensor.dim() == 0 else tensor.flatten()[0]
        for axis, symbol in enumerate(array.shape.split()):
            if not array.empty:
                yield name, f"nothing along {symbol}", tensor.narrow(axis, 0, 0)
            if set(symbol.split("*")) & tied:
                yield name, f"more along {symbol}", torch.cat([tensor, tensor.narrow(axis, 0, 1)], axis)
        wrong = [float("nan"), float("inf"), float("-inf")] if tensor.is_floating_point() else []
        wrong += [array.low - 1] * (array.low > -np.inf) + [array.high + 1] * (array.high < np.inf)
        wrong += [0.0, -1.0] * array.positive
        wrong += [10**9, 2**62] * (array.below is not None) + [0, -1, 3, 9, 2**62] * (name == "formation")
        for value in wrong:
            changed = tensor.clone()
            changed.view(-1)[-1] = value
            yield name, f"holds {value}", changed


def forge(path, whole, text):
    """A tensor file whose header is any text, with a right checksum."""
    body = text.rstrip("}") + (", " if '"' in text else "") if text.startswith("{") else text + " "
    sealed = f'{body}"checksum": "{store.UNSEALED}"}}'
    save_file(whole, path, metadata={"seqmatch": sealed})
    position, _, computed = store._checksum(path)
    content = path.read_bytes()
    path.write_bytes(content[:position] + computed.encode() + content[position + len(computed) :])


@pytest.mark.parametrize("name", FILES)
def test_forged_tensor_files_are_refused_by_every_reader(folder, name):
    about, path = FILES[name], folder / f"{name}.forged"
    tensors, header = load_tensors(folder / name)

    tensors_of_subset = load_tensors(folder / "subset")[0]

    def forged():
        for tensor, what, value in forged_tensors(about.kind, tensors):
            if tensor in tensors_of_subset and name in ("soft", "whitened"):
                continue
            others = {key: each for key, each in tensors.items() if key != tensor}
            save_tensors(path, others | ({} if value is None else {tensor: value}), header)
            yield path, f"{tensor} {what}"
        for key in about.header:
            for value in (None, 1, "x", {}, [1], {"dataset": 1}, "\ud800"):
                save_tensors(path, tensors, header | {key: value})
                yield path, f"header: {key} is {value!r}"
            save_tensors(path, tensors, {other: each for other, each in header.items() if other != key})
            yield path, f"header: no {key}"
        for text in HEADERS[2:]:
            forge(path, tensors, text)
            yield path, f"header: {text[:20]}"
        for other in FILES:
            if FILES[other].kind is not about.kind:
                shutil.copy(folder / other, path)
                yield path, f"is {other}"

    assert all_refused(forged(), about.readers) > 20


def test_what_contradicts_itself_is_refused(folder):
    """Right types, shapes and ranges, but not together."""
    path = folder / "contradiction"
    cases = [
        ("data", {"split.train": torch.tensor([0, 1, 2])}, {}),
        ("data", {"split.test": torch.tensor([11, 7, 3])}, {}),
        ("data", {}, {"class_names": ["a", "b"]}),
        ("data", {}, {"class_names": []}),
        ("data", {}, {"augmentation": ["crop", "melt"]}),
        ("snapshots", {"iterations": torch.tensor([0, 0])}, {}),
        ("snapshots", {"iterations": torch.tensor([1, 2])}, {}),
        ("snapshots", {"iterations": torch.tensor([0, 9])}, {}),
        ("subset", {"formation": torch.tensor(2)}, {}),
        ("subset", {"formation": torch.tensor(9)}, {"parameterisation": "multi-formation"}),
        ("subset", {}, {"parameterisation": "hallucinator"}),
        ("subset", {}, {"distilled": None}),
        ("subset", {}, {"distilled": {"matching": [1]}}),
        ("subset", {}, {"distilled": {"matching": {"iterations": "x"}}}),
        ("subset", {}, {"iteration": -1}),
        ("snapshots", {"images": torch.zeros(2, 12, 2, 8, 8)}, {}),
        ("set", {}, {"about": {"versions": 3}}),
        ("set", {}, {"about": {"distilled": {"architecture": "convnet"}}}),
        ("losses", {"epochs": torch.tensor([2, 0])}, {}),
        ("losses", {}, {"parameters": {"dataset": "../d", "method": "m", "ipc": "2", "seed": 0}}),
        ("losses", {}, {"parameters": {"dataset": "d", "method": "m", "ipc": "two", "seed": 0}}),
        ("losses", {}, {"parameters": {"dataset": "d", "method": "m", "ipc": "2", "seed": -1}}),
    ]
    for name, tensors, header in cases:
        whole, about = load_tensors(folder / name)
        save_tensors(path, whole | tensors, about | header)
        assert all_refused([(path, f"{name} {tensors} {header}")], FILES[name].readers) == 1


def test_what_networks_measure_has_no_upper_bound(folder):
    """Those that go astray without failing have losses of any size, and their tables are read."""
    for name, column in (("difficulty", "mean_loss"), ("losses-table", "mean_loss"), ("coupling", "amplification")):
        save_table(folder / "large.csv", TABLES[name].assign(**{column: 1e30}), {})
        assert load_table(folder / "large.csv", ROWS[name])[column].eq(1e30).all()


def test_another_data_set_or_network_is_told_of(folder):
    with pytest.raises(
        SeqmatchError, match=r"subset: pixels: expected uint8 \(shown = 12, C = 3, .*found uint8 \(12, 1, 8, 8"
    ):
        load_subset(folder / "subset", SIZES | {"C": 3})
    with pytest.raises(SeqmatchError, match=r"subset: classes: expected 2, found 3; is it of another"):
        load_subset(folder / "subset", SIZES | {"classes": 2})
    with pytest.raises(SeqmatchError, match=r"experts: trajectories: expected .*P = 9.*found .*is it of another"):
        Trajectories([folder / "experts"], {"P": 9})
    with pytest.raises(SeqmatchError, match=r"other: trajectories: expected"):
        save_tensors(folder / "other", {"trajectories": torch.zeros(1, 2, 9)}, {})
        Trajectories([folder / "experts", folder / "other"])


def test_a_header_too_long_is_not_read(folder):
    path = folder / "long"
    path.write_bytes((2**40).to_bytes(8, "little") + b"{" * 1000)
    with pytest.raises(SeqmatchError, match=r"long: damaged.*a header of 1099511627776 bytes"):
        load_subset(path)


def reseal(path, text, header=None):
    """Any text as a table, with a right checksum."""
    path.write_bytes(text)
    about = json.dumps((header or {}) | {"checksum": hashlib.sha256(text).hexdigest()})
    path.with_suffix(".json").write_text(about)


def odd_cells(row, column):
    """What must not stand in a column."""
    annotation = str(row.model_fields[column].annotation) + str(row.model_fields[column].metadata)
    if re.search(r"\bstr\b", annotation) and "Literal" not in annotation:
        return [None, "../x", "a b", "x" * 200] if "pattern='" in annotation else [None]
    if "Literal" in annotation:
        return [None, "x", "Last", "1"]
    needed = [] if "None" in annotation else [None, ""]
    return [*needed, "x", "1e999", "-1e999", "-1000000"] + (["1.5", "9" * 30] if "int" in annotation else [])


@pytest.mark.parametrize("name", ROWS)
def test_forged_tables_are_refused(folder, name):
    path, row, table = folder / "forged.csv", ROWS[name], TABLES[name].astype(object)
    needed = [column for column, field in row.model_fields.items() if field.is_required()]

    def forged():
        for column in needed:
            save_table(path, table.drop(columns=column), {})
            yield path, f"no {column}"
        seen = set()
        for column, field in row.model_fields.items():
            if (name, column) == ("convergence", "value"):
                continue  # any finite number
            kind = f"{field.annotation} {field.metadata}"
            for value in odd_cells(row, column)[: 1 if kind in seen else None]:
                seen.add(kind)
                if column in ("low", "high") and value == "-1000000":
                    continue
                changed = table.copy()
                changed.loc[len(table) - 1, column] = value
                save_table(path, changed, {})
                yield path, f"{column} is {value!r}"
        for other in set(ROWS) - {name}:
            if not set(needed) <= set(TABLES[other].columns):
                save_table(path, TABLES[other], {})
                yield path, f"is {other}"
        save_table(path, pd.concat([table, table.tail(1)]), {})
        yield path, "has a row twice"
        if not row.empty:
            save_table(path, table.head(0), {})
            yield path, "has no rows"

    assert all_refused(forged(), [partial(load_table, row=row)]) > 20


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\xff\xfe\x00", b"a,b\n1,2,3\n1\n", b'"', b"\0" * 99, b"a\n" + b"1" * 400]
)
def test_what_is_no_table_is_refused(folder, text):
    path = folder / "none.csv"
    reseal(path, text)
    with pytest.raises(SeqmatchError, match=r"none\.csv"):
        load_table(path, kinds.Scores)


def test_forged_headers_of_tables_are_refused(folder):
    path = folder / "header.csv"
    save_table(path, TABLES["scores"], {})
    good = json.loads(path.with_suffix(".json").read_text())
    texts = [*HEADERS, *(json.dumps(good | {"checksum": value}) for value in (None, 1, [], "x")), "{}"]
    texts += [json.dumps(good | {"device": 1}), json.dumps(good | {"versions": {"torch": 2}}), " " * 2**25]
    for text in texts:
        path.with_suffix(".json").write_text(text)
        with pytest.raises(SeqmatchError, match=r"header\.(json|csv)"):
            load_table(path)


def test_forged_lists_of_files_and_of_published_numbers_are_refused(folder):
    listed, digest = folder / "files.json", "0" * 64
    check(listed)
    texts = [*HEADERS, "{}", *(json.dumps({name: digest}) for name in ("../file", "/etc/passwd", "", "a/b", "\0"))]
    texts += [json.dumps({"file": value}) for value in (None, 1, "x", [digest], digest.upper() + "0", "g" * 64, digest)]
    for text in texts:
        listed.write_text(text)
        with pytest.raises(SeqmatchError, match=r"files\.json"):
            check(listed)
    path = folder / "published.csv"
    published = read_published(path).head(3).astype(object)
    for column in kinds.PublishedNumber.model_fields:
        for value in ["", "x" * 2000] if published[column].map(type).eq(str).all() else ["x", "-1", "1e9", "inf"]:
            changed = published.copy()
            changed.loc[2, column] = value
            changed.to_csv(path, index=False)
            if (column, value) != ("accuracy_std", ""):
                with pytest.raises(SeqmatchError, match=r"published\.csv"):
                    read_published(path)


def test_json_is_read_strictly():
    assert schema.parse_json('{"a": [1, 2.5, null, "é"], "b": -9223372036854775808}') == {
        "a": [1, 2.5, None, "é"],
        "b": -(2**63),
    }
    for text in HEADERS[6:]:
        with pytest.raises(ValueError):
            schema.parse_json(text)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Of training and of distillation: its kind, the tensors, and what resumes from it."""
    network = partial(build, TINY, (1, 8, 8), 3, Seed("n"))
    phase = Phase(Stage(*labelled(), 0.05), 2, config.Training(), Seed("p"))
    members = [Member(network, [phase, phase])] * 2
    settings = config.DistributionMatching(iterations=2, snapshots=2)
    initial = Subset(*labelled(), 0.1)
    live = {f"live.{name}": initial.images for name in ("images", "average.images", "images.velocity")}
    live |= {f"live.step_size{part}": torch.tensor(0.1).double() for part in ("", ".velocity")}

    def train(checkpoint):
        train_ensemble(members, lambda network, position: torch.ones(2), [], always_eager, checkpoint, "t")

    def step(images, step_size, iteration):
        return Match(1.0, torch.ones_like(images), 0.0)

    kinds_of = {
        "training": (partial(ensemble._kind_of_state, members, [range(0, 1), range(1, 2)]), train),
        "distillation": (
            lambda: kinds.distillation_state(live, {"images": initial.images}, {"formation": 1}),
            lambda checkpoint: distilled(initial, [], step, settings, checkpoint, torch.device("cpu")),
        ),
    }
    found = {}
    for name, (kind, work) in kinds_of.items():
        checkpoint = Checkpoint(tmp_path_factory.mktemp(name), "work", 0)
        work(checkpoint)
        found[name] = kind, checkpoint, load_tensors(checkpoint.path)[0], work
    return found


@pytest.mark.parametrize("name", ["training", "distillation"])
def test_forged_states_are_told_of_and_the_work_begins_anew(states, name, capsys):
    kind, checkpoint, tensors, work = states[name]
    (checkpoint.path.parent / "work.previous.safetensors").unlink()
    assert checkpoint.load(kind).keys() == tensors.keys()
    number = 0
    for tensor, what, value in forged_tensors(kind(), tensors):
        if tensor == "labels" and "holds" in what:
            continue  # those of the initial images are taken
        others = {key: each for key, each in tensors.items() if key != tensor}
        save_tensors(checkpoint.path, others | ({} if value is None else {tensor: value}), {})
        if "holds" in what and not kind().arrays[tensor].finite:
            continue
        assert checkpoint.load(kind) is None, (tensor, what)
        number += 1
    assert number > 40
    capsys.readouterr()
    save_tensors(checkpoint.path, {"counts": torch.ones(1)}, {})
    work(checkpoint)
    assert "checkpoint not used" in capsys.readouterr().err
