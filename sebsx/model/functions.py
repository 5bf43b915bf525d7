"""What is deployed: packages, what is asked of a platform, and what it answers."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model.hashing import is_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.model.offers import Scalar


@dataclass(frozen=True, slots=True)
class Target:
    """What a package is built for.

    Args:
        language: Name of a registered language, e.g. `python`.
        version: Version of the language, e.g. `3.12`.
        architecture: `x86_64` or `arm64`.
        binaries: Binary interface of native dependencies, as the language names it: for Python a
            platform tag without the architecture (`manylinux_2_28`); empty for "any".
    """

    language: str
    version: str
    _: KW_ONLY
    architecture: str
    binaries: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a package says of itself in `sebsx.json`, for the shim and for the platform that lays it out.

    Args:
        handler: What the shim calls, in the form of its language.
        benchmark: Name of the benchmark.
        benchmark_version: Version from its manifest.
        language: Name of the language.
        language_version: Its version, as the target says.
        architecture: `x86_64` or `arm64`.
        collectors: Modules of the collectors that are shipped.
        function: Which of the benchmark's functions; empty where it has one.
        variant: Which of its variants; empty for none.
    """

    handler: str
    benchmark: str
    benchmark_version: str
    language: str
    language_version: str
    architecture: str
    collectors: tuple[str, ...] = ()
    function: str = ""
    variant: str = ""

    def encode(self) -> bytes:
        """Return it as the file; what is empty for want of functions and variants is left out."""
        said = {key: value for key, value in asdict(self).items() if value or key not in ("function", "variant")}
        return json.dumps({"schema": 1, **said}, sort_keys=True, indent=1).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A built function: code, shim, collectors, wrapper and dependencies in one deterministic zip.

    Args:
        path: The zip file in the package cache.
        sha256: Digest of the zip.
        bytes: Size of the zip.
        unpacked_bytes: Size of its contents.
        content_hash: Digest of everything that goes in (not of what comes out); the cache key.
        target: What it was built for.
        benchmark: Name of the benchmark.
        benchmark_version: Version from its manifest.
        build_s: Time the build took; 0 when it came from the cache.
        cached: Whether it came from the cache.
        requirements: Dependencies as resolved, `name==version`.
    """

    path: Path
    sha256: str
    bytes: int
    unpacked_bytes: int
    content_hash: str
    target: Target
    benchmark: str
    benchmark_version: str
    build_s: float
    cached: bool
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """What is asked of the platform for one deployment.

    Args:
        name: Name of the function on the platform; unique per run.
        memory_mib: Provisioned memory, one of the sizes offered; 0 where it is not ours to choose, or unknown.
        timeout_s: Time after which the platform must end an invocation.
        architecture: `x86_64` or `arm64`.
        options: What was asked for beside these, as the platform offers it; for every other option its default holds.
        environment: Variables for the function.
    """

    name: str
    _: KW_ONLY
    memory_mib: int
    timeout_s: float
    architecture: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is asked of a platform for a function that somebody else deployed.

    Args:
        platform: Name of the platform.
        address: As the user names it: an identifier of the platform, or a URL. May hold a secret: never stored.
        subject: Its name without secrets (`Platform.subject_of`).
        config: For a copy its name, memory, time-out and architecture; 0 and "" leave what the function has.
        copy: Measure a copy that is made for it, rather than the function.
        in_place: Change the function, and put it back.
        force: Copy code to another architecture even where it does not look as if it would run there.
        method: HTTP method, where the address is a URL.
        headers: Sent with every invocation of a URL; never stored.
    """

    platform: str
    address: str
    _: KW_ONLY
    subject: str
    config: FunctionConfig
    copy: bool = False
    in_place: bool = False
    force: bool = False
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """One short line for progress."""
        how = "a copy of " if self.copy else ""
        size = f" with {self.config.memory_mib} MiB" if self.config.memory_mib else ""
        return f"{how}{self.subject} on {self.platform}{size}"


# What of a deployment's configuration has a column of its own.
_EFFECTIVE: dict[str, Any] = {
    "memory_mib": int | float | None,
    "timeout_s": int | float | None,
    "architecture": str | None,
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A function that a platform runs for us.

    Args:
        id: The platform's identifier (an ARN, a URL, a name).
        config: What was asked for.
        effective: What the platform REPORTS BACK, under the names of `FunctionConfig` (`memory_mib`,
            `timeout_s`, `architecture`) and of its options, plus facts of its own (region, runtime, limits applied).
        endpoint: URL for HTTP invocations; None where only the platform's own `invoke` reaches it.
        headers: Sent with every HTTP invocation; never stored.
        region: Where it runs, as the platform names it; empty on this machine.
        method: HTTP method of invocations.
        adopted: Whether it came by `adopt`: its code is not ours, so that what it answers is taken as it is.
        deployed_sha256: SHA-256 in hex of what runs, as the platform reports it back (a zip, an image); empty where
            that is the package as it was built.

    Raises:
        ValueError: If what is in force cannot be stored.
    """

    id: str
    config: FunctionConfig
    _: KW_ONLY
    effective: Mapping[str, Any]
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    method: str = "POST"
    adopted: bool = False
    deployed_sha256: str = ""

    def __post_init__(self) -> None:
        for name, value in self.effective.items():
            if not (isinstance(value, _EFFECTIVE.get(name, object)) and is_json(value)):
                raise ValueError(f"a deployment cannot be stored with {name} = {value!r}")
