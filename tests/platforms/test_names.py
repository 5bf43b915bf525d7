"""Names and tags, on every platform: within the provider's own rule, whatever benchmarks and users are called."""

from __future__ import annotations

import getpass
import importlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import sebsx
from sebsx.clouds import fresh, labels, tags
from sebsx.contracts.naming import NamingRule
from sebsx.model import FunctionConfig
from sebsx_openwhisk import actions
from sebsx_openwhisk.activations import annotations_of

ROOT = Path(sebsx.__file__).parent.parent
BUCKET = r"(?!xn--|sthree-)[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)"
# What the documentation of each provider takes, by where the rule for it stands; as strict as sebsx must be there.
TAKEN = {
    "sebsx_aws.functions:NAME": r"[A-Za-z0-9_-]{1,64}",
    "sebsx_azure.functions:NAME": r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]",
    "sebsx_azure.resources:ACCOUNT_NAME": r"[a-z0-9]{3,24}",
    "sebsx_azure.resources:SHARED_NAME": r"[a-z0-9][a-z0-9-]{2,58}[a-z0-9]",
    "sebsx_docker.backend:_BRIDGE": r"[^/\s]{1,15}",
    "sebsx_docker.backend:_NETWORK": r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}",
    "sebsx_gcp.functions:NAME": r"[a-z][a-z0-9-]{0,47}[a-z0-9]",
    "sebsx_openfaas.existing:NAME": r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    # `EntityName.REGEX` of Apache OpenWhisk.
    "sebsx_openwhisk.existing:NAME": r"[\w]|[\w][\w@ .-]{0,255}(?<! )",
    # Google's rule beside that of S3, which the storage of a user's own has as well.
    "sebsx.clouds.accounts:SHARED": rf"(?!goog)(?!.*google){BUCKET}",
}
NAMES = [
    "sebsx-01hzy3k9-12-inference-with-a-name-that-has-no-end-" + "and-goes-on-" * 20,
    "sebsx-a", "x", "9-begins-with-a-digit", "ends--", "Größe_Ω/日本.x y", "a..b__c--d", "-", "",
]  # fmt: skip
USERS = ["jörg", "o'brien", "CORP\\Ann Lee", "日本 語", "a<b>&c%d?", "x" * 300, "ÀÉ_upper", "emoji 🦆 duck", ""]


def test_every_rule_is_held_to_what_its_provider_takes() -> None:
    rules = {
        f"{'.'.join(path.relative_to(root).with_suffix('').parts)}:{found}"
        for root, folder in ((ROOT / "platforms", "."), (ROOT, "sebsx/clouds"))
        for path in (root / folder).rglob("*.py")
        for found in re.findall(r"^(\w+) = NamingRule\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert rules == TAKEN.keys()


def test_names_are_taken_by_the_provider_and_are_not_alike() -> None:
    for place, taken in TAKEN.items():
        module, _, name = place.partition(":")
        rule: NamingRule = getattr(importlib.import_module(module), name)
        made = [rule.fit(text) for text in NAMES]
        configs = [FunctionConfig(text, memory_mib=128, timeout_s=1.0, architecture="x86_64") for text in NAMES * 2]
        given = [fresh.function_name(config, rule) for config in configs]
        wrong = [text for text in (*made, *given) if not re.fullmatch(taken, text)]
        assert wrong == [], place
        assert len({*made, *given}) == len(made) + len(given), place


@pytest.mark.parametrize("user", USERS)
def test_tags_are_taken_everywhere_and_come_back(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    ours = tags.make("01HZY3K9ABCDEFGHJKMNPQRSTV", "aws-arm", datetime(2026, 9, 6, tzinfo=UTC))
    for key, value in ours.items():
        # AWS: IAM, the strictest; Azure takes all of that but these in names.
        assert re.fullmatch(r"[\w .:/=+@-]{0,256}", value)
        assert re.fullmatch(r"[^<>%&\\?/]{1,128}", key)
    written = labels.encode(ours)  # Google
    assert len(written) <= 64
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) for key in written)
    assert all(re.fullmatch(r"[a-z0-9_-]{0,63}", value) for value in written.values())
    assert labels.decode(written) == ours
    sent = json.loads(json.dumps({"annotations": actions.annotated(ours)}))  # OpenWhisk; OpenFaaS has an object of them
    assert annotations_of(sent) == ours
    assert tags.are_ours(ours, "aws-arm")
