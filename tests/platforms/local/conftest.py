"""An open local platform, and short words for what tests do with it and other platforms behind the gateway."""

from __future__ import annotations

import dataclasses
import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sebsx.model import Deployment, FunctionConfig, Reply
from sebsx.sandboxes.platforms import GatewayPlatform
from sebsx.testing.contexts import context_for
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from tests.packages import zip_package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Local:
    """The platform and a folder for packages."""

    platform: GatewayPlatform[Any]
    folder: Path

    def deploy(self, code: str, memory_mib: int = 512, timeout_s: float = 30.0, **more: Any) -> Deployment:
        name = f"f-{uuid4().hex[:8]}"
        wrapper = self.platform.wrapper_files("python")["sebsx_wrapper.py"]
        architecture = self.platform.architectures[0]
        package = zip_package(self.folder / f"{name}.zip", architecture, code, sebsx_wrapper__py=wrapper)
        package = dataclasses.replace(package, target=self.platform.target("python", architecture))
        return self.platform.deploy(
            package, FunctionConfig(name, memory_mib=memory_mib, timeout_s=timeout_s, architecture=architecture, **more)
        )

    def call(self, deployment: Deployment, event: Any = None) -> tuple[Reply, Any]:
        """Return the reply and its decoded body."""
        assert deployment.endpoint is not None
        address, _, path = deployment.endpoint.removeprefix("http://").partition("/")
        request_id = uuid4().hex
        connection = http.client.HTTPConnection(address, timeout=60)
        sent_s = time.time()
        connection.request("POST", f"/{path}", json.dumps(event).encode(), {"X-Sebsx-Request-Id": request_id})
        response = connection.getresponse()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        done_s = time.time()
        reply = Reply(
            request_id,
            intended_s=sent_s,
            sent_s=sent_s,
            connected_s=None,
            first_byte_s=done_s,
            done_s=done_s,
            http_status=response.status,
            headers=headers,
            body=body,
            bytes_out=0,
        )
        return reply, json.loads(body)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A platform for all tests of a module."""
    yield from open_local(tmp_path_factory.mktemp("local"))


def open_local(folder: Path, **settings: Any) -> Iterator[Local]:
    with LocalPlatform(LocalSettings(**settings), context_for(LocalPlatform, folder / "work")) as platform:
        yield Local(platform, folder)
