"""The command line: each command parses, calls one function, prints. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from functools import partial
from importlib import import_module
from typing import Any, TextIO

import click

from sebsx import __version__
from sebsx.cli import completing
from sebsx.cli.app import App, CommandGroup, Described
from sebsx.cli.console import VisibleFormatter
from sebsx.cli.mistakes import in_one_line
from sebsx.cli.repeating import OnceFilter
from sebsx.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_STORE, EXIT_USAGE, SebsxError, UserError
from sebsx.system.interrupts import SIGNALS, interrupts

# Of a file without a name, which is the output: files that have one are looked after by whoever writes them.
_CANNOT_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_VERBOSITY = (logging.WARNING, logging.INFO, logging.DEBUG)


# Titles of the help text, below each the commands of core with the module of `sebsx.cli` that each is in.
_SECTIONS = {
    "Measure": {"run": "running", "plan": "running", "new": "creating"},
    "Read": {
        "runs": "listing", "show": "results", "analyze": "results", "compare": "comparing", "baseline": "comparing",
        "report": "reporting", "export": "results", "records": "records",
    },
    "Prices": {"prices": "prices", "reprice": "repricing"},
    "Set up": {
        "list": "inventory", "plugins": "inventory", "doctor": "admin", "config": "settings",
        "completion": "settings", "clean": "admin", "db": "stores",
    },
}  # fmt: skip
_MODULES = {name: module for names in _SECTIONS.values() for name, module in names.items()}


class Commands(CommandGroup):
    """The commands of core and those that plugins add; a module, or all plugins, are loaded when one may be meant."""

    def own(self, name: str) -> click.Command | None:
        """Return a command of core, whose module is imported for it, or one that a plugin added."""
        if name in _MODULES and name not in self.commands:
            for command in import_module(f"sebsx.cli.{_MODULES[name]}").COMMANDS:
                self.add_command(command)
        return super().own(name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of plugins with them."""
        return sorted({*_MODULES, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of core, or of a plugin of this App."""
        if cmd_name not in _MODULES:
            self.gather(ctx)  # what is there of plugins may be that of an earlier App
        return super().get_command(ctx, cmd_name)

    def gather(self, ctx: click.Context) -> None:
        """Add the commands of all plugins."""
        app = ctx.ensure_object(App)
        if not app.commands_added:
            from sebsx.cli import extending  # only when plugins are loaded

            app.commands_added = True
            extending.add_commands(app, self)

    def described(self, ctx: click.Context) -> list[Described]:
        """Return what the help text says of each command, as it was said last time if nothing changed since."""
        from sebsx.cli import overview  # only for help

        return overview.kept(ctx.ensure_object(App), partial(super().described, ctx))

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        """Return the commands by what they are for; those of plugins last."""
        plugins = [name for name in self.list_commands(ctx) if name not in _MODULES]
        return [*((title, list(names)) for title, names in _SECTIONS.items()), ("Plugins", plugins)]

    def unknown(self, ctx: click.Context, word: str) -> UserError:
        """Return where a word belongs that is one behind `run`, or what helps."""
        if word == "help":
            return UserError("write sebsx --help, or sebsx COMMAND --help")
        behind = self.get_command(ctx, "run")
        if isinstance(behind, click.Group) and word in behind.list_commands(ctx):
            return UserError(f"command {word!r} goes behind run: sebsx run {word}")
        return super().unknown(ctx, word)


def _choose_plugins(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Keep which plugins are meant, before a command is looked for: it may be one of theirs."""
    ctx.ensure_object(App).plugin_names = [name.strip() for name in value.split(",") if name.strip()] if value else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="sebsx")
@click.option("--store", metavar="PATH|URL", help="Where results are: an SQLite file or a postgresql+psycopg:// URL.")
@click.option(
    "--plugins",
    metavar="A,B",
    expose_value=False,
    callback=_choose_plugins,
    shell_complete=completing.plugin,
    help="Load only these plugins (names as in `sebsx plugins`).",
)
@click.option("-v", "--verbose", count=True, help="Say more; twice for every call to a provider.")
@click.pass_context
def cli(ctx: click.Context, store: str | None, verbose: int) -> None:
    """Benchmark serverless platforms: build, deploy, exercise, measure, price, tear down, report.

    \b
    Start here, no account needed:
      sebsx run benchmark            the default suite on this machine
      sebsx plan benchmark graph-bfs --memory 256,512,1024
      sebsx new my-function          a function of your own, to be run with:
      sebsx run benchmark ./my-function --payload my-function/event.json
      sebsx runs                     what was measured
      sebsx show last
      sebsx compare main last        what changed between two runs

    Exit codes: 0 done, 1 a threshold was crossed, 2 wrong use, 3 a plugin is broken, 4 the platform failed,
    5 results cannot be stored, read or written, 6 almost nothing worked, 70 a fault of sebsx, 130 interrupted.
    """  # noqa: D301  # \\b keeps click from folding the lines
    app = ctx.ensure_object(App)
    app.store_option = store
    if app.plugin_names:
        _ = app.registry  # a name that is none is told, whether or not the command asks for a plugin
    logging.getLogger().setLevel(_VERBOSITY[min(verbose, len(_VERBOSITY) - 1)])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the documented code: one line for a user's mistake, never a traceback."""
    _open_what_is_closed()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    app = App()
    handler.addFilter(OnceFilter(app.console.repeats))
    with interrupts.handled():
        code = _run(app, arguments)
    if not _delivered(app, sys.stdout):
        code = code or EXIT_STORE
    try:
        sys.stderr.flush()
    except OSError:
        _forget(sys.stderr)
    for number in SIGNALS:  # all is done: a late Ctrl-C must not spoil the way out
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _run(app: App, arguments: list[str] | None) -> int:
    stdout = sys.stdout
    try:
        outcome: Any = cli.main(arguments, prog_name="sebsx", standalone_mode=False, obj=app)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return EXIT_USAGE
    except click.ClickException as exc:
        app.console.error(in_one_line(exc))
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt) as exc:
        app.console.error(str(exc.__cause__ or exc) or "interrupted")  # click hides ours behind its own
        return EXIT_INTERRUPTED
    except SebsxError as exc:
        app.console.error(str(exc))
        return exc.exit_code
    except Exception as exc:  # a fault of ours: the traceback says which, and no script takes it for a threshold
        if isinstance(exc, OSError) and exc.filename is None and exc.errno in _CANNOT_BE_WRITTEN:
            _say_undelivered(app, stdout, exc)
            return EXIT_STORE
        logging.getLogger(__name__).exception("sebsx failed; please report this with the lines below")
        return EXIT_INTERNAL
    except SystemExit as exc:
        # What rich and click make of a reader that went away; click puts another stdout in place.
        if sys.stdout in (stdout, sys.stderr) and not isinstance(exc.__context__, BrokenPipeError):
            raise
        _forget(stdout)
        return EXIT_OK
    finally:
        app.console.say_repeats()
        app.console.everybody()
        sys.stdout = stdout  # click puts another in place
    return outcome if isinstance(outcome, int) else EXIT_OK


def _open_what_is_closed() -> None:
    """Give a process without output or errors (`>&-`) some that nobody reads.

    No file or socket gets such a descriptor then, to be written into by whoever means the output.
    """
    for name, descriptor, mode in (("stdin", 0, os.O_RDONLY), ("stdout", 1, os.O_WRONLY), ("stderr", 2, os.O_WRONLY)):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)  # for the programs that are started
            way = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, way, encoding="utf-8", closefd=False))


def _delivered(app: App, stdout: TextIO) -> bool:
    """Write out what is left of the results and return whether that could be done; if not, say why."""
    try:
        stdout.flush()
    except BrokenPipeError:
        _forget(stdout)
    except OSError as exc:
        _say_undelivered(app, stdout, exc)
        return False
    return True


def _say_undelivered(app: App, stdout: TextIO, reason: OSError) -> None:
    app.console.everybody()  # the descriptor is that of the output again
    app.console.error(f"the output cannot be written: {reason.strerror}; write it somewhere else")
    _forget(stdout)


def _forget(file: TextIO) -> None:
    """Nobody takes the output (`sebsx runs | head`): what is left of it goes nowhere, and Python does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
