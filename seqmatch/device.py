"""Where tensors live, and how many threads a process may use."""

import torch

from seqmatch.errors import SeqmatchError


def prepare(gpus: int, threads: int) -> torch.device:
    """The device for a process that was given `gpus` GPUs and `threads` CPU threads.

    Convolutions choose deterministic algorithms, so that a run can be repeated.

    Raises:
        SeqmatchError: a GPU is demanded and PyTorch sees none.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SeqmatchError(
            "a GPU is demanded (device: cuda, or --gpus 1) but PyTorch sees none; "
            "check the driver with nvidia-smi, or set device: cpu"
        )
    return torch.device("cuda")
