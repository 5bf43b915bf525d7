"""Functions in Node.js on the local platform, from a few lines of code each."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sebsx.model import Deployment, FunctionConfig, Package
from sebsx.testing.contexts import context_for
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from sebsx_nodejs.language import NodejsLanguage
from sebsx_process.collector import ProcessCollector
from tests.platforms.local.conftest import Local


class Node(Local):
    """The platform, and a folder for packages."""

    def function(
        self,
        code: str,
        *,
        memory_mib: int = 256,
        timeout_s: float = 30.0,
        file: str = "function.js",
        collectors: Mapping[str, bytes] | None = None,
        **files: str,
    ) -> Deployment:
        """Deploy code; `files` are more of them, with `__` for a dot."""
        shipped = {"process": ProcessCollector().source("nodejs") or b""} if collectors is None else collectors
        manifest = {"schema": 1, "handler": "function.handler", "collectors": sorted(shipped)}
        contents: dict[str, bytes] = {
            **NodejsLanguage().runtime_files(),
            **self.platform.wrapper_files("nodejs"),
            **{f"sebsx_collectors/{name}.cjs": source for name, source in shipped.items()},
            **{name.replace("__", "."): text.encode() for name, text in files.items()},
            "sebsx.json": json.dumps(manifest).encode(),
            file: code.encode(),
        }
        digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()
        path = self.folder / f"{digest}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        target = self.platform.target("nodejs", self.platform.architectures[0])
        size = path.stat().st_size
        package = Package(
            path=path,
            sha256=digest,
            bytes=size,
            unpacked_bytes=size,
            content_hash=digest,
            target=target,
            benchmark="test",
            benchmark_version="1",
            build_s=0.0,
            cached=True,
        )
        config = FunctionConfig(
            f"f-{digest[:16]}", memory_mib=memory_mib, timeout_s=timeout_s, architecture=target.architecture
        )
        return self.platform.deploy(package, config)

    def answer(self, code: str, event: Any = None, **options: Any) -> Any:
        """Return the body of one invocation of some code."""
        return self.call(self.function(code, **options), event)[1]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A platform for all tests of this folder."""
    if NodejsLanguage().host_version() is None:
        pytest.skip("this machine has no Node.js")
    folder = tmp_path_factory.mktemp("node")
    with LocalPlatform(LocalSettings(), context_for(LocalPlatform, folder / "work")) as platform:
        yield Node(platform, folder)
