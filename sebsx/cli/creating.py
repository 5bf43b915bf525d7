"""`sebsx new`: a folder with a function of one's own that runs as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, command
from sebsx.errors import UserError

_DEFAULT = "python"  # as in `run benchmark`
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_EVENT = {"name": "world"}
_MANIFEST = """\
name = "{name}"
version = "1"
summary = "a function of my own"

[defaults]
memory_mib = 256
timeout_s = 30

[languages.{language}]
handler = "{handler}"
"""


@command("new")
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@click.option(
    "--language",
    default=_DEFAULT,
    show_default=True,
    metavar="NAME",
    shell_complete=completing.language,
    help="Language of the function.",
)
def new_command(app: App, folder: Path, language: str) -> None:
    """Create a folder with a function of your own and its input.

    \b
      sebsx new my-function
      sebsx run benchmark ./my-function --payload my-function/event.json
    """  # noqa: D301  # \\b keeps click from folding the lines
    starter = app.registry.get("languages", language).starter
    if not starter.files:
        raise UserError(
            f"language {language!r} brings no first function; write a folder by hand (docs: write a benchmark)"
        )
    if not _NAME.fullmatch(folder.name):
        raise UserError(f"invalid name {folder.name!r} of a benchmark; use a-z, 0-9 and -")
    if folder.exists():
        raise UserError(f"{str(folder)!r} is there already; nothing was written")
    manifest = _MANIFEST.format(name=folder.name, language=language, handler=starter.handler)
    event = json.dumps(_EVENT, indent=2) + "\n"
    code = {f"{language}/{path}": text for path, text in starter.files.items()}
    files = {"benchmark.toml": manifest, "event.json": event, **code}
    for path, text in files.items():
        _write(folder / path, text)
    word = str(folder) if folder.is_absolute() else f"./{folder}"
    more = "" if language == _DEFAULT else f" --language {language}"
    document: dict[str, Any] = {"folder": str(folder), "files": sorted(files)}
    app.console.result(
        document,
        verbatim="\n".join(
            [*(f"wrote {folder / path}" for path in files),
             f"run it: sebsx run benchmark {word} --payload {folder}/event.json{more}"]
        ),
    )  # fmt: skip


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{str(path)!r} cannot be written: {exc.strerror}") from exc


COMMANDS = (new_command,)
