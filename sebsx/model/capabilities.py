"""What platforms can do beyond deploy and teardown: open words, each registered with its meaning."""

from __future__ import annotations

from typing import ClassVar, Self


class Capability(str):
    """A word for what a platform offers and experiments, benchmarks and channels ask for.

    Two are equal if their words are: a plugin asks for `Capability("gpu")` without importing who registered it. The
    words below are registered by core; plugins register more through `sebsx_register_capabilities`.

    Args:
        word: Kebab-case.
        meaning: One line; only where it is registered.
    """

    __slots__ = ("meaning",)

    meaning: str

    FORCE_COLD: ClassVar[Capability]
    RECORDS: ClassVar[Capability]
    STORAGE: ClassVar[Capability]
    TABLE: ClassVar[Capability]
    KEEP_ALIVE_POLICY: ClassVar[Capability]
    ADOPT: ClassVar[Capability]
    CHANGE: ClassVar[Capability]
    COLOCATED: ClassVar[Capability]
    SHARED_MEMORY: ClassVar[Capability]

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Return the capability of a word."""
        made = super().__new__(cls, word)
        made.meaning = meaning
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.meaning)


Capability.FORCE_COLD = Capability("force-cold", "the next invocation can be made to meet no existing sandbox")
Capability.RECORDS = Capability("records", "the provider's own figures of an invocation are available")
Capability.STORAGE = Capability("storage", "functions reach an object storage")
Capability.TABLE = Capability("table", "functions reach a key-value table")
Capability.KEEP_ALIVE_POLICY = Capability("keep-alive-policy", "how long idle sandboxes live is a setting")
Capability.ADOPT = Capability("adopt", "functions that exist already can be measured")
Capability.CHANGE = Capability("change", "a function that exists can be copied, or changed for a while and put back")
Capability.COLOCATED = Capability(
    "colocated", "sandboxes run on between calls, on processors and memory of this machine that can be set from here"
)
Capability.SHARED_MEMORY = Capability("shared-memory", "functions share memory and loopback with the client")

CORE_CAPABILITIES = (
    Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE,
    Capability.KEEP_ALIVE_POLICY, Capability.ADOPT, Capability.CHANGE, Capability.COLOCATED,
    Capability.SHARED_MEMORY,
)  # fmt: skip
