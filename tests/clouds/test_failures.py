"""An exception means what the table says of the class nearest to it; what the table does not name is left as it is."""

from __future__ import annotations

import re

import pytest

from sebsx.clouds.accounts import CloudAccount, KeptClient
from sebsx.clouds.failures import ProviderErrors, ProviderFailure
from sebsx.clouds.refusals import Refusal
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError

HERE = f"{__name__}."


class HillsError(Exception):
    """Anything that the SDK raises."""


class HillsRefusalError(HillsError):
    """An answer of the provider's; its first word is a code."""


class HillsLoginError(HillsRefusalError):
    """One about credentials, which may have been asked of nobody."""


ERRORS = ProviderErrors(
    code_of=lambda exc: str(exc).partition(" ")[0] if isinstance(exc, HillsRefusalError) else "",
    refused=(f"{HERE}HillsRefusalError",),
    refusals=(Refusal(error=QuotaError, codes=("full",), advice="ask for more"),),
    failures={
        f"{HERE}HillsLoginError": ProviderFailure(
            error=CredentialsError, text="{what}: {said:.5}; log in", when=lambda exc: str(exc).startswith("alone")
        ),
        f"{HERE}HillsError": ProviderFailure(text="{what}: {said} ({kind})"),
        "builtins.OSError": ProviderFailure(text="{what}: no network"),
    },
    gone=lambda exc: str(exc).startswith("gone"),
    busy=lambda exc: str(exc).startswith("busy"),
    secret=re.compile(r"key-\d+"),
)


@pytest.mark.parametrize(
    ("raised", "error", "said"),
    [
        (HillsRefusalError("full of\n key-12"), QuotaError, "make: full of *** (full); ask for more"),
        (HillsRefusalError("odd thing"), DeployError, "make: odd thing (odd)"),
        (HillsLoginError("alone here"), CredentialsError, "make: alone; log in"),
        (HillsLoginError("full again"), QuotaError, "make: full again (full); ask for more"),
        (HillsError("broken {0}"), PlatformError, "make: broken {0} (HillsError)"),
        (ConnectionResetError("x"), PlatformError, "make: no network"),
    ],
)
def test_nearest_class_says_what_an_exception_means(raised: Exception, error: type[PlatformError], said: str) -> None:
    with pytest.raises(PlatformError) as caught, ERRORS.explained("make"):
        raise raised
    assert type(caught.value) is error
    assert str(caught.value) == said
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("word", ["gone", "busy"])
def test_gone_and_busy_are_known_by_the_exception_and_by_what_ours_came_from(word: str) -> None:
    tell = {"gone": ERRORS.is_gone, "busy": ERRORS.is_busy}[word]
    raised = HillsRefusalError(f"{word} now")
    ours = DeployError("create failed")
    assert not tell(ours)
    ours.__cause__ = raised
    other = ValueError("of something else")
    other.__cause__ = raised
    assert (tell(raised), tell(ours), tell(other)) == (True, True, False)


def test_exception_that_nothing_names_is_left_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), ERRORS.explained("make"):
        raise ZeroDivisionError


class Account(CloudAccount):
    errors = ERRORS

    def prove(self) -> None:
        """Nobody is asked."""

    @KeptClient
    def valley(self) -> Valley:
        return Valley()


class Valley:
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_is_gone_is_read_as_none_and_all_else_is_explained() -> None:
    def read(text: str) -> str:
        if text != "there":
            raise HillsRefusalError(text)
        return text

    account = Account()
    assert account.if_there("read", lambda: read("there")) == "there"
    assert account.if_there("read", lambda: read("gone away")) is None
    with pytest.raises(DeployError, match="read: odd"):
        account.if_there("read", lambda: read("odd one"))


def test_call_is_repeated_while_something_is_busy() -> None:
    answers = ["busy now", "made"]

    def call() -> str:
        if (answer := answers.pop(0)).startswith("busy"):
            raise HillsRefusalError(answer)
        return answer

    assert Account().settled("make", call) == "made"


def test_clients_are_made_when_used_and_closed_once() -> None:
    account = Account()
    account.close()
    first = account.valley
    assert account.valley is first
    account.close()
    account.close()
    assert first.closed == 1
    assert account.valley is not first
