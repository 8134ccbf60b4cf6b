"""EEGAN: edges taken off and put back, and a mask that amplifies."""

from __future__ import annotations

import pytest
import torch

from facesr_train.generators.eegan import Edges, laplacian, masked

SMALL = {"channels": 4, "blocks": 1, "edge_blocks": 1}


def test_flat_pictures_and_slopes_have_no_edges():
    flat = torch.full((1, 3, 9, 7), 0.3, dtype=torch.float64)
    assert float(laplacian(flat).abs().max()) < 1e-12
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    ramp = (0.1 * rows.double() - 0.2 * columns.double()).expand(1, 3, 9, 7)
    assert float(laplacian(ramp)[..., 1:-1, 1:-1].abs().max()) < 1e-12


def test_a_point_has_the_kernel_of_eight_neighbours():
    point = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    point[..., 2, 2] = 1
    expected = -torch.ones(3, 3, dtype=torch.float64)
    expected[1, 1] = 8
    torch.testing.assert_close(laplacian(point)[0, 0, 1:-1, 1:-1], expected)


def test_edges_that_come_back_unchanged_leave_the_base_picture(build, pictures, monkeypatch):
    network = build("eegan", **SMALL).double()
    nothing = torch.zeros(())
    monkeypatch.setattr(network.enhancing, "forward", lambda edges: Edges(edges, nothing, nothing))
    outputs = network(pictures(8, 6), every=True)
    torch.testing.assert_close(outputs["image"], outputs["base"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(2, 2), (8, 6)])
def test_all_maps_have_the_size_of_the_result(build, pictures, size):
    outputs = build("eegan", **SMALL).double()(pictures(*size), every=True)
    assert {tuple(output.shape) for output in outputs.values()} == {(1, 3, 2 * size[0], 2 * size[1])}


def test_edge_maps_are_in_the_units_of_the_picture(build, pictures):
    outputs = build("eegan", **SMALL).double()(pictures(8, 6), every=True)
    torch.testing.assert_close(outputs["edges"], laplacian(outputs["base"]))
    made = outputs["base"] - outputs["edges"] + outputs["enhanced_edges"]
    torch.testing.assert_close(outputs["image"], made)


def test_the_mask_amplifies_between_once_and_twice(build, pictures):
    edges = build("eegan", **SMALL).double().enhancing(laplacian(pictures(16, 12)))
    assert edges.mask.shape == edges.features.shape == (1, 16, 4, 3)
    assert bool(((edges.mask > 0) & (edges.mask < 1)).all())
    assert torch.equal(masked(edges.features, torch.zeros_like(edges.mask)), edges.features)


def test_a_gate_lets_nothing_through_where_it_is_shut(build, pictures):
    network = build("eegan", mask="gate", **SMALL).double().enhancing
    assert torch.equal(network._masked(torch.ones(2), torch.tensor([0.0, 1.0])), torch.tensor([0.0, 1.0]))
    residual = build("eegan", **SMALL).double().enhancing
    residual.load_state_dict(network.state_dict())
    edges = laplacian(pictures(16, 12))
    assert not torch.equal(network(edges).enhanced, residual(edges).enhanced)
    with pytest.raises(ValueError, match="mask"):
        build("eegan", mask="door", **SMALL)


def test_the_final_picture_teaches_both_networks(build, pictures):
    network = build("eegan", **SMALL).double()
    network(pictures(8, 8)).square().mean().backward()
    for part in (network.enlarging, network.enhancing):
        assert all(bool(parameter.grad.abs().sum() > 0) for parameter in part.parameters())
