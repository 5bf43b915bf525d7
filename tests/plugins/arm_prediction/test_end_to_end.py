"""From deploying to a prediction, by the command line: this machine and an emulated ARM, and the emulated AWS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_arm_prediction import learning, registry
from sebsx_arm_prediction.experiment import ArmPrediction
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.runs import dataset_of_run
from sebsx_arm_prediction.scopes import ALL_IN_ONE
from sebsx_arm_prediction.settings import CampaignSettings
from sebsx_arm_prediction.synthetic import campaign, planted_kinds
from tests.cli.test_function_on_aws import User
from tests.emulated_aws import EmulatedAccount
from tests.orchestration import Listener, store_in
from tests.platforms.aws.conftest import account, cloud, one_account
from tests.platforms.docker.conftest import needs_engine, needs_qemu
from tests.plugins.arm_prediction.test_campaign import MANIFEST, WAITS
from tests.support import Cli, beyond_this_machine

__all__ = ["account", "cloud", "needs_engine", "needs_qemu", "one_account"]

SMALL = (
    "--benchmarks", "primenumber,thread,readwritememory", "--steps", "2", "--runs", "2", "--run-times", "0.02s..0.08s",
    "--campaigns", "train",
)  # fmt: skip
# Of somebody who has it on Lambda, as it is there.
THUMBS = """
import hashlib


def lambda_handler(event, context):
    digest = b""
    for number in range(event["rounds"]):
        digest = hashlib.sha256(digest + bytes(1000)).digest()
    return {"digest": digest.hex()}
"""


def predicted(cli: Cli, first: str, second: str) -> tuple[dict, dict]:
    """Return the card of a model that was trained on a campaign of two platforms, and what it says of one's function.

    That is all that docs/methods/arm-prediction.md says to do.
    """
    cli.say("run", "experiment", "arm-prediction", "--platform", f"{first},{second}", *SMALL, timeout_s=240)
    assert cli.rows("SELECT status, error, count(*) FROM cell GROUP BY status, error") == [("finished", None, 12)]
    card = cli.json("predict", "train", "last", "--save", "small")
    cli.say("new", "thumbs")
    (cli.home / "thumbs" / "python" / "function.py").write_text(THUMBS)
    manifest = cli.home / "thumbs" / "benchmark.toml"
    manifest.write_text(manifest.read_text().replace("function.handler", "function.lambda_handler"))
    (cli.home / "thumbs" / "event.json").write_text('{"rounds": 20000}')
    words = ("--payload", "thumbs/event.json", "--platform", first, "--memory", "1769", "--start", "warm")
    cli.say("run", "benchmark", "./thumbs", *words, "--repetitions", "2", "--collect", "saaf", timeout_s=120)
    (answer,) = cli.json("predict", "arm", "--from", "last", "--model", "small", "--anyway")["answers"]
    assert answer["function"] == "thumbs"
    return card, answer


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_this_machine_predicts_an_emulated_arm(sebsx: Cli, needs_qemu: None) -> None:
    card, answer = predicted(sebsx, "local", "docker-arm")
    assert (card["source"], card["target"]) == (
        "local x86_64 1769 MiB",
        "docker-arm arm64 1769 MiB (emulated)",
    )
    assert card["functions"] == ["primenumber", "readwritememory", "thread"]
    assert answer["there_s"] > 0
    # Translating each instruction takes longer than executing it, whatever else runs on this machine.
    ratios = sebsx.rows(
        "SELECT max(provider_duration_s) FROM measured WHERE platform = 'docker-arm' AND benchmark = 'primenumber' "
        "UNION ALL SELECT min(provider_duration_s) FROM measured WHERE platform = 'local' AND benchmark = 'primenumber'"
    )
    assert ratios[0] > ratios[1]


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_emulated_aws_predicts_its_arm(cloud: Cli) -> None:
    card, answer = predicted(cloud, "aws", "aws-arm")
    assert (card["source"], card["target"]) == ("aws x86_64 1769 MiB", "aws-arm arm64 1769 MiB")
    assert answer["there_s"] > 0
    assert answer["word"] in ("faster", "similar", "slower")
    assert beyond_this_machine(cloud.json("clean", "--dry-run", "--platform", "aws,aws-arm")) == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_function_of_a_user_is_called_and_answered_for(
    cloud: Cli, account: EmulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(account)
    arn = user.make("thumbs", MemorySize=1769)
    before = user.state("thumbs")
    monkeypatch.setenv("XDG_DATA_HOME", cloud.environment["XDG_DATA_HOME"])
    pairs = pair(campaign(planted_kinds(count=5), steps=3, samples=2))
    for name in ("slr-linear", "lta-linear"):
        registry.save(name, *learning.to_parts(learning.train(pairs, methods=(name,), scopes=(ALL_IN_ONE,))))
    (answer,) = cloud.json("predict", "arm", "--function", arn, "--model", "slr-linear", "--anyway")["answers"]
    assert (answer["function"], answer["rows"], answer["probabilities"]) == ("thumbs", 10, {})
    assert answer["low_s"] < answer["there_s"] < answer["high_s"]
    said = cloud.say("predict", "arm", "--function", arn, "--model", "slr-linear")
    assert "Don't know for thumbs: " in said.stdout
    assert "its profile lacks cpuUserDelta_s and 11 more, without which" in said.stdout
    cloud.say("predict", "arm", "--function", arn, "--model", "lta-linear").assert_fails(
        2, "was called as it is, which tells its run time alone; the model reads a profile", "--features FILE"
    )
    assert user.state("thumbs") == before


@pytest.mark.slow
def test_machine_is_as_fast_as_itself(
    tmp_path: Path, write_function: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folders = tuple(str(write_function(f"waits-{number}", WAITS, manifest=MANIFEST)) for number in range(3))
    chosen = CampaignSettings(
        benchmarks=folders, steps=3, runs=4, run_times="0.03s..0.09s", campaigns=("train",), sandboxes=1
    )
    with store_in(tmp_path) as store:
        spec = RunSpec(ArmPrediction(), chosen, {"fake": FakeSettings()}, seed=1)
        run = orchestrator.run(spec, registry_with(FakePlatform), store, Listener())
        pairs = pair(dataset_of_run(store.view(run.id)))
    assert (pairs.source_name, pairs.target_name) == ("fake x86_64 1769 MiB", "fake x86_64 1769 MiB (to)")
    logs = np.log(pairs.step_ratio)
    assert len(logs) == 9
    # The interval of the mean of nine log ratios holds 0: Student's t with 8 degrees of freedom at 99.9 % is 5.04.
    assert abs(logs.mean()) <= max(5.04 * logs.std(ddof=1) / 3, 0.02)
    assert np.median(np.bincount(pairs.labels[np.unique(pairs.step_of, return_index=True)[1]], minlength=3)[1]) >= 5
