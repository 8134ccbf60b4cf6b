"""Tensors of an older file of torch, read without unpickling."""

from __future__ import annotations

import collections
import io
import pickle

import pytest
import torch

from facesr_train.external.torch_file import read_torch_file


def saved(state) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def test_it_reads_what_torch_has_written():
    shared = torch.arange(24.0)
    state = collections.OrderedDict(
        {
            "kernel": torch.rand(3, 4, 5, 2).permute(3, 1, 0, 2),
            "tail": shared[8:],
            "whole": shared.reshape(2, 12),
            "steps": torch.tensor(7),
            "none": torch.zeros(0, 3),
        }
    )
    found = read_torch_file(saved(state))
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.numpy().dtype
        assert torch.equal(torch.from_numpy(found[name]), tensor)


class Attack:
    def __reduce__(self):
        return (exec, ("raise RuntimeError('it ran')",))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": Attack()}, "a is no tensor"),
        (Attack(), "no state dictionary"),
        ({"a": torch.zeros(2, dtype=torch.float64)}, "a has the type torch DoubleStorage"),
        ({"a": 1.5}, "operation BINFLOAT"),
    ],
)
def test_what_is_no_state_dictionary_is_refused_and_never_run(state, message):
    content = saved(state) if not isinstance(state, Attack) else _headers() + pickle.dumps(state, 2) * 2
    with pytest.raises(ValueError, match=message):
        read_torch_file(content)


def _headers() -> bytes:
    return pickle.dumps(1, 2) * 3
