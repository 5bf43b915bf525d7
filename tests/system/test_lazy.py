from __future__ import annotations

import json

import pytest

from sebsx.errors import MissingDependencyError
from sebsx.system.lazy import require


def test_installed_module_is_returned():
    assert require("json", extra="any") is json


@pytest.mark.parametrize("module", ["no_such_sdk", "no_such_sdk.client"])
def test_missing_module_says_how_to_install_it(module):
    with pytest.raises(MissingDependencyError, match=r"'no_such_sdk' is needed.*pip install .*\[aws\]'?$") as caught:
        require(module, extra="aws")
    assert caught.value.exit_code == 3


def test_error_inside_an_installed_module_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "half_sdk.py").write_text("import no_such_dependency_of_it")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency_of_it"):
        require("half_sdk", extra="aws")
