import numpy as np
import pandas as pd
import pytest

from seqmatch.figures.difficulty import difficulty_figure
from seqmatch.figures.images import images_figure
from seqmatch.figures.style import save


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


def test_the_difficulty_figure_draws_both_kinds_for_each_method():
    table = difficulty()
    figure = difficulty_figure(table)
    assert [panel.get_title() for panel in figure.axes] == ["mtt", "seqmatch-mtt"]
    for panel, lines in zip(figure.axes, (2, 3), strict=True):  # and where the second subset joins
        assert len(panel.lines) == lines and len(panel.collections) == 2
        assert [text.get_text() for text in panel.get_legend().get_texts()] == ["easy (75%)", "hard (25%)"]
    easy = figure.axes[0].lines[0]
    rows = table[(table["method"] == "mtt") & (table["difficulty"] == "easy")]
    assert np.allclose(easy.get_ydata(), rows.groupby("epoch")["mean_loss"].mean())
    assert figure.axes[1].lines[2].get_xdata()[0] == 50


def test_the_images_figure_shows_every_image_in_its_row():
    labels = np.array([0, 0, 1])
    pixels = np.arange(3 * 64).reshape(3, 1, 8, 8).astype(np.uint8)
    figure = images_figure([(pixels, labels), (pixels[[0, 2]], labels[[0, 2]])], ["zero", "one"], "title")
    first, second = figure.axes
    assert first.get_title() == "$S_1$" and second.get_title() == "$S_2$"
    assert [text.get_text() for text in first.get_yticklabels()] == ["zero", "one"] and not second.get_yticklabels()
    shown = np.asarray(first.images[0].get_array())
    assert shown.shape == (17, 17)
    assert (shown[:8, 9:] == pixels[1, 0]).all() and (shown[9:, :8] == pixels[2, 0]).all()
    assert (shown[9:, 9:] == 255).all() and (shown[8] == 255).all()
    for label, tick in enumerate(first.get_yticks()):
        assert 9 * label <= tick < 9 * label + 8


def test_a_grid_of_many_classes_and_images_stays_on_a_page():
    labels = np.repeat(np.arange(200), 10)
    pixels = np.zeros((2000, 3, 16, 16), np.uint8)
    width, height = images_figure([(pixels, labels)], [str(label) for label in range(200)], "").get_size_inches()
    assert width < 13 and height < 10


@pytest.mark.parametrize("colours", [1, 3])
def test_figures_are_written_in_both_formats_with_equal_bytes(tmp_path, colours):
    pixels = np.full((2, colours, 8, 8), 90, np.uint8)
    for folder in ("a", "b"):
        figure = images_figure([(pixels, np.array([0, 1]))], ["x", "y"], "")
        save(figure, [tmp_path / folder / "f.png", tmp_path / folder / "f.pdf"])
    for name in ("f.png", "f.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).stat().st_size > 1000
