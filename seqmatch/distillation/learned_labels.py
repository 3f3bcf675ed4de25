"""Soft labels that are learned with the images (DATM, Guo et al. 2024): logits, whose softmax networks learn."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.synthetic.subset import Subset


@dataclass
class LabelState:
    """The labels of a subset's decoded images along the way, and the momentum of their SGD."""

    logits: Tensor
    """(n, classes)."""
    velocity: Tensor
    """Like them."""
    kept: list[Tensor] = field(default_factory=list)
    """The labels of each snapshot, on the CPU."""

    @classmethod
    def of(cls, initial: Subset, matching: config.Matching, device: torch.device) -> "LabelState | None":
        """That of a subset to start from; None where its labels stay as they are."""
        if initial.soft_labels is None or not getattr(matching, "lr_labels", 0):
            return None
        shares = initial.soft_labels.to(device)
        logits = shares.clamp_min(torch.finfo(shares.dtype).tiny).log()
        return cls(logits, torch.zeros_like(logits))

    @property
    def shares(self) -> Tensor:
        """What networks learn: shares of classes (n, classes)."""
        return self.logits.softmax(1)

    def update(self, gradient: Tensor, matching: config.LearnedLabels) -> None:
        """A step of SGD.

        Args:
            gradient: for the shares of all synthetic images, these last.

        Raises:
            SeqmatchError: the logits are no longer finite.
        """
        shares, by_shares = self.shares, gradient[-len(self.logits) :]
        by_logits = shares * (by_shares - (shares * by_shares).sum(1, keepdim=True))
        self.velocity.mul_(matching.momentum_labels).add_(by_logits)
        self.logits.sub_(self.velocity, alpha=matching.lr_labels)
        if not self.logits.isfinite().all():
            raise SeqmatchError("the learned labels are not finite after an update; lower lr_labels")

    def keep(self) -> None:
        """The labels of a snapshot."""
        self.kept.append(self.shares.cpu())

    def copy(self) -> "LabelState":
        """This moment, safe from further updates."""
        return LabelState(self.logits.clone(), self.velocity.clone(), list(self.kept))

    def live(self) -> dict[str, Tensor]:
        """The tensors that updates change in place, by name."""
        return {"live.labels": self.logits, "live.labels.velocity": self.velocity}
