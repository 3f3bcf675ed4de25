"""How a budget of images is divided into subsets. Imports no torch."""


def subset_sizes(ipc: int, subsets: int) -> list[int]:
    """Images per class of each of K subsets: near-equal, the larger ones first (50 in 3: 17, 17, 16).

    Raises:
        ValueError: more subsets than images per class.
    """
    if not 1 <= subsets <= ipc:
        raise ValueError(f"{ipc} images per class cannot be divided into {subsets} subsets")
    return [ipc // subsets + (k < ipc % subsets) for k in range(subsets)]
