"""The reference of the command line, from its own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from docs.generator.markdown import code, fence, page, table, text
from supernet.harness.commands.cli import supernet


def commands(command: click.Command = supernet, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the context of every command that is no group, in the order of the help."""
    context = click.Context(command, parent=parent, info_name=command.name)
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:
            yield from commands(found, context)


def commands_page() -> str:
    """Return the page with a section for each command."""
    introduction = "Every command and group of commands also explains itself with `--help`."
    return page("# Commands", introduction, *(block for context in commands() for block in _blocks(context)))


def _blocks(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"## {context.command_path}"
    yield fence(usage)
    for paragraph in (command.help or "").replace("\b", "").split("\n\n"):
        yield text(paragraph)
    rows = [(_names(option), text(_help(option, context))) for option in command.params if _shown(option)]
    yield table(("option", "meaning"), rows) if rows else ""


def _shown(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.hidden


def _help(option: click.Parameter, context: click.Context) -> str:
    record = option.get_help_record(context)
    return record[1] if record else ""


def _names(option: click.Parameter) -> str:
    """Return the names of an option, and what it takes."""
    takes = "" if getattr(option, "is_flag", False) else f" {option.make_metavar(click.Context(supernet))}"
    return code(", ".join([*option.opts, *option.secondary_opts]) + takes)
