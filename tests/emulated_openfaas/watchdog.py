"""of-watchdog in its mode `http`, by its contract: starts the function's process and hands requests to it.

Runs as a program of its own (`/fwatchdog` of a test image), or in the process of the stand-in. Until the process
listens, and when it has ended, calls are answered with 500; too many at once with 429; what takes too long with 504.
"""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INTERNAL = "X-OpenFaaS-Internal"


class Watchdog:
    """One replica: a process, and the server in front of it.

    Args:
        environment: All variables of the container.
        folder: Where the process is started.
        port: Of this server; 0 for any.
        host: Where it listens.
    """

    def __init__(self, environment, folder, port=0, host="127.0.0.1"):
        self.log = []
        self.environment = environment
        self.timeout_s = seconds(environment.get("exec_timeout", "10s"))
        self.most = int(environment.get("max_inflight", 0))
        self.upstream = int(environment["upstream_url"].rpartition(":")[2])
        self._in_flight = 0
        self._lock = threading.Lock()
        self.server = Server((host, port), type("Handler", (Handler,), {"owner": self}))
        self.port = self.server.server_address[1]
        self.process = subprocess.Popen(
            shlex.split(environment["fprocess"]),
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL if folder else None,
        )

    def start(self):
        """Serve in a thread."""
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """End the process and the server."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()

    def wait(self):
        """Return when the process listens, or after a while."""
        until_s = time.monotonic() + 10
        while time.monotonic() < until_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.upstream)) == 0:
                    return
            time.sleep(0.005)

    def call(self, method, path, headers, body):
        """Return status, headers and body of a call; the question for its health calls nothing."""
        if path == "/_/health":
            return 200, {}, b"OK"
        with self._lock:
            if self.most and self._in_flight >= self.most:
                said = "Concurrent request limit exceeded. Max concurrent requests: %d\n" % self.most
                return 429, {INTERNAL: "of-watchdog"}, said.encode()
            self._in_flight += 1
        began_s = time.perf_counter()
        try:
            status, found, data = self._forward(method, path, headers, body)
        finally:
            with self._lock:
                self._in_flight -= 1
        spent_s = time.perf_counter() - began_s
        line = "%s %s - %d OK - ContentLength: %dB (%.4fs) [%s]" % (
            method,
            path.partition("?")[0],
            status,
            len(data),
            spent_s,
            headers.get("X-Call-Id") or "none",
        )
        self.log.append((time.time(), line))
        return status, {**found, "X-Duration-Seconds": "%f" % spent_s}, data

    def _forward(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=self.timeout_s)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() == "content-type"}
            return response.status, kept, response.read()
        except TimeoutError:
            return 504, {}, b""
        except (OSError, http.client.HTTPException):
            return 500, {INTERNAL: "of-watchdog"}, b""
        finally:
            connection.close()


class Handler(BaseHTTPRequestHandler):
    """Takes what the gateway sends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    owner = None

    def do_POST(self):
        """Hand on a call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        names = ("Content-Type", "X-Call-Id", "X-Start-Time")
        passed = {name: self.headers[name] for name in names if self.headers[name]}
        status, headers, data = self.owner.call(self.command, self.path, passed, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST  # noqa: N815  # names of the library

    def log_message(self, *_arguments):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Does without the name of this machine, which some resolvers take seconds for."""

    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        """Bind."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, *_arguments):
        """A client that gives up is part of the tests."""


def seconds(text):
    """Return a duration as Go writes it."""
    return float(text[:-1]) if text.endswith("s") else float(text)


if __name__ == "__main__":
    watchdog = Watchdog(dict(os.environ), None, int(os.environ.get("port", 8080)), "0.0.0.0")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watchdog.server.serve_forever()
