"""What experts that were trained to the end say of images."""

from shared import compute

from seqmatch.distillation.soft_labels import mean_prediction, prediction_of_right_ones
from seqmatch.seeds import Seed


def expert(args, job, experts, number):
    """A fully trained expert."""
    return experts.load(compute.new_network(args, job)(Seed("expert")), number, experts.epochs)


def soft_labels(args, job, experts, learned, images, labels):
    """Those that real images (n, C, H, W) of these classes begin with; `learned`: of methods that optimise them."""
    ensemble = (expert(args, job, experts, number) for number in range(len(experts)))
    images = images.to(job.device)
    return prediction_of_right_ones(ensemble, images, labels) if learned else mean_prediction(ensemble, images)
