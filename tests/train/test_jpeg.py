from __future__ import annotations

import numpy as np
import pytest
import torch

from facesr_cli.bench.degradations import jpeg_round_trip as pillow_round_trip
from facesr_train.jpeg import jpeg_round_trip


@pytest.mark.parametrize("subsampling_420", [False, True])
def test_equals_libjpeg_in_every_sample(portrait, subsampling_420):
    qualities = [5, 49, 50, 65, 77, 90, 98, 100]
    noise = np.random.default_rng(0).integers(0, 256, (80, 112, 3), dtype=np.uint8)
    for image in (np.ascontiguousarray(portrait[16:96, 160:272]), noise):
        batch = torch.from_numpy(image).permute(2, 0, 1).expand(len(qualities), -1, -1, -1)
        ours = jpeg_round_trip(batch, torch.tensor(qualities), full_colour=0 if subsampling_420 else 8)
        for result, quality in zip(ours, qualities, strict=True):
            expected = pillow_round_trip(image, quality=quality, subsampling_420=subsampling_420)
            np.testing.assert_array_equal(result.permute(1, 2, 0).numpy(), expected)


def test_images_with_and_without_full_colour_share_a_batch(portrait):
    batch = torch.from_numpy(portrait[16:80, 160:240]).permute(2, 0, 1).expand(5, -1, -1, -1)
    quality = torch.tensor([70, 95, 70, 80, 95])
    mixed = jpeg_round_trip(batch, quality, full_colour=2)
    assert torch.equal(mixed[:2], jpeg_round_trip(batch[:2], quality[:2], full_colour=2))
    assert torch.equal(mixed[2:], jpeg_round_trip(batch[2:], quality[2:], full_colour=0))
    assert not torch.equal(mixed[0], mixed[2])


def test_partial_blocks_are_refused():
    image = torch.zeros(1, 3, 16, 24, dtype=torch.uint8)
    with pytest.raises(ValueError, match="multiples of 16"):
        jpeg_round_trip(image, torch.tensor([90]), full_colour=0)
