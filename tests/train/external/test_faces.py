"""The identity network beside a second copy of it, and on people: needs files that the repository has not."""

from __future__ import annotations

import json
import math
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from facesr_train.external.dlib_face import DlibFace
from facesr_train.losses.identity import IdentityConfig, views

SUIT, WINDSOR_TIE, BOW_TIE = 834, 906, 457
PORTRAITS = Path(__file__).parents[4] / "shared" / "portraits" / "val"


@pytest.fixture(scope="module")
def npm_copy():
    """The same weights in 8 bits, with a scale and an offset for each tensor."""
    folder = os.environ.get("FACESR_FACE_API", "")
    if not folder:
        pytest.skip("FACESR_FACE_API names no folder `model` of the npm package @vladmandic/face-api 1.7.15")
    (group,) = json.loads((Path(folder) / "face_recognition_model-weights_manifest.json").read_text())
    content = (Path(folder) / "face_recognition_model.bin").read_bytes()
    arrays, position = [], 0
    for entry in group["weights"]:
        code = entry.get("quantization", {"dtype": "float32", "scale": 1, "min": 0})
        kind, count = np.dtype(code["dtype"]), math.prod(entry["shape"])
        values = np.frombuffer(content, kind, count, position) * np.float32(code["scale"]) + code["min"]
        position += count * kind.itemsize
        array = values.astype(np.float32).reshape(entry["shape"])
        arrays.append(np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T))
    assert position == len(content)
    network = DlibFace()
    network.load_in_order(arrays)
    return network


def chip(photo: torch.Tensor) -> torch.Tensor:
    """(1, 3, 150, 150): the face of a square photograph, as the loss cuts it out."""
    face = views(IdentityConfig(), *photo.shape[2:])[0]
    part = photo[..., face.rows, face.columns]
    return F.interpolate(part, (150, 150), mode="bilinear", antialias=True)


@pytest.fixture(scope="module")
def people():
    """Ten square photographs of ten people, (1, 3, H, H) float32 RGB [0, 1]."""
    if not PORTRAITS.is_dir():
        pytest.skip("the portraits that figures are measured on are not beside the repository")
    photos = []
    for path in sorted(PORTRAITS.iterdir())[:10]:
        with Image.open(path) as image:
            square = image.convert("RGB").crop((0, 0, image.width, image.width))
        photo = torch.from_numpy(np.asarray(square, np.float32) / 255).permute(2, 0, 1)[None]
        photos.append(photo)
    return photos


def test_a_copy_in_8_bits_sees_the_same(dlib_face, npm_copy, astronaut):
    face = F.interpolate(astronaut[:, :, 63:183, 165:285], (150, 150), mode="bilinear", antialias=True)
    faces = torch.cat([face, face.flip(3)])
    assert (dlib_face(faces).embedding - npm_copy(faces).embedding).norm(dim=1).max() < 0.06
    ours = [weight for weight in dlib_face.state_dict().values() if weight.ndim > 1]
    theirs = [weight for weight in npm_copy.state_dict().values() if weight.ndim > 1]
    for one, other in zip(ours, theirs, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.997


@torch.no_grad()
def test_the_perceptual_network_sees_what_senators_wear(lite0):
    """Of official portraits most are a suit, a Windsor tie or a bow tie to ImageNet's classes."""
    found = sorted(PORTRAITS.parent.glob("*/us-senate-*"))
    if not found:
        pytest.skip("the portraits that figures are measured on are not beside the repository")
    seen = []
    for path in found[:24]:
        with Image.open(path) as image:
            small = image.convert("RGB").crop((0, 0, image.width, image.width)).resize((224, 224))
        picture = torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)[None]
        seen.append(int(lite0.logits(picture).argmax()))
    assert sum(index in (SUIT, WINDSOR_TIE, BOW_TIE) for index in seen) >= 0.7 * len(seen)


def test_other_people_are_farther_than_an_eighth_of_the_resolution(dlib_face, people):
    chips, degraded = [], []
    for photo in people:
        side = photo.shape[-1]
        small = F.interpolate(photo, (side // 8, side // 8), mode="bicubic", antialias=True)
        back = F.interpolate(small, (side, side), mode="bicubic").clamp(0, 1)
        chips.append(chip(photo))
        degraded.append(chip(back))
    faces = torch.cat(chips)
    itself, again, mirrored = (dlib_face(x).embedding for x in (faces, torch.cat(degraded), faces.flip(3)))
    others = torch.stack([(one - other).norm() for one, other in combinations(itself, 2)])
    assert len(others) == 45
    assert (mirrored - itself).norm(dim=1).max() < 0.35
    assert others.min() > (again - itself).norm(dim=1).max()
