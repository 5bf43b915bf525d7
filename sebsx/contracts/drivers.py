"""The driver's side of a benchmark: `benchmark.py`, a user's file whose every failure is told as the user's."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from typing import TYPE_CHECKING, Any

from sebsx.errors import SebsxError, UserError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

    from sebsx.contracts.builds import Artifacts, BuildTarget
    from sebsx.contracts.storage import Storage

FILE = "benchmark.py"
_CLOSE = 0.8  # one letter of five: `chek` is `check`, and `build_graph` is not `build`
# How many arguments each function takes.
_FUNCTIONS = {"payload": 3, "check": 3, "build": 3}
# What `payload` may take besides, by these names: which function and which variant of the benchmark is called, and the
# keys of what `build` put into the storage, by name.
OPTIONAL = ("function", "variant", "artifacts")


class Driver:
    """What a benchmark does on the driver; every function is optional.

    Args:
        root: Folder of the benchmark.
        identity: Digest of the folder, so that a changed file is another module.

    Attributes:
        path: Of the file.
        module: The file as a module; None where there is none.

    Raises:
        UserError: If `benchmark.py` cannot be loaded, or a function in it is misspelt or takes other arguments.
    """

    def __init__(self, root: Path, identity: str) -> None:
        self.path = root / FILE
        self.module: ModuleType | None = None
        self._functions: dict[str, Callable[..., Any]] = {}
        if self.path.is_file():
            self.module = _load(self.path, f"sebsx_benchmark_{identity[:12]}")
            self._functions = _known(self.module, self.path)

    def payload(
        self, parameters: Mapping[str, Any], rng: random.Random, storage: Storage | None, **more: Any
    ) -> dict[str, Any]:
        """Return the input of one invocation; the parameters where there is no such function.

        `more` is what the function may ask for by name, see `OPTIONAL`.

        Raises:
            UserError: If the function fails, in whatever way, or returns something else.
        """
        if "payload" not in self._functions:
            return dict(parameters)
        defaults = {"function": "", "variant": "", "artifacts": {}}
        asked = {name: more.get(name, defaults[name]) for name in _optional(self._functions["payload"])}
        return dict(self._call("payload", dict, dict(parameters), rng, storage, **asked))

    @property
    def builds(self) -> bool:
        """Whether files are made before a function is deployed."""
        return "build" in self._functions

    def build(self, parameters: Mapping[str, Any], artifacts: Artifacts, target: BuildTarget) -> None:
        """Make files before a function is deployed; nothing where there is no such function.

        Raises:
            UserError: If the function fails, in whatever way.
        """
        if self.builds:
            self._call("build", object, dict(parameters), artifacts, target)

    def check(self, payload: Mapping[str, Any], output: Any, storage: Storage | None) -> str | None:
        """Return None if `output` is right, or what is wrong with it; that `check` fails is wrong, too."""
        if "check" not in self._functions:
            return None
        try:
            problem = self._functions["check"](payload, output, storage)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
            return f"output has not the expected form: {type(exc).__name__}: {exc}"
        except SebsxError:
            raise
        except Exception as exc:  # noqa: BLE001  # a user's code may fail in any way; it is a result, not the end
            return f"check failed: {type(exc).__name__}: {exc}"
        return str(problem) if problem else None

    def _call(self, name: str, kind: type, *arguments: Any, **more: Any) -> Any:
        where = f"{name}() of {str(self.path)!r}"
        try:
            answer = self._functions[name](*arguments, **more)
        except SebsxError:
            raise  # of the storage, say
        except Exception as exc:  # a user's code may fail in any way; it is told as theirs
            raise UserError(f"{where} failed: {type(exc).__name__}: {exc}") from exc
        if not isinstance(answer, kind):
            raise UserError(f"{where} returned a {type(answer).__name__}; a {kind.__name__} is wanted")
        return answer


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # a user's file may fail in any way; it is told as theirs
        raise UserError(f"{str(path)!r} cannot be loaded: {type(exc).__name__}: {exc}") from exc
    return module


def _known(module: ModuleType, path: Path) -> dict[str, Callable[..., Any]]:
    """Return the functions that a driver may have, and refuse one that is almost such a function."""
    found = {name: getattr(module, name) for name in _FUNCTIONS if hasattr(module, name)}
    for name, function in found.items():
        if not callable(function):
            raise UserError(f"{name!r} in {str(path)!r} is a {type(function).__name__}; a function is wanted")
        _check_arguments(name, function, path)
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        close = difflib.get_close_matches(name.lower(), _FUNCTIONS, n=1, cutoff=_CLOSE) if own else []
        meant = close[0] if close else None
        if meant and meant not in found:
            raise UserError(
                f"function {name!r} in {str(path)!r} is never called; did you mean {meant!r}? "
                f"(if not, call it '_{name}')"
            )
    return found


def _optional(function: Callable[..., Any]) -> list[str]:
    try:
        return [name for name in OPTIONAL if name in inspect.signature(function).parameters]
    except (TypeError, ValueError):
        return []


def _check_arguments(name: str, function: Callable[..., Any], path: Path) -> None:
    try:
        more = dict.fromkeys(_optional(function)) if name == "payload" else {}
        inspect.signature(function).bind(*range(_FUNCTIONS[name]), **more)
    except TypeError as exc:
        raise UserError(f"{name}() in {str(path)!r} must take {_FUNCTIONS[name]} arguments: {exc}") from None
    except ValueError:  # written in C: it has no signature to look at
        return
