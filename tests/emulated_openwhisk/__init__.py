"""An OpenWhisk server on this machine: its REST API, and an invoker that really runs actions in containers' stead.

    with EmulatedOpenWhisk(folder) as server:
        requests.get(f"{server.url}/api/v1/namespaces/_/limits", auth=server.key)

Requests and answers are held to the official contract, where that is at hand. `python -m tests.emulated_openwhisk`
starts one for people; the page docs/platforms/openwhisk.md says what is real in it.
"""

from __future__ import annotations

from tests.emulated_openwhisk.server import EmulatedOpenWhisk

__all__ = ["EmulatedOpenWhisk"]
