"""Decoders that are learned with the images: memories and hallucinators."""

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import labelled, normal
from torch.nn.utils import skip_init

from seqmatch.config import Coreset
from seqmatch.data.normalization import fit_standardization
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.errors import SeqmatchError
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.matching.match import pull_back
from seqmatch.seeds import Seed
from seqmatch.synthetic import hallucinators, memories
from seqmatch.synthetic.subset import load_subset, save_subset

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


def stored(name):
    """A subset of three classes with a learned decoder, and the normalisation of its images."""
    real, labels = labelled(per_class=4)
    stage = Coreset(parameterisation=name, memories=2, hallucinators=2)
    subset = initial_subset((real, labels), Part([4], 1), stage, lambda members, label: members, Seed("s"))
    return subset, fit_standardization((real * 30 + 120).clamp(0, 255).to(torch.uint8))


@pytest.mark.parametrize("name", ["memories", "hallucinators"])
def test_a_decoder_is_stored_with_its_subset(tmp_path, name):
    subset, statistics = stored(name)
    save_subset(tmp_path / "s", subset, subset, statistics, {})
    found, shown = load_subset(tmp_path / "s"), load_tensors(tmp_path / "s")[0]["pixels"]
    assert found.parameterisation == subset.parameterisation and found.decoder.keys() == subset.decoder.keys()
    assert all(torch.equal(*each) for each in zip(found.decoded(), subset.decoded(), strict=True))
    assert shown.shape == subset.decoded()[0].shape  # people are shown what networks see
    part = subset[torch.tensor([0, 5])]
    held = subset.parameterisation.held
    assert torch.equal(part.decoded()[0][-held:], subset.decoded()[0][5 * held : 6 * held])


def wrong(tensors, name):
    """What is wrong with a file, and its tensors."""
    one = next(key for key in tensors if key.startswith("decoder."))
    size = {"memories": "memory_scale", "hallucinators": "hallucinators"}[name]
    yield "no decoder", {key: tensor for key, tensor in tensors.items() if key != one}
    yield "no size", {key: tensor for key, tensor in tensors.items() if key != size}
    yield "another size", tensors | {size: torch.tensor(3)}
    yield "a size beyond all bounds", tensors | {size: torch.tensor(2**40)}
    yield "another shape", tensors | {one: tensors[one][:1]}
    yield "another dimension", tensors | {one: tensors[one][None]}
    yield "fewer images", tensors | {"images": tensors["images"][1:]}
    yield "another form of images", tensors | {"images": tensors["images"][..., None]}
    yield "fewer pictures", tensors | {"pixels": tensors["pixels"][1:]}
    yield "smaller pictures", tensors | {"pixels": tensors["pixels"][..., 1:]}
    yield "a number that is none", tensors | {one: tensors[one] * torch.nan}


@pytest.mark.parametrize("name", ["memories", "hallucinators"])
def test_a_decoder_that_does_not_fit_is_refused(tmp_path, name):
    subset, statistics = stored(name)
    save_subset(tmp_path / "s", subset, subset, statistics, {})
    tensors, header = load_tensors(tmp_path / "s")
    tensors.pop("initial_pixels")
    for what, forged in [*wrong(tensors, name), ("stored as pixels", tensors)]:
        about = header | ({"parameterisation": "pixels"} if what == "stored as pixels" else {})
        save_tensors(tmp_path / "forged", {key: each.contiguous() for key, each in forged.items()}, about)
        with pytest.raises(SeqmatchError, match="forged"):
            raise AssertionError(what, load_subset(tmp_path / "forged"))
