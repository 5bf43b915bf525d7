"""The driver's side of the channels that come with the experiment; the functions' side lies in `shipped/channels`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.channels import Channel
from sebsx.errors import UnsupportedError
from sebsx.model import Capability
from sebsx.settings import setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment

MIB = 2**20
# Amazon DynamoDB: an item has at most 400 KB; a write unit is 1 KB, a consistent read unit 4 KB (2026-09,
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html). Other tables have more.
_TABLE_BYTES = 300_000
_WRITE_UNIT, _READ_UNIT = 1024, 4096
# Redis refuses values above 512 MiB (proto-max-bulk-len); this is what a function can be expected to hold twice.
_REDIS_BYTES = 64 * MIB
_TCP_BYTES = 64 * MIB
_OBJECT_BYTES = 64 * MIB
PASSWORD = "SEBSX_REDIS_PASSWORD"  # noqa: S105  # the name of a variable


class _Shipped(Channel[Any]):
    """A channel whose function's side is a file of this plugin."""

    def source(self, language: str) -> bytes | None:
        """Return the module; there is one for Python only."""
        if language != "python":
            return None
        return (files("sebsx_communication") / "shipped" / "channels" / f"{self.name}.py").read_bytes()


class StorageChannel(_Shipped):
    """Object storage."""

    name = "storage"
    summary = "objects of the platform's storage, polled for"
    needs = frozenset({Capability.STORAGE})
    message_bytes = _OBJECT_BYTES

    def charges(self, operations: Mapping[str, float], message_bytes: int) -> Mapping[str, float]:
        """Return requests; unanswered ones are billed too."""
        return {"object.put": operations.get("put", 0), "object.get": operations.get("get", 0)}

    def clean(self, platform: Platform[Any], session: str) -> None:
        """Delete the objects."""
        platform.storage().delete(f"{session}/")


class TableChannel(_Shipped):
    """Key-value table."""

    name = "table"
    summary = "items of the platform's table, polled for; at most 300 kB"
    needs = frozenset({Capability.TABLE})
    message_bytes = _TABLE_BYTES

    def charges(self, operations: Mapping[str, float], message_bytes: int) -> Mapping[str, float]:
        """Return units of reading and writing: an empty poll reads one, and each message is deleted in the end."""
        stored = ceil(message_bytes / 3) * 4 + 100  # in base64, with its keys
        write, read = ceil(stored / _WRITE_UNIT), ceil(stored / _READ_UNIT)
        puts, polls = operations.get("put", 0), operations.get("poll", 0)
        found = operations.get("get", 0) - polls
        return {"table.write": write * (puts + found), "table.read": read * found + polls}


@dataclass(frozen=True)
class RedisSettings:
    """Where Redis is."""

    address: str = setting("", help="host:port as functions reach it; the password is read from SEBSX_REDIS_PASSWORD")

    def __post_init__(self) -> None:
        if self.address and not self.address.rpartition(":")[2].isdecimal():
            raise ValueError(f"address {self.address!r} must be host:port")


class RedisChannel(_Shipped):
    """A Redis server of the user's."""

    name = "redis"
    summary = "lists of a Redis server that you name: -s options=redis.address=HOST:PORT"
    Settings: ClassVar[type[Any]] = RedisSettings
    message_bytes = _REDIS_BYTES

    def refusal(self, platform: Platform[Any], message_bytes: int) -> str | None:
        """Return what stands against it: without a server there is none."""
        if not self.settings.address:
            return "channel 'redis' has no server; name one: --channel-settings redis.address=HOST:PORT"
        return super().refusal(platform, message_bytes)

    def parameters(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, Any]:
        """Return address and password."""
        password = os.environ.get(PASSWORD)
        return {"address": self.settings.address, **({"password": password} if password else {})}


@dataclass(frozen=True)
class TcpSettings:
    """Where the ends meet, if not where they find each other by themselves."""

    listen: str = setting("", help="host:port on which the consumer listens; default: its own address and a free port")
    connect: str = setting("", help="host:port to which the producer connects; default: where the consumer listens")

    def __post_init__(self) -> None:
        for word in (self.listen, self.connect):
            if word and not word.rpartition(":")[2].isdecimal():
                raise ValueError(f"{word!r} must be host:port")


class TcpChannel(_Shipped):
    """A connection from sandbox to sandbox."""

    name = "tcp"
    summary = "a TCP connection between the sandboxes, where one can reach the other"
    Settings: ClassVar[type[Any]] = TcpSettings
    needs = frozenset({Capability.STORAGE})  # through which they learn where the other is
    message_bytes = _TCP_BYTES

    def parameters(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, Any]:
        """Return the addresses that were set."""
        return {"listen": self.settings.listen, "connect": self.settings.connect}

    def clean(self, platform: Platform[Any], session: str) -> None:
        """Delete what they met through."""
        platform.storage().delete(f"{session}/")


class PayloadChannel(_Shipped):
    """The invocation itself."""

    name = "payload"
    summary = "the payload of an invocation: the producer invokes the consumer by its URL"
    message_bytes = _TCP_BYTES
    paired = False

    def refusal(self, platform: Platform[Any], message_bytes: int) -> str | None:
        """Return what stands against it: the platform's limit counts base64 and the JSON around it."""
        most = (platform.payload_bytes - 1024) * 3 // 4
        if message_bytes > most:
            return f"channel 'payload' takes messages of at most {most} bytes on {platform.name!r}"
        return super().refusal(platform, message_bytes)

    def parameters(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, Any]:
        """Return the URL of the consumer."""
        if deployment.endpoint is None:
            raise UnsupportedError(f"channel 'payload' needs an HTTP endpoint; {platform.name!r} gives none")
        return {"url": deployment.endpoint, "headers": dict(deployment.headers)}

    def charges(self, operations: Mapping[str, float], message_bytes: int) -> Mapping[str, float]:
        """Return invocations; the time of both functions is counted apart, as for every channel."""
        return {"request": operations.get("invoke", 0)}


CHANNELS = (StorageChannel, TableChannel, RedisChannel, TcpChannel, PayloadChannel)
