"""Runs in an interpreter with Google's functions framework: forks an instance for each line that it reads.

The framework makes the app of the package just as its command does; what is left out is the time to import it, which
this machine would spend a hundred times. A line is `{"source", "target", "environment", "log"}`; the answer is
`{"pid", "port"}`, or `{"error"}` where the function cannot be loaded.
"""

import json
import os
import signal
import sys
from pathlib import Path

import functions_framework
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def instance(wanted, answer):
    """Become an instance; the port, or what went wrong, is written to a pipe."""
    os.setsid()
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(Path(wanted["source"]).parent)
    try:
        app = functions_framework.create_app(wanted["target"], wanted["source"])
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    except BaseException as exc:  # noqa: BLE001  # whatever it is, the parent waits for it
        os.write(answer, json.dumps({"error": f"{type(exc).__name__}: {exc}"}).encode())
        os._exit(1)
    os.write(answer, json.dumps({"pid": os.getpid(), "port": server.port}).encode())
    os.close(answer)
    server.serve_forever()


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            instance(json.loads(line), writer)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read()
        sys.stdout.write((told.decode() or '{"error": "ended"}') + "\n")
        sys.stdout.flush()


main()
