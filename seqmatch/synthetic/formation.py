"""Multi-formation (IDC, Kim et al. 2022): a stored image holds a grid of smaller ones, each enlarged when it is used.

The cells of the grid share the rows and columns of the image as evenly as whole pixels allow, each pixel in one cell.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def decode(images: Tensor, factor: int) -> Tensor:
    """The images that stored ones hold: each cell of a grid of factor × factor, enlarged bilinearly.

    Linear in the images, and differentiable. Cells go row by row.

    Args:
        images: (n, C, H, W), H and W ≥ `factor`.

    Returns:
        (n · factor², C, H, W), the cells of an image one after the other; for a factor of 1 the images themselves.
    """
    if factor == 1:
        return images
    size = images.shape[-2:]
    cells = [
        F.interpolate(images[..., rows, columns], size, mode="bilinear", align_corners=False)
        for rows, columns in _cells(size, factor)
    ]
    return torch.stack(cells, 1).flatten(0, 1)


def encode(images: Tensor, factor: int) -> Tensor:
    """Images (n · factor², C, H, W), shrunk with antialiasing, in the cells of n: (n, C, H, W).

    `decode` of it shows the same images, less their fine detail.
    """
    if factor == 1:
        return images
    groups = images.unflatten(0, (-1, factor**2))
    stored = torch.empty_like(groups[:, 0])
    for index, (rows, columns) in enumerate(_cells(images.shape[-2:], factor)):
        size = (rows.stop - rows.start, columns.stop - columns.start)
        stored[..., rows, columns] = F.interpolate(
            groups[:, index], size, mode="bilinear", align_corners=False, antialias=True
        )
    return stored


def _cells(size: torch.Size, factor: int) -> list[tuple[slice, slice]]:
    """Rows and columns of each cell."""
    rows, columns = ([slice(i * side // factor, (i + 1) * side // factor) for i in range(factor)] for side in size)
    return [(row, column) for row in rows for column in columns]
