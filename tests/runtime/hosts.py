"""Hosts that serve several calls at once in one process, as Knative or Azure Functions do, over plain HTTP."""

from __future__ import annotations

import http.client
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sebsx.contracts.platforms import Platform
from sebsx.errors import UnsupportedError
from sebsx.model import Deployment, FunctionConfig, Package, Target
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx.testing.handlers import unpack

PYTHON = textwrap.dedent("""
    import json, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    root = sys.argv[1]
    sys.path.insert(0, root)
    from sebsx_runtime.shim import LoadError, Shim
    shim = Shim(root)
    timeout_s = float(sys.argv[2])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers = []
            worker = threading.Thread(target=self.work, args=(event, answers), daemon=True)
            worker.start()
            worker.join(timeout_s)
            code, text = answers[0] if answers else (504, b"{}")
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def work(self, event, answers):
            try:
                shim.load()  # the host takes requests before the function is loaded
                answers.append((200, shim.invoke(event, self.headers["X-Sebsx-Request-Id"]).text.encode()))
            except LoadError as exc:
                answers.append((500, exc.text.encode()))

        def log_message(self, *_arguments): pass

    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
""")

NODEJS = textwrap.dedent("""
    const http = require('http');
    const root = process.argv[2];
    const { Shim } = require(`${root}/sebsx_runtime/shim.cjs`);
    const shim = new Shim(root);
    shim.watch();
    const server = http.createServer((request, response) => {
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', async () => {
        let answer;
        try {
          await shim.load(); // the host takes requests before the function is loaded
          answer = await shim.invoke(JSON.parse(Buffer.concat(pieces)), request.headers['x-sebsx-request-id']);
        } catch (error) {
          answer = error.answer;
        }
        response.end(answer.text);
      });
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
""")


class Host:
    """One process that serves a package; it is ended by `close`."""

    def __init__(self, root: Path, language: str = "python", timeout_s: float = 60.0) -> None:
        self._file = root / ("host.py" if language == "python" else "host.cjs")
        self._file.write_text(PYTHON if language == "python" else NODEJS)
        words = [sys.executable, "-I", "-S"] if language == "python" else ["node"]
        words += [str(self._file), str(root), str(timeout_s)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def post(self, body: bytes) -> bytes:
        """Return the answer of one call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/", body, {"X-Sebsx-Request-Id": "x"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def close(self) -> None:
        """End the process. Harmless twice."""
        self._process.kill()
        self._process.communicate()


class HostPlatform(Platform[Any]):
    """A platform with one sandbox per deployment, which starts with the process and loads with its first call."""

    name = "host"
    summary = "several calls at once in one process, behind plain HTTP"
    architectures = (HOST_ARCHITECTURE,)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._hosts: dict[str, Host] = {}

    def __exit__(self, *_exc: object) -> None:
        for host in self._hosts.values():
            host.close()

    def target(self, language: str, architecture: str) -> Target:
        """Return the interpreter that runs the test."""
        if language != "python":
            raise UnsupportedError(f"platform 'host' does not run {language!r}")
        return Target("python", f"{sys.version_info.major}.{sys.version_info.minor}", architecture=architecture)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Start a host of the package."""
        with self.ledger.creating("function", config.name):
            root = unpack(package, self.context.workdir / config.name)
            host = self._hosts[config.name] = Host(root, timeout_s=config.timeout_s)
        effective: Mapping[str, Any] = {
            "memory_mib": config.memory_mib,
            "timeout_s": config.timeout_s,
            "architecture": config.architecture,
        }
        return Deployment(config.name, config, effective=effective, endpoint=f"http://127.0.0.1:{host.port}/")

    def teardown(self, deployment: Deployment) -> None:
        """End the host."""
        if host := self._hosts.pop(deployment.id, None):
            host.close()
        self.ledger.deleted("function", deployment.id)
