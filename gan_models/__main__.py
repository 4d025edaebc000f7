"""Run any backend on a file or a folder, train, and manage weights: `python -m gan_models --help`."""

import argparse
import sys

from gan_models.checkpoints import cli as weights_cli
from gan_models.commands import generate, invert, measure, restore, singan, stylize, upscale
from gan_models.training import cli as training_cli


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gan_models", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (upscale, restore, stylize, generate, invert, singan, measure, training_cli, weights_cli):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
