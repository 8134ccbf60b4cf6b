"""The metadata of a file that exists: another name, licence or partner; its graph stays, or is limited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from facesr_cli.errors import ExportError, ModelError, UsageError
from facesr_cli.model.blend import blend
from facesr_cli.model.info import ModelInfo, properties_of, read_model
from facesr_cli.model.onnxfile import read_onnx
from facesr_export.overshoot import LIMITED, REACH, with_overshoot_limit
from facesr_export.writing import check_output, write


@dataclass(frozen=True, slots=True, kw_only=True)
class StampReport:
    """What was written."""

    output: Path
    size_bytes: int
    info: ModelInfo
    partner_checked: bool
    """Whether the partner lay beside the output; False also where there is none."""


def restamp(
    source: Path,
    output: Path,
    *,
    name: str | None = None,
    license_name: str | None = None,
    partner: str | None = None,
    limit_overshoot: bool = False,
) -> StampReport:
    """Write `source` again with other metadata; what is None stays as it is.

    The graph stays as it is, too, or gets the nodes of `overshoot` behind it.

    Args:
        source: An ONNX file of `facesr-cli export`.
        output: File to write; may be `source`.
        name: The model's name.
        license_name: What the file says of its licence.
        partner: File name of the network that `--realism` 1 stands for; it lies beside `output`.
        limit_overshoot: Keep the result from overshooting beside hard edges.

    Raises:
        UsageError: `source` is not from this program, or an argument cannot be meant.
        ModelError: `source` or the partner cannot be read.
        ExportError: The partner is another network, the overshoot is limited already, or `output` cannot be
            written.
    """
    check_output(output, name=name, partner=partner)
    model = read_model(source)
    if model.info.contract is None:
        raise UsageError(f"{source}: was not exported by facesr-cli; its metadata cannot be changed")
    info = replace(
        model.info,
        name=name or model.info.name,
        license=model.info.license if license_name is None else license_name,
        partner=partner or model.info.partner,
    )
    if info.partner == output.name:  # also where `source` names it, and nobody said so here
        raise UsageError(
            f"{output}: is the name of its partner, and a network cannot be its own; write to another name"
        )
    # As stored: what `read_model` gives has its weights widened.
    proto, widened = onnx.load(source), model.file.proto
    if limit_overshoot:
        try:
            proto, widened = (with_overshoot_limit(one, scale=info.scale) for one in (proto, widened))
        except ExportError as error:
            raise ExportError(f"{source}: {error}; {output} was not written") from error
        info = replace(
            info,
            recipe=f"{info.recipe}, {LIMITED}" if info.recipe else LIMITED,
            halo=None if info.halo is None else max(info.halo, REACH),
        )
    checked = check_partner(widened, output, info.partner) if info.partner else False
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, properties_of(model.file.proto) | info.to_properties())
    data = proto.SerializeToString()
    write(output, data)
    return StampReport(output=output, size_bytes=len(data), info=info, partner_checked=checked)


def check_partner(proto: onnx.ModelProto, output: Path, partner: str) -> bool:
    """Return whether `partner` lies beside `output`, after checking that `proto` can be blended with it.

    Args:
        proto: The graph of `output`, with float32 weights and its metadata.
        output: The file to be written.
        partner: A file name.

    Raises:
        ModelError: The partner cannot be read.
        ExportError: It is another network.
    """
    path = output.parent / partner
    if not path.exists():
        return False
    try:
        blend(proto, read_onnx(path).proto, 1.0)
    except ModelError as error:
        raise ExportError(f"{output} and {path}: {error}; {output} was not written") from error
    return True
