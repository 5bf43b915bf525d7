"""The server behind of-watchdog (mode `http`): hands requests to the shim and answers with its envelope.

The function is loaded by its first call, so that this call is cold as far as the function goes: the container was
started by its deployment, long before.
"""

import json
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = os.path.dirname(os.path.abspath(__file__))
SECRETS = os.environ.get("SEBSX_SECRETS", "/var/openfaas/secrets")

sys.path[:] = [ROOT] + [path for path in sys.path if path != ROOT]
os.chdir(ROOT)

from sebsx_runtime.shim import LoadError, Shim  # noqa: E402  # found below the root alone

shim = Shim(ROOT)


def add_secret():
    """Take over the variables that a secret holds: credentials are in no configuration that the gateway shows."""
    if os.environ.get("SEBSX_SECRET"):
        with open(os.path.join(SECRETS, os.environ["SEBSX_SECRET"]), "rb") as file:
            os.environ.update(json.load(file))


def answer_to(body, request_id):
    """Return the envelope of a call, as JSON."""
    try:
        shim.load()
    except LoadError as exc:
        return exc.text
    timeout_s = os.environ.get("SEBSX_TIMEOUT_S")
    deadline_s = time.time() + float(timeout_s) if timeout_s else None
    return shim.invoke(json.loads(body or b"null"), request_id, deadline_s).text


class CallHandler(BaseHTTPRequestHandler):
    """Takes what the watchdog sends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_POST(self):
        """Answer a call; the question whether this server is there calls nothing."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("?sebsx=ready"):
            self.say(200, json.dumps({"ready": os.environ.get("SEBSX_NONCE", "")}))
            return
        try:
            text = answer_to(body, self.headers.get("X-Call-Id", ""))
        except ValueError:
            self.say(400, '{"error":{"type":"Sebsx.EventNotJson","message":"the event is not JSON","traceback":""}}')
            return
        self.say(200, text)

    def say(self, status, text):
        """Send an answer."""
        data = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments):
        """Say nothing: the watchdog logs calls."""


class CallServer(ThreadingHTTPServer):
    """Does without the name of this machine, which some resolvers take seconds for."""

    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        """Bind."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


if __name__ == "__main__":
    add_secret()
    port = int(os.environ.get("upstream_url", ":5000").rpartition(":")[2].strip("/"))  # noqa: SIM112  # of-watchdog's
    CallServer(("127.0.0.1", port), CallHandler).serve_forever()
