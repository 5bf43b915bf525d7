"""How many files and connections this process may have open, and how many it could."""

from __future__ import annotations

import contextlib
import resource

# As many as any load here needs; some systems allow a thousand million, and some programs visit each number.
_MOST = 65_536
OWN = 128
"""What a process of ours has open beside its connections: store, libraries, pipes of sandboxes."""


def most() -> int:
    """Return how many descriptors this process may have after `raise_limit`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    return max(soft, allowed) if soft != resource.RLIM_INFINITY else _MOST


def raise_limit() -> int:
    """Raise the limit of this process, and of those it starts, as far as is allowed; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most(), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
