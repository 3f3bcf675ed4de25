"""Decoders that are learned with the images: memories and hallucinators."""

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import normal
from torch.nn.utils import skip_init

from seqmatch.matching.match import pull_back
from seqmatch.seeds import Seed
from seqmatch.synthetic import hallucinators, memories

SHAPE = (3, 8, 8)


def small_memories(images=10, count=4, scale=2):
    return memories.noise(SHAPE, images, count, scale, Seed("m"))


def test_sums_of_memories_one_by_one():
    coefficients, decoder = small_memories()
    decoded = memories.decode(coefficients, decoder["memories"], 2)
    assert decoded.shape == (10, *SHAPE)
    for row, image in zip(coefficients, decoded, strict=True):
        small = sum(share * memory for share, memory in zip(row, decoder["memories"], strict=True))
        expected = F.interpolate(small[None], (8, 8), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(image, expected)


def test_noise_has_the_published_bounds():
    coefficients, decoder = memories.noise(SHAPE, 500, 20, 1, Seed("m"))
    for tensor, bound in ((coefficients, (6 / 520) ** 0.5), (decoder["memories"], (6 / (20 + 192)) ** 0.5)):
        assert tensor.abs().max() <= bound and tensor.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert torch.equal(coefficients, memories.noise(SHAPE, 500, 20, 1, Seed("m"))[0])


@pytest.mark.parametrize("count", [12, 15])
def test_as_many_memories_as_images_show_them_all(count):
    images = normal(12, *SHAPE)
    coefficients, decoder = memories.encode(images, count, 1)
    assert coefficients.shape == (12, count) and decoder["memories"].shape == (count, *SHAPE)
    torch.testing.assert_close(memories.decode(coefficients, decoder["memories"], 1), images, rtol=1e-4, atol=1e-5)


def test_fewer_memories_are_the_nearest():
    images = normal(12, *SHAPE)
    coefficients, decoder = memories.encode(images, 5, 1)
    lost = (memories.decode(coefficients, decoder["memories"], 1) - images).square().sum()
    values = torch.linalg.svdvals(images.flatten(1))
    torch.testing.assert_close(lost, values[5:].square().sum(), rtol=1e-4, atol=1e-5)


def test_a_hallucinator_as_layers_of_pytorch():
    images, drawn = normal(4, *SHAPE), hallucinators.draw(SHAPE, 2, Seed("h"))
    drawn["scale"], drawn["shift"] = normal(2, 3, 6, 6, name="scale"), normal(2, 3, 6, 6, name="shift")
    decoded = hallucinators.decode(images, drawn).unflatten(0, (4, 2))
    assert decoded.shape == (4, 2, *SHAPE)
    for j in range(2):
        encoder, decoder = (skip_init(kind, 3, 3, 3) for kind in (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
        for layer, name in ((encoder, "encoder"), (decoder, "decoder")):
            layer.weight.data, layer.bias.data = drawn[name][j], drawn[f"{name}_bias"][j]
        expected = decoder(drawn["scale"][j] * encoder(images) + drawn["shift"][j])
        torch.testing.assert_close(decoded[:, j], expected)


def test_hallucinators_are_drawn_as_pytorch_draws_layers():
    drawn = hallucinators.draw(SHAPE, 50, Seed("h"))
    bound = (3 * 9) ** -0.5
    for name in ("encoder", "encoder_bias", "decoder", "decoder_bias"):
        assert drawn[name].abs().max() <= bound and drawn[name].std() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert (drawn["scale"] == 1).all() and (drawn["shift"] == 0).all()
    assert not torch.equal(drawn["encoder"][0], drawn["encoder"][1])


def decoded(name):
    """What is stored, of a decoder, in float64, and the function that decodes it."""
    if name == "memories":
        coefficients, decoder = small_memories()
        stored = {"images": coefficients, **decoder}
        return stored, lambda images, **others: memories.decode(images, others["memories"], 2)
    stored = {"images": normal(4, *SHAPE), **hallucinators.draw(SHAPE, 3, Seed("h"))}
    return stored, lambda images, **others: hallucinators.decode(images, others)


@pytest.mark.parametrize("name", ["memories", "hallucinators"])
def test_gradients_reach_every_tensor(name):
    """Central differences of ⟨decoded, c⟩ along a random direction of each."""
    stored, decode = decoded(name)
    leaves = {name: tensor.double().requires_grad_() for name, tensor in stored.items()}
    output = decode(**leaves)
    cotangent = normal(*output.shape, name="c", dtype=torch.float64)
    gradients = dict(zip(leaves, pull_back(output, cotangent, *leaves.values()), strict=True))
    for key, tensor in leaves.items():
        direction = normal(*tensor.shape, name=key, dtype=torch.float64)
        ends = [(decode(**leaves | {key: (tensor + h * direction).detach()}) * cotangent).sum() for h in (1e-5, -1e-5)]
        assert ((ends[0] - ends[1]) / 2e-5).item() == pytest.approx((gradients[key] * direction).sum().item(), rel=1e-6)


def test_the_gradients_of_memories_are_the_published_products():
    """With Ḡ the gradient of the small sums: Ḡ Mᵀ for the coefficients, Aᵀ Ḡ for the memories."""
    coefficients, decoder = small_memories(scale=1)
    leaves = [coefficients.requires_grad_(), decoder["memories"].requires_grad_()]
    output = memories.decode(*leaves, 1)
    cotangent = normal(*output.shape, name="c")
    by_coefficients, by_memories = pull_back(output, cotangent, *leaves)
    flat = cotangent.flatten(1)
    torch.testing.assert_close(by_coefficients, flat @ decoder["memories"].flatten(1).mT)
    torch.testing.assert_close(by_memories.flatten(1), coefficients.mT @ flat)
