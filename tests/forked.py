"""Processes forked from one that has imported sebsx: the imports are paid for once in a session.

`run` is a command line, `python` a program that would be behind `python -c`. The server is a process of one thread,
so that forking it is safe. The first worker of a session that needs it starts it; it ends with the last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

# What most commands import at some time.
_IMPORTED = (
    "boto3", "botocore.auth", "botocore.httpsession", "botocore.parsers", "jinja2", "matplotlib.backends.backend_svg",
    "matplotlib.figure", "numpy", "pycurl", "rich.console", "rich.progress", "rich.table", "scipy.special",
    "sqlalchemy", "sqlalchemy.dialects.sqlite", "sebsx.reading.comparison", "sebsx.reading.pages",
    "sebsx.running.orchestrator", "sebsx.store",
)  # fmt: skip
_ENDED = struct.Struct("<i")


def python(code: str, *arguments: str, timeout_s: float = 60) -> tuple[int, str, str]:
    """Run a program in a process of its own, and return its exit code, output and errors.

    What it imports may be there already: it shows nothing about that.

    Raises:
        subprocess.TimeoutExpired: If it took longer; it is killed.
    """
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    return run(arguments, Path.cwd(), environment, timeout_s, code=code)


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float, *, code: str | None = None
) -> tuple[int, str, str]:
    """Run `sebsx`, or this code, with words in a process of its own, and return its exit code, output and errors.

    Raises:
        subprocess.TimeoutExpired: If it took longer; it is killed.
    """
    with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        server.connect(str(_server(environment["PYTHONWARNINGS"])))
        asked = {"words": list(words), "folder": str(folder), "environment": dict(environment), "code": code}
        socket.send_fds(server, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
        server.shutdown(socket.SHUT_WR)
        (pid,) = _ENDED.unpack(server.recv(_ENDED.size))
        server.settimeout(timeout_s)
        try:
            (status,) = _ENDED.unpack(server.recv(_ENDED.size))
        except BaseException as exc:  # whoever no longer waits leaves nothing running
            os.kill(pid, signal.SIGKILL)
            if isinstance(exc, TimeoutError):
                raise subprocess.TimeoutExpired(words, timeout_s) from None
            raise
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode())
        return os.waitstatus_to_exitcode(status), told[0], told[1]


@cache
def _server(warnings: str) -> Path:
    """Return the socket of the session's server, started if no process of the session has done so.

    It runs for as long as a process holds its pipe `alive` open, as each that has asked for it does until its end.
    """
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir(), f"sebsx-forked-{session}-{warnings}")
    folder.mkdir(mode=0o700, exist_ok=True)
    with Path(folder, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _hold(folder):
            _start(folder, warnings)
            assert _hold(folder), "the server of forked processes has ended"
    return folder / "socket"


def _hold(folder: Path) -> bool:
    """Open the pipe for the rest of this process; return False where no server reads it."""
    try:
        os.open(folder / "alive", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENXIO):
            raise
        return False
    return True


def _start(folder: Path, warnings: str) -> None:
    """Start the server, and wait until it says that it is ready and closes its output."""
    words = [sys.executable, "-W", warnings, str(Path(__file__).resolve()), str(folder)]
    started = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    assert started.stdout == b"ready\n", "the server of forked processes did not start"


def _serve(folder: Path) -> None:
    """Fork for each connection a process that looks after one more, until nobody holds the pipe `alive`."""
    import gc
    import importlib
    import selectors
    import shutil

    from sebsx.plugins import finding

    if os.fork():  # a server of nobody: it outlives the worker that happened to start it
        return
    for name in _IMPORTED:
        with contextlib.suppress(Exception):  # the command that needs it will say why
            importlib.import_module(name)
    for point, owner, _ in finding.find():
        if owner == finding.OURS:
            point.load()
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    os.mkfifo(folder / "alive")
    alive = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that look after others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(1, b"ready\n")
    os.dup2(0, 1)
    ready = selectors.DefaultSelector()
    for each in (listener, alive):
        ready.register(each, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj == alive:
                shutil.rmtree(folder)
                return
            connection, _ = listener.accept()
            if not os.fork():
                ready.close()
                listener.close()
                os.close(alive)
                _look_after(connection)
                return
            connection.close()


def _look_after(connection: socket.socket) -> None:
    """Fork the process that is asked for; return in that one when it is over, and never in the other."""
    asked, files, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    while more := connection.recv(1 << 20):
        asked += more
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        with contextlib.suppress(OSError):  # whoever asked may be gone
            connection.sendall(_ENDED.pack(pid))
            connection.sendall(_ENDED.pack(os.waitpid(pid, 0)[1]))
        os._exit(0)
    connection.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _become(json.loads(asked), files)


def _become(asked: Mapping[str, object], files: Sequence[int]) -> None:
    import runpy

    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[0] = asked["folder"]  # as of `python -m`
    sys.argv[1:] = asked["words"]
    if asked["code"] is None:
        runpy.run_module("sebsx", run_name="__main__", alter_sys=True)
        return
    sys.argv[0] = "-c"
    program = sys.modules["__main__"] = ModuleType("__main__")
    exec(asked["code"], vars(program))  # what a test gives to run


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
