"""The contract of a channel: a way in which two functions that run at the same time send each other messages.

The class is the driver's side: limits, settings, and what a message is billed. The function's side is a module that is
shipped as `sebsx_channels/<name>.py` (`-` as `_`) beside what measures it, standard library only, Python 3.9:

    from sebsx_channels import End, Lost, Unreachable

    def connect(role, context, session, parameters):
        \"\"\"Return an `End`; `role` is producer or consumer, `session` a word that no other pair has.\"\"\"

    class MyEnd(End):
        def send(self, number, data): ...            # number the message; sending one again must be harmless
        def receive(self, number, timeout_s): ...    # return the bytes, or raise Lost when the time is over
        def close(self, clean): ...                  # remove what was received, and unless clean what was sent

An `End` counts what is billed by `self.count(name)`, and polls through `self.poll(ask, timeout_s)`. A channel
whose messages are invocations of the consumer (`paired = False`) has `answer(event)` in place of a consumer's end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sebsx.settings import NoSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Capability, Deployment

S = TypeVar("S")


class Channel(ABC, Generic[S]):
    """A way between two functions, as the driver sees it. `__init__` does no I/O.

    Class attributes:
        name: What a user types, kebab-case.
        summary: One line.
        Settings: Frozen dataclass.
        needs: Capabilities it asks of the platform.
        message_bytes: Largest message.
        paired: Whether the consumer is an invocation of its own, which runs beside the producer's.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[Any]] = NoSettings
    needs: ClassVar[frozenset[Capability]] = frozenset()
    message_bytes: ClassVar[int]
    paired: ClassVar[bool] = True

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    def source(self, language: str) -> bytes | None:
        """Return the function's side for a language, or None where there is none for it."""

    def refusal(self, platform: Platform[Any], message_bytes: int) -> str | None:
        """Return why messages of a size cannot be sent there, as far as it is known beforehand; None if they can.

        Overrides ask `super().refusal(...)` first. Called while an experiment plans: touches nothing.
        """
        missing = sorted(self.needs - platform.capabilities)
        if missing:
            return f"channel {self.name!r} needs {', '.join(missing)}; platform {platform.name!r} has none"
        if message_bytes > self.message_bytes:
            return f"channel {self.name!r} takes messages of at most {self.message_bytes} bytes"
        return None

    def parameters(self, platform: Platform[Any], deployment: Deployment) -> Mapping[str, Any]:
        """Return what the function's side needs to know, JSON; never stored.

        Raises:
            UnsupportedError: If the deployment cannot be reached so.
        """
        return {}

    def charges(self, operations: Mapping[str, float], message_bytes: int) -> Mapping[str, float]:
        """Return what is billed for operations on messages of a size: quantity by meter of a price book.

        Args:
            operations: How many of each, by the name under which the function's side counted them.
            message_bytes: Size of a message.
        """
        return {}

    def clean(self, platform: Platform[Any], session: str) -> None:  # most leave nothing behind
        """Remove what the messages of a session left on the platform. Harmless when there is nothing."""
