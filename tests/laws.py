"""What is planted in a stand-in for a provider, so that a test knows what an experiment has to find there."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

_MIB = 2**20


@dataclass
class Law:
    """How a provider treats its sandboxes and calls; as it comes, it adds nothing and ends nothing.

    Args:
        idle_s: How long a sandbox without calls is kept.
        s_per_mib: How long each MiB of a payload is on its way to the function.
    """

    idle_s: float = math.inf
    s_per_mib: float = 0.0

    def carry(self, payload_bytes: int) -> None:
        """Take the time that a payload is on its way."""
        if self.s_per_mib:
            time.sleep(payload_bytes / _MIB * self.s_per_mib)

    def ends(self, idle_since_s: float) -> bool:
        """Tell whether a sandbox is gone that had its last call then, by `time.monotonic`."""
        return time.monotonic() - idle_since_s > self.idle_s
