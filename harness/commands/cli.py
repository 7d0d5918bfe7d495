"""The `supernet` command. Sub-commands live in `harness.commands`, one module each, imported when called."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.groups import Suggesting

COMMANDS = {
    "spaces": "Search spaces, their sizes and classes, and the ground truth at hand.",
    "data": "Fetch, import, list and verify ground truth and data sets.",
    "heuristics": "The heuristics and methods that a recipe can toggle.",
    "train": "Train a super-net by a recipe.",
    "rank": "Score architectures with a trained super-net, and report on the ranking.",
    "correlate": "Rank-disorder report of a file of scores.",
    "study": "Plan, run and report on studies of heuristics.",
    "search": "Compare search algorithms under one budget.",
    "benchmark": "Ground truth that the project measures itself.",
    "query": "Ask finished runs questions in SQL.",
    "baselines": "Report of parameter count against every ground-truth table at hand.",
    "leaderboard": "Published super-nets and zero-cost proxies by one yardstick.",
}


class LazyGroup(Suggesting):
    """Imports a sub-command's module only when that sub-command runs, so that start-up stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(importlib.import_module(f"supernet.harness.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="supernet-study", prog_name="supernet")
def supernet() -> None:
    """Rank disorder in weight-sharing NAS, measured against real ground truth."""


def main() -> None:
    """Run the command; whatever goes wrong ends in one paragraph and an exit status other than 0."""
    _print_anything()
    try:
        supernet(standalone_mode=False)
    except UserError as error:
        _end(str(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except Exception as error:
        from supernet.harness.commands.failures import explained

        _end(explained(error))


def _end(problem: str) -> NoReturn:
    click.echo(f"supernet: {problem}", err=True)
    sys.exit(1)


def _print_anything() -> None:
    """Characters that the terminal's encoding lacks, such as bytes of a file name that are not UTF-8, come out escaped.

    Otherwise printing them would end the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
