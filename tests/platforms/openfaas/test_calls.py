"""What answers to calls mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.errors import CredentialsError
from sebsx.model import Deployment, FunctionConfig, Reply, Status
from sebsx.testing.contexts import context_for
from sebsx_openfaas.backend import OpenFaasPlatform
from sebsx_openfaas.settings import OpenFaasSettings

CONFIG = FunctionConfig("f", memory_mib=128, timeout_s=5.0, architecture="x86_64")


def refused(**headers: str) -> Reply:
    return Reply(
        "r", intended_s=0.0, sent_s=0.0, connected_s=None, first_byte_s=None, done_s=1.0, http_status=403,
        headers={name.replace("_", "-"): value for name, value in headers.items()}, body=b"no", bytes_out=0,
    )  # fmt: skip


def test_function_that_lets_nobody_in_is_a_result_and_a_gateway_that_does_not_ends_the_run(tmp_path: Path) -> None:
    platform = OpenFaasPlatform(OpenFaasSettings(), context_for(OpenFaasPlatform, tmp_path))
    deployment = Deployment("f", CONFIG, effective={}, endpoint="http://127.0.0.1:9/function/f")
    assert platform.status_of(refused()) is not Status.OK
    assert platform.signed(deployment, b"") == {}
    platform.status_of(refused(x_openfaas_internal="gateway"))
    with pytest.raises(CredentialsError, match="HTTP 403"):
        platform.signed(deployment, b"")
