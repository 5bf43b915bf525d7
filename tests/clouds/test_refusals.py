"""A refusal says what was being done, what the provider said, and what to do; the first sort that covers it counts."""

from __future__ import annotations

import pytest

from sebsx.clouds.refusals import Refusal, explain
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError

KNOWN = (
    Refusal(error=CredentialsError, codes=("Expired",), advice="log in again"),
    Refusal(error=QuotaError, codes=("Limit", "Throttled"), advice="ask for more"),
    Refusal(error=UnsupportedError, words=("too large",), advice="make it smaller"),
)


@pytest.mark.parametrize(
    ("code", "message", "error", "said"),
    [
        ("Expired", "token", CredentialsError, "create of 'f': token (Expired); log in again"),
        ("Throttled", "slower", QuotaError, "create of 'f': slower (Throttled); ask for more"),
        ("Limit", "it is too large", QuotaError, "create of 'f': it is too large (Limit); ask for more"),
        ("400", "the zip is too large", UnsupportedError, "create of 'f': the zip is too large (400); make it smaller"),
        ("500", "what now", DeployError, "create of 'f': what now (500)"),
        ("", "no code at all", DeployError, "create of 'f': no code at all"),
    ],
)
def test_refusal_is_the_error_of_its_sort(code: str, message: str, error: type[PlatformError], said: str) -> None:
    made = explain("create of 'f'", code, message, KNOWN)
    assert type(made) is error
    assert str(made) == said
