"""A stand-in for CUDA graphs."""


class Captures:
    """In place of `capture`: what is replayed reads the same tensors again and writes into the same ones."""

    def __init__(self):
        self.replays = []

    def __call__(self, function, inputs):
        outputs, number = [tensor.clone() for tensor in function(*inputs)], len(self.replays)
        self.replays.append(0)

        def replay():
            self.replays[number] += 1
            for target, source in zip(outputs, function(*inputs), strict=True):
                target.copy_(source)

        return outputs, replay
