"""Storage and table of the user's own, used by driver and functions: s3rver and dynalite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds import shipped
from sebsx.clouds.selfhosted import STORES, SelfHostedAccount, SelfHostedPlatform, SelfHostedSettings
from sebsx.errors import CredentialsError
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import MemoryLedger

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(300)]
KEYS = {"access_key": "S3RVER", "secret_key": "S3RVER"}
SERVERS = """
const S3rver = require('s3rver');
const dynalite = require('dynalite');
const s3 = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: process.argv[2] });
const tables = dynalite({ createTableMs: 0, deleteTableMs: 0 });
s3.run().then((address) => tables.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify([address.port, tables.address().port]));
}));
process.stdin.on('end', () => process.exit(0)).resume();
"""
PYTHON = """
import json, sebsx_wrapper
storage, table = sebsx_wrapper.storage(), sebsx_wrapper.table()
storage.upload("out/from (python)*'! ü", storage.download("in/a b+c"))
open("file", "wb").write(b"x" * 100_000)
storage.upload_file("out/file", "file")
table.put("p", "b", {"n": 1}); table.put("p", "a", {"n": 2})
try:
    storage.download("missing")
except LookupError as error:
    said = str(error)
print(json.dumps([table.query("p"), table.get("p", "c"), said]))
table.delete("p", "a"); table.delete("p", "b")
"""
NODEJS = """
const fs = require('fs');
const wrapper = require('./sebsx_wrapper.cjs');
(async () => {
  const [storage, table] = [wrapper.storage(), wrapper.table()];
  await storage.upload("out/from (nodejs)*'! ü", await storage.download('in/a b+c'));
  fs.writeFileSync('file', Buffer.alloc(100000, 'x'));
  await storage.uploadFile('out/file', 'file');
  await table.put('p', 'b', { n: 1 });
  await table.put('p', 'a', { n: 2 });
  const said = await storage.download('missing').catch((error) => error.message);
  console.log(JSON.stringify([await table.query('p'), await table.get('p', 'c'), said]));
  await table.delete('p', 'a');
  await table.delete('p', 'b');
  process.exit(0);
})();
"""
COMMANDS = {"python": [sys.executable, "-c", PYTHON], "nodejs": ["node", "-e", NODEJS]}


class HostedServer(SelfHostedAccount):
    """A server that asks nobody who they are."""

    def prove(self) -> None:
        pass


class Hosted(SelfHostedPlatform[SelfHostedSettings, HostedServer]):
    """A platform that has storage and table, and nothing else."""

    name = "hosted"
    summary = "storage and table alone"
    Settings = SelfHostedSettings
    Account = HostedServer
    kinds = STORES

    def credentials_advice(self) -> str:
        return "look again"

    def deploy(self, package: Any, config: Any) -> Any:
        raise NotImplementedError

    def teardown(self, deployment: Any) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings that lead to both servers."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "package.json").write_text("{}")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "s3rver@3.7", "dynalite@4"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=200)
    (folder / "servers.js").write_text(SERVERS)
    (folder / "objects").mkdir()
    process = subprocess.Popen(
        ["node", "servers.js", str(folder / "objects")], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    storage, table = json.loads(process.stdout.readline())
    yield {"storage_url": f"http://127.0.0.1:{storage}", "table_url": f"http://127.0.0.1:{table}"}
    process.stdin.close()
    process.stdout.close()
    process.wait(20)


def made(folder: Path, ledger: MemoryLedger, **settings: Any) -> Hosted:
    return Hosted(SelfHostedSettings(**settings), context_for(Hosted, folder, ledger=ledger))


def test_driver_and_functions_share_what_the_user_has(servers: dict[str, str], tmp_path: Path) -> None:
    ledger = MemoryLedger()
    with made(tmp_path, ledger, **servers, **KEYS) as platform:
        assert list(platform.account.store_problems()) == []
        storage, environment = platform.storage(), platform.account.store_environment(platform.shared_name)
        platform.table()
        storage.put("in/a b+c", b"\0abc")
        for language, command in COMMANDS.items():
            for name, data in shipped.wrapper_files(language).items():
                (tmp_path / name).write_bytes(data)
            done = subprocess.run(
                command, cwd=tmp_path, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            found, missing, said = json.loads(done.stdout)
            assert (found, missing) == ([{"n": 2}, {"n": 1}], None)
            assert "storage holds no object 'missing'" in said
            assert storage.get(f"out/from ({language})*'! ü") == b"\0abc"
            assert storage.get("out/file") == b"x" * 100_000
        storage.delete("out/")
        assert storage.keys() == ["in/a b+c"]
        assert {kind for kind, _ in ledger.open} == {"bucket", "table"}
    assert ledger.open == {}


def test_wrong_key_is_told(servers: dict[str, str], tmp_path: Path) -> None:
    refused = r"create of bucket .*: The AWS Access Key Id .* \(InvalidAccessKeyId\); set access_key and secret_key"
    wrong = {**KEYS, "access_key": "nobody"}
    platform = made(tmp_path, MemoryLedger(), **servers, **wrong)
    with platform, pytest.raises(CredentialsError, match=refused):
        platform.storage()
