"""The tool that measures TESLA's gradient."""

from types import SimpleNamespace

import first_order
from pytest import approx


def test_the_error_is_nothing_for_one_step_and_grows_with_the_step_size(tmp_path, monkeypatch):
    settings = {"EPOCHS": 3, "NETWORKS": 1, "MATCHES": 1, "RATES": (0.001, 0.1), "STEPS": (1, 3)}
    for name, value in settings.items():
        monkeypatch.setattr(first_order, name, value)
    args = SimpleNamespace(csv=tmp_path / "f.csv", figure=tmp_path / "f.png")
    first_order.main(args)
    table = first_order.pd.read_csv(args.csv).set_index(["steps", "step_size"])
    assert table.loc[1, "error"].tolist() == [0, 0] and table.loc[1, "cosine"].tolist() == approx([1, 1])
    assert 0 < table.loc[(3, 0.001), "error"] < table.loc[(3, 0.1), "error"]
    assert args.figure.stat().st_size > 1000
