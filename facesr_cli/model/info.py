"""What a model file says about itself: `facesr.*` metadata of the ONNX contract, or a probe's findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from facesr_cli.errors import ModelError
from facesr_cli.model.onnxfile import Interface, OnnxFile, read_interface, read_onnx

CONTRACT = 1
"""Version of the metadata contract that this program writes and reads."""

PREFIX = "facesr."

WHOLE_PICTURE = "whole-picture"
"""Value of `facesr.context` in a file without `facesr.halo` whose network looks at the whole picture."""

_WHITE_LEVEL = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One upscaling network as its file describes it."""

    name: str
    version: str
    scale: int
    """Output pixels per input pixel, along each side."""
    multiple: int = 1
    """Height and width of the network's input are padded to a multiple of this many pixels."""
    halo: int | None = None
    """Input pixels of context after which an output pixel depends on no more; None: not known, or endless."""
    whole_picture: bool = False
    """Every output pixel depends on every input pixel, as behind a global mean: tiles change the result."""
    degradations: tuple[str, ...] = ()
    """What the network was trained to undo, e.g. `("paper", "bicubic")`."""
    recipe: str = ""
    """Name and digest of the training recipe, and what export added to the network."""
    data: str = ""
    """The photographs it was trained on."""
    license: str = ""
    parity: float | None = None
    """Worst absolute difference between torch and onnxruntime at export, on values in [0,1]."""
    contract: int | None = CONTRACT
    """None for a third-party file, whose scale and multiple were found by a probe run."""
    partner: str | None = None
    """File name (same folder) of the network that `realism` 1 stands for; None: realism is not offered."""
    mirrorings: int = 1
    """Mirrored copies of the input over whose results the graph averages; 1: the network alone."""
    adversarial: bool = False
    """Whether it was trained against a discriminator: its texture is plausible, not the most probable."""
    drift: int = 0
    """By how many 8-bit levels it moves the mean brightness of some pictures, as measured at export; 0 for a
    network that keeps it."""
    figures: str | None = None
    """Measured figures as a short JSON object, shown by `facesr-cli models`."""
    digest: str = ""
    """`sha256:...` of the file's bytes; empty while the file does not exist yet."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a model needs a name")
        if self.mirrorings < 1:
            raise ValueError(f"mirrorings {self.mirrorings} must be positive")
        if not 0 <= self.drift <= _WHITE_LEVEL:
            raise ValueError(f"drift {self.drift} must lie in 0..{_WHITE_LEVEL}")
        if self.scale < 1 or self.multiple < 1 or (self.halo is not None and self.halo < 0):
            raise ValueError(
                f"scale {self.scale} and multiple {self.multiple} must be positive, "
                f"halo {self.halo} not negative"
            )
        if self.whole_picture and self.halo is not None:
            raise ValueError(f"a network that looks at the whole picture has no halo, here {self.halo}")

    def to_properties(self) -> dict[str, str]:
        """The `metadata_props` that describe this model; the digest, which they would change, is left out."""
        properties = {
            "contract": str(CONTRACT if self.contract is None else self.contract),
            "name": self.name,
            "version": self.version,
            "scale": str(self.scale),
            "multiple": str(self.multiple),
            "degradations": ",".join(self.degradations),
            "recipe": self.recipe,
            "data": self.data,
            "license": self.license,
        }
        optional = {
            "halo": self.halo,
            "context": WHOLE_PICTURE if self.whole_picture else None,
            "parity": None if self.parity is None else repr(self.parity),
            "partner": self.partner,
            "mirrorings": self.mirrorings if self.mirrorings > 1 else None,
            "adversarial": 1 if self.adversarial else None,
            "drift": self.drift or None,
            "figures": self.figures,
        }
        properties |= {key: str(value) for key, value in optional.items() if value is not None}
        return {PREFIX + key: value for key, value in properties.items()}

    @classmethod
    def from_properties(
        cls, properties: Mapping[str, str], *, digest: str = "", source: str = "model"
    ) -> ModelInfo:
        """Read what `to_properties` wrote; unknown keys are left alone.

        Args:
            properties: `metadata_props` of a file, as a mapping.
            digest: Digest of that file.
            source: File name, for messages.

        Raises:
            ModelError: A key is missing or wrong, or the contract is newer than this program.
        """
        values = {
            key.removeprefix(PREFIX): value for key, value in properties.items() if key.startswith(PREFIX)
        }
        try:
            contract = int(values["contract"])
            if contract != CONTRACT:
                raise ModelError(
                    f"{source}: written for model contract {contract}, this program reads {CONTRACT}. "
                    "Upgrade facesr-cli."
                )
            return cls(
                name=values["name"],
                version=values["version"],
                scale=int(values["scale"]),
                multiple=int(values["multiple"]),
                halo=int(values["halo"]) if values.get("halo") else None,
                whole_picture=_is_whole_picture(values.get("context", "")),
                degradations=tuple(
                    word.strip() for word in values["degradations"].split(",") if word.strip()
                ),
                recipe=values["recipe"],
                data=values["data"],
                license=values["license"],
                parity=float(values["parity"]) if values.get("parity") else None,
                contract=contract,
                partner=values.get("partner") or None,
                mirrorings=int(values.get("mirrorings") or 1),
                adversarial=bool(int(values.get("adversarial") or 0)),
                drift=int(values.get("drift") or 0),
                figures=values.get("figures") or None,
                digest=digest,
            )
        except KeyError as error:
            raise ModelError(
                f"{source}: its metadata lacks {PREFIX}{error.args[0]}. Export it again."
            ) from error
        except ValueError as error:
            raise ModelError(f"{source}: its metadata cannot be read ({error}). Export it again.") from error


def _is_whole_picture(context: str) -> bool:
    if context not in ("", WHOLE_PICTURE):
        raise ValueError(f"context {context!r} is not known")
    return context == WHOLE_PICTURE


@dataclass(frozen=True, slots=True)
class Model:
    """A model file that has been read and found to be an upscaler."""

    file: OnnxFile
    info: ModelInfo
    interface: Interface


def properties_of(proto: onnx.ModelProto) -> dict[str, str]:
    """All `metadata_props` of `proto`, in the order of the file."""
    return {entry.key: entry.value for entry in proto.metadata_props}


def read_model(path: Path) -> Model:
    """Read `path`; a file without `facesr.contract` is probed: run once, on a small picture, on the CPU.

    A third-party file gets `halo=None`: how far its context reaches is not known, and tiles are then
    blended over a generous overlap (see `tiling`).

    Raises:
        ModelError: The file is missing, broken, or not an upscaler of RGB pictures.
    """
    file = read_onnx(path)
    interface = read_interface(file.proto, path)
    properties = properties_of(file.proto)
    if PREFIX + "contract" in properties:
        info = ModelInfo.from_properties(properties, digest=file.digest, source=str(path))
        return Model(file, info, interface)

    from facesr_cli.model.probe import probe  # starts onnxruntime, which stamped files do not need here

    found = probe(file.proto, interface, path)
    info = ModelInfo(
        name=path.stem,
        version="",
        scale=found.scale,
        multiple=found.multiple,
        contract=None,
        license=properties.get("license", ""),
        digest=file.digest,
    )
    return Model(file, info, found.interface)


def read_model_info(path: Path) -> ModelInfo:
    """`read_model(path).info`: name, scale, context and origin of one model file."""
    return read_model(path).info
