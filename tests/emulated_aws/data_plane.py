"""Runs functions of the account: what moto was told, in sandboxes of sebsx's gateway, by AWS's own runtime client."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from sebsx.sandboxes import Gateway
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx.sandboxes.pool import PoolConfig
from tests.emulated_aws import containers, nodejs

if TYPE_CHECKING:
    from moto.awslambda.models import LambdaFunction

    from tests.emulated_aws.registry import Registry

LAUNCHER = "sebsx_local.launcher:LocalLauncher"
_INIT_TIMEOUT_S = 10.0  # of AWS Lambda, for an initialisation that starts with an invocation
_KEPT_S = 600.0  # an idle sandbox
_SLOWER = 6  # at least so much longer takes another architecture, behind qemu
MARGIN_S = 20.0


@dataclass(frozen=True)
class Outcome:
    """What one invocation came to.

    Args:
        status: As the gateway says: `ok`, `function_error`, `timeout`, `out_of_memory`, `throttled`, ...
        body: What the runtime client answered, or AWS's words for an end without an answer.
        record: The gateway's record: duration, initialisation, peak memory.
        sandbox: Its identity.
        log: What the function printed.
        restore_s: How long it took to restore the sandbox from a snapshot; None where it was not.
    """

    status: str
    body: bytes
    record: dict[str, Any]
    sandbox: str
    log: str
    restore_s: float | None = None


class DataPlane:
    """Sandboxes for every function and version of the account.

    Args:
        workdir: Folder of its own.
        endpoint: URL of the account, given to functions as `AWS_ENDPOINT_URL`.
        registry: Where images are.
    """

    def __init__(self, workdir: Path, endpoint: str, registry: Registry) -> None:
        self.provisioned: set[str] = set()  # names of functions
        self.snapshots: set[str] = set()  # names of functions whose versions start from one
        self._workdir = workdir
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._pools: dict[str, dict[str, Gateway]] = defaultdict(dict)  # function -> pool -> where it is
        self._deployed: dict[str, str] = {}  # pool -> digest of the configuration it has
        self._calls = urllib3.PoolManager(maxsize=64)
        self._images = containers.Images(registry)
        (workdir / "sandboxes").mkdir(parents=True, exist_ok=True)
        self._gateway = Gateway(
            LAUNCHER,
            {"workdir": str(workdir), "limits": "auto", "cpu_boost_at_init": True},
            workdir / "gateway.log",
        )
        self._containers: Gateway | None = None  # needs a Docker engine

    def start(self) -> None:
        """Start the gateway; the one of images is started when there is one."""
        self._gateway.start()

    def stop(self) -> None:
        """End the gateways and every sandbox."""
        self._calls.clear()
        self._gateway.stop()
        if self._containers is not None:
            self._containers.stop()
        self._images.close()

    def remove(self, name: str) -> None:
        """End the sandboxes of every version of a function."""
        with self._lock:
            for pool, gateway in self._pools.pop(name, {}).items():
                self._deployed.pop(pool, None)
                gateway.remove(pool)

    def clear(self) -> None:
        """End every sandbox."""
        self.provisioned.clear()
        self.snapshots.clear()
        for name in list(self._pools):
            self.remove(name)
        self._images.clear()

    def invoke(self, function: LambdaFunction, event: bytes, request_id: str, idle_s: float) -> Outcome:
        """Invoke a version of a function as it is configured now; its idle sandboxes are kept for a time."""
        gateway, pool = self._ready(function, idle_s)
        headers = {"X-Sebsx-Request-Id": request_id, "Content-Type": "application/json"}
        response = self._calls.request(
            "POST", gateway.endpoint(pool), body=event or b"{}", headers=headers, retries=False,
            timeout=float(function.timeout) + _init_timeout_s(function) + MARGIN_S,
        )  # fmt: skip
        status = response.headers.get("X-Sebsx-Status", "platform_error")
        with self._lock:
            records = gateway.records(pool, [request_id])
            logs = gateway.logs(pool)
        record = records.get(request_id, {"duration_s": 0.0, "init_s": None, "billed_s": 0.0, "max_memory_bytes": None})
        sandbox = str(record.get("sandbox", ""))
        log = logs.get(sandbox, "")
        restore_s = record["init_s"] if self._has_snapshot(function) else None
        return Outcome(status, _words(status, response.data, request_id, function), record, sandbox, log, restore_s)

    def _has_snapshot(self, function: LambdaFunction) -> bool:
        return function.function_name in self.snapshots and str(function.version) != "$LATEST"

    def _ready(self, function: LambdaFunction, idle_s: float) -> tuple[Gateway, str]:
        """Return where a function is and its pool there, deployed anew when its code or configuration changed."""
        arn = function.function_arn
        pool = hashlib.sha256(f"{arn}:{function.version}".encode()).hexdigest()[:24]
        digest = hashlib.sha256(
            json.dumps(
                [function.code_digest, function.environment_vars, function.memory_size, function.timeout,
                 function.handler, function.last_modified],
                sort_keys=True,
            ).encode()
        ).hexdigest()  # fmt: skip
        with self._lock:
            if self._deployed.get(pool) != digest:
                gateway = self._gateway_of(function)
                gateway.deploy(self._config(pool, function, idle_s))
                self._deployed[pool] = digest
                self._pools[function.function_name][pool] = gateway
            return self._pools[function.function_name][pool], pool

    def _gateway_of(self, function: LambdaFunction) -> Gateway:
        if function.package_type != "Image":
            return self._gateway
        if self._containers is None:
            self._containers = Gateway(containers.LAUNCHER, containers.OPTIONS, self._workdir / "containers.log")
            self._containers.start()
        return self._containers

    def _config(self, pool: str, function: LambdaFunction, idle_s: float) -> PoolConfig:
        kind, program = "on-demand", ["-m", "awslambdaric"]
        if function.function_name in self.provisioned:
            kind = "provisioned-concurrency"
        elif self._has_snapshot(function):
            kind, program = "snap-start", [str(Path(__file__).with_name("restored.py"))]
        environment = {
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ACCESS_KEY_ID": "ASIAEMULATEDFUNCTION",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "AWS_SESSION_TOKEN": "emulated",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
            "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": time.strftime("%Y/%m/%d/[$LATEST]emulated"),
        }
        if function.package_type == "Image":
            options: dict[str, Any] = {"image": self._images.pull(function.code["ImageUri"])}
        else:
            root = self._unpacked(function)
            if function.run_time.startswith("nodejs"):
                command = [shutil.which("node") or "node", str(nodejs.CLIENT), str(nodejs.client_of_aws())]
            else:
                interpreter = interpreter_of(function.run_time)
                command = [interpreter, *program]
                environment["PYTHONPATH"] = str(self._client_of_aws(interpreter))
            options = {"command": [*command, str(function.handler)], "root": str(root)}
            environment |= {
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
                "LAMBDA_TASK_ROOT": str(root),
                "LAMBDA_RUNTIME_DIR": str(root),
                "_HANDLER": str(function.handler),
            }
        environment |= {key: str(value) for key, value in function.environment_vars.items()}
        concurrency = function.reserved_concurrency
        return PoolConfig(
            pool, int(function.memory_size), float(function.timeout), _init_timeout_s(function),
            100 if concurrency is None else int(concurrency), keep_alive_s=min(idle_s, _KEPT_S),
            environment=environment, options=options,
        )  # fmt: skip

    def _client_of_aws(self, interpreter: str) -> Path:
        """Return a folder with AWS's runtime client for an interpreter; ours is installed."""
        if interpreter == sys.executable:
            found = importlib.util.find_spec("awslambdaric")
            assert found is not None
            assert found.origin is not None
            return Path(found.origin).parent.parent
        folder = self._workdir / "awslambdaric" / hashlib.sha256(interpreter.encode()).hexdigest()[:8]
        if not folder.exists():
            command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", interpreter, "--target"]
            subprocess.run([*command, str(folder), "awslambdaric>=4,<5"], check=True)
        return folder

    def _unpacked(self, function: LambdaFunction) -> Path:
        root = self._workdir / "code" / hashlib.sha256(function.code_digest.encode()).hexdigest()[:24]
        if not root.exists():
            partial = root.with_suffix(".partial")
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(partial)
            partial.rename(root)
        return root


def _init_timeout_s(function: LambdaFunction) -> float:
    emulated = function.package_type == "Image" and function.architectures[0] != HOST_ARCHITECTURE
    return _INIT_TIMEOUT_S * (_SLOWER if emulated else 1)


def restore_report(outcome: Outcome) -> str:
    """Return the line that AWS Lambda logs before the START of an invocation that restored a sandbox, if this did."""
    if outcome.restore_s is None:
        return ""
    return f"RESTORE_REPORT Restore Duration: {outcome.restore_s * 1000:.2f} ms\n"


def report(outcome: Outcome, function: LambdaFunction, request_id: str) -> str:
    """Return the REPORT line that AWS Lambda would log: tab-separated, optional fields at the end.

    What restoring costs outside of the sandbox is not billed; here that is half of it.
    """
    record = outcome.record
    used = record["max_memory_bytes"]
    billed_ms, restoring = (record["billed_s"] or 0.0) * 1000, []
    if outcome.restore_s is not None:
        restore_ms = outcome.restore_s * 1000
        billed_restore_ms = math.ceil(restore_ms / 2)
        billed_ms = math.ceil((record["duration_s"] or 0.0) * 1000) + billed_restore_ms
        restoring = [f"Restore Duration: {restore_ms:.2f} ms", f"Billed Restore Duration: {billed_restore_ms} ms"]
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {(record['duration_s'] or 0.0) * 1000:.2f} ms",
        f"Billed Duration: {billed_ms:.0f} ms",
        f"Memory Size: {function.memory_size} MB",
        f"Max Memory Used: {function.memory_size if used is None else max(1, used // 2**20)} MB",
    ]
    fields += restoring
    if record["init_s"] is not None and not restoring:
        fields.append(f"Init Duration: {record['init_s'] * 1000:.2f} ms")
    if outcome.status == "timeout":
        fields.append("Status: timeout")
    elif outcome.status in {"out_of_memory", "platform_error"}:
        fields.append("Status: error\tError Type: Runtime.ExitError")
    elif outcome.status == "function_error":
        fields.append("Status: error\tError Type: Runtime.Unhandled")
    return "\t".join(fields) + "\t\n"


def _words(status: str, body: bytes, request_id: str, function: LambdaFunction) -> bytes:
    """Return the body with AWS's words where no runtime client was left to answer."""
    if status == "timeout":
        text = f"RequestId: {request_id} Error: Task timed out after {float(function.timeout):.2f} seconds"
        return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text}).encode()
    if status in {"out_of_memory", "platform_error"}:
        signal = "signal: killed" if status == "out_of_memory" else "exit status 1"
        text = f"RequestId: {request_id} Error: Runtime exited with error: {signal}"
        return json.dumps({"errorType": "Runtime.ExitError", "errorMessage": text}).encode()
    return body


def interpreter_of(runtime: str) -> str:
    """Return the interpreter for a managed runtime (`python3.12`) on this machine; our own where there is none.

    Without it, functions without native dependencies run all the same.
    """
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    version = runtime.removeprefix("python")
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    # Shims of version managers are on the path whether or not there is an interpreter behind them.
    found = [path for path in (shutil.which(runtime),) if path and "shims" not in path]
    return next(iter([*map(str, installed), *found]), sys.executable)
