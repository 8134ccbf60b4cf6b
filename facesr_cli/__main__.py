"""`python -m facesr_cli` and the `facesr-cli` console script."""

from __future__ import annotations

from facesr_cli.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="facesr-cli")


if __name__ == "__main__":
    main()
