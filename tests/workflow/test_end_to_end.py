"""The whole chain on a tiny configuration, in temporary copies."""

import copy
import json
import os
import re
import shlex
import subprocess
import sys

import pandas as pd
import pytest
import torch
from helpers.snakemake import TINY, configure, copy_project, plan, run, snakemake

from seqmatch.files.store import load_table
from seqmatch.files.tensors import load_tensors

pytestmark = pytest.mark.slow

CHANCE = 10.0


@pytest.fixture
def configured(finished):
    """The finished project, for another configuration; its own is put back."""
    yield finished
    configure(finished, TINY)


def subset(folder, method, k=1):
    return load_tensors(folder / f"results/digits/{method}/ipc3/seed0/subset{k}.safetensors")


def test_tables_are_complete_and_accuracies_above_chance(finished):
    accuracy = pd.read_csv(finished / "results/accuracy.csv")
    columns = [
        "dataset",
        "method",
        "K",
        "ipc",
        "matched_on",
        "architecture",
        "seed",
        "selection",
        "network",
        "accuracy",
        "selected_on",
        "undistilled",
        "stored_numbers",
        "image_numbers",
        "seconds",
    ]
    assert list(accuracy.columns) == columns
    counts = accuracy.groupby(["method", "architecture", "selection"]).size()
    assert (counts == 2).all() and len(counts) == 1 + 2 + 4 + 4
    own = accuracy[accuracy["architecture"] == "convnet"]
    assert own["accuracy"].min() > 3 * CHANCE
    table = pd.read_csv(finished / "results/table1.csv").set_index("method")
    assert list(table.index) == ["whole", "random", "mtt", "seqmatch-mtt"]
    assert table.loc["seqmatch-mtt", "K"] == 2 and (table["networks"] == 2).all()
    assert table.loc["whole", "accuracy_mean"] > table.loc["random", "accuracy_mean"]
    main_selection = own[(own["method"] == "mtt") & (own["selection"] == "validation")]["accuracy"]
    assert table.loc["mtt", "accuracy_mean"] == pytest.approx(main_selection.mean(), abs=1e-3)
    cross = pd.read_csv(finished / "results/table2.csv")
    assert set(cross["architecture"]) == {"convnet", "alexnet"}
    assert "SeqMatch-MTT (K = 2)" in (finished / "results/table1.md").read_text()


def test_subsets_have_their_sizes_statistics_and_provenance(finished):
    sizes = {("random", 1): 30, ("mtt", 1): 30, ("seqmatch-mtt", 1): 20, ("seqmatch-mtt", 2): 10}
    for (method, k), size in sizes.items():
        tensors, header = subset(finished, method, k)
        assert tensors["images"].shape == (size, 1, 8, 8) and tensors["images"].dtype == torch.float32
        assert (tensors["labels"].bincount() == size // 10).all()
        assert tensors["step_size"] > 0 and tensors["pixels"].dtype == torch.uint8
        assert {"mean", "std"} <= set(tensors)
        distilled = header["distilled"]
        assert (distilled["method"], distilled["ipc"], distilled["subset"]) == (method, "3", k)
        assert distilled["matching"].get("synthetic_steps") == (None if method == "random" else 5)
        assert header["class_names"] == list("0123456789") and header["augmentation"] == ["crop", "scale"]
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in header["inputs"].values())


def test_distillation_changes_images_and_subsets_differ(finished):
    folders = (finished / f"results/digits/{method}/ipc3/seed0" for method in ("random", "mtt"))
    random, mtt = (load_tensors(folder / "snapshots1.safetensors")[0]["images"] for folder in folders)
    assert len(random) == 1 and torch.equal(random[0], mtt[0])  # which may be the selected one
    assert (mtt[0] - mtt[-1]).abs().max() > 0.01
    first, second = (subset(finished, "seqmatch-mtt", k)[0]["images"] for k in (1, 2))
    assert not any((first == image).flatten(1).all(1).any() for image in second)


def test_two_runs_write_the_same_bytes_and_a_second_stage_leaves_the_first_subset(tmp_path, finished):
    folder = copy_project(tmp_path / "p", TINY)
    first = "results/digits/seqmatch-mtt/ipc3/seed0/subset1.safetensors"
    run(folder, first)
    assert not (folder / first.replace("subset1", "subset2")).exists()
    assert (folder / first).read_bytes() == (finished / first).read_bytes()
    run(folder, "all")
    for path in sorted((finished / "results").rglob("*")):
        name = path.relative_to(finished)
        naming_timed = ("table1.json", "table2.json", "comparison.json", "overview.html")
        timed = any(part in str(name) for part in ("benchmarks", "accuracy", "resources")) or name.name in naming_timed
        if path.is_file() and not timed:
            assert path.read_bytes() == (folder / name).read_bytes(), name
    tables = [pd.read_csv(f / "results/accuracy.csv").drop(columns="seconds") for f in (finished, folder)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_difficulty_table_is_complete(finished):
    table = pd.read_csv(finished / "results/difficulty.csv")
    assert set(table["method"]) == {"mtt", "seqmatch-mtt"}
    shares = table.groupby(["method", "network", "epoch"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(1, abs=1e-5)
    last = table[table["epoch"] == table.groupby("method")["epoch"].transform("max")]
    wide = last.pivot(index="method", columns="difficulty", values="mean_loss")
    assert (wide["hard"] > wide["easy"]).all()


def test_every_figure_is_there_with_its_table(finished):
    folder = finished / "results/figures/digits"
    cells = {f"{name}-ipc3" for name in ("difficulty", "losses", "convergence", "stages")}
    images = {f"images-{method}-ipc3-seed0" for method in ("random", "mtt", "seqmatch-mtt")}
    initial = {f"initial-{method}-ipc3-seed0" for method in ("mtt", "seqmatch-mtt")}
    assert {path.stem for path in folder.iterdir()} == {"coupling", "resources", *cells, *images, *initial}
    for path in folder.glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF")
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert len(load_table(path.with_suffix(".csv")))
        caption = path.with_suffix(".txt").read_text()
        assert "digits" in caption and f"{{{path.stem}}}" in path.with_suffix(".tex").read_text()


@pytest.mark.parametrize(
    "name", ["difficulty-ipc3", "losses-ipc3", "convergence-ipc3", "stages-ipc3", "coupling", "resources"]
)
def test_a_figure_is_drawn_again_from_the_table_beside_it(finished, tmp_path, name):
    beside, again = finished / f"results/figures/digits/{name}", tmp_path / name
    parameters = json.loads(beside.with_suffix(".json").read_text())["parameters"]
    colors = ["--methods", *parameters["methods"]]
    call = [sys.executable, f"scripts/figure_{name.split('-')[0]}.py", beside.with_suffix(".csv"), *colors]
    subprocess.run([*call, "--out", again.with_suffix(".png"), again.with_suffix(".csv")], cwd=finished, check=True)
    for ending in (".png", ".csv"):
        assert again.with_suffix(ending).read_bytes() == beside.with_suffix(ending).read_bytes()


def test_images_are_drawn_again_from_the_table_beside_them(finished, tmp_path):
    beside, again = finished / "results/figures/digits/initial-seqmatch-mtt-ipc3-seed0", tmp_path / "again.png"
    call = [sys.executable, "scripts/figure_images.py", beside.with_suffix(".csv"), "--out", again]
    subprocess.run(
        [*call, "--title", "digits, SeqMatch-MTT (K = 2), 3 images per class, seed 0"], cwd=finished, check=True
    )
    assert again.read_bytes() == beside.with_suffix(".png").read_bytes()


def test_what_was_measured_is_complete(finished):
    coupling = load_table(finished / "results/coupling.csv")
    halves = coupling.groupby(["method", "network", "half"]).first()
    assert len(halves) == 2 * 3 * 2 and (halves["images"] == 10).all()
    amplification = halves["amplification"].unstack()
    assert (amplification["larger"] > amplification["smaller"]).all()
    # Of seqmatch-mtt's larger half networks see three classes alone in the first stage, and learn little in the second.
    taught = coupling[(coupling["method"] == "mtt") | (coupling["half"] == "smaller")]
    assert taught["accuracy"].min() > 3 * CHANCE
    stages = load_table(finished / "results/stages.csv")
    last = stages[(stages["curriculum"] == "union") & (stages["stages"] == 2)].sort_values("network")["accuracy"]
    evaluated = load_table(finished / "results/digits/seqmatch-mtt/ipc3/seed0/accuracy/convnet.csv")
    assert last.tolist() == evaluated[evaluated["selection"] == "validation"]["accuracy"].tolist()
    resources = load_table(finished / "results/resources.csv")
    assert len(resources) == len(list((finished / "results/benchmarks/digits").rglob("*.tsv")))
    assert (resources["seconds"] > 0).all() and (resources["disk_mb"] > 0).all()


def test_experts_that_were_deleted_are_not_trained_again(finished, tmp_path):
    (experts,) = (finished / "results/digits/experts").rglob("*.safetensors")
    experts.rename(tmp_path / experts.name)
    try:
        assert "Nothing to be done" in run(finished, "all")
    finally:
        (tmp_path / experts.name).rename(experts)


def test_logs_begin_with_the_command_and_show_progress(finished):
    log = (finished / "logs/digits/mtt/ipc3/seed0/snapshots1.log").read_text()
    assert log.startswith("command: python scripts/distill_subset.py ")
    assert re.search(r"20/20 .*it/s, loss=\d.*step_size=0\.\d", log)


def test_the_logged_command_runs_by_hand(finished, tmp_path):
    log = (finished / "logs/digits/mtt/ipc3/seed0/snapshots1.log").read_text()
    command = shlex.split(log.splitlines()[0].removeprefix("command: "))
    out = command.index("--out") + 1
    original, command[out] = command[out], str(tmp_path / "again.safetensors")
    subprocess.run([sys.executable, *command[1:]], cwd=finished, check=True, env=os.environ, capture_output=True)
    assert (tmp_path / "again.safetensors").read_bytes() == (finished / original).read_bytes()


def test_networks_of_equal_seed_and_number_are_alike_for_every_method(finished, tmp_path):
    """The same subset under another name of a method: the same accuracies, so that methods compare in pairs."""
    log = (finished / "logs/digits/mtt/ipc3/seed0/accuracy/alexnet.log").read_text()
    command = shlex.split(log.splitlines()[0].removeprefix("command: "))
    out = command.index("--out") + 1
    original, command[out] = command[out], str(tmp_path / "other.csv")
    command[command.index("--method") + 1] = "other"
    subprocess.run([sys.executable, *command[1:]], cwd=finished, check=True, env=os.environ, capture_output=True)
    first, other = (pd.read_csv(path)["accuracy"] for path in (finished / original, tmp_path / "other.csv"))
    assert (first == other).all()


def test_a_second_call_has_nothing_to_do(finished):
    assert "Nothing to be done" in run(finished, "all")


def test_another_subset_reruns_its_method_alone(configured):
    configuration = copy.deepcopy(TINY)
    configuration["cells"][1]["methods"]["seqmatch-mtt"]["stages"] = [{}, {}, {}]
    configure(configured, configuration)
    jobs = plan(configured)
    assert jobs["distill_subset"] == 3 and jobs["train_teachers"] == 2
    assert not {"prepare_dataset", "train_experts"} & set(jobs)
    text = snakemake(configured, "-n", "all").stdout
    assert not re.search(r"output: results/digits/(mtt|random|whole)/", text)


def test_another_last_stage_keeps_the_first_subset(configured):
    configuration = copy.deepcopy(TINY)
    configuration["cells"][1]["methods"]["seqmatch-mtt"]["stages"] = [{}, {"iterations": 21}]
    configure(configured, configuration)
    jobs = plan(configured)
    assert jobs["distill_subset"] == jobs["select_snapshot"] == 1
    assert not {"prepare_dataset", "train_experts", "train_teachers"} & set(jobs)


def test_an_edit_to_settings_reruns_what_they_reach(configured):
    configuration = copy.deepcopy(TINY)
    configuration["difficulty"]["records"] = 5
    configure(configured, configuration)
    resources = {"measure_resources", "collect_resources", "figure_resources"}
    assert set(plan(configured)) == {
        "record_losses",
        "cluster_difficulty",
        "figure_difficulty",
        "figure_losses",
        *resources,
        "table4",
        "overview",
        "all",
    }


def test_provenance_tells_how_a_table_was_made(finished):
    path = finished / "results/digits/mtt/ipc3/seed0/accuracy/convnet.json"
    header = json.loads(path.read_text())
    assert header["parameters"]["evaluation"]["epochs"] == 60 and header["device"] == "cpu"
    assert header["versions"]["torch"].startswith("2.")
