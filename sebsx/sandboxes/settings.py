"""Settings that platforms behind the gateway share."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.sandboxes.keepalive import POLICIES
from sebsx.settings import setting


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """How sandboxes are kept, started and priced."""

    keep_alive_policy: str = setting("fixed", help="how idle sandboxes are evicted", choices=POLICIES)
    keep_alive_s: float = setting(600.0, help="idle time, halving period or mean idle time, in seconds", minimum=0.001)
    keep_alive_seed: int = setting(0, help="seed of the policy `exponential`; each function draws its own", minimum=0)
    init_timeout_s: float = setting(60.0, help="time limit for the start of a sandbox, in seconds", minimum=0.1)
    cpu_boost_at_init: bool = setting(True, help="limit the CPU only once the function is loaded, as AWS Lambda does")
    port: int = setting(0, help="port of the gateway on 127.0.0.1; 0 for any free one", minimum=0, maximum=65_535)
    price_per_gb_s_usd: float | None = setting(None, help="your price of a GiB-second; default: no cost", minimum=0)
    price_per_request_usd: float | None = setting(None, help="your price of one invocation", minimum=0)
