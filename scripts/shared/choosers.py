"""What experts that were trained to the end say of images."""

from shared import compute

from seqmatch.distillation.soft_labels import mean_prediction, prediction_of_right_ones
from seqmatch.seeds import Seed


def expert(args, job, experts, number):
    """A fully trained expert."""
    return experts.load(compute.new_network(args, job)(Seed("expert")), number, experts.epochs)


def soft_labels(args, job, experts, keys, images, labels):
    """Those that real images (n, C, H, W) of these classes begin with, where `keys` say how a method goes on.

    Methods that optimise them begin with those of the experts that are right (DATM), others with the mean of all.
    """
    network = compute.new_network(args, job)(Seed("expert"))
    ensemble = (experts.load(network, number, experts.epochs) for number in range(len(experts)))
    images = images.to(job.device)
    if "lr_labels" in keys:
        return prediction_of_right_ones(ensemble, images, labels)
    return mean_prediction(ensemble, images)
