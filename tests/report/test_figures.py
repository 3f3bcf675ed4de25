"""What figures draw: lines, labels and numbers, not pixels."""

import warnings
from itertools import pairwise
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.calls import call
from helpers.names import LOOK_LIKE_OTHERS, NASTY, run_script
from helpers.tiny import normal
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from seqmatch.config.sections import Figures
from seqmatch.data.normalization import identity
from seqmatch.errors import SeqmatchError, printable
from seqmatch.files.store import load_table, save_table
from seqmatch.report.figures import fonts, images
from seqmatch.report.figures.common_difficulty import common_difficulty_caption, common_difficulty_figure
from seqmatch.report.figures.convergence import convergence_caption, convergence_figure
from seqmatch.report.figures.coupling import coupling_caption, coupling_figure, coupling_points, fit
from seqmatch.report.figures.differences import differences_caption, differences_figure
from seqmatch.report.figures.difficulty import difficulty_caption, difficulty_figure
from seqmatch.report.figures.images import Block, images_figure
from seqmatch.report.figures.losses import losses_caption, losses_figure
from seqmatch.report.figures.resources import resources_figure
from seqmatch.report.figures.stages import stages_caption, stages_figure
from seqmatch.report.figures.style import COLORS, DEFAULT, FAMILIES, STYLES, letter_of, panels, save, style_of
from seqmatch.seeds import Seed
from seqmatch.synthetic import hallucinators
from seqmatch.synthetic.parameterisations import Parameterisation
from seqmatch.synthetic.subset import Subset, save_subset


def difficulty(methods=("mtt", "seqmatch-mtt")):
    rows = [
        (method, seed, network, 1 + (epoch > 50) * (method != "mtt"), epoch, kind, share, loss / (1 + epoch) + network)
        for method in methods
        for seed in (0, 1)
        for network in (0, 1)
        for epoch in (0, 50, 100)
        for kind, share, loss in (("easy", 0.75, 1.0), ("hard", 0.25, 2.0))
    ]
    names = ["method", "seed", "network", "stage", "epoch", "difficulty", "share", "mean_loss"]
    return pd.DataFrame(rows, columns=names)


def losses(methods=("mtt", "seqmatch-mtt")):
    rows = [
        (
            method,
            seed,
            index,
            "hard" if index == 0 else "easy",
            images,
            1 + (epoch > 50) * (method != "mtt"),
            epoch,
            2.0 / (1 + index + epoch),
        )
        for method in methods
        for seed in (0, 1)
        for index, images in enumerate((10, 15, 15))
        for epoch in (0, 50, 100)
    ]
    names = ["method", "seed", "bin", "difficulty", "images", "stage", "epoch", "mean_loss"]
    return pd.DataFrame(rows, columns=names)


def coupling(methods=("mtt", "seqmatch-mtt"), seeds=4):
    rows = [
        (method, ipc, seed, half, network, sign * (seed + 1) + 5, 50 + sign * network - sign * seed)
        for method in methods
        for ipc in ("2", "10")
        for seed in range(seeds)
        for half, sign in (("larger", 1), ("smaller", -1))
        for network in (0, 1)
    ]
    return pd.DataFrame(rows, columns=["method", "ipc", "seed", "half", "network", "amplification", "accuracy"]).assign(
        images=5
    )


MIDDLES = [2, 7, 12]
"""Of windows of five iterations."""


def convergence(methods=("mtt", "seqmatch-mtt")):
    rows = [
        (method, seed, subset, quantity, iteration, window, 1.0 + seed + iteration)
        for method in methods
        for seed in (0, 1)
        for subset in range(1, 1 + (method != "mtt") + 1)
        for quantity, window in (("matching_loss", 5), ("step_size", 5), ("validation", 1))
        for iteration in ((0, 5, 15) if quantity == "validation" else MIDDLES)
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "subset", "quantity", "iteration", "window", "value"])


def labels(figure):
    """Of the figure's one legend."""
    (legend,) = figure.legends
    assert not any(panel.get_legend() for panel in figure.axes)
    return [text.get_text() for text in legend.get_texts()]


def test_the_difficulty_figure_draws_both_kinds_for_each_method():
    table = difficulty()
    figure = difficulty_figure(table)
    assert [panel.get_title() for panel in figure.axes] == ["(a) MTT", "(b) SeqMatch-MTT (K = 2)"]
    for panel, lines in zip(figure.axes, (2, 3), strict=True):  # and where the second subset joins
        assert len(panel.lines) == lines and len(panel.collections) == 2
    assert labels(figure) == ["hard images", "easy images"]
    easy = figure.axes[0].lines[1]
    rows = table[(table["method"] == "mtt") & (table["difficulty"] == "easy")]
    assert np.allclose(easy.get_ydata(), rows.groupby("epoch")["mean_loss"].mean())
    assert figure.axes[1].lines[2].get_xdata()[0] == 50


def test_the_heat_map_shows_the_hardest_on_top_in_proportion():
    figure = losses_figure(losses())
    first, second, bar = figure.axes
    assert first.get_title() == "(a) MTT" and "loss" in bar.get_ylabel()
    assert first.yaxis_inverted() and second.yaxis_inverted()
    (mesh,) = second.collections
    assert mesh.get_rasterized() and mesh.get_array().shape == (3, 3)
    assert np.allclose(mesh.get_array()[0], [2, 2 / 51, 2 / 101])
    assert np.allclose(mesh.get_coordinates()[:, 0, 1], [0, 25, 62.5, 100])
    assert np.allclose(mesh.get_coordinates()[0, :, 0], [0, 25, 75, 100])
    parts, joins = second.lines
    assert (parts.get_ydata()[0], joins.get_xdata()[0]) == (25, 50)


def test_the_coupling_figure_fits_a_line_to_the_differences():
    table = coupling()
    points = coupling_points(table)
    assert len(points) == 16
    point = points[(points["method"] == "mtt") & (points["ipc"] == "2") & (points["seed"] == 3)].iloc[0]
    assert (
        point["amplification"] == 8
        and point["accuracy"] == -5
        and point["std"] == pytest.approx(np.std([-6, -4], ddof=1))
    )
    figure = coupling_figure(table)
    (panel,) = figure.axes
    assert labels(figure) == ["MTT, ipc 2", "MTT, ipc 10", "SeqMatch-MTT, ipc 2", "SeqMatch-MTT, ipc 10"]
    assert len([line for line in panel.lines if line.get_linestyle() == "--"]) == 4  # none through two methods or ipc
    caption = coupling_caption(table.assign(dataset="digits"))
    assert "slopes: MTT, ipc 2 −1.0 (−1.0 to −1.0), MTT, ipc 10 −1.0" in caption and "of 16 sets" in caption


def test_the_points_of_eighteen_methods_are_told_apart():
    (panel,) = coupling_figure(coupling([f"m{index}" for index in range(18)])).axes
    points = [container.lines[0] for container in panel.containers]
    looks = {(line.get_color(), line.get_fillstyle(), line.get_marker()) for line in points}
    assert len(points) == len(looks) == 2 * 18


def test_a_fitted_line_is_that_of_least_squares_with_its_interval():
    generator = np.random.default_rng(0)
    x = pd.Series(generator.normal(size=30))
    y = 3 * x - 1 + generator.normal(size=30)
    line = fit(x, y)
    design = np.stack([x, np.ones(30)], 1)
    solution, residual, *_ = np.linalg.lstsq(design, y)
    error = np.sqrt(residual[0] / 28 * np.linalg.inv(design.T @ design)[0, 0])
    half = stats.t.ppf(0.975, 28) * error
    assert (line.slope, line.intercept) == pytest.approx(tuple(solution))
    assert (line.low, line.high) == pytest.approx((solution[0] - half, solution[0] + half))
    at, inverse = np.array([-1.0, 0.5]), np.linalg.inv(design.T @ design)
    around = [np.sqrt(residual[0] / 28 * row @ inverse @ row) for row in np.stack([at, np.ones(2)], 1)]
    assert line.half(at) == pytest.approx(stats.t.ppf(0.975, 28) * np.array(around))


def test_two_points_or_points_above_each_other_have_no_line():
    assert fit(pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0])) is None
    assert fit(pd.Series([1.0, 1.0, 1.0]), pd.Series([1.0, 2.0, 4.0])) is None
    level = fit(pd.Series([1.0, 2.0, 4.0]), pd.Series([5.0, 5.0, 5.0]))
    assert (level.low, level.slope, level.high) == (0, 0, 0)
    table = coupling(["mtt"], seeds=1).assign(dataset="digits")
    (panel,) = coupling_figure(table).axes
    assert not [line for line in panel.lines if line.get_linestyle() == "--"]
    assert "No method has the 3 points" in coupling_caption(table)


def test_the_convergence_figure_counts_iterations_on_and_starts_losses_at_one():
    table = convergence()
    figure = convergence_figure(table)
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["(a) matching loss, start = 1", "(b) step size", "(c) validation accuracy, %"]
    unvalidated = convergence_figure(table[table["quantity"] != "validation"])
    for panel, at in [*zip(figure.axes, [MIDDLES, MIDDLES, [0, 5, 15]], strict=True), (unvalidated.axes[0], MIDDLES)]:
        one, first, second, joins = panel.lines
        assert one.get_xdata().tolist() == first.get_xdata().tolist() == at
        assert second.get_xdata().tolist() == [15 + number for number in at] and joins.get_xdata()[0] == 15
        assert first.get_color() == second.get_color() != one.get_color()  # SeqMatch's
    loss, step_size, _ = figure.axes
    assert np.allclose(step_size.lines[0].get_ydata(), [3.5, 8.5, 13.5])
    assert np.allclose(loss.lines[2].get_ydata(), np.array([3.5, 8.5, 13.5]) / 3.5)
    assert labels(figure) == ["MTT", "SeqMatch-MTT (K = 2)"]
    assert "means over 5 iterations" in convergence_caption(table.assign(dataset="digits", ipc="2"))


def test_what_there_is_nothing_of_has_no_panel():
    table = convergence()
    assert len(convergence_figure(table[table["quantity"] != "validation"]).axes) == 2
    fixed = table.assign(value=table["value"].where(table["quantity"] != "step_size", 0.1))
    assert len(convergence_figure(fixed).axes) == 2
    caption = convergence_caption(fixed.assign(dataset="digits", ipc="2"))
    assert "subset begins; and accuracy on the validation split" in caption and "learned step size" not in caption
    losses = table[table["quantity"] == "matching_loss"].assign(dataset="digits", ipc="2")
    assert "images per class): matching loss, as a share of that with which a subset begins." in convergence_caption(
        losses
    )


def test_the_stages_figure_sets_both_curricula_side_by_side():
    rows = [
        ("seqmatch-mtt", seed, curriculum, network, stages, 50 + 10 * stages + network - 5 * (curriculum == "subset"))
        for seed in (0, 1)
        for curriculum in ("union", "subset")
        for network in (0, 1)
        for stages in (1, 2, 3)
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "curriculum", "network", "stages", "accuracy"])
    figure = stages_figure(table)
    (panel,) = figure.axes
    union, subset = (container.lines[0] for container in panel.containers)
    assert union.get_ydata().tolist() == [60.5, 70.5, 80.5] and subset.get_ydata().tolist() == [55.5, 65.5, 75.5]
    assert [round(x) for x in union.get_xdata()] == [1, 2, 3]
    assert panel.get_title() == "SeqMatch-MTT (K = 3)" and len(labels(figure)) == 2


def test_what_stages_teach_has_intervals_over_seeds():
    losses = {("seqmatch-mtt", 1): [1.0, 1.2, 1.7], ("seqmatch-mtt", 2): [0.5, 0.8, 0.8], ("mtt", 1): [0.9, 1.1, 1.0]}
    rows = [
        (method, seed, stage, kind, loss + (kind == "hard"))
        for (method, stage), of_seeds in losses.items()
        for seed, loss in enumerate(of_seeds)
        for kind in ("easy", "hard")
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "stage", "difficulty", "mean_loss"])
    figure = common_difficulty_figure(table)
    hard, _ = figure.axes
    assert [panel.get_title() for panel in figure.axes] == ["(a) hard images", "(b) easy images"]
    sequential, single = hard.containers
    assert (
        sequential.lines[0].get_ydata().tolist() == pytest.approx([2.3, 1.7]) and len(single.lines[0].get_xdata()) == 1
    )
    (_, low), (_, high) = sequential.lines[2][0].get_segments()[0]
    interval = stats.ttest_1samp([2.0, 2.2, 2.7], 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((interval.low, interval.high))
    assert sorted(labels(figure)) == ["MTT", "SeqMatch-MTT (K = 2)"]
    assert "3 distillation seeds" in common_difficulty_caption(table.assign(dataset="digits", ipc="2"))


def differences(*contrasts):
    columns = ["ipc", "method", "K", "baseline", "difference", "low", "high", "q"]
    about = {"dataset": "digits", "p": 0.1, "unit": "seeds", "seeds": 5, "pairs": 25, "failed": 0}
    return pd.DataFrame(contrasts, columns=columns).assign(**about)


def test_differences_stand_below_what_they_are_against_and_significant_ones_are_filled():
    table = differences(
        ("4", "seqmatch-mtt", 2, "mtt", -1.0, -2.0, 0.5, 0.2),
        ("6", "seqmatch-mtt", 3, "mtt", 2.0, 1.0, 3.0, 0.01),
        ("6", "seqmatch-mtt", 3, "mtt-long", 0.5, -1.0, 2.0, float("nan")),
    )
    figure = differences_figure(table)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    sequential = ["SeqMatch-MTT (K = 2)", "SeqMatch-MTT (K = 3)"]
    assert names == ["against MTT:", *sequential, "against mtt-long:", sequential[1]]
    assert [panel.get_title() for panel in figure.axes] == ["(a) 4 images per class", "(b) 6 images per class"]
    drawn = [[line.get_xydata().tolist() for line in panel.lines[1:]] for panel in figure.axes]
    assert drawn[0] == [[[-2.0, 1], [0.5, 1]], [[-1.0, 1]]]
    assert drawn[1] == [[[1.0, 2], [3.0, 2]], [[2.0, 2]], [[-1.0, 4], [2.0, 4]], [[0.5, 4]]]
    (_, other), (_, significant, _, _) = (
        [line.get_markerfacecolor() for line in panel.lines[1:]] for panel in figure.axes
    )
    assert other == "white" != significant
    assert labels(figure) == ["significant", "not significant", "not tested"] and not clipped(figure)
    assert figure.axes[1].lines[-1].get_marker() == "x" and "A cross is not tested." in differences_caption(table)


def test_a_difference_far_from_all_others_is_told_at_the_edge():
    near = [("6", f"method-{n}", 3, "mtt", n / 4, n / 4 - 1.0, n / 4 + 1.0, 0.2) for n in range(6)]
    table = differences(*near, ("6", "from-noise", 3, "mtt", -26.2, -41.0, -11.5, 0.01))
    figure = differences_figure(table)
    (panel,) = figure.axes
    low, high = panel.get_xlim()
    assert -2 < low < -1.0 and 2.25 < high < 3
    arrow = panel.lines[-1]
    assert arrow.get_marker() == "<" and arrow.get_xydata().tolist() == [[low, 7]]
    assert [text.get_text() for text in panel.texts] == ["−26.2"] and not clipped(figure)
    assert "An arrow points to" in differences_caption(table)
    assert "An arrow" not in differences_caption(table[:-1]) and not differences_figure(table[:-1]).axes[0].texts


def test_long_names_of_compared_methods_are_whole_and_rows_have_room_for_them():
    name = "method-" * 14
    figure = differences_figure(differences(*(("4", name, k, f"{name}long", 1.0, 0.0, 2.0, 0.2) for k in (2, 3))))
    assert not clipped(figure)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


def test_differences_without_an_interval_are_points_and_failed_ones_are_missing():
    table = differences(
        ("4", "seqmatch-mtt", 2, "mtt", 1.0, *[float("nan")] * 3), ("4", "rounds", 2, "mtt", *[float("nan")] * 4)
    ).assign(unit="networks", seeds=1, failed=1)
    figure = differences_figure(table)
    shown = [line.get_xdata() for line in figure.axes[0].lines[1:]]
    assert [x.tolist() for x in shown if np.isfinite(np.asarray(x, float)).any()] == [[1.0]]
    caption = differences_caption(table)
    assert "1 distillation seed (of its networks" in caption and "Left out: 2 pairs" in caption


def test_figures_leave_failed_networks_out_and_say_so():
    rows = [("mtt", 0, "union", network, stages, 60.0) for network in (0, 1) for stages in (1, 2)]
    table = pd.DataFrame(rows, columns=["method", "seed", "curriculum", "network", "stages", "accuracy"])
    table.loc[[0, 1, 3], "accuracy"] = float("nan")  # one network everywhere, the other one after two stages
    figure = stages_figure(table)
    assert figure.get_supxlabel() == "Failed networks, left out: 2"
    means = figure.axes[0].containers[0].lines[0].get_ydata()
    assert means[0] == 60.0 and np.isnan(means[1])
    halves = coupling(["mtt"])
    halves.loc[0, "accuracy"] = float("nan")
    assert coupling_figure(halves).get_supxlabel().endswith(": 1")
    assert stages_figure(table.fillna(50.0)).get_supxlabel() == ""
    assert stages_caption(table.assign(dataset="digits", ipc="2")).endswith("Failed networks, left out: 2.")


def test_the_resources_figure_adds_up_jobs_of_a_rule():
    rows = [("evaluate", 90.0, 1024.0, 1.0), ("distill_subset", 600.0, 512.0, 0.0), ("evaluate", 30.0, 2048.0, 2.0)]
    table = pd.DataFrame(rows, columns=["rule", "seconds", "memory_mib", "disk_mb"])
    time, memory, disk = resources_figure(table).axes
    assert [tick.get_text() for tick in time.get_yticklabels()] == ["evaluate (2)", "distill subset (1)"]
    assert [bar.get_width() for bar in time.patches] == [120, 600] and time.yaxis_inverted()
    texts = [[text.get_text() for text in panel.texts] for panel in (time, memory, disk)]
    assert texts == [["2.0 min", "10 min"], ["2.0 GiB", "512 MiB"], ["2.9 MiB", "0 KiB"]]


def test_the_images_figure_shows_every_image_in_its_row():
    labels = np.array([0, 0, 1])
    pixels = np.arange(3 * 64).reshape(3, 1, 8, 8).astype(np.uint8)
    blocks = [Block("S₁", pixels, labels), Block("S₂", pixels[[0, 2]], labels[[0, 2]])]
    assert not images.in_columns(blocks, 2) and images.in_columns(blocks[1:], 2)
    figure = images_figure(blocks, ["zero", "one"], "title")
    first, second = figure.axes
    assert first.get_title() == "S₁" and second.get_title() == "S₂"
    assert [text.get_text() for text in first.get_yticklabels()] == ["zero", "one"] and not second.get_yticklabels()
    shown = np.asarray(first.images[0].get_array())
    assert shown.shape == (17, 17)
    assert (shown[:8, 9:] == pixels[1, 0]).all() and (shown[9:, :8] == pixels[2, 0]).all()
    assert (shown[9:, 9:] == 255).all() and (shown[8] == 255).all()
    assert all(panel.images[0].get_clim() == (0, 255) for panel in figure.axes)
    for label, tick in enumerate(first.get_yticks()):
        assert 9 * label <= tick < 9 * label + 8


def test_few_images_of_few_classes_have_a_column_for_each_class():
    pixels = np.arange(3 * 64).reshape(3, 1, 8, 8).astype(np.uint8)
    figure = images_figure([Block("S₁", pixels, np.arange(3)), Block("S₂", pixels, np.arange(3))], list("abc"), "t")
    first, second = figure.axes
    assert [text.get_text() for text in first.get_xticklabels()] == ["a", "b", "c"] and not second.get_xticklabels()
    shown = np.asarray(second.images[0].get_array())
    assert shown.shape == (8, 26) and (shown[:, 9:17] == pixels[1, 0]).all() and second.get_ylabel() == "S₂"


def test_a_change_is_grey_where_there_is_none():
    before = np.array([0, 100, 255, 255, 0], np.uint8)
    assert images.change(np.array([0, 100, 255, 0, 255], np.uint8), before).tolist() == [128, 128, 128, 0, 255]


def test_a_grid_of_many_classes_and_images_stays_on_a_page():
    labels = np.repeat(np.arange(200), 10)
    pixels = np.zeros((2000, 3, 16, 16), np.uint8)
    names = [str(label) for label in range(200)]
    width, height = images_figure([Block("", pixels, labels)], names, "").get_size_inches()
    assert width < 13 and height < 10


def test_many_methods_have_rows_of_panels_and_looks_of_their_own():
    figure, axes = panels({name: name for name in "abcdefg"}, DEFAULT, 2.0)
    assert len(axes) == len(figure.axes) == 7 and figure.get_size_inches()[1] == 6
    found = DEFAULT.looks([f"m{index}" for index in range(18)] * 2)
    assert len({tuple(look.values()) for look in found.values()}) == 18
    assert [look["color"] for look in found.values()][:6] == list(COLORS)
    assert [letter_of(index) for index in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]


def test_a_method_has_one_colour_in_all_figures_of_an_experiment():
    style = style_of("neurips", "sans", ["mtt", "seqmatch-mtt", "dm"])
    assert style.looks(["dm"])["dm"]["color"] == style.looks(["mtt", "dm"])["dm"]["color"] == COLORS[2]
    assert list(style.looks(["random", "dm"])) == ["random", "dm"]


def test_an_epoch_is_as_wide_in_every_panel():
    figure = difficulty_figure(difficulty().query("method != 'mtt' or epoch <= 50"))
    FigureCanvasAgg(figure).draw()
    scales = [panel.get_position().width / panel.get_xlim()[1] for panel in figure.axes]
    assert [panel.get_xlim()[1] for panel in figure.axes] == [50, 100] and scales[0] == pytest.approx(scales[1])


@pytest.mark.parametrize("venue", ["neurips", "wide"])
def test_a_figure_is_as_wide_as_the_text_of_its_venue_and_has_its_letters(venue, tmp_path):
    style = style_of(venue, "serif")
    figure = difficulty_figure(difficulty(), style=style)
    title = figure.axes[0].title
    assert (title.get_fontsize(), title.get_fontfamily()) == (style.size, [fonts.SERIF, fonts.SANS])
    assert figure.get_size_inches()[0] == style.text and not clipped(figure)
    save(figure, [tmp_path / "f.pdf"], style)
    assert b"STIXGeneral" in (tmp_path / "f.pdf").read_bytes()


def test_the_configuration_knows_every_look():
    looks = Figures.model_fields
    assert get_args(looks["style"].annotation) == tuple(STYLES) and get_args(looks["font"].annotation) == tuple(
        FAMILIES
    )


def test_captions_say_what_is_seen_and_of_how_many():
    names = {"dataset": "digits", "ipc": "2"}
    caption = difficulty_caption(difficulty().assign(**names))
    assert "(digits, 2 images per class)" in caption and caption.endswith("2 distillation seeds, 2 networks each.")
    assert "25 % of all and 0.52 for MTT" in caption
    assert "seed 0 of 2" in losses_caption(losses().assign(**names))


def clipped(figure):
    """Whether anything drawn lies beyond the figure's edges, in the resolution that it is written in."""
    figure.set_dpi(200)
    FigureCanvasAgg(figure).draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height


METHODS = ("dc", "dm", "mtt", "m" * 100, "seqmatch-mtt", "seqmatch-" + "wide-" * 18 + "x")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: difficulty_figure(difficulty(METHODS)),
        lambda: losses_figure(losses(METHODS)),
        lambda: coupling_figure(coupling(METHODS)),
        lambda: convergence_figure(convergence(METHODS)),
    ],
    ids=["difficulty", "losses", "coupling", "convergence"],
)
def test_no_label_is_clipped(draw):
    assert not clipped(draw())


@pytest.mark.parametrize("colours", [1, 3])
def test_figures_are_written_in_both_formats_with_equal_bytes(tmp_path, colours):
    pixels = np.full((2, colours, 8, 8), 90, np.uint8)
    for folder in ("a", "b"):
        figure = images_figure([Block("", pixels, np.array([0, 1]))], ["x", "y"], "")
        save(figure, [tmp_path / folder / "f.png", tmp_path / folder / "f.pdf"])
    for name in ("f.png", "f.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).stat().st_size > 1000


def test_rows_of_several_data_sets_or_sizes_are_not_drawn_as_one(tmp_path):
    one = difficulty().assign(dataset="a", ipc="10")
    for name, other in (("dataset", one.assign(dataset="b")), ("ipc", one.assign(ipc="1"))):
        save_table(tmp_path / "t.csv", pd.concat([one, other]), {})
        status, said = call("figure_difficulty", tmp_path / "t.csv", "--out", tmp_path / "f.png")
        assert status == 1 and f"choose one with --{name}" in said and not (tmp_path / "f.png").exists()


def test_a_network_that_was_trained_on_one_half_alone_is_named():
    with pytest.raises(SeqmatchError, match="mtt, 2, 0, 0: there must be a row of each half of this network"):
        coupling_points(coupling().iloc[1:])


def test_tables_beside_figures_keep_names_that_look_like_numbers_or_nothing(tmp_path):
    for name, table in {
        "figure_difficulty": difficulty(LOOK_LIKE_OTHERS[3:5]),
        "figure_losses": losses(LOOK_LIKE_OTHERS[3:5]),
        "figure_convergence": convergence(LOOK_LIKE_OTHERS[3:5]),
        "figure_coupling": coupling(LOOK_LIKE_OTHERS[3:5]),
    }.items():
        whole, beside = tmp_path / f"{name}-whole.csv", tmp_path / f"{name}.csv"
        save_table(whole, table.assign(dataset="2024", **({} if "ipc" in table else {"ipc": "10"})), {})
        run_script(name, whole, "--dataset", "2024", "--out", beside)
        found = load_table(beside)
        assert set(found["method"]) == set(LOOK_LIKE_OTHERS[3:5]) and set(found["dataset"]) == {"2024"}


def image_blocks(classes, titles=("S₁, initial", "S₁")):
    pixels = np.full((classes, 1, 8, 8), 90, np.uint8)
    return [Block(title, pixels, np.arange(classes)) for title in titles]


@pytest.mark.parametrize("names", [NASTY, ["W" * 60] * 2, ["a", "b"]], ids=["nasty", "wide", "short"])
def test_at_one_image_per_class_no_name_or_title_is_cut(names, tmp_path):
    title = "$" + "data-" * 19 + "$, " + "method-" * 14 + ", ipc 1"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's, about letters that no font has
        figure = images_figure(image_blocks(len(names)), names, title)
        assert not clipped(figure)
        save(figure, [tmp_path / "f.pdf"])
    assert "".join(figure.get_suptitle().split()) == "".join(title.split())
    texts = figure.axes[0].get_xticklabels() or figure.axes[0].get_yticklabels()
    labels = [text.get_text() for text in texts]
    assert len(set(labels)) == len(labels) and not any(text.get_parse_math() for text in texts)
    for number, (label, name) in enumerate(zip(labels, names, strict=True)):
        assert label == name or label.startswith(f"{number}: ")
        assert label == name or len(name) > images.LONGEST_NAME or not (name.isascii() and name.isprintable())


def test_fonts_are_looked_for_by_letters_and_a_missing_one_is_named_with_its_package(monkeypatch, capsys):
    has = {"serif": "中文ก", "sans": "中文", "cjk": "中ね"}
    monkeypatch.setattr(fonts, "_known", lambda: {"A Serif": "serif", "B Sans": "sans", "Z Sans CJK JP": "cjk"})
    monkeypatch.setattr(fonts, "_new", dict)
    base = fonts._without
    monkeypatch.setattr(
        fonts, "_without", lambda letters, path: letters - set(has[path]) if path in has else base(letters, path)
    )
    assert fonts.families("abc, é") == ([fonts.SANS], "")
    assert fonts.families("中文") == ([fonts.SANS, "B Sans"], "")
    assert fonts.families("中文", fonts.SERIF) == ([fonts.SERIF, fonts.SANS, "B Sans"], "")
    assert fonts.families("中文ก") == ([fonts.SANS, "A Serif"], "")
    assert fonts.families("中ね") == ([fonts.SANS, "Z Sans CJK JP"], "")
    families, missing = fonts.families("中文 ब 🦖")
    assert families == [fonts.SANS, "B Sans"] and missing == "ब🦖"
    fonts.warn(missing)
    warning = capsys.readouterr().err
    assert "ब 🦖 (DEVANAGARI, SYMBOL)" in warning and "apt install fonts-noto-core fonts-symbola" in warning
    assert images.label(3, "ब 🦖🦖 x", missing) == "3: � � x" and images.label(3, "x", missing) == "x"


def test_a_figure_shows_every_image_that_a_stored_one_becomes_as_its_class(tmp_path):
    decoder = hallucinators.draw((1, 8, 8), 3, Seed("s"))
    stored = Parameterisation("hallucinators", 3)
    subset = Subset(normal(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), 0.1, stored, decoder=decoder)
    save_subset(tmp_path / "s.safetensors", subset, subset, identity(1), {"class_names": ["a", "b"]})
    run_script("figure_images", tmp_path / "s.safetensors", "--out", tmp_path / "f.csv")
    table = load_table(tmp_path / "f.csv")
    assert table["index"].tolist() == list(range(12)) and table["class"].tolist() == 6 * ["a"] + 6 * ["b"]
    run_script("figure_images", tmp_path / "f.csv", "--out", tmp_path / "again.csv")


def test_a_figure_of_images_lists_classes_of_any_name(tmp_path):
    names = [name for name in NASTY if printable(name) == name]
    subset = Subset(normal(len(names), 1, 8, 8), torch.arange(len(names)), 0.1)
    save_subset(tmp_path / "s.safetensors", subset, subset, identity(1), {"class_names": names})
    run_script("figure_images", tmp_path / "s.safetensors", "--title", "a, b, ipc 1", "--out", tmp_path / "f.csv")
    assert load_table(tmp_path / "f.csv")["class"].tolist() == names
    run_script("figure_images", tmp_path / "f.csv", "--out", tmp_path / "again.csv")
    assert load_table(tmp_path / "again.csv").equals(load_table(tmp_path / "f.csv"))
