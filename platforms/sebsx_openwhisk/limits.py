"""What a namespace allows, as the server tells it, and what that refuses. A limit that it leaves out holds nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import FunctionConfig

_ADVICE = "ask who runs the server for more, or ask for less"


class NamespaceLimits:
    """The limits of one namespace.

    Args:
        told: As `GET /namespaces/_/limits` answers.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    @property
    def kinds(self) -> tuple[str, ...]:
        """The runtimes that are allowed; empty for all that there are."""
        listed = self._told.get("allowedKinds")
        return tuple(map(str, listed)) if isinstance(listed, list) else ()

    @property
    def stores_activations(self) -> bool:
        """Whether records are kept."""
        return self._told.get("storeActivations") is not False

    def check(self, config: FunctionConfig, options: Mapping[str, Any]) -> None:
        """Refuse what the namespace does not allow.

        Raises:
            UnsupportedError: If something asked for is beyond a limit.
        """
        asked = (
            ("memory", config.memory_mib, "MiB", "minActionMemory", "maxActionMemory"),
            ("time-out", round(config.timeout_s * 1000), "ms", "minActionTimeout", "maxActionTimeout"),
            (
                "concurrency in a sandbox", options["sandbox_concurrency"], "invocations",
                "minActionConcurrency", "maxActionConcurrency",
            ),
            ("number of sandboxes", options["max_instances"] or None, "sandboxes", "", "maxActionInstances"),
        )  # fmt: skip
        for what, value, unit, smallest, largest in asked:
            low, high = self._figure(smallest), self._figure(largest)
            if value is not None and ((high is not None and value > high) or (low is not None and value < low)):
                allowed = f"{low:g} to {high:g}" if low is not None and high is not None else f"{low or high:g}"
                raise UnsupportedError(
                    f"the {what} of {config.name!r} is {value} {unit}, and the namespace allows {allowed}; {_ADVICE}"
                )

    def _figure(self, name: str) -> float | None:
        value = self._told.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
