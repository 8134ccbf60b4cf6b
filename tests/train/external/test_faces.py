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


@pytest.fixture(scope="module")
def people():
    """(10, 3, 150, 150): faces of ten people, as the loss cuts them out."""
    if not PORTRAITS.is_dir():
        pytest.skip("the portraits that figures are measured on are not beside the repository")
    faces = []
    for path in sorted(PORTRAITS.iterdir())[:10]:
        with Image.open(path) as image:
            square = image.convert("RGB").crop((0, 0, image.width, image.width))
        photo = torch.from_numpy(np.asarray(square, np.float32) / 255).permute(2, 0, 1)[None]
        face = views(IdentityConfig(), *photo.shape[2:])[0]
        part = photo[..., face.rows, face.columns]
        faces.append(F.interpolate(part, (150, 150), mode="bilinear", antialias=True))
    return torch.cat(faces)


def test_a_copy_in_8_bits_sees_the_same(dlib_face, npm_copy, astronaut):
    face = F.interpolate(astronaut[:, :, 63:183, 165:285], (150, 150), mode="bilinear", antialias=True)
    faces = torch.cat([face, face.flip(3)])
    assert (dlib_face(faces).embedding - npm_copy(faces).embedding).norm(dim=1).max() < 0.06


def test_other_people_are_farther_than_an_eighth_of_the_resolution(dlib_face, people):
    small = F.interpolate(people, (19, 19), mode="bicubic", antialias=True)
    degraded = F.interpolate(small, (150, 150), mode="bicubic").clamp(0, 1)
    itself, again, mirrored = (dlib_face(x).embedding for x in (people, degraded, people.flip(3)))
    others = torch.stack([(one - other).norm() for one, other in combinations(itself, 2)])
    assert (mirrored - itself).norm(dim=1).max() < 0.35
    assert others.mean() > (again - itself).norm(dim=1).mean() > (mirrored - itself).norm(dim=1).mean()
