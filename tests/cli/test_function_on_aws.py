"""`sebsx run function ARN` in the emulated account: the user's function is measured, and left as it was."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.emulated_aws import REGION, EmulatedAccount, Fault
from tests.emulated_aws.account import MOST_MEMORY_MIB, SIGNATURE
from tests.support import Call, Cli, assert_nothing_left, wait_until

pytestmark = [pytest.mark.slow]
THRESHOLD, USAGE, PLATFORM, UNSUCCESSFUL, INTERRUPTED = 1, 2, 4, 6, 130
SECRET = "planted-s3cr3t-of-the-user"
ACCOUNT = "123456789012"  # of moto
CODE = """
import os
def handler(event, context):
    if "raise" in event: raise ValueError(event["raise"])
    total = 0
    for number in range(event.get("n", 0)): total += number * number
    return {"memory": int(context.memory_limit_in_mb), "version": context.function_version,
            "secret": len(os.environ["SECRET"])}
"""
FEW = ("--repetitions", "6")


PLAIN = "def handler(event, context): return {}"


def package(code: str = CODE, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def elf(machine: int) -> bytes:
    """Return the beginning of an ELF file, little-endian, 64 bit, for a machine (System V ABI)."""
    return b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine) + bytes(40)


class User:
    """Somebody with functions in the account."""

    def __init__(self, account: EmulatedAccount) -> None:
        self.account = account
        self.functions = self._client("lambda")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self._role = self._client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def make(self, name: str, **changes: Any) -> str:
        """Make a function and return its ARN."""
        wanted = {
            "FunctionName": name, "Runtime": "python3.11", "Role": self._role, "Handler": "app.handler",
            "Code": {"ZipFile": package()}, "MemorySize": 256, "Timeout": 10,
            "Environment": {"Variables": {"SECRET": SECRET}},
        }  # fmt: skip
        return self.functions.create_function(**{**wanted, **changes})["FunctionArn"]

    def state(self, name: str) -> Any:
        """Return what must be the same afterwards: configuration, digest of the code, versions and aliases."""
        told = self.functions.get_function(FunctionName=name)["Configuration"]
        versions = self.functions.list_versions_by_function(FunctionName=name)["Versions"]
        return {
            "told": {key: value for key, value in told.items() if key not in ("LastModified", "RevisionId")},
            "versions": [version["Version"] for version in versions],
            "aliases": self.functions.list_aliases(FunctionName=name)["Aliases"],
        }

    def changes(self, name: str) -> list[str]:
        """Return every request by which somebody changed the function."""
        reads = ("GET", "HEAD")
        seen = [(request.method, request.path.partition("?")[0]) for request in self.account.requests]
        return [
            f"{method} {path}"
            for method, path in seen
            if method not in reads and name in path.split("/") and not path.endswith("/invocations")
        ]

    def _client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.account.url, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    with EmulatedAccount(tmp_path_factory.mktemp("account")) as account:
        yield User(account)


@pytest.fixture
def sebsx(sebsx: Cli, user: User) -> Iterator[Cli]:
    """The command line with the account's credentials; nothing of ours may be in the account behind it."""
    before = user.account.remaining()
    sebsx.environment |= user.account.environment
    user.account.requests.clear()
    yield sebsx
    user.account.faults.clear()
    left = user.account.remaining()
    assert [name for kind in left.values() for name in kind if "sebsx-" in name] == []
    assert left["roles"] == before["roles"]
    assert sebsx.count("resource WHERE state <> 'deleted'") == 0


def test_sweep_on_copies_finds_the_size_and_leaves_the_function_alone(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("swept"), user.state("swept")
    words = ("--memory", "128,512", "--payload", '{"n": 400000}', "--expect", f'{{"secret": {len(SECRET)}}}')
    document = call("run", "function", arn, *words, *FEW, "--json").json
    assert user.state("swept") == before
    assert user.changes("swept") == []
    called = [request.path for request in user.account.requests if "/invocations" in request.path]
    assert len(called) == 36  # 6 of each of 4 cells, and a warm-up in each of 6 sandboxes of 2
    assert all("/sebsx-" in path for path in called)
    rows = sebsx.rows(
        "SELECT memory_mib, start_wanted, start_type, provider_init_s IS NOT NULL, count(*) FROM measured"
        " WHERE status = 'ok' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2"
    )
    assert rows == [(size, start, start, int(start == "cold"), 6) for size in (128, 512) for start in ("cold", "warm")]
    # A function that only computes: Lambda gives four times the memory four times the processor.
    medians = {
        (row["memory_mib"], row["start"]): row["median_s"]["value"]
        for row in table(document, "latency")
    }  # fmt: skip
    assert medians[128, "warm"] > 1.5 * medians[512, "warm"]
    # What a million costs, worked out again: USD 0.0000166667 a GB-s on x86, 0.20 for the requests.
    costs = {
        size: 1e6 * sum(billed_s * size / 1024 * 0.0000166667 + 2e-7 for (billed_s,) in billed) / len(billed)
        for size in (128, 512)
        if (
            billed := sebsx.rows(
                f"SELECT provider_billed_s FROM measured WHERE memory_mib = {size} AND start_wanted = 'warm'"
            )
        )
    }
    choices = {row["memory_mib"]: row for row in table(document, "choices")}
    for size, cost in costs.items():
        assert choices[size]["million_usd"]["value"] == pytest.approx(cost, rel=1e-3)
    assert "fastest" in choices[512]["choice"]
    assert "cheapest" in (choices[min(costs, key=costs.__getitem__)]["choice"] or "")


def table(document: Any, name: str) -> list[dict[str, Any]]:
    (found,) = [each for each in document["report"]["tables"] if each["name"] == name]
    return found["rows"]


def test_warm_calls_of_a_copy_are_spread_over_sandboxes(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("spread")
    said = call("run", "function", arn, "--memory", "256", "--start", "warm", *FEW, "--payload", '{"n": 10}')
    assert said.code == 0, said.stderr
    assert sebsx.rows("SELECT kind, start_type, count(*) FROM invocation GROUP BY 1, 2") == [
        ("measured", "warm", 6), ("warmup", "cold", 6)
    ]  # fmt: skip
    assert "measured in unknown sandboxes" not in said.stdout  # the log stream says which it was
    assert sebsx.rows("SELECT count(DISTINCT sandbox_id) FROM invocation") == [(6,)]


@pytest.mark.parametrize("how", [[], ["--in-place"]])
def test_no_secret_signature_or_account_is_stored_logged_or_exported(
    sebsx: Cli, call: Call, user: User, how: list[str]
) -> None:
    arn = user.make(f"private{len(how)}")
    said = [sebsx.say("-vv", "run", "function", arn, "--memory", "128", *how, *FEW)]
    said.append(call("report", "last", "--out", "report.html"))
    formats = [exporter["name"] for exporter in call("list", "exporters", "--json").json]
    said += [call("export", "last", "--format", name, "--out", f"out-{name}") for name in formats]
    said += [call("-vv", *words) for words in (("show", "last", "--json"), ("clean", "--dry-run"))]
    assert said[0].code == said[1].code == 0
    written = {path.name: path.read_bytes() for path in sebsx.home.rglob("*") if path.is_file()}
    assert {"report.html", "out-csv", "out-jsonl", "results.sqlite"} <= written.keys()
    assert b"private" in b"".join(written.values())
    for planted in (SECRET, SIGNATURE, ACCOUNT, user.account.environment["AWS_SECRET_ACCESS_KEY"]):
        assert [name for name, data in written.items() if planted.encode() in data] == []
        assert all(planted not in one.stderr + one.stdout for one in said)


def test_as_it_is_the_alias_is_called_and_nothing_is_made(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("live")
    version = user.functions.publish_version(FunctionName="live")["Version"]
    user.functions.create_alias(FunctionName="live", Name="prod", FunctionVersion=version)
    user.functions.update_function_configuration(FunctionName="live", MemorySize=512)
    user.account.requests.clear()
    expected = f'{{"memory": 256, "version": "{version}"}}'
    assert call("run", "function", f"{arn}:prod", "--expect", expected, *FEW).code == 0
    assert sebsx.rows("SELECT DISTINCT benchmark, memory_mib, start_type FROM measured") == [("live:prod", 256, "warm")]
    assert sebsx.rows("SELECT start_type FROM invocation WHERE kind = 'warmup'") == [("cold",)]
    assert call("run", "function", "live", "--platform", "aws", "--expect", '{"memory": 512}', *FEW).code == 0
    assert sebsx.rows("SELECT count(*) FROM resource") == [(0,)]
    assert user.changes("live") == []


def test_in_place_changes_the_function_and_puts_it_back(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("changed"), user.state("changed")
    assert call("run", "function", arn, "--in-place", "--memory", "128,512", *FEW).code == 0
    assert user.state("changed") == before
    assert sebsx.rows("SELECT memory_mib, start_type, count(*) FROM measured GROUP BY 1, 2") == [
        (128, "cold", 6), (128, "warm", 6), (512, "cold", 6), (512, "warm", 6)
    ]  # fmt: skip
    assert set(sebsx.rows("SELECT kind, name FROM resource")) == {("memory-change", "changed@256")}
    assert "PUT /2015-03-31/functions/changed/configuration" in user.changes("changed")


def test_in_place_puts_back_a_function_that_fails(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("failing", Environment={"Variables": {"SECRET": SECRET, "OWN": "1"}}), user.state("failing")
    words = ("--in-place", "--memory", "512", "--payload", '{"raise": "no"}', "--max-failures", "2")
    call("run", "function", arn, *words, *FEW).assert_fails(UNSUCCESSFUL, "function_error", "no")
    assert user.state("failing") == before


def test_in_place_puts_back_a_function_that_cannot_be_changed_any_more(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("stuck"), user.state("stuck")
    place = r"/2015-03-31/functions/stuck/configuration"
    fault = Fault("PUT", place, 400, "InvalidParameterValueException", "not now", times=1, after=2)
    user.account.faults.append(fault)
    call("run", "function", arn, "--in-place", "--memory", "512", "--start", "cold", *FEW).assert_fails(
        PLATFORM, "update of function 'stuck'", "not now"
    )
    assert fault.given == 1
    assert user.state("stuck") == before


def long_run(sebsx: Cli, arn: str, *more: str) -> Any:
    words = ("--memory", "512", *more, "--repetitions", "500", "--start", "cold")
    process = sebsx.start("run", "function", arn, *words, start_new_session=True)
    wait_until(lambda: sebsx.count() >= 3, process)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("in_place", [True, False])
def test_interrupted_run_leaves_the_function_as_it_was(
    sebsx: Cli, call: Call, user: User, in_place: bool, number: signal.Signals
) -> None:
    name = f"interrupted-{in_place}-{number}"
    arn, before = user.make(name), user.state(name)
    process = long_run(sebsx, arn, *(["--in-place"] if in_place else []))
    assert (user.state(name) != before) is in_place
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert user.state(name) == before
    assert_nothing_left(call)


def test_run_interrupted_while_copies_are_made_leaves_none(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("early"), user.state("early")
    words = ("run", "function", arn, "--memory", "128,256,512,1024", "--repetitions", "500")
    process = sebsx.start(*words, start_new_session=True)
    wait_until(lambda: any(name.startswith("sebsx-") for name in user.account.functions()), process)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert user.state("early") == before
    assert_nothing_left(call)


@pytest.mark.parametrize("how", [[], ["--in-place"]])
def test_memory_beyond_the_quota_is_a_result_and_the_other_sizes_go_on(
    sebsx: Cli, call: Call, user: User, how: list[str]
) -> None:
    name = f"new-account{len(how)}"
    arn, before = user.make(name), user.state(name)
    user.account.most_memory_mib = 3008
    said = call("run", "function", arn, "--memory", "10240,512", "--start", "warm", *how, *FEW)
    user.account.most_memory_mib = MOST_MEMORY_MIB
    assert said.code == 0
    assert "equal to 3008" in said.stderr
    assert "higher quota" in said.stderr
    assert set(sebsx.rows("SELECT memory_mib, status FROM deployment")) == {(10240, "unsupported"), (512, "deleted")}
    assert sebsx.count() == 6
    assert user.state(name) == before


def test_change_that_cannot_be_put_back_is_told_and_undone_by_clean(sebsx: Cli, call: Call, user: User) -> None:
    arn, before = user.make("clinging"), user.state("clinging")
    place = r"/2015-03-31/functions/clinging/configuration"
    user.account.fail("PUT", place, 400, "InvalidParameterValueException", "not now", times=None, after=1)
    said = call("run", "function", arn, "--in-place", "--memory", "512", "--start", "warm", *FEW)
    assert "sebsx clean" in said.stderr
    assert user.state("clinging")["told"]["MemorySize"] == 512
    user.account.faults.clear()
    assert call("clean").code == 0
    assert user.state("clinging") == before


def test_of_changes_that_were_made_on_top_of_each_other_the_first_is_undone_last(
    sebsx: Cli, call: Call, user: User
) -> None:
    arn, before = user.make("twice"), user.state("twice")
    for size in ("512", "1024"):
        words = ("--in-place", "--memory", size, "--start", "warm", "--repetitions", "500")
        process = sebsx.start("run", "function", arn, *words)
        wait_until(lambda size=size: user.state("twice")["told"]["MemorySize"] == int(size), process)
        process.kill()
        process.communicate()
    assert call("clean").code == 0
    assert user.state("twice") == before


def test_in_place_function_without_variables_has_none_afterwards(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("bare", Environment={"Variables": {}}, Code={"ZipFile": package(PLAIN)})
    before = user.state("bare")
    assert call("run", "function", arn, "--in-place", "--memory", "512", "--start", "cold", *FEW).code == 0
    assert user.state("bare") == before


@pytest.mark.parametrize("in_place", [True, False])
def test_clean_undoes_what_a_killed_run_left(sebsx: Cli, call: Call, user: User, in_place: bool) -> None:
    name = f"killed-{in_place}"
    arn, before = user.make(name), user.state(name)
    process = long_run(sebsx, arn, *(["--in-place"] if in_place else []))
    process.kill()
    process.communicate()
    listed = call("clean", "--dry-run")
    assert (f"{name}@256" if in_place else "sebsx-") in listed.stdout + listed.stderr
    assert call("clean").code == 0
    assert user.state(name) == before
    assert_nothing_left(call)


def test_copy_on_the_other_architecture_has_its_price(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("pure")
    words = ("--architecture", "x86_64,arm64", "--memory", "512", "--start", "warm", "--payload", '{"n": 100000}')
    assert call("run", "function", arn, *words, *FEW).code == 0
    rows = sebsx.rows(
        "SELECT architecture, avg((cost_usd - 2e-7) / (round(provider_billed_s, 3) * 0.5)) FROM measured GROUP BY 1"
    )
    prices = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
    assert dict(rows) == pytest.approx(prices, rel=1e-3)


def test_native_code_is_copied_to_another_architecture_by_force_only(sebsx: Cli, call: Call, user: User) -> None:
    code = package(**{"lib/fast.so": elf(62), "lib/both.so": elf(183), "lib/more.so": elf(62)})
    arn = user.make("native", Code={"ZipFile": code})
    words = ("--architecture", "arm64", "--start", "warm", *FEW)
    said = call("run", "function", arn, *words)
    said.assert_fails(PLATFORM, "does not run on arm64", "lib/fast.so for x86_64 and 1 more", "--force")
    assert sebsx.rows("SELECT status FROM deployment") == [("unsupported",)]
    assert call("run", "function", arn, "--architecture", "x86_64", "--start", "warm", *FEW).code == 0
    assert call("run", "function", arn, *words, "--force").code == 0


@pytest.mark.parametrize(
    ("target", "words", "code", "told"),
    [
        ("nobody", ["--platform", "aws"], USAGE, ["'nobody' does not exist", f"--region {REGION}"]),
        (
            f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:plain",
            ["--set", f"region={REGION}"],
            USAGE,
            [f"is in region eu-west-1, not {REGION}", "use --set region=eu-west-1"],
        ),
        (f"arn:aws:lambda:{REGION}:999999999999:function:plain", [], USAGE, ["another account", "profile"]),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:plain:none", [], USAGE, ["'plain:none' does not exist"]),
        ("plain:1", ["--platform", "aws", "--in-place", "--memory", "512"], USAGE, ["published version", "copy"]),
        ("plain", ["--platform", "aws", "--memory", "64"], USAGE, ["64 MiB", "128 to 10240"]),
        ("plain", ["--platform", "aws", "--memory", "many"], USAGE, ["many"]),
        ("plain", ["--platform", "aws", "--memory", "512,512"], USAGE, ["--memory", "twice"]),
        ("plain", ["--platform", "aws", "--architecture", "riscv"], USAGE, ["riscv", "arm64"]),
        ("plain", ["--platform", "aws", "--memory", "512", "--start", "tepid"], USAGE, ["tepid", "cold"]),
        ("plain", ["--platform", "aws", "--memory", "512", "--payload", "none.json"], USAGE, ["none.json", "neither"]),
        ("plain", ["--platform", "aws", "--memory", "512", "--payload", "broken.json"], USAGE, ["is not valid JSON"]),
        ("plain", ["--platform", "aws", "--memory", "512", "--payload", "large.json"], USAGE, ["at most 6291456"]),
        (
            "plain",
            ["--platform", "aws", "--in-place", "--architecture", "arm64", "--memory", "512"],
            USAGE,
            ["--in-place"],
        ),
        ("plain", ["--platform", "aws-arm", "--memory", "512", "--option", "snapstart=true"], USAGE, ["snapstart"]),
        (f"{ACCOUNT}:function:none", ["--platform", "aws"], USAGE, ["'none' does not exist"]),
        ("plain:a:b", ["--platform", "aws"], USAGE, ["names no Lambda function"]),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    sebsx: Cli, call: Call, user: User, target: str, words: list[str], code: int, told: list[str]
) -> None:
    (sebsx.home / "broken.json").write_text('{"a": ')
    (sebsx.home / "large.json").write_text(json.dumps("x" * 6 * 2**20))
    made = {name["FunctionName"] for name in user.functions.list_functions()["Functions"]}
    if "plain" not in made:
        user.make("plain")
        user.functions.publish_version(FunctionName="plain")
    said = call("run", "function", target, *words, *FEW)
    said.assert_fails(code, *told)
    assert ACCOUNT not in said.stderr


def test_role_that_may_not_be_passed_is_told_with_what_to_allow(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("guarded")
    message = f"User is not authorized to perform: iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/r"
    user.account.faults.append(
        Fault("POST", r"/2015-03-31/functions/?$", 403, "AccessDeniedException", message, times=None)
    )
    said = call("run", "function", arn, "--memory", "512", *FEW)
    said.assert_fails(PLATFORM, "iam:PassRole", "--in-place")
    assert ACCOUNT not in said.stderr


def test_budget_holds_by_the_price_of_the_copy(sebsx: Cli, call: Call, user: User) -> None:
    arn = user.make("dear")
    said = call("run", "function", arn, "--memory", "1024", "--start", "warm", *FEW, "--budget-usd", "0.0001")
    said.assert_fails(THRESHOLD, "budget of 0.0001 USD reached")  # a cold call of 10 s and 10 s is 0.00033 USD
