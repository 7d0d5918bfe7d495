"""Groups of sub-commands that name the nearest one when a name is misspelt."""

from __future__ import annotations

import click

from supernet.benchmarks.wording import listed, nearest, quoted

ALIASES = {
    "ls": "list", "show": "list", "eval": "rank", "evaluate": "rank", "fit": "train",
    "sql": "query", "ask": "query", "download": "fetch", "get": "fetch", "check": "verify", "make": "build",
    "start": "run", "go": "run", "state": "status", "tau": "correlate", "nas": "search",
}  # fmt: skip
"""Name that another tool might use for a command -> its name here; a group uses those of the commands that it has."""


class Suggesting(click.Group):
    """A group whose message about an unknown sub-command suggests the one that was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            aliases = {alias: command for alias, command in ALIASES.items() if command in known}
            near = nearest(name, known, aliases)
            hint = f"Did you mean {ctx.command_path} {near}?" if near else f"The commands are {listed(known, 20)}."
            ctx.fail(f"No such command {quoted(name)}. {hint}")
        return super().resolve_command(ctx, args)
