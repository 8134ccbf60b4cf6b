"""A graph in two parts gives what it gives whole, and only its convolutions feel a low precision."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.model.catalogue import bundled_names, resolve_model
from facesr_cli.model.graph import INPUT, MEANS, OUTPUT, attach_integer_io
from facesr_cli.model.info import read_model
from facesr_cli.model.quality import sample_picture
from facesr_cli.model.split import SplitSession, split

SIDE_PX = 48


def opened(proto):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def bf16(values):
    """float32 rounded to the nearest bf16."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


class Rounded:
    """A session whose outputs are rounded to bf16."""

    def __init__(self, session):
        self.session = session

    def get_inputs(self):
        return self.session.get_inputs()

    def get_outputs(self):
        return self.session.get_outputs()

    def run(self, names, feeds, run_options=None):
        return [bf16(value) for value in self.session.run(names, feeds, run_options)]


def whole(name, pixel_type="uint8"):
    model = read_model(resolve_model(name))
    return attach_integer_io(model.file.proto, model.interface, pixel_type)


def run(session, pixels):
    return session.run([OUTPUT, MEANS], {INPUT: pixels}, None)


@pytest.mark.parametrize("name", bundled_names())
@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
def test_both_parts_together_are_the_network(name, pixel_type):
    graph = whole(name, pixel_type)
    body, tail = split(graph)
    onnx.checker.check_model(body)
    onnx.checker.check_model(tail)
    pixels = sample_picture(1, SIDE_PX, SIDE_PX).astype(pixel_type) * (257 if pixel_type == "uint16" else 1)
    expected, means = run(opened(graph), pixels)
    found, means_found = run(SplitSession(opened(body), opened(tail)), pixels)
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=1)
    np.testing.assert_allclose(means_found, means, atol=1e-5)


@pytest.mark.parametrize("name", bundled_names())
def test_the_enlarged_input_stays_out_of_the_body(name):
    graph = whole(name)
    body, tail = split(graph)
    assert "DepthToSpace" in {node.op_type for node in tail.graph.node}
    kernels = {node.op_type for node in tail.graph.node} & {"Conv"}
    assert kernels, "the convolution that enlarges the input is in the tail"
    pixels = sample_picture(1, SIDE_PX, SIDE_PX)
    exact, _ = run(opened(graph), pixels)
    split_up, _ = run(SplitSession(Rounded(opened(body)), opened(tail)), pixels)
    difference = np.abs(exact.astype(int) - split_up)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.02
    whole_picture = bf16(exact / np.float32(255)) * 255
    assert np.abs(whole_picture - exact).max() > 0.4, "bf16 of the whole picture would be worse"


def graph_of(*nodes, **weights):
    """A model with `image` and `out`, both float (N,3,H,W)."""
    shape = ["n", 3, "h", "w"]
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )


KERNEL = np.random.default_rng(0).normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32)


def conv(source, target):
    return helper.make_node("Conv", [source, "k"], [target], pads=[1, 1, 1, 1])


def test_a_network_behind_an_enlarged_input_has_that_input_in_both_parts():
    graph = graph_of(
        helper.make_node("Resize", ["image", "", "scales"], ["large"], mode="linear"),
        conv("large", "a"),
        helper.make_node("Relu", ["a"], ["b"]),
        conv("b", "c"),
        helper.make_node("Add", ["large", "c"], ["out"]),
        k=KERNEL,
        scales=np.array([1, 1, 2, 2], np.float32),
    )
    body, tail = split(graph)
    assert [node.op_type for node in body.graph.node] == ["Resize", "Conv", "Relu", "Conv"]
    assert [node.op_type for node in tail.graph.node] == ["Resize", "Add"]
    picture = np.random.default_rng(1).random((1, 3, 8, 8)).astype(np.float32)
    (expected,) = opened(graph).run(["out"], {"image": picture})
    (found,) = SplitSession(opened(body), opened(tail)).run(["out"], {"image": picture})
    np.testing.assert_allclose(found, expected, atol=1e-6)


CHAIN = (conv("image", "a"), conv("a", "b"), helper.make_node("Add", ["image", "b"], ["out"]))


def test_sizes_that_a_file_states_for_inner_values_do_not_count():
    graph = graph_of(*CHAIN, k=KERNEL)
    graph.graph.value_info.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 3, 64, 64]))
    body, tail = split(graph)
    picture = np.random.default_rng(1).random((2, 3, 8, 12)).astype(np.float32)
    (expected,) = opened(graph).run(["out"], {"image": picture})
    (found,) = SplitSession(opened(body), opened(tail)).run(["out"], {"image": picture})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_cannot_be_split_safely_stays_whole():
    noise = helper.make_node("RandomNormalLike", ["image"], ["noise"])
    noisy = graph_of(
        noise, conv("noise", "a"), conv("a", "b"), helper.make_node("Add", ["noise", "b"], ["out"])
    )
    noisy.graph.initializer.append(numpy_helper.from_array(KERNEL, "k"))
    assert split(noisy) is None, "both parts would draw noise of their own"
    assert split(graph_of(CHAIN[1], CHAIN[0], CHAIN[2], k=KERNEL)) is None, "not in topological order"
    foreign = graph_of(*CHAIN, k=KERNEL)
    foreign.graph.node[1].domain = "somebody.else"
    assert split(foreign) is None, "the type of what lies between is not known"


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Relu", ["image"], ["out"])],
        [conv("image", "out")],
        [conv("image", "a"), conv("a", "out")],
    ],
    ids=["no convolution", "one convolution", "nothing behind the last one"],
)
def test_what_has_no_chain_or_nothing_behind_it_stays_whole(nodes):
    assert split(graph_of(*nodes, k=KERNEL)) is None
