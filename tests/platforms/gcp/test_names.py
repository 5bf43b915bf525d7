"""A function of the user's is named by its name or its full name: nothing in it leads elsewhere."""

from __future__ import annotations

import pytest

from sebsx.errors import UserError
from sebsx_gcp.existing import GcpFunctionName, read_name


@pytest.mark.parametrize("project", ["my-project-1", "123456789012", "example.com:my-project", "co.example.com:p-1"])
def test_full_name_is_read(project: str) -> None:
    named = read_name(f"projects/{project}/locations/europe-west1/functions/f")
    assert named == GcpFunctionName("f", project=project, region="europe-west1")


@pytest.mark.parametrize("project", ["..", ".", "", "-p", "a/b", "a..b", "..:p", "p:..", "example.com:", ":p", "a.b"])
def test_name_that_leads_elsewhere_is_refused(project: str) -> None:
    with pytest.raises(UserError, match="names no function of Google Cloud"):
        read_name(f"projects/{project}/locations/europe-west1/functions/f")
