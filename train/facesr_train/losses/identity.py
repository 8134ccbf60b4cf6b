"""The identity loss: what pushes the output towards the same person in the eyes of a face recogniser.

In the manner of IP-FSRGAN (Li et al. 2020, IEEE Access, "Identity-preserving face super-resolution"), whose
text gives the idea, 1 - cosine of embeddings; the views and the features in the middle are ours. When faces
of 1024 px are halved and doubled, the embedding of the whole face hardly moves, so that term alone has next
to no gradient at this scale. Views at native resolution and earlier features have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.external.dlib_face import SIDE_PX, DlibFace
from facesr_train.losses.features import unit_distance

SMALLEST_PX = 64
"""Below this the features in the middle have no place left."""

_PARTS = ((0.318, 0.314), (0.668, 0.314), (0.493, 0.685))
"""Centres of left eye, right eye and mouth (x, y) in shares of the face box: (384, 484), (640, 484) and (512,
755) of an aligned photograph of FFHQ with 1024 px, that is where its alignment puts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """What of a face is compared.

    The face box is in shares of the photograph's side. Its defaults are for photographs that are aligned as
    FFHQ's (Karras et al. 2019, https://arxiv.org/abs/1812.04948), derived from that alignment and from the
    landmarks of dlib's face chip.
    """

    view: str = "frame"
    """`frame`: whole aligned photographs, of which the face is resized to 150x150 and three windows of
    150x150 show eyes and mouth at native resolution. `crop`: random crops, resized to 150x150. `crop-native`:
    random crops as they are."""
    embedding: float = 1.0
    """Weight of 1 - cosine of embeddings; must be 0 for crops, which show no whole face."""
    stage64: float = 0.0
    """Weight of the difference of the features with 64 channels."""
    stage128: float = 0.0
    """The same with 128 channels."""
    distance: str = "cosine"
    """Of embeddings: `cosine`, 1 - cosine; `l2`, the length of their difference (0.6 is where dlib takes two
    faces for two people)."""
    windows: str = "all"
    """Parts of a frame in each step: `all`, or `one` of the three windows, drawn from torch's generator."""
    face_left: float = 0.148
    face_top: float = 0.249
    face_right: float = 0.862
    face_bottom: float = 0.962

    def __post_init__(self) -> None:
        if self.view not in ("frame", "crop", "crop-native"):
            raise ValueError(f"identity: view must be frame, crop or crop-native, not {self.view!r}")
        if self.distance not in ("cosine", "l2"):
            raise ValueError(f"identity: distance must be cosine or l2, not {self.distance!r}")
        if self.windows not in ("all", "one"):
            raise ValueError(f"identity: windows must be all or one, not {self.windows!r}")
        weights = self.embedding, self.stage64, self.stage128
        if min(weights) < 0 or not any(weights):
            raise ValueError("identity: weights must not be negative, and one must be positive")
        if self.view != "frame" and self.embedding:
            raise ValueError(
                "identity: random crops show no whole face; set embedding = 0 and stage64 or stage128 above 0"
            )
        if not (0 <= self.face_left < self.face_right <= 1 and 0 <= self.face_top < self.face_bottom <= 1):
            raise ValueError("identity: the face box needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1")


class View(NamedTuple):
    """A part of a photograph that the recogniser is shown."""

    rows: slice
    columns: slice
    resized: bool
    """To 150x150; else at native resolution."""
    whole_face: bool
    """Whether its embedding means something."""


def views(config: IdentityConfig, height_px: int, width_px: int) -> tuple[View, ...]:
    """Return the parts of a photograph of this size that are compared; `frame` has all inside the face box.

    Raises:
        ValueError: The photograph is too small, or not square where whole aligned ones are expected.
    """
    if config.view != "frame":
        if min(height_px, width_px) < SMALLEST_PX:
            raise ValueError(
                f"identity: crops of {width_px}x{height_px}; at least {SMALLEST_PX} px are needed"
            )
        whole = slice(0, height_px), slice(0, width_px)
        return (View(*whole, resized=config.view == "crop", whole_face=False),)
    top, bottom = round(config.face_top * height_px), round(config.face_bottom * height_px)
    left, right = round(config.face_left * width_px), round(config.face_right * width_px)
    if height_px != width_px or min(bottom - top, right - left) < SIDE_PX:
        raise ValueError(
            f"identity: view = frame needs whole square photographs with {SIDE_PX} px or more in the face "
            f"box, not {width_px}x{height_px}; for crops there are view = crop and crop-native"
        )
    found = [View(slice(top, bottom), slice(left, right), resized=True, whole_face=True)]
    if config.stage64 or config.stage128:
        for x, y in _PARTS:
            rows, columns = _window(top, bottom, y), _window(left, right, x)
            found.append(View(rows, columns, resized=False, whole_face=False))
    return tuple(found)


class IdentityLoss(nn.Module):
    """Weighted sum of 1 - cosine of embeddings and of differences of features, these averaged over views.

    Args:
        config: What is compared.
        backbone: Called as `backbone(images, embedding=bool)`, gives `FaceFeatures`; frozen.
    """

    def __init__(self, config: IdentityConfig, backbone: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone

    @classmethod
    def build(cls, config: IdentityConfig) -> IdentityLoss:
        """Return the loss with the trained network.

        Raises:
            MissingExtraError: The extra `identity` is not installed.
        """
        return cls(config, DlibFace.build())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return a float32 scalar; the gradient goes to `output` alone, and there only to what a view shows.

        Args:
            output: (N, 3, H, W) RGB, about [0, 1].
            target: The same shape.

        Raises:
            ValueError: As `views`.
        """
        config = self.config
        shown = views(config, *output.shape[2:])
        number, times = len(shown), 1
        if config.windows == "one" and number > 1:
            times = number - 1  # the one stands for all
            shown = (shown[0], shown[1 + int(torch.randint(times, ()))])
        terms = []
        for view in shown:
            embedding = view.whole_face and config.embedding > 0
            with torch.no_grad():
                theirs = self.backbone(_look(target, view), embedding=embedding)
            ours = self.backbone(_look(output, view), embedding=embedding)
            if embedding:
                apart = _DISTANCES[config.distance](ours.embedding, theirs.embedding)
                terms.append(config.embedding * apart.mean())
            for name in ("stage64", "stage128"):
                if weight := getattr(config, name):
                    distance = unit_distance(getattr(ours, name), getattr(theirs, name)).mean()
                    share = 1 if view.whole_face else times
                    terms.append(weight * share / number * distance)
        return torch.stack(terms).sum()


def one_minus_cosine(a: Tensor, b: Tensor) -> Tensor:
    """1 - cos(a, b) of (N, C) vectors: (N,) float32 in [0, 2], exactly 0 for equal ones.

    Computed as half the squared distance of the unit vectors, which is the same number: the subtraction from
    1 would lose the digits that matter where faces are nearly equal.
    """
    difference = F.normalize(a.float()) - F.normalize(b.float())
    return difference.square().sum(1) / 2


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Length of the difference of (N, C) vectors: (N,) float32, with a gradient of 0 for equal ones."""
    return (a.float() - b.float()).square().sum(1).clamp(min=1e-12).sqrt()


_DISTANCES = {"cosine": one_minus_cosine, "l2": l2}


def _look(images: Tensor, view: View) -> Tensor:
    """The part of (N, 3, H, W) images that a view shows."""
    part = images[:, :, view.rows, view.columns]
    if not view.resized or part.shape[2:] == (SIDE_PX, SIDE_PX):
        return part
    return F.interpolate(
        part.float(), (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True, align_corners=False
    )


def _window(begin_px: int, end_px: int, share: float) -> slice:
    """150 px around a place between two ends, moved to lie between them."""
    first = round(begin_px + share * (end_px - begin_px) - SIDE_PX / 2)
    first = min(max(first, begin_px), end_px - SIDE_PX)
    return slice(first, first + SIDE_PX)
