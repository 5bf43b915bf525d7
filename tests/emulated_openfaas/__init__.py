"""An OpenFaaS gateway on this machine: its REST API, and replicas that really run packages behind a watchdog.

    with EmulatedOpenFaas(folder) as gateway:
        requests.get(f"{gateway.url}/system/info", auth=(gateway.user, gateway.password))

Requests and answers are held to the official contract, where that is at hand. It behaves as a real gateway was seen to:
200 for 202, counts left out when 0, available long before a function answers, scaling clamped without a word.
"""

from __future__ import annotations

from tests.emulated_openfaas.gateway import EmulatedOpenFaas

__all__ = ["EmulatedOpenFaas"]
