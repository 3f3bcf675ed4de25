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
    and ridge that it was distilled for.

    Nothing is drawn: it is the same number for each network that would be trained.
    """
    images, labels = (torch.cat(tensors) for tensors in zip(*(subset.decoded() for subset in subsets), strict=True))
    unseen, wanted = test
    kernel, targets = Kernel(sections[-1].kernel, sections[-1].kernel_depth), centred(labels, int(labels.max()) + 1)
    found = predictions(kernel, images.to(unseen), targets.to(unseen.device), unseen, sections[-1].ridge).argmax(1)
    return [100 * float((found == wanted).double().mean())] * learner.settings.networks
