"""What evaluate says of the synthetic set that it trains networks on."""

from types import SimpleNamespace

import evaluate
import pytest
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.data.normalization import fit_standardization
from seqmatch.synthetic.subset import Subset, save_subset


@pytest.mark.parametrize(
    ("header", "undistilled"),
    [
        ({"iteration": 0, "distilled": {"matching": {"iterations": 9}}}, 1),
        ({"iteration": 9, "distilled": {"matching": {"iterations": 9}}}, 0),
        ({"iteration": 0, "distilled": {"matching": {}}}, 0),  # of `random`
        ({}, 0),
    ],
)
def test_a_subset_that_was_distilled_and_is_its_initial_images_is_counted(tmp_path, header, undistilled):
    subset, path = Subset(*labelled(per_class=1), 0.1), tmp_path / "s.safetensors"
    save_subset(path, subset, subset, fit_standardization(labelled()[0].byte()), header)
    args = SimpleNamespace(subsets=[path], selection="validation", also=[], evaluation=config.Evaluation())
    ((selection, _, found),) = evaluate.make_curricula(args, SimpleNamespace(dimensions={}))
    assert (selection, found) == ("validation", undistilled)
