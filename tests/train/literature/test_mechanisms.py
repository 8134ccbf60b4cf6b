"""What single recipes of the literature ask of the trainer."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lightning_fabric import Fabric
from PIL import Image

from facesr_cli.cli import cli
from facesr_cli.errors import TrainingError, UsageError
from facesr_train.adversary import Adversary
from facesr_train.calibration import BATCHES, Calibration
from facesr_train.changes import changed
from facesr_train.checkpoint import averaged_generator, build_generator
from facesr_train.crops import PairSource
from facesr_train.data_section import RandomSplit
from facesr_train.degradations import defined_degradations, degrade
from facesr_train.loop import freeze
from facesr_train.objective import Objective
from facesr_train.optimisers import make_optimiser
from facesr_train.random_split import LIST_NAME, split_at_random
from facesr_train.recipe import load_recipe, recipe_from_dict
from facesr_train.sections import scheduled
from facesr_train.session import TrainSettings, run_training

CPU = torch.device("cpu")


def trained(recipe, frames, out, **changes):
    return run_training(recipe, TrainSettings(data=frames, out=out, device="cpu", **changes))


def test_the_paper_learns_at_its_two_rates():
    recipe = load_recipe("paper")
    settings, game, run = recipe.optimiser, recipe.adversarial, recipe.run
    assert run.epoch_steps * recipe.data.batch_size == 0.5 * recipe.data.split.photographs == 250
    assert run.steps == 80 * run.epoch_steps
    for begun in (settings.learning_rate, game.learning_rate):  # both sides follow the same schedule
        rates = [
            scheduled(begun, settings, share_done=epoch / 80, step=run.epoch_steps * epoch)
            for epoch in range(80)
        ]
        assert rates == pytest.approx([0.02] * 60 + [0.005] * 20)
    assert (game.optimiser, game.learning_rate, game.weight) == ("sgd", 0.02, 1.0)
    assert load_recipe("paper").losses == ()


@pytest.mark.parametrize(
    ("form", "rates"), [("exponential", (1.0, 0.1, 0.01)), ("cosine", (1.0, 0.505, 0.01))]
)
def test_other_ways_down(form, rates):
    recipe = changed(load_recipe("face-x2"), [f'optimiser.schedule="{form}"', "optimiser.warmup_steps=0"])
    found = [scheduled(1.0, recipe.optimiser, share_done=share, step=9) for share in (0.0, 0.5, 1.0)]
    assert found == pytest.approx(rates)


def test_sgd_moves_by_rate_and_momentum():
    weight = torch.nn.Parameter(torch.zeros(1))
    settings = {"betas": (0.9, 0.99), "momentum": 0.5, "nesterov": False, "device": CPU}
    optimiser = make_optimiser("sgd", [weight], 0.1, **settings)
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimiser.step()
    assert float(weight.detach()) == pytest.approx(-0.1 - 0.1 * 1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('optimiser.kind="lion"', "there are adam, sgd"),
        ('optimiser.schedule="linear"', "there are cosine, steps, exponential"),
        ('optimiser.schedule="steps"', "belong together"),
        ("optimiser.milestones=[0.5]", "belong together"),
        ("optimiser.momentum=1.0", r"optimiser\.momentum must lie"),
        ('optimiser.frozen=["nothing"]', None),
        ("run.begin=1.0", r"run\.begin"),
        ("data.frames=1", "must be bool"),
        ("data.split={photographs=10, train=0.9}", "add up to 1"),
        ("data.split={seeds=1}", "unknown key"),
        ("loss.0.ratio=1.0", "against is 'adversarial'; there are mse"),
        ("loss.0.ramp_end=2.0", "ramp_end"),
    ],
)
def test_contradictions_are_named(change, message):
    recipe = load_recipe("face-x2")
    if message is None:
        with pytest.raises(UsageError, match="no weight begins with 'nothing'"):
            freeze(build_generator(recipe), changed(recipe, [change]).optimiser.frozen)
        return
    with pytest.raises(UsageError, match=message):
        changed(recipe, [change])


def test_a_calibrated_term_needs_its_reference_in_time():
    values = load_recipe("srgan").to_dict()
    values["loss"][1]["start"] = 0.25
    with pytest.raises(ValueError, match="sets in before adversarial"):
        recipe_from_dict(values)


def test_a_preset_that_is_not_there():
    with pytest.raises(UsageError, match="no preset 'huge'; there are small"):
        load_recipe("srgan", "huge")
    with pytest.raises(UsageError, match="it has none"):
        load_recipe("face-x2", "small")


def test_the_command_line_knows_recipes_and_presets(tmp_path):
    runner = CliRunner()
    listed = runner.invoke(cli, ["train", "--list"])
    lines = listed.output.splitlines()
    for name in ("paper", "srgan", "msg-capsgan"):
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        recipe = load_recipe(name)
        assert recipe.summary in line and recipe.source in line
    files = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    wrong = runner.invoke(cli, ["train", "srgan", "--preset", "huge", *files])
    assert wrong.exit_code == 2
    assert "no preset 'huge'" in wrong.stderr


def test_500_photographs_are_split_250_150_100(tmp_path):
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        for index in range(300):
            (tmp_path / folder / f"{index}.png").touch()
    split = split_at_random(tmp_path, RandomSplit())
    assert [len(split.train), len(split.test), len(split.val)] == [250, 150, 100]
    assert len({*split.train, *split.test, *split.val}) == 500, "disjoint"
    assert split_at_random(tmp_path, RandomSplit()) == split
    assert set(split_at_random(tmp_path, RandomSplit(seed=1)).train) != set(split.train)
    assert {path.parent.name for path in split.train} == {"train", "val"}, "whatever folders there are"
    few = split_at_random(tmp_path, RandomSplit(photographs=10))
    assert [len(few.train), len(few.test), len(few.val)] == [5, 3, 2]
    with pytest.raises(TrainingError, match="too few"):
        split_at_random(tmp_path, RandomSplit(photographs=2, train=0.4, val=0.1, test=0.5))
    with pytest.raises(TrainingError, match="no such folder"):
        split_at_random(tmp_path / "nowhere", RandomSplit())


def test_the_paper_lists_what_it_sets_aside_and_keeps_its_best(tiny, frames, tmp_path):
    trained(tiny("paper"), frames, tmp_path)
    assert len((tmp_path / LIST_NAME).read_text().split()) == 1
    assert (tmp_path / "best.ckpt").is_file()
    with (tmp_path / "metrics.csv").open() as file:
        assert all(float(row["psnr_db/paper"]) > 0 for row in csv.DictReader(file)), "after every epoch"


def test_whole_photographs_come_in_turn_and_are_degraded_as_photographs(portrait):
    photographs = [
        torch.from_numpy(np.ascontiguousarray(portrait[top : top + 96, 150:246])).permute(2, 0, 1)
        for top in (0, 100, 200, 300, 400)
    ]
    source = PairSource(
        photographs, shares={"paper": 1.0}, sharp_share=0.5, seed=3, rank=0, device=CPU, frames=True
    )
    degraded = degrade(
        torch.stack(photographs), defined_degradations(["paper"] * 5), torch.empty(0, 3, 48, 48)
    )
    met: list[int] = []
    for step in range(5):
        lr, hr = source.batch(step, 2, 96)
        assert hr.shape == (2, 3, 96, 96)
        for low, high in zip(lr, hr, strict=True):
            for mirrored in (False, True):
                picture = (high.flip(2) if mirrored else high).mul(255).round().byte()
                same = [index for index, one in enumerate(photographs) if torch.equal(one, picture)]
                if same:
                    expected = degraded[same[0]].flip(2) if mirrored else degraded[same[0]]
                    difference = low.mul(255).round() - expected
                    assert float(difference.abs().max()) <= 1
                    met += same
                    break
    assert sorted(met[:5]) == sorted(met[5:]) == [0, 1, 2, 3, 4]


def test_a_factor_makes_the_gradients_stand_in_the_ratio():
    """A term of gradient 3 and a reference of gradient 0.5 per pixel: ratio 10 wants the factor 10 / 6."""
    calibration = Calibration({"term": 10.0}, CPU, lambda value: value)
    assert float(calibration.factor("term")) == 0
    for batch in range(BATCHES + 1):
        output = torch.rand(1, 3, 4, 4, requires_grad=True)
        assert calibration.wants("term") == (batch < BATCHES)
        if calibration.wants("term"):
            calibration.measure("term", (3 * output.sum(), output), (0.5 * output.sum(), output))
        assert float(calibration.factor("term")) == pytest.approx(10 * 0.5 / 3)
    again = Calibration({"term": 10.0}, CPU, lambda value: value)
    again.load_state(calibration.state())
    assert not again.wants("term")
    assert torch.equal(again.factor("term"), calibration.factor("term"))


@pytest.mark.parametrize("name", ["srgan", "eegan", "msg-capsgan", "fdpl"])
def test_calibrated_terms_pull_as_hard_as_the_recipe_says(name, tiny, stand_ins):
    recipe = tiny(name)
    adversary = None
    if recipe.adversarial is not None:
        adversary = Adversary(Fabric(accelerator="cpu", devices=1), recipe)
    objective = Objective(recipe, adversary, CPU)
    side = recipe.data.hr_crop_px
    network = build_generator(recipe)
    names = getattr(network, "outputs", ("image",))
    torch.manual_seed(1)
    sizes = {"half": side // 2, "quarter": side // 4}
    outputs = {one: torch.rand(2, 3, *[sizes.get(one, side)] * 2, requires_grad=True) for one in names}
    targets = {one: torch.rand_like(picture) for one, picture in outputs.items()}
    share = 0.999
    terms = objective.loss(outputs, targets, share)
    checked = 0
    for index, term in enumerate(recipe.losses):
        if not term.ratio:
            continue
        (own,) = torch.autograd.grad(terms[f"{term.kind}-{index}"], outputs[term.on], retain_graph=True)
        kinds = {other.kind: (f"{other.kind}-{i}", other.on) for i, other in enumerate(recipe.losses)}
        against, on = kinds.get(term.against, ("adversarial", term.on))
        (reference,) = torch.autograd.grad(terms[against], outputs[on], retain_graph=True)
        assert float(own.norm() / reference.norm()) == pytest.approx(term.weight * term.ratio, rel=1e-3)
        checked += 1
    assert checked == sum(bool(term.ratio) for term in recipe.losses) > 0


def test_the_curriculum_of_msg_capsgan():
    """Values of the author's code at steps 0, 1k, 3k, 5k, 7.5k, 10k, 12.5k and 15k of 20k."""
    recipe = load_recipe("msg-capsgan")
    quarter, half, image = recipe.losses
    shares = [step / 20_000 for step in (0, 1_000, 3_000, 5_000, 7_500, 10_000, 12_500, 15_000)]
    assert recipe.run.steps == 20_000
    low = 0.001
    assert [half.weight_at(share) for share in shares] == pytest.approx([low, low, 0.5005, 1, 1, 1, 1, 1])
    assert [image.weight_at(share) for share in shares] == pytest.approx([low] * 4 + [0.5005, 1, 1, 1])
    assert [quarter.weight_at(share) for share in shares] == [1] * 8
    game = [recipe.adversarial.weight_at(share) for share in shares]
    assert game == pytest.approx([3e-3] * 6 + [4e-3, 5e-3])


def test_the_rectifiers_of_fdpl_stay_open(portrait, tmp_path):
    """Its weights begin so small that a rate of 1e-3 closes them within some hundred steps."""
    for name in ("train/a.png", "val/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(portrait).save(tmp_path / name)
    short = ["run.steps=400", "run.epoch_steps=400", "data.hr_crop_px=64", "run.validation_crop_px=64"]
    recipe = changed(load_recipe("fdpl", "small"), short)
    generator = averaged_generator(trained(recipe, tmp_path, tmp_path / "run"))
    open_share = []
    generator.second.register_forward_hook(
        lambda module, inputs, output: open_share.append(float((output > 0).float().mean()))
    )
    with torch.no_grad():
        generator(torch.from_numpy(portrait[:64, 200:264].copy()).permute(2, 0, 1)[None] / 255)
    assert open_share[0] > 0.3, "0.42 as it is, 0.22 at a rate of 1e-3"


def test_eight_steps_of_msg_capsgan_keep_their_losses_finite(tiny, frames, tmp_path, stand_ins):
    recipe = tiny("msg-capsgan", steps=8, run={"steps": 8, "epoch_steps": 1})
    trained(recipe, frames, tmp_path / "run")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    losses = [float(row[key]) for row in rows for key in row if key.startswith("loss")]
    assert len(losses) > 8 and all(map(math.isfinite, losses))


def test_identity_sets_in_over_the_first_tenth_of_the_game():
    (term,) = [term for term in load_recipe("ip-fsrgan").losses if term.kind == "identity"]
    assert [term.weight_at(share) for share in (0.5, 0.525, 0.55, 1.0)] == pytest.approx([0, 0.05, 0.1, 0.1])


def test_ragan_needs_two_pictures():
    with pytest.raises(UsageError, match="batches of 2 or more"):
        changed(load_recipe("ragan-face"), ["data.batch_size=1"])


def test_a_verdict_can_be_lowered_by_the_distance(tiny, stand_ins):
    """CA-ESRGAN's literal reading: the generator's gradient has a part of the distance."""
    gradients = []
    for kappa in (0.0, 1.0):
        recipe = tiny("ca-esrgan", adversarial={"kappa": kappa})
        adversary = Adversary(Fabric(accelerator="cpu", devices=1), recipe)
        torch.manual_seed(2)
        output = torch.rand(2, 3, 64, 64, requires_grad=True)
        original = torch.rand(2, 3, 64, 64)
        adversary.generator_loss({"image": output}, {"image": original}, 1.0).backward()
        loss = adversary.step({"image": output}, {"image": original}, step=0, share_done=0.9)
        assert math.isfinite(float(loss))
        gradients.append(output.grad)
    assert not torch.allclose(gradients[0], gradients[1], rtol=1e-2, atol=0)
