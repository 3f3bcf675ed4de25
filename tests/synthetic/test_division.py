import pytest

from seqmatch.synthetic.division import subset_sizes


@pytest.mark.parametrize(
    ("ipc", "k", "sizes"), [(50, 3, [17, 17, 16]), (10, 2, [5, 5]), (3, 3, [1, 1, 1]), (5, 1, [5])]
)
def test_subsets_are_near_equal(ipc, k, sizes):
    assert subset_sizes(ipc, k) == sizes


@pytest.mark.parametrize(("ipc", "k"), [(2, 3), (2, 0)])
def test_impossible_divisions_are_refused(ipc, k):
    with pytest.raises(ValueError, match="cannot be divided"):
        subset_sizes(ipc, k)
