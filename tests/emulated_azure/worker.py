"""Runs with Microsoft's worker library for Python: forks a worker for each line that it reads.

The library does with a package what it does at Azure: it looks for the functions in it, loads them, and invokes them,
by the messages of Azure's own protocol. What a host does around it is here: HTTP on one side, these messages on the
other. A line is `{"root", "environment", "log", "answer"}`; what comes through that pipe is `{"pid", "port",
"functions"}`, or `{"error"}`, or nothing of a worker that ended.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import azure_functions_runtime as runtime
import protos  # of the wheel that carries them among its tests
from azure_functions_runtime import handle_event
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


class Worker:
    """The functions of one app."""

    def __init__(self, root):
        self._root = root
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.functions = {}

    def load(self):
        """Find and load the functions; raises `ValueError` with what the library said."""
        runtime.start_threadpool_executor()
        wanted = SimpleNamespace(capabilities={}, function_app_directory=self._root)
        self._check(self._ask(handle_event.worker_init_request, worker_init_request=wanted))
        told = self._ask(handle_event.functions_metadata_request)
        self._check(told)
        for function in told.function_metadata_results:
            loading = SimpleNamespace(function_id=function.function_id, metadata=function)
            self._check(self._ask(handle_event.function_load_request, function_load_request=loading))
            bindings = [json.loads(text) for text in function.raw_bindings]
            [trigger] = [binding for binding in bindings if binding["type"] == "httpTrigger"]
            self.functions[trigger.get("route") or function.name] = {
                "id": function.function_id, "name": function.name, "argument": trigger["name"],
                "auth": trigger.get("authLevel", ""), "methods": trigger.get("methods") or [],
            }  # fmt: skip

    def __call__(self, environ, start):
        request = Request(environ)
        function = self.functions[request.path.strip("/")]
        headers = {name.lower(): value for name, value in request.headers.items()}
        http = protos.RpcHttp(
            method=request.method, url=request.url, headers=headers,
            body=protos.TypedData(bytes=request.get_data()),
        )  # fmt: skip
        wanted = protos.InvocationRequest(
            invocation_id=headers["x-emulated-invocation"], function_id=function["id"],
            input_data=[protos.ParameterBinding(name=function["argument"], data=protos.TypedData(http=http))],
        )  # fmt: skip
        told = self._ask(handle_event.invocation_request, invocation_request=wanted)
        if told.result.status != protos.StatusResult.Success:
            sys.stderr.write(told.result.exception.message + "\n")
            return Response(b"", 500)(environ, start)
        answer = told.return_value.http
        kind = answer.body.WhichOneof("data")
        data = getattr(answer.body, kind) if kind else b""
        body = data if isinstance(data, bytes) else data.encode()
        return Response(body, int(answer.status_code), headers=dict(answer.headers))(environ, start)

    def _ask(self, event, **parts):
        message = SimpleNamespace(
            request=SimpleNamespace(**parts), properties={"host": "127.0.0.1", "protos": protos}
        )  # fmt: skip
        return asyncio.run_coroutine_threadsafe(event(message), self._loop).result()

    @staticmethod
    def _check(told):
        if told.result.status != protos.StatusResult.Success:
            raise ValueError(told.result.exception.message)


def serve(wanted, answer):
    """Become a worker; the port, or what went wrong, is written to a pipe."""
    os.setsid()
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["root"])
    sys.path[:0] = [wanted["root"], wanted["root"] + "/.python_packages/lib/site-packages"]
    try:
        worker = Worker(wanted["root"])
        worker.load()
        server = make_server("127.0.0.1", 0, worker, threaded=True, request_handler=Quiet)
    except BaseException as exc:  # noqa: BLE001  # whatever it is, the parent waits for it
        os.write(answer, json.dumps({"error": f"{type(exc).__name__}: {exc}"}).encode())
        os._exit(1)
    told = {"pid": os.getpid(), "port": server.port, "functions": worker.functions}
    os.write(answer, json.dumps(told).encode())
    os.close(answer)
    server.serve_forever()


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.dont_write_bytecode = False  # a package is compiled for its first worker, not for each
    sys.pycache_prefix = str(Path.cwd() / "compiled")
    for line in sys.stdin:
        wanted = json.loads(line)
        answer = os.open(wanted["answer"], os.O_WRONLY)
        if os.fork() == 0:
            serve(wanted, answer)
            os._exit(0)
        os.close(answer)


main()
