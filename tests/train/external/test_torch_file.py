"""Tensors of an older file of torch, read without unpickling."""

from __future__ import annotations

import collections
import contextlib
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


def headers(magic=0x1950A86A20F9469CFC6C, little_endian=True) -> bytes:
    return b"".join(pickle.dumps(x, 2) for x in (magic, 1001, {"little_endian": little_endian}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved({"a": Attack()}), "a is no tensor"),
        (headers() + pickle.dumps(Attack(), 2) * 2, "no state dictionary"),
        (saved({"a": torch.zeros(2, dtype=torch.float64)}), "a has the type torch DoubleStorage"),
        (saved({"a": 1.5}), "operation BINFLOAT"),
        (saved({"a": torch.zeros(3)}) + b"!", "more behind"),
        (saved({(1, 2): torch.zeros(3)}), "a key is no name"),
        (saved({"a": torch.zeros(1).expand(9)}), "strides"),
        (headers(magic=1) + pickle.dumps({}, 2) + pickle.dumps([], 2), "no file of torch"),
        (headers(little_endian=False) + pickle.dumps({}, 2) + pickle.dumps([], 2), "no file of torch"),
        (b"", "pickle"),
    ],
)
def test_what_is_no_state_dictionary_is_refused_and_never_run(content, message):
    with pytest.raises(ValueError, match=message):
        read_torch_file(content)


def test_a_file_that_was_cut_is_refused_wherever():
    content = saved({"a": torch.arange(5.0), "b": torch.tensor(3)})
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r"\w"):
            read_torch_file(content[:end])


def test_damaged_bytes_give_an_error_or_tensors():
    content = bytearray(saved({"a": torch.arange(5.0)}))
    for place in range(len(content)):
        for value in (0, 0x28, 0x85, 0xFF):
            damaged = bytes(content[:place]) + bytes([value]) + bytes(content[place + 1 :])
            with contextlib.suppress(ValueError):
                read_torch_file(damaged)
