"""The `supernet` command. Each sub-command is a module of `harness.commands`, which is imported when it is called."""

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
    "spaces": "List search spaces, their sizes and classes, and the available ground truth.",
    "data": "Fetch, import, list and verify ground truth and data sets.",
    "heuristics": "List the heuristics and methods that a recipe can toggle.",
    "train": "Train a super-net from a recipe.",
    "rank": "Score architectures with a trained super-net, and report on the ranking.",
    "score": "Score architectures without any training.",
    "proxies": "Compare training-free scores with ground truth and with each other.",
    "fuse": "Fuse several scores of architectures into one.",
    "adds": "Ask what super-nets know that training-free scores do not.",
    "interference": "Measure how architectures that share weights disturb each other.",
    "correlate": "Report how well a file of scores ranks architectures.",
    "study": "Plan, run and report on studies of heuristics.",
    "search": "Compare search algorithms under one budget.",
    "benchmark": "Measure the project's own ground truth.",
    "query": "Query finished runs in SQL.",
    "baselines": "Compare training-free rankings with every available ground-truth table.",
    "leaderboard": "Measure published super-nets and zero-cost proxies with one yardstick.",
}
"""Sub-command -> its line in `supernet --help`."""


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
    """Run the command. Every error ends in one paragraph on standard error and an exit status other than 0."""
    _escape_unencodable()
    try:
        supernet(standalone_mode=False)
    except UserError as error:
        _fail(str(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as shells report SIGPIPE: 128 + 13
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)  # as shells report SIGINT: 128 + 2
    except Exception as error:
        from supernet.harness.commands.failures import explained

        _fail(explained(error))


def _fail(problem: str) -> NoReturn:
    click.echo(f"supernet: {problem}", err=True)
    sys.exit(1)


def _escape_unencodable() -> None:
    """Let standard output and error escape characters that their encoding lacks, instead of raising an error.

    Such characters are, for example, the bytes of a file name that are not UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
