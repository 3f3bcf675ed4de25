"""What a distilled set is worth where no network learns from it: the accuracy of kernel ridge regression (KIP)."""

from collections.abc import Sequence

import torch

from seqmatch import config
from seqmatch.matching.kernels import Kernel
from seqmatch.matching.regression import centred, predictions
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled


def accuracies(
    subsets: Sequence[Subset], sections: Sequence[config.KernelMatching], test: Labelled, learner: Learner, seed: Seed
) -> list[float]:
    """Percent of the test images that regression on the union of all subsets classifies as labelled, with the kernel
    and ridge that it was distilled for (Nguyen et al. 2021, equation 1).

    Nothing is drawn: it is the same number for each network that would be trained.

    Args:
        subsets: S_1 … S_K.
        sections: how each was distilled; kernel and ridge are the same in all.
        test: normalised images (N, C, H, W), and their classes (N,).
        learner: how many networks there would be.
    """
    images, labels = (torch.cat(tensors) for tensors in zip(*(subset.decoded() for subset in subsets), strict=True))
    (unseen, wanted), section = test, sections[-1]
    classes = labels.shape[1] if labels.is_floating_point() else int(labels.max()) + 1
    kernel, targets = Kernel(section.kernel, section.kernel_depth), centred(labels, classes).to(unseen.device)
    found = predictions(kernel, images.to(unseen), targets, unseen, section.ridge).argmax(1)
    return [100 * float((found == wanted).double().mean())] * learner.settings.networks
