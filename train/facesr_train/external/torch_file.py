"""Tensors of a file that `torch.save` wrote before version 1.6, read without unpickling.

Such a file is a pickle of a state dictionary, whose tensors name storages by keys, followed by the storages.
Unpickling would run what the file says. Here the standard library's disassembler lists the operations, and
those that build plain values are followed; a call is kept as its name and arguments and never made.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from facesr_train.external.packages import Arrays

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_TENSOR = "torch._utils _rebuild_tensor_v2"
_DICTIONARY = "collections OrderedDict"
_TYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
_COUNT = np.dtype("<i8")
_MARK = object()


class _Call(NamedTuple):
    """A call that the file asks for, not made."""

    name: Any
    arguments: Any


def read_torch_file(content: bytes) -> Arrays:
    """Return the tensors of a state dictionary by name, in its order.

    Args:
        content: Of the file; its floats are float32 and its integers int64, little-endian.

    Raises:
        ValueError: It is another kind of file, or has what no such state dictionary has.
    """
    try:
        return _tensors(io.BytesIO(content), len(content))
    except (LookupError, TypeError, AttributeError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"no state dictionary of torch ({error})") from error


def _tensors(stream: io.BytesIO, size: int) -> Arrays:
    if (_value(stream), _value(stream)) != (_MAGIC, _VERSION) or not _value(stream)["little_endian"]:
        raise ValueError("no file of torch in little-endian order")
    state, keys = _value(stream), _value(stream)
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise ValueError("no state dictionary of torch")
    places: dict[str, Any] = {}
    types: dict[str, np.dtype[Any]] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, _Call) or tensor.name != _TENSOR:
            raise ValueError(f"{name} is no tensor")
        (_, type_name, key, _, _, view), offset, shape, strides, *_ = tensor.arguments
        if type_name not in _TYPES:
            raise ValueError(f"{name} has the type {type_name}")
        if view is not None or types.setdefault(key, _TYPES[type_name]) != _TYPES[type_name]:
            raise ValueError(f"{name} sees a storage in another way than this reader knows")
        places[name] = (key, offset, shape, strides)
    storages = {}
    for key in keys:
        (count,) = np.frombuffer(stream.read(_COUNT.itemsize), _COUNT)
        bytes_there = int(count) * types[key].itemsize
        if not 0 <= bytes_there <= size - stream.tell():
            raise ValueError(f"the storage {key} is cut off")
        storages[key] = np.frombuffer(stream.read(bytes_there), types[key])
    if stream.tell() != size:
        raise ValueError("there is more behind the last storage")
    return {name: _strided(storages[key], *place) for name, (key, *place) in places.items()}


def _strided(values: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """A contiguous array of `shape` whose neighbours along an axis lie `strides` values apart."""
    last = offset
    for length, stride in zip(shape, strides, strict=True):
        if length < 0 or (stride < 1 and length > 1):
            raise ValueError(f"a tensor of the shape {shape} with the strides {strides}")
        last += max(0, length - 1) * stride
    if offset < 0 or (0 not in shape and last >= values.size):
        raise ValueError("a tensor reaches beyond its storage")
    places = np.full(shape, offset, np.int64)
    for axis, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        line = np.arange(length, dtype=np.int64) * stride
        places += line.reshape(-1, *(1,) * (len(shape) - axis - 1))
    return np.asarray(values[places])


def _value(stream: io.BytesIO) -> Any:
    """The value of the next pickle in the stream, calls left as they are."""
    stack: list[Any] = []
    memory: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        start = len(stack) - 1 - stack[::-1].index(_MARK)
        found = stack[start + 1 :]
        del stack[start:]
        return found

    def call() -> Any:
        arguments, name = stack.pop(), stack.pop()
        return {} if name == _DICTIONARY and not arguments else _Call(name, arguments)

    def put(dictionary: Any, key: Any, item: Any) -> None:
        if not isinstance(key, str):  # others could be tuples within tuples without end
            raise ValueError(f"a key is no name but a {type(key).__name__}")
        dictionary[key] = item

    # Of operations with one result, that result.
    results: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(
            ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "GLOBAL"), lambda argument: argument
        ),
        "MARK": lambda _: _MARK,
        "NONE": lambda _: None,
        "NEWTRUE": lambda _: True,
        "NEWFALSE": lambda _: False,
        "EMPTY_DICT": lambda _: {},
        "EMPTY_LIST": lambda _: [],
        "EMPTY_TUPLE": lambda _: (),
        "TUPLE": lambda _: tuple(since_mark()),
        "TUPLE1": lambda _: (stack.pop(),),
        "TUPLE2": lambda _: tuple([stack.pop(), stack.pop()][::-1]),
        "TUPLE3": lambda _: tuple([stack.pop(), stack.pop(), stack.pop()][::-1]),
        "BINGET": lambda place: memory[place],
        "LONG_BINGET": lambda place: memory[place],
        "REDUCE": lambda _: call(),
        "BINPERSID": lambda _: stack.pop(),
    }
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name in results:
            stack.append(results[operation.name](argument))
        elif operation.name in ("BINPUT", "LONG_BINPUT"):
            memory[argument] = stack[-1]
        elif operation.name == "SETITEMS":
            pairs = since_mark()
            for key, item in zip(pairs[::2], pairs[1::2], strict=True):
                put(stack[-1], key, item)
        elif operation.name == "SETITEM":
            item, key = stack.pop(), stack.pop()
            put(stack[-1], key, item)
        elif operation.name == "APPENDS":
            items = since_mark()
            stack[-1].extend(items)
        elif operation.name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif operation.name == "BUILD":  # attributes of a dictionary, which hold no tensors
            stack.pop()
        elif operation.name not in ("PROTO", "STOP"):
            raise ValueError(f"no state dictionary of torch: it has the operation {operation.name}")
    (value,) = stack
    return value
