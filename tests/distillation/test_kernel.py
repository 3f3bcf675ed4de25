"""KIP: kernel ridge regression on synthetic images predicts real ones."""

from dataclasses import replace

import pytest
import torch
from helpers.distilling import distilled
from helpers.tiny import FOUR, labelled

from seqmatch import config
from seqmatch.analysis.kernel_regression import accuracies
from seqmatch.distillation.kernel import kernel_step
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.kernels import Kernel
from seqmatch.matching.regression import centred, match_regression, predictions
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset
from seqmatch.training.learner import Learner
from seqmatch.transforms import dsa

CPU = torch.device("cpu")
CLASSES = 3
REAL = labelled(per_class=12, name="real")
SETTINGS = config.KernelMatching(
    iterations=6, snapshots=3, kernel_depth=2, real_batch=4, optimizer="adam", lr_images=0.05, ridge=1e-3
)


def subset(per_class=1, name="x"):
    return Subset(*labelled(per_class=per_class, name=name), 0.1)


def step_of(settings, *subsets, augmentation=()):
    labels = torch.cat([each.decoded()[1] for each in subsets])
    return kernel_step(REAL, labels, settings, augmentation, Seed("d"))


def test_each_iteration_has_as_many_real_images_of_each_class_and_one_view_of_them():
    start, (images, labels) = subset(), REAL
    found = step_of(SETTINGS, start, augmentation=("crop", "color"))(start.images, 0.1, 3)
    generator = (Seed("d") / 3).generator()
    batch = torch.cat([12 * label + torch.randperm(12, generator=generator)[:4] for label in range(CLASSES)])
    seen = dsa.apply(dsa.draw(("crop", "color"), 1, generator), images[batch])
    own, targets = centred(start.labels, CLASSES), centred(labels[batch], CLASSES)
    expected = match_regression(Kernel("convolutional", 2), start.images, own, seen, targets, 1e-3)
    assert found.loss == expected.loss and torch.equal(found.image_gradient, expected.image_gradient)
    assert found.step_size_gradient == 0 and found.image_gradient.dtype == torch.float32


@pytest.mark.parametrize("kernel", ["fully-connected", "convolutional", "pooled"])
def test_a_run_that_is_killed_goes_on_bit_for_bit(tmp_path, kernel):
    settings = SETTINGS.model_copy(update={"kernel": kernel, "kernel_depth": 1, "real_batch": 1})
    start, earlier = subset(), subset(name="earlier")
    step = step_of(settings, earlier, start, augmentation=("crop",))

    def killed(*arguments):
        if arguments[-1] == 4:
            raise KeyboardInterrupt
        return step(*arguments)

    whole = distilled(start, [earlier], step, settings, NoCheckpoint(), CPU)
    with pytest.raises(KeyboardInterrupt):
        distilled(start, [earlier], killed, settings, Checkpoint(tmp_path, "work", 0), CPU)
    again = distilled(start, [earlier], step, settings, Checkpoint(tmp_path, "work", 0), CPU)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in whole.tensors().items())
    assert (whole.step_sizes == 0.1).all() and not torch.equal(whole.images[0], whole.images[-1])


def test_a_later_subset_makes_up_for_what_those_before_it_predict_wrongly():
    settings = SETTINGS.model_copy(update={"iterations": 30, "real_batch": 12, "kernel": "fully-connected"})
    earlier, start = subset(), subset(name="second")
    alone = distilled(earlier, [], step_of(settings, earlier), settings, NoCheckpoint(), CPU)
    first = alone.subset(-1)
    both = distilled(start, [first], step_of(settings, first, start), settings, NoCheckpoint(), CPU)
    assert alone.matching_losses[-1] < 0.5 * alone.matching_losses[0]
    assert both.matching_losses[-1] < 0.7 * both.matching_losses[0]
    assert both.matching_losses[-1] < alone.matching_losses[-1]


def test_labels_are_learned_as_shares_of_classes_and_regression_takes_them(tmp_path):
    shares = torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6]])
    start = replace(subset(), soft_labels=shares)
    changes = {"kernel": "fully-connected", "iterations": 20, "soft_labels": True}
    fixed, learned = (SETTINGS.model_copy(update=changes | {"lr_labels": rate}) for rate in (0, 20))
    step = step_of(learned, start)

    def killed(*arguments):
        if arguments[2] == 14:
            raise KeyboardInterrupt
        return step(*arguments)

    stayed = distilled(start, [], step_of(fixed, start), fixed, NoCheckpoint(), CPU)
    whole = distilled(start, [], step, learned, NoCheckpoint(), CPU)
    with pytest.raises(KeyboardInterrupt):
        distilled(start, [], killed, learned, Checkpoint(tmp_path, "work", 0), CPU)
    again = distilled(start, [], step, learned, Checkpoint(tmp_path, "work", 0), CPU)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in whole.tensors().items())
    assert whole.matching_losses[-1] < 0.9 * stayed.matching_losses[-1]
    last = whole.subset(-1)
    torch.testing.assert_close(last.soft_labels.sum(1), torch.ones(3))
    assert (last.soft_labels - shares).abs().max() > 0.1
    learner, real = Learner(None, config.Evaluation(networks=1)), labelled(per_class=20, name="test")
    predicted = predictions(Kernel("fully-connected", 2), last.images, centred(last.soft_labels, 3), real[0], 1e-3)
    expected = 100 * (predicted.argmax(1) == real[1]).double().mean().item()
    assert accuracies([last], [learned], real, learner, Seed("e")) == [expected]


def test_images_stored_as_several_in_one_are_regressed_on_as_they_look():
    start = Subset(labelled(per_class=1)[0], torch.arange(3), 0.1, FOUR)
    snapshots = distilled(start, [], step_of(SETTINGS, start), SETTINGS, NoCheckpoint(), CPU)
    assert snapshots.images.shape == (4, 3, 1, 8, 8) and snapshots.matching_losses[-1] < snapshots.matching_losses[0]


def test_the_accuracy_of_regression_is_that_of_the_union_with_its_own_kernel():
    subsets, (unseen, classes) = [subset(), subset(2, "second")], labelled(per_class=20, name="test")
    test = unseen, classes.roll(5)  # a quarter of the labels is wrong
    learner = Learner(None, config.Evaluation(networks=2))
    sections = [SETTINGS.model_copy(update={"kernel": "fully-connected"})] * 2
    found = accuracies(subsets, sections, test, learner, Seed("e"))
    images, labels = (torch.cat(parts) for parts in zip(*(each.decoded() for each in subsets), strict=True))
    predicted = predictions(Kernel("fully-connected", 2), images, centred(labels, 3), test[0], 1e-3).argmax(1)
    assert found == [100 * (predicted == test[1]).double().mean().item()] * 2 and 60 < found[0] < 90
