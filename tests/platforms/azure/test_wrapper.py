"""What the wrapper for Node.js sends to a table, without a table."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sebsx.clouds import shipped

# Asks as a function would, and prints what would have been sent.
ASKING = """
const sent = [];
globalThis.fetch = async (url, { method, body }) => {
  if (method === 'PUT') sent.push(JSON.parse(body));
  return { ok: true, status: method === 'PUT' ? 204 : 200, json: async () => sent[0] };
};
process.env.SEBSX_TABLE_URL = 'https://x/items?sig=s';
const table = require('./sebsx_wrapper.cjs').table();
const item = { long: '\\u{1f642}'.repeat(20000) };
table.put('a', 'b', item).then(async () => {
  const same = JSON.stringify(await table.get('a', 'b')) === JSON.stringify(item);
  console.log(JSON.stringify({ same, pieces: Object.values(sent[0]) }));
});
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
def test_pieces_of_an_item_hold_whole_characters(tmp_path: Path) -> None:
    for name, data in (shipped.own_files("sebsx_azure", "sebsx_wrapper.cjs") | shipped.shared_files("nodejs")).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "asking.cjs").write_text(ASKING)
    done = subprocess.run(["node", "asking.cjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["same"]
    assert len(told["pieces"]) > 1
    for piece in told["pieces"]:
        piece.encode()  # half of a character has no encoding: whoever stores it may put another in its place
