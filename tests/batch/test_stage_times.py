"""Which stage is the limit of a run."""

from __future__ import annotations

import pytest

from facesr_cli.batch.stage_times import Stages


def test_the_busiest_stage_is_the_one_whose_threads_rest_least():
    # 16 s of encoding on 8 threads are less than 4 s on one network.
    stages = Stages(
        decode_s=2, infer_s=4, encode_s=16, elapsed_s=5, decoders=8, networks=1, encoders=8
    )  # fmt: skip
    assert stages.shares == pytest.approx({"decode": 0.05, "inference": 0.8, "encode": 0.4})
    assert stages.busiest == "inference"
    assert stages.line() == "inference was busy 80 % of 5.0 s (decode 5 %, encode 40 %)"


def test_two_networks_share_their_work():
    stages = Stages(infer_s=4, encode_s=3, elapsed_s=4, networks=2)
    assert stages.busiest == "encode"


def test_a_run_without_work_has_no_busiest_stage():
    assert Stages().busiest is None and Stages(elapsed_s=1).busiest is None
    assert Stages(elapsed_s=1).line() is None
    assert Stages().to_json()["busy"] == {"decode": 0.0, "inference": 0.0, "encode": 0.0}
