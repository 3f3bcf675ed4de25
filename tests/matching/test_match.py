import math
import subprocess
import sys

import pytest
import torch
from helpers.tiny import normal

from seqmatch.matching.match import Match, is_finite, pull_back
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode
from seqmatch.transforms import dsa


def drawn(operation):
    draw = dsa.draw([operation], 4, Seed("a").generator())
    return lambda images: dsa.apply(draw, images)


@pytest.mark.parametrize(
    "function",
    [lambda x: decode(x, 2), lambda x: x.sin().flatten(2) @ x.flatten(2).mT, drawn("rotate"), drawn("color")],
    ids=["formation", "nonlinear", "rotate", "color"],
)
def test_pulling_back_is_the_vector_jacobian_product(function):
    images = normal(4, 3, 8, 8, dtype=torch.float64).requires_grad_()
    output = function(images)
    cotangent = normal(*output.shape, name="c", dtype=torch.float64)
    (product,) = torch.autograd.grad(output, images, cotangent, retain_graph=True)
    (found,) = pull_back(output, cotangent, images)
    assert product.norm() > 0 and torch.allclose(found, product, rtol=1e-12, atol=1e-14)


def test_pulling_back_imports_neither_the_compiler_nor_sympy(pytestconfig):
    """They cost seconds per process."""
    code = (
        "import sys, torch; from seqmatch.matching.match import pull_back;"
        "x = torch.ones(3, requires_grad=True); pull_back(2 * x, torch.ones(3), x);"
        "sys.exit(bool({'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=pytestconfig.rootpath).returncode == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_match_is_finite_where_all_its_numbers_are(wrong):
    gradient = torch.ones(2, 1, 8, 8)
    assert is_finite(Match(1.0, gradient, 0.0))
    assert not is_finite(Match(wrong, gradient, 0.0)) and not is_finite(Match(1.0, gradient, wrong))
    assert not is_finite(Match(1.0, gradient.where(gradient.cumsum(0) < 2, wrong), 0.0))
