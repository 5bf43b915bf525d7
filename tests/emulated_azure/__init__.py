"""A subscription of Azure on this machine: for tests of the platform `azure`, and to try it without an account.

Resource Manager, Kudu and Azure Monitor are a stand-in over TLS that is held to Azure's own SDKs, request by request
and answer by answer. Functions run in Microsoft's own worker library; objects and tables are kept by `azurite`.
"""

from __future__ import annotations

from tests.emulated_azure.subscription import REGION, SUBSCRIPTION, EmulatedSubscription
from tests.faults import Fault

__all__ = ["REGION", "SUBSCRIPTION", "EmulatedSubscription", "Fault"]
