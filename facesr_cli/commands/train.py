"""`facesr-cli train`: train a network from a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from facesr_cli.errors import MissingExtraError, UsageError


@click.command(short_help="Train a network from a recipe.")
@click.argument("recipe", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of face photographs, of any layout.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run: checkpoints, log, samples.")
@click.option(
    "--resume", is_flag=True, help="Continue the run in --out from its last checkpoint, as if never stopped."
)
@click.option(
    "--init",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Start a new run from the weights of a checkpoint or of an exported .onnx of the same network; "
    "prior: from Real-ESRGAN's, for recipes with its network.",
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Training time over all sittings; the schedule stretches to it. Default: the recipe's steps.",
)
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where to train; auto takes a GPU if torch sees one.",
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="GPUs to train on.",
)
@click.option(
    "--preset",
    default="",
    metavar="NAME",
    help="Change the recipe as its file says for NAME; small trains on two CPU cores.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the recipe, as data.batch_size=64; VALUE as in TOML. Repeatable.",
)
@click.option("--compile", "compiled", is_flag=True, help="Compile the network with torch.compile first.")
@click.option("--list", "list_recipes", is_flag=True, help="List the shipped recipes and stop.")
def train(
    recipe: str | None,
    data: Path | None,
    out: Path | None,
    resume: bool,
    init: Path | None,
    max_minutes: float | None,
    device: str,
    devices: int,
    preset: str,
    changes: tuple[str, ...],
    compiled: bool,
    list_recipes: bool,
) -> None:
    """Train RECIPE, a shipped recipe's name or a TOML file, on the photographs in --data.

    If --data has the folders train and val, these are used; else about one photograph in twenty is held out
    for validation. The run writes last.ckpt and, unless it is adversarial, best.ckpt (highest PSNR);
    `facesr-cli export` turns either into ONNX. --resume needs the recipe, --preset and --set of the run.
    """
    try:
        from facesr_train.changes import changed
        from facesr_train.recipe import load_recipe, shipped_recipes
        from facesr_train.session import TrainSettings, run_training
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"training needs {error.name}, which is not installed: pip install 'facesr-cli[train]'"
        ) from error
    if list_recipes:
        for shipped in shipped_recipes():
            click.echo(f"{shipped.name:<14} {shipped.summary} ({shipped.source})")
        return
    if recipe is None or data is None or out is None:
        raise UsageError("train needs RECIPE, --data DIR and --out RUN; --list shows the recipes")
    settings = TrainSettings(
        data=data,
        out=out,
        resume=resume,
        init=init,
        max_minutes=max_minutes,
        device=device,
        devices=devices,
        compiled=compiled,
    )
    checkpoint = run_training(changed(load_recipe(recipe, preset), changes), settings)
    if checkpoint is None:
        return
    means = ", ".join(f"{kind} {value:.2f} dB" for kind, value in checkpoint.val_psnr_db.items())
    click.echo(
        f"{out}: {checkpoint.step} steps in {checkpoint.elapsed_s / 60:.1f} minutes; validation {means}"
    )
    game = checkpoint.recipe.adversarial
    kept = "best.ckpt" if game is None or game.keep_best else "last.ckpt"
    click.echo(f"next: facesr-cli export {out / kept} -o {checkpoint.recipe.name}.onnx")
