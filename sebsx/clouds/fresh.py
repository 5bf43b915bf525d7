"""Names and values that never were before: providers remember what had a name, and keep what did not change."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sebsx.contracts.naming import NamingRule
    from sebsx.model import FunctionConfig

NONCE = "SEBSX_NONCE"
"""The variable of a function that is changed to end its idle sandboxes."""


def function_name(config: FunctionConfig, rule: NamingRule) -> str:
    """Return a name that no function has or had: a provider may still remember one of that name, and its logs."""
    return rule.fit(f"{config.name}-{secrets.token_hex(4)}")


def nonce() -> str:
    """Return a value that no earlier one equals, so that a change to it always ends idle sandboxes."""
    return secrets.token_hex(8)
