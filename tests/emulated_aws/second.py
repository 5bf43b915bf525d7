"""A second account, by other hands: MiniStack as a process of its own, on loopback, without Docker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

from tests.installed import installed

# It pins its SDK, so that it is not in the environment of the tests.
_MINISTACK = "ministack==1.5.33"
REGION = "us-east-1"
_STARTS_WITHIN_S = 60.0


class SecondAccount:
    """MiniStack, which shares no code with moto: what it says of a request is a judgement of its own.

    Args:
        workdir: Folder of its own.

    Attributes:
        url: Where it answers, once it was entered.
    """

    def __init__(self, workdir: Path) -> None:
        self._workdir = workdir
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead clients to it."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "AKIAOFTHESECONDONE00",
            "AWS_SECRET_ACCESS_KEY": "second",
        }  # fmt: skip

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        own = {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(self._workdir),
            "HOME": str(self._workdir), "LAMBDA_EXECUTOR": "local", "MINISTACK_REGION": REGION,
            "PYTHONPATH": str(installed("ministack", _MINISTACK)),
        }  # fmt: skip
        with (self._workdir / "ministack.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"], cwd=self._workdir, env=others | own, start_new_session=True,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        ends_s = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, (self._workdir / "ministack.log").read_text(errors="replace")
            assert time.monotonic() < ends_s, "MiniStack does not answer"
            time.sleep(0.1)
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)  # with its workers
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
