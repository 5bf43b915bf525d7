"""An action container for Python: `/init` once, `/run` for each activation, markers behind what was printed.

As the proxy of OpenWhisk's own image does it: the action's `__main__.py` becomes the module `main__`, which a launcher
imports in a process of its own; activations are lines on its standard input, and results lines on another pipe.
"""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

MARKER = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
LAUNCHER = """
from sys import stdin, stdout, stderr
import json, os, sys, traceback
from main__ import {main} as main
out = os.fdopen(int(sys.argv[1]), "wb")
out.write(b'{{"ok": true}}\\n')
out.flush()
while True:
    line = stdin.readline()
    if not line:
        break
    arguments = json.loads(line)
    payload = arguments.pop("value", {{}})
    for key, value in arguments.items():
        os.environ["__OW_" + key.upper()] = str(value)
    try:
        result = main(payload)
    except Exception as exc:
        print(traceback.format_exc(), file=stderr)
        result = {{"error": str(exc)}}
    out.write(json.dumps(result, ensure_ascii=False).encode("utf-8") + b"\\n")
    stdout.flush()
    stderr.flush()
    out.flush()
"""


class Action:
    """The action of this container."""

    def __init__(self):
        self.process = None
        self.results = None

    def initialise(self, value):
        """Return status and answer."""
        if self.process is not None:
            return 403, {"error": "Cannot initialize the action more than once."}
        folder = os.path.join(os.getcwd(), "action")
        if value.get("binary"):
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(value["code"]))) as archive:
                archive.extractall(folder)
            if not os.path.exists(os.path.join(folder, "__main__.py")):
                return 502, {"error": "Zip file does not include __main__.py"}
            os.rename(os.path.join(folder, "__main__.py"), os.path.join(folder, "main__.py"))
        else:
            os.mkdir(folder)
            with open(os.path.join(folder, "main__.py"), "w", encoding="utf-8") as file:
                file.write(value["code"])
        with open(os.path.join(folder, "exec__.py"), "w", encoding="utf-8") as file:
            file.write(LAUNCHER.format(main=value.get("main") or "main"))
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "exec__.py", str(writing)], cwd=folder, stdin=subprocess.PIPE, pass_fds=(writing,)
        )
        os.close(writing)
        self.results = os.fdopen(reading, "rb")
        if not self.results.readline():
            return 502, {"error": "The action did not initialize or run as expected. Check logs."}
        return 200, {"ok": True}

    def run(self, request):
        """Return status and answer."""
        if self.process is None:
            return 500, {"error": "no action defined yet"}
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.results.readline()
        except OSError:
            line = b""
        print(MARKER, flush=True)
        print(MARKER, file=sys.stderr, flush=True)
        if not line:
            return 400, {"error": "command exited"}
        result = json.loads(line)
        if not isinstance(result, dict):
            return 502, {"error": "The action did not return a dictionary."}
        return 200, result


class Handler(BaseHTTPRequestHandler):
    """Takes what an invoker sends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    action = Action()

    def do_POST(self):
        """Initialise or run."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        work = self.action.initialise if self.path == "/init" else self.action.run
        status, answer = work(body.get("value", {}) if self.path == "/init" else body)
        data = json.dumps(answer, ensure_ascii=False).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments):
        """Say nothing: the log is the action's."""


class Server(HTTPServer):
    """Does without the name of this machine, which some resolvers take seconds for."""

    def server_bind(self):
        """Bind."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
