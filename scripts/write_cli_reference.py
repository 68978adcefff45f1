"""Write `docs/reference/cli.md` from the commands: `python scripts/write_cli_reference.py`."""

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main

from cellgate.cli.commands import COMMANDS, ENTRIES, load_command
from cellgate.contract.command_examples import EXAMPLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
SERVER, TRAINERS = "service.commands.app", "trainers.commands.app"
# Of the group `bundle`, what the trainers' app runs, and its name there.
OF_TRAINERS = {"bundle check": "bundle check", "bundle pack-local": "bundle pack", "bundle onnx": "bundle onnx"}
HEAD = """\
# Commands

Made from the commands by `scripts/write_cli_reference.py`; a test compares. `cellgate COMMAND -h` shows the same.
`--server` (`CELLGATE_SERVER`) and `--token` (`CELLGATE_TOKEN`) stand before the command. Wherever an id is taken, its
beginning does as well, or a name, where one thing alone has it. Every command ends with an
[exit code](exit-codes.md#command-line).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def commands() -> dict[str, Any]:
    """Return every command by its words; one that is handed over as the app has it that runs it."""
    handed_over = {name for name, entry in ENTRIES.items() if entry.module == "local"}
    found = dict(leaf for name in set(ENTRIES) - handed_over for leaf in _leaves(load_command(name), name))
    server, trainers = (dict(_leaves(typer.main.get_command(import_module(name).app))) for name in (SERVER, TRAINERS))
    found |= {words: command for words, command in server.items() if words.partition(" ")[0] in handed_over}
    found |= {words: command for words, command in trainers.items() if words in handed_over}
    found |= {words: trainers[there] for words, there in OF_TRAINERS.items()}
    own = set(trainers) - handed_over - set(OF_TRAINERS.values())
    return found | {f"trainers {words}": command for words, command in trainers.items() if words in own}


def page() -> str:
    """Return the text of the page."""
    known = commands()
    parts = [HEAD]
    for panel, entries in COMMANDS.items():
        parts.append(f"## {panel}\n")
        for name, entry in entries.items():
            of_name = {words: found for words, found in known.items() if words.partition(" ")[0] == name}
            for words in sorted(of_name, key=list(known).index):
                parts.append(_section(words, of_name[words]))
            if not of_name:
                parts.append("\n".join([f"### cellgate {name}\n", f"{entry.help}\n", *_examples(name)]))
    return "\n".join(parts).rstrip() + "\n"


def _leaves(command: Any, *words: str) -> Iterator[tuple[str, Any]]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    for name, found in inner.items():
        yield from _leaves(found, *words, name)
    if not inner:
        yield " ".join(words), command


def _section(words: str, command: Any) -> str:
    parameters = [found for found in command.params if "--help" not in found.opts]
    usage = " ".join(["cellgate", words, *(_usage(found) for found in parameters if _is_argument(found))])
    options = " [OPTIONS]" if any(not _is_argument(found) for found in parameters) else ""
    lines = [f"### cellgate {words}\n", f"`{usage}{options}`\n", f"{_prose(command.help)}\n"]
    if parameters:
        lines += ["| | default | meaning |", "|---|---|---|", *map(_row, parameters), ""]
    return "\n".join([*lines, *_examples(words)])


def _examples(words: str) -> list[str]:
    return ["```", *EXAMPLES[words], "```\n"]


def _usage(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("{}")
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _is_argument(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "argument"


def _row(parameter: Any) -> str:
    names = [(parameter.metavar or parameter.name.upper()).strip("{}")]
    if not _is_argument(parameter):
        names = [*parameter.opts, *parameter.secondary_opts]
        choices = getattr(parameter.type, "choices", None)
        value = "" if parameter.is_flag else f" {'|'.join(map(_plain, choices)) if choices else _value(parameter)}"
        names[0] += value
    shown = ", ".join(f"`{_escaped(name)}`" for name in names)
    return f"| {shown} | {_default(parameter)} | {_escaped(_prose(parameter.help))} |"


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.type.name.upper().partition(" ")[0])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default in (None, False, (), []) or callable(default) or parameter.is_flag:
        return ""
    several = default if isinstance(default, list | tuple) else [default]
    return " ".join(f"`{_plain(one)}`" for one in several)


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _prose(text: str | None) -> str:
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(re.sub(r"\s+", " ", paragraph) for paragraph in paragraphs)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
