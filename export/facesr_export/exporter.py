"""The way from a checkpoint to a file that `facesr-cli upscale --model` takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import onnx

from facesr_cli import __version__
from facesr_cli.errors import ExportError
from facesr_cli.model.info import ModelInfo
from facesr_cli.model.stored import restore_float32
from facesr_export.conversion import DEFAULT_OPSET, to_onnx
from facesr_export.drift import drift_levels
from facesr_export.ensemble import ensembled, name_as_inner
from facesr_export.half_weights import with_half_weights, with_rounded_weights
from facesr_export.overshoot import LIMITED, REACH, limited, with_overshoot_limit
from facesr_export.parity import TOLERANCE, Case, compare
from facesr_export.stamping import check_partner
from facesr_export.writing import check_output, write
from facesr_train.checkpoint import Checkpoint, averaged_generator, load_checkpoint
from facesr_train.generators.folding import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written and how far it is from the checkpoint."""

    output: Path
    size_bytes: int
    opset: int
    info: ModelInfo
    cases: list[Case]
    rounding: float | None
    """Worst difference on [0, 1] that weights in half precision make; None where they are in float32."""
    partner_checked: bool
    """Whether the partner lay beside the output; False also where there is none."""


def export_checkpoint(
    checkpoint_path: Path,
    output: Path,
    *,
    opset: int = DEFAULT_OPSET,
    license_name: str = "not stated",
    name: str | None = None,
    mirrorings: int = 1,
    limit_overshoot: bool = False,
    half_weights: bool = False,
    partner: str | None = None,
) -> ExportReport:
    """Fold, convert, compare with torch, stamp, and write; nothing is written unless every case passes.

    Args:
        checkpoint_path: A `.ckpt` of `facesr-cli train`.
        output: File to write.
        opset: ONNX operator set of the file.
        license_name: What the file says of its licence.
        name: The model's name; None: the recipe's.
        mirrorings: 1, or 2 or 4 mirrored inputs that the graph averages over (`ensemble`).
        limit_overshoot: Keep the result from overshooting beside hard edges (`overshoot`).
        half_weights: Store the weights of convolutions in half precision (`half_weights`).
        partner: File name of the network that `--realism` 1 stands for; it lies beside `output`.

    Raises:
        UsageError: `output`, `name` or `partner` cannot be meant.
        ModelError: The checkpoint cannot be read.
        ExportError: A case differs by more than the tolerance, the graph is invalid, or the partner is
            another network.
    """
    check_output(output, name=name, partner=partner)
    checkpoint = load_checkpoint(checkpoint_path)
    generator = averaged_generator(checkpoint)
    scale, multiple, halo = generator.scale, generator.multiple, generator.halo
    if limit_overshoot and halo is not None:
        halo = max(halo, REACH)
    plain = folded(generator)
    model = to_onnx(ensembled(plain, mirrorings), scale=scale, opset=opset)
    name_as_inner(model)
    if limit_overshoot:
        model = with_overshoot_limit(model, scale=scale)
    trained = limited(ensembled(generator, mirrorings), scale, limit=limit_overshoot)
    # Against the network as it was trained, so that a fault of folding shows too.
    cases = compare(trained, model, multiple=multiple, scale=scale)
    rounding = None
    if half_weights:
        model = with_half_weights(model)
        rounded = ensembled(with_rounded_weights(plain), mirrorings)
        rounded = limited(rounded, scale, limit=limit_overshoot)
        cases += compare(rounded, model, multiple=multiple, scale=scale)
        effects = compare(trained, model, multiple=multiple, scale=scale)
        rounding = max(case.difference for case in effects)
    worst = max(cases, key=lambda case: case.difference)
    if not worst.difference <= TOLERANCE:
        raise ExportError(
            f"{checkpoint_path}: onnxruntime differs from torch by {worst.difference:.2e} on an input of "
            f"{worst.shape} (N, H, W), more than {TOLERANCE:.0e}; {output} was not written. "
            "Try another --opset or onnxruntime version"
        )
    recipe = checkpoint.recipe
    info = ModelInfo(
        name=name or recipe.name,
        version=__version__,
        scale=scale,
        multiple=multiple,
        halo=halo,
        whole_picture=halo is None,
        degradations=tuple(recipe.data.degradations),
        recipe=f"{recipe.name} {recipe.digest}"
        + (f", mean of {mirrorings} mirrorings" if mirrorings > 1 else "")
        + (f", {LIMITED}" if limit_overshoot else ""),
        data=f"{checkpoint.data}; started from {checkpoint.initial}"
        if checkpoint.initial
        else checkpoint.data,
        license=license_name,
        parity=float(f"{worst.difference:.3g}"),
        mirrorings=mirrorings,
        partner=partner,
        adversarial=recipe.adversarial is not None,
        drift=drift_levels(model, multiple=multiple),
        figures=_figures(checkpoint, mirrorings),
    )
    onnx.helper.set_model_props(model, info.to_properties())
    model.producer_name, model.producer_version = "facesr-cli", __version__
    model.doc_string = recipe.summary
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{checkpoint_path}: the graph is not valid ONNX ({error})") from error
    data = model.SerializeToString()
    checked = False
    if partner is not None:
        restore_float32(model)
        checked = check_partner(model, output, partner)
    write(output, data)
    return ExportReport(
        output=output,
        size_bytes=len(data),
        opset=opset,
        info=info,
        cases=cases,
        rounding=rounding,
        partner_checked=checked,
    )


def _figures(checkpoint: Checkpoint, mirrorings: int) -> str:
    """What the model's card says of its training, label to text; PSNR is that of validation."""
    baseline = checkpoint.val_bicubic_psnr_db
    measured = "validation" if mirrorings == 1 else "validation of one copy"
    figures = {
        f"{measured}, {kind}": f"{value:.2f} dB ({value - baseline[kind]:+.2f} over bicubic)"
        for kind, value in checkpoint.val_psnr_db.items()
    }
    crop_px = checkpoint.recipe.data.hr_crop_px
    figures["training"] = (
        f"{checkpoint.step:,} steps, {checkpoint.images_seen:,} crops of {crop_px} px, "
        f"{checkpoint.elapsed_s / 60:.0f} minutes"
    )
    return json.dumps(figures)
