"""Packages as images: built and pushed by a real engine to a real registry, and run from there by their digest."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from sebsx.building import Packager
from sebsx.contracts.benchmarks import Benchmark
from sebsx.errors import UnsupportedError
from sebsx.model import FunctionConfig, Package, Status
from sebsx.plugins import Registry
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_aws import images
from sebsx_aws.backend import AwsArmPlatform, AwsPlatform
from sebsx_aws.policy import deployer_policy
from sebsx_docker.images import DEBIAN, base_image
from tests.emulated_aws import REGION, EmulatedAccount, nodejs
from tests.emulated_aws.account import DEFAULT_ACCOUNT_ID
from tests.platforms.aws.conftest import made
from tests.platforms.aws.test_policy import allowed, asked
from tests.platforms.aws.test_runs import SMALL, assert_empty, kill_half_way
from tests.platforms.aws.test_second_opinion import runtime_client
from tests.platforms.docker import conftest
from tests.support import Cli, wait_until

# What AWS's own base images are: a language, and AWS's runtime client as entry point, for which CMD names the handler.
LIKE_AWS = """FROM {base}
COPY client/ /opt/client/
ENV PYTHONPATH=/opt/client LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
ENTRYPOINT {entry}
"""
ENTRIES = {
    "python": '["python3", "-m", "awslambdaric"]',
    "nodejs": f'["node", "/opt/client/{nodejs.CLIENT.name}", "/opt/client/ric"]',
}
WHEELS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
# The Python of the bases: one is a copy of this machine, the other made of Debian's packages.
PYTHON = dict.fromkeys(WHEELS, DEBIAN["python"]) | {HOST_ARCHITECTURE: "{}.{}".format(*sys.version_info)}

needs_engine, needs_qemu = conftest.needs_engine, conftest.needs_qemu  # the fixtures
pytestmark = [
    pytest.mark.slow, pytest.mark.docker, pytest.mark.network, pytest.mark.timeout(300),
]  # fmt: skip


@pytest.fixture(scope="session")
def base_like_aws(needs_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Return a maker of base images for an architecture and a language, from what this machine has."""
    missing = [name for name in ("docker-registry", "htpasswd") if shutil.which(name) is None]
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{missing[0]} was not found; see .ci/run")
    known: dict[tuple[str, str], str] = {}

    def make(architecture: str, language: str = "python") -> str:
        if (architecture, language) not in known:
            folder = tmp_path_factory.mktemp("base")
            if language == "python":
                wheels = ("--python-platform", WHEELS[architecture], "--python-version", PYTHON[architecture])
                runtime_client(folder / "client", *wheels, "--only-binary", ":all:")
            else:
                shutil.copytree(nodejs.client_of_aws() / "dist", folder / "client" / "ric" / "dist")
                for path in (nodejs.CLIENT, nodejs.TRANSPORT):
                    shutil.copy(path, folder / "client")
            name = f"sebsx-test:like-aws-{language}-{architecture}-{uuid.uuid4().hex[:8]}"
            with images.engine() as client:
                base = base_image(client.api, architecture, HOST_ARCHITECTURE)
                (folder / "Dockerfile").write_text(LIKE_AWS.format(base=base.id, entry=ENTRIES[language]))
                client.images.build(path=str(folder), tag=name, rm=True)
            known[architecture, language] = name
        return known[architecture, language]

    yield make
    with images.engine() as client:
        for name in known.values():
            client.images.remove(name, force=True)


@pytest.fixture
def package(
    echo_benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path
) -> Callable[[AwsPlatform], Package]:
    """Return a packager of the echo function for a platform."""

    def build(platform: AwsPlatform) -> Package:
        language = sebsx_registry.get("languages", "python")()
        target = platform.target("python", architecture(platform))
        return sebsx_packager.build(echo_benchmark, language, target, platform=platform)

    return build


@pytest.fixture
def image_cli(cloud: Cli, base_like_aws: Callable[[str], str]) -> Cli:
    """The command line, of a user who has a configuration of Docker."""
    (cloud.home / ".docker").mkdir()
    (cloud.home / ".docker" / "config.json").write_text("{}")
    (cloud.home / "sebsx.toml").write_text(
        f'[core.options]\npackage = "image"\n\n'
        f'[platform.aws]\npython = "{PYTHON["x86_64"]}"\nbase_image = "{base_like_aws("x86_64")}"\n'
    )
    return cloud


def architecture(platform: AwsPlatform) -> str:
    return platform.architectures[0]


def with_images(folder: Path, cls: type[AwsPlatform], base: str) -> tuple[AwsPlatform, MemoryLedger]:
    ledger, python = MemoryLedger(), PYTHON[cls.architectures[0]]
    return made(folder, cls, ledger=ledger, options={"package": "image"}, python=python, base_image=base), ledger


def on_engine(account: EmulatedAccount) -> list[str]:
    """Return the names of images on the engine that runs made for the account."""
    with images.engine() as client:
        found = client.images.list(filters={"reference": f"{account.registry.host}/sebsx-*"})
        return [tag for image in found for tag in image.tags]


def assert_no_secret(cli: Cli, *said: str) -> None:
    """Hold that token, account number and keys are nowhere, and Docker's configuration is as it was."""
    token = f"{DEFAULT_ACCOUNT_ID}-auth-token"
    everything = "".join(said).encode() + b"".join(path.read_bytes() for path in cli.home.rglob("*") if path.is_file())
    assert b"sebsx-" in everything
    for secret in (token, base64.b64encode(f"AWS:{token}".encode()).decode(), "-auth-token", DEFAULT_ACCOUNT_ID):
        position = everything.find(secret.encode())
        assert position < 0, everything[max(0, position - 200) : position + 100]
    assert (cli.home / ".docker" / "config.json").read_text() == "{}"


@pytest.mark.parametrize("cls", [AwsPlatform, pytest.param(AwsArmPlatform, marks=pytest.mark.soak)])
def test_image_is_pushed_and_runs_from_the_registry_by_its_digest(
    account: EmulatedAccount,
    base_like_aws: Callable[[str], str],
    package: Callable[[AwsPlatform], Package],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cls: type[AwsPlatform],
) -> None:
    if cls.architectures[0] != HOST_ARCHITECTURE:
        request.getfixturevalue("needs_qemu")
    platform, ledger = with_images(tmp_path, cls, base_like_aws(cls.architectures[0]))
    with platform:
        config = FunctionConfig("sebsx-image", memory_mib=256, timeout_s=60.0, architecture=architecture(platform))
        deployment = platform.deploy(package(platform), config)
        (repository,) = account.remaining()["repositories"]
        (pushed,) = account.registry.images(repository)
        manifest = json.loads(pushed.manifest)
        built = json.loads(account.registry.blob(repository, manifest["config"]["digest"]))
        assert built["architecture"] == {"x86_64": "amd64", "arm64": "arm64"}[architecture(platform)]
        assert built["os"] == "linux"
        ecr = boto3.client("ecr", endpoint_url=account.url, region_name=REGION)
        functions = boto3.client("lambda", endpoint_url=account.url, region_name=REGION)
        (known,) = ecr.describe_repositories()["repositories"]
        tags = {tag["Key"] for tag in ecr.list_tags_for_resource(resourceArn=known["repositoryArn"])["tags"]}
        assert {"sebsx-run", "sebsx-platform", "sebsx-owner", "sebsx-expires"} <= tags
        code = functions.get_function(FunctionName=deployment.effective["function"])["Code"]
        assert code["ImageUri"] == f"{known['repositoryUri']}@{pushed.digest}"
        assert deployment.effective["package"] == "image"
        assert deployment.effective["architecture"] == architecture(platform)
        assert deployment.effective["image_digest"] == pushed.digest
        assert deployment.effective["image_bytes"] == pushed.bytes > 1_000_000
        assert "code_bytes" not in deployment.effective
        assert on_engine(account) == []

        answer = invoke(platform, deployment, {"do": "echo", "value": "from an image"})
        assert answer.status is Status.OK
        assert json.loads(answer.reply.body)["output"] == {"result": "from an image"}

        again = platform.deploy(package(platform), dataclasses.replace(config, name="sebsx-more", memory_mib=512))
        assert again.effective["image_digest"] == pushed.digest  # it was pushed once
        for item in (deployment, again):
            platform.teardown(item)
    assert account.remaining() == {}
    assert account.registry.images(repository) == []
    assert ledger.open == {}


def test_image_of_a_node_js_function_runs_from_the_registry(
    account: EmulatedAccount,
    base_like_aws: Callable[..., str],
    echo_benchmark: Benchmark,
    sebsx_registry: Registry,
    sebsx_packager: Packager,
    tmp_path: Path,
) -> None:
    platform, _ = with_images(tmp_path, AwsPlatform, base_like_aws("x86_64", "nodejs"))
    with platform:
        language, target = sebsx_registry.get("languages", "nodejs")(), platform.target("nodejs", "x86_64")
        built = sebsx_packager.build(echo_benchmark, language, target, platform=platform)
        config = FunctionConfig("sebsx-nodes", memory_mib=256, timeout_s=60.0, architecture="x86_64")
        deployment = platform.deploy(built, config)
        assert deployment.effective["package"] == "image"
        answer = invoke(platform, deployment, {"do": "echo", "value": "from an image"})
        assert answer.output == {"result": "from an image"}
        assert (answer.envelope or {})["sebsx"]["facts"]["nodejs"]
        platform.teardown(deployment)
    assert account.remaining() == {}


def test_run_on_images_is_measured_within_the_policy_and_leaves_nothing(
    image_cli: Cli, account: EmulatedAccount
) -> None:
    done = image_cli("-vv", "run", "benchmark", "sleep", "--platform", "aws", *SMALL, "--memory", "128,256")
    assert done.returncode == 0, done.stderr
    query = "SELECT architecture, memory_mib, start_type, status, cost_usd > 0 FROM measured ORDER BY 2, 3"
    rows = image_cli.rows(query)
    assert rows == [("x86_64", memory, start, "ok", 1) for memory in (128, 256) for start in ("cold", "warm")]
    effective = [json.loads(text) for (text,) in image_cli.rows("SELECT effective FROM deployment")]
    assert {item["package"] for item in effective} == {"image"}
    ((digest, size),) = {(item["image_digest"], item["image_bytes"]) for item in effective}
    assert digest.startswith("sha256:")
    assert size > 1_000_000
    assert dict(image_cli.rows("SELECT kind, state FROM resource"))["image"] == "deleted"
    used = asked(account)
    assert {"ecr:CreateRepository", "ecr:DescribeImages", "ecr:GetAuthorizationToken", "ecr:DeleteRepository"} <= used
    assert used - allowed(deployer_policy()) == set()
    assert_empty(image_cli, account)
    assert on_engine(account) == []
    assert_no_secret(image_cli, done.stdout, done.stderr)


def test_killed_run_on_images_is_cleaned_from_another_machine_by_its_tags(
    image_cli: Cli, account: EmulatedAccount, tmp_path: Path
) -> None:
    run_id = kill_half_way(image_cli, account)
    assert "repositories" in account.remaining()
    image_cli.environment["SEBSX_STORE"] = str(tmp_path / "other.sqlite")
    gone = image_cli.json("clean", "--platform", "aws,aws-arm", "--run", run_id)
    assert "repository" in {row["kind"] for row in gone}
    assert account.remaining() == {}


def test_image_of_a_push_that_was_cut_short_is_cleaned_from_the_engine(
    image_cli: Cli, account: EmulatedAccount
) -> None:
    account.fail("POST", "/", 400, "ThrottlingException", target="GetAuthorizationToken", times=None)
    process = image_cli.start("run", "benchmark", "sleep", "--platform", "aws", *SMALL)
    wait_until(lambda: on_engine(account), process)
    process.kill()
    process.communicate()
    assert len(on_engine(account)) == 1
    kinds = {row["kind"]: row["outcome"] for row in image_cli.json("clean")}
    assert kinds["image"] == "deleted"
    assert on_engine(account) == []
    assert_empty(image_cli, account)


@pytest.fixture
def one_run(image_cli: Cli, account: EmulatedAccount) -> Callable[..., str]:
    """Return a runner of a run whose image cannot be had: what it says, once it left nothing behind."""

    def run(code: int, *words: str) -> str:
        said = image_cli.say("-vv", "run", "benchmark", "sleep", "--platform", "aws", *SMALL, *words)
        assert said.code == code, said.stderr
        assert_empty(image_cli, account)
        assert on_engine(account) == []
        assert_no_secret(image_cli, said.stdout, said.stderr)
        return said.stderr

    return run


def test_token_that_the_registry_does_not_take_is_told_and_written_nowhere(
    account: EmulatedAccount, one_run: Callable[..., str]
) -> None:
    account.registry.start()
    of_ecr = account.registry.password
    account.registry.admit("another")
    try:
        said = one_run(4)
    finally:
        account.registry.admit(of_ecr)
    assert "error: the registry refused the push of the image of 'sleep'" in said
    assert "log in again" in said
    assert "sebsx aws policy" in said


def test_registry_that_cannot_be_reached_is_told_without_the_account(
    account: EmulatedAccount, one_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account.registry.start()
    monkeypatch.setattr(account.registry, "host", f"{DEFAULT_ACCOUNT_ID}.dkr.ecr.us-east-1.invalid")
    said = one_run(4)
    assert "push of the image of 'sleep' failed" in said
    assert "can the Docker engine reach the registry?" in said


def test_base_image_that_cannot_be_had_is_told(one_run: Callable[..., str]) -> None:
    said = one_run(4, "--set", "base_image=127.0.0.1:1/no-such-base:{version}")
    assert "image of 'sleep' cannot be built" in said
    assert f"can the Docker engine get its base image '127.0.0.1:1/no-such-base:{PYTHON['x86_64']}'?" in said


def refused(platform: AwsPlatform, ledger: MemoryLedger, account: EmulatedAccount, package: Package) -> str:
    """Return what is said of an image that is not pushed, once nothing is left of it."""
    with platform:
        config = FunctionConfig("sebsx-image", memory_mib=256, timeout_s=60.0, architecture=architecture(platform))
        with pytest.raises(UnsupportedError) as raised:
            platform.deploy(package, config)
        (repository,) = account.remaining()["repositories"]
        assert account.registry.images(repository) == []
    assert on_engine(account) == []
    assert account.remaining() == {}
    assert ledger.open == {}
    return str(raised.value)


def test_image_larger_than_lambda_takes_is_not_pushed(
    account: EmulatedAccount,
    base_like_aws: Callable[[str], str],
    package: Callable[[AwsPlatform], Package],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "_IMAGE_BYTES", 1_000_000)
    platform, ledger = with_images(tmp_path, AwsPlatform, base_like_aws("x86_64"))
    said = refused(platform, ledger, account, package(platform))
    assert "GiB, and Lambda takes 10 GiB" in said


def test_base_image_for_another_architecture_is_not_pushed(
    account: EmulatedAccount,
    base_like_aws: Callable[[str], str],
    package: Callable[[AwsPlatform], Package],
    tmp_path: Path,
) -> None:
    platform, ledger = with_images(tmp_path, AwsArmPlatform, base_like_aws("x86_64"))
    said = refused(platform, ledger, account, package(platform))
    assert said.startswith("image of 'echo' is for amd64, as base image ")
    assert "docker pull --platform linux/arm64" in said
