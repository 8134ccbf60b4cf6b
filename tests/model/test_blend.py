"""Blending partners: both ends bit for bit, the middle between them, others refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from facesr_cli.errors import ModelError
from facesr_cli.model.blend import blend


@pytest.fixture(scope="module")
def pair(partner_model):
    return onnx.load(partner_model), onnx.load(partner_model.parent / "sharp.onnx")


def weights(model):
    return numpy_helper.to_array(model.graph.initializer[0])


def test_both_ends_are_exact(pair):
    first, second = pair
    assert blend(first, second, 0.0).graph == first.graph
    np.testing.assert_array_equal(weights(blend(first, second, 1.0)), weights(second))


@given(amount=st.floats(0, 1))
def test_weights_lie_between(pair, amount):
    first, second = pair
    expected = weights(first) + (weights(second).astype(np.float64) - weights(first)) * amount
    np.testing.assert_allclose(weights(blend(first, second, amount)), expected, atol=1e-6)


def test_notes_of_the_exporter_do_not_matter(pair):
    first, second = pair
    noted = onnx.ModelProto()
    noted.CopyFrom(second)
    noted.graph.node[0].doc_string = "line 12"
    noted.graph.name = "other"
    blend(first, noted, 0.5)


@pytest.mark.parametrize("change", ["attribute", "operator", "shape", "opset"])
def test_other_graphs_are_refused(pair, change):
    first, second = pair
    other = onnx.ModelProto()
    other.CopyFrom(second)
    if change == "attribute":
        other.graph.node[0].attribute[0].ints[0] = 3
    elif change == "operator":
        other.graph.node[0].op_type = "ConvTranspose"
    elif change == "shape":
        other.graph.initializer[0].dims[0] = 3
    else:
        other.opset_import[0].version = 18
    with pytest.raises(ModelError, match="not partners"):
        blend(first, other, 0.5)


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_outside_are_refused(pair, amount):
    with pytest.raises(ValueError, match="amount"):
        blend(*pair, amount)
