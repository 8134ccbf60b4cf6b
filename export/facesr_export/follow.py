"""An adversarial network follows its fidelity partner to new weights, without training.

    python -m facesr_export.follow GAN.onnx --former FORMER.onnx --now NOW.onnx -o OUT.onnx [--share S]

GAN was fine-tuned from FORMER, and NOW is FORMER trained on. What the fine-tuning changed, GAN - FORMER, is
added to NOW, all of it or a share. NOW may be larger than FORMER where `train --init` has grown it from
there; what was added is then as in NOW. Differences of weights that were fine-tuned from a common start can
be added like this (Ilharco et al. 2022, "Editing Models with Task Arithmetic",
https://arxiv.org/abs/2212.04089); whether the result is as good as the networks that it is made of must be
measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from facesr_cli.errors import ExportError, FacesrError, ModelError, UsageError
from facesr_cli.model.blend import blend
from facesr_cli.model.info import PREFIX, Model, properties_of, read_model
from facesr_export.conversion import INPUT_NAME, OUTPUT_NAME
from facesr_export.drift import drift_levels
from facesr_export.half_weights import with_half_weights
from facesr_export.parity import example
from facesr_export.writing import check_output, write

_SIDE_PX = 64
_EQUAL = 1e-4
"""Of values in [0, 1], between two ways of computing the same."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the network; the exit code is that of facesr-cli."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("gan", type=Path, metavar="GAN.onnx", help="the network that is to follow")
    parser.add_argument("--former", type=Path, required=True, help="what it was fine-tuned from")
    parser.add_argument("--now", type=Path, required=True, help="the weights that it is to follow to")
    parser.add_argument("--share", type=float, default=1.0, help="of the change, above 0 to 1 (default)")
    parser.add_argument(
        "--weights", choices=("fp32", "fp16"), default="fp32", help="how they are stored, as in export"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx")
    arguments = parser.parse_args(argv)
    try:
        follow(
            arguments.gan,
            arguments.output,
            former=arguments.former,
            now=arguments.now,
            share=arguments.share,
            half_weights=arguments.weights == "fp16",
        )
    except FacesrError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def follow(
    gan: Path, output: Path, *, former: Path, now: Path, share: float = 1.0, half_weights: bool = False
) -> None:
    """Write NOW + share * (GAN - FORMER), with the metadata of GAN and where it comes from.

    Args:
        gan: ONNX file of `facesr-cli export`, fine-tuned from `former`.
        output: File to write; may be `gan`.
        former: ONNX file of the same graph.
        now: ONNX file of the same graph, or of one that has all its weights in the same places and more.
        share: Above 0, at most 1.
        half_weights: Store weights of convolutions in half precision; they are computed with in float32.

    Raises:
        UsageError: `share` cannot be meant, `output` is no name for a file or one of the other two, or `gan`
            is not from this program.
        ModelError: A file cannot be read.
        ExportError: The graphs differ, or `output` cannot be written.
    """
    check_output(output, name=None, partner=None)
    if not 0.0 < share <= 1.0:
        raise UsageError(f"--share must be above 0 and at most 1, not {share:g}")
    for path in (former, now):
        if output.resolve() == path.resolve():
            raise UsageError(f"{output}: is one of the networks that are read; write to another name")
    models = {path: read_model(path) for path in (gan, former, now)}
    info = models[gan].info
    if info.contract is None:
        raise UsageError(f"{gan}: was not exported by facesr-cli; its metadata cannot be changed")
    there = models[now].info
    grown = _has_grown(models[now].file.proto, models[gan].file.proto, multiple=there.multiple)
    for path in (former,) if grown else (former, now):
        try:
            blend(models[gan].file.proto, models[path].file.proto, 1.0)
        except ModelError as error:
            raise ExportError(f"{gan} and {path}: {error}; {output} was not written") from error
    proto = _moved(*(models[path].file.proto for path in (gan, former, now)), share=share)
    if half_weights:
        proto = with_half_weights(proto)
    figures = json.loads(info.figures or "{}")
    info = replace(
        info,
        scale=there.scale,
        multiple=there.multiple,
        halo=there.halo,
        data=f"{info.data}; {share:g} of what it changed, added to {_origin(models[now])}",
        drift=drift_levels(proto, multiple=there.multiple),
        parity=None,  # there are no such weights in torch
        figures=json.dumps({label: text for label, text in figures.items() if label == "training"}),
    )
    del proto.metadata_props[:]
    others = properties_of(models[gan].file.proto)
    kept = {key: value for key, value in others.items() if not key.startswith(PREFIX)}
    onnx.helper.set_model_props(proto, kept | info.to_properties())
    write(output, proto.SerializeToString())


def _has_grown(now: onnx.ModelProto, gan: onnx.ModelProto, *, multiple: int) -> bool:
    """Whether `now` is `gan` with more weights, that is: with those at zero it computes what `gan` would.

    Both are tried on a part of a photograph, with the weights of `now`.
    """
    theirs, ours = _floats(now), _floats(gan)
    if not ours.keys() < theirs.keys() or any(
        list(theirs[name].dims) != list(tensor.dims) for name, tensor in ours.items()
    ):
        return False
    without, with_ours = onnx.ModelProto(), onnx.ModelProto()
    without.CopyFrom(now)
    with_ours.CopyFrom(gan)
    for name, tensor in _floats(without).items():
        if name not in ours:
            zeros = np.zeros(tuple(tensor.dims), np.float32)
            tensor.CopyFrom(numpy_helper.from_array(zeros, name))
    for name, tensor in _floats(with_ours).items():
        tensor.CopyFrom(theirs[name])
    side_px = _SIDE_PX + -_SIDE_PX % multiple
    picture = example()[np.newaxis, :, :side_px, :side_px]
    results = [_result(model, picture) for model in (without, with_ours)]
    return results[0].shape == results[1].shape and bool(np.abs(results[0] - results[1]).max() < _EQUAL)


def _floats(proto: onnx.ModelProto) -> dict[str, TensorProto]:
    return {
        tensor.name: tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.FLOAT
    }


def _result(model: onnx.ModelProto, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: picture})[0]
    return result


def _moved(
    gan: onnx.ModelProto, former: onnx.ModelProto, now: onnx.ModelProto, *, share: float
) -> onnx.ModelProto:
    """`now` with other weights; those that `gan` does not have, and all that are no float32, stay."""
    moved = onnx.ModelProto()
    moved.CopyFrom(now)
    changes, befores = ({tensor.name: tensor for tensor in one.graph.initializer} for one in (gan, former))
    for tensor in moved.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name not in changes:
            continue
        after, change, before = (
            numpy_helper.to_array(each).astype(np.float64)
            for each in (tensor, changes[tensor.name], befores[tensor.name])
        )
        weights = (after + share * (change - before)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    return moved


def _origin(model: Model) -> str:
    return f"{model.info.name} {model.info.version} ({model.info.digest[:19]})"


if __name__ == "__main__":
    raise SystemExit(main())
