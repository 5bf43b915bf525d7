"""What the shim reads of its threads' turns at a processor, whatever the function does with threads and descriptors."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import sebsx.runtime

TURNS = Path(sebsx.runtime.__file__).parent / "nodejs" / "turns.cjs"
SCRIPT = """
const fs = require('fs');
const { Worker } = require('worker_threads');
const turns = require(process.argv[1]);
const listed = () => fs.readdirSync('/proc/self/task').reduce((sum, thread) =>
  sum + Number(fs.readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ')[1]) * 1e-9, 0);
const isBetween = () => {
  const [low, { delayS }, high] = [listed(), turns.read(), listed()];
  return low - 1e-8 <= delayS && delayS <= high + 1e-8;
};
const opened = () => fs.readdirSync('/proc/self/fd').length;
if (turns.read() === null) process.exit(3);
const said = { first: isBetween(), again: isBetween() };
const files = opened();
for (let number = 0; number < 20; number++) turns.read();
said.leaves = opened() - files;
const worker = new Worker('require("worker_threads").parentPort.once("message", () => {})', { eval: true });
worker.once('online', () => {
  said.another = isBetween();
  worker.postMessage(null);
});
worker.once('exit', () => {
  said.ended = isBetween();
  const ours = fs.readdirSync('/proc/self/fd').map(Number).filter((number) => {
    try { return fs.readlinkSync(`/proc/self/fd/${number}`).includes('/task'); } catch { return false; }
  });
  for (const number of ours) fs.closeSync(number);
  const taken = ours.map(() => fs.openSync(process.argv[1]));
  said.closed = isBetween();
  said.taken = taken.every((number) => fs.fstatSync(number).ino === fs.statSync(process.argv[1]).ino);
  console.log(JSON.stringify(said));
});
"""
FULL = """
const fs = require('fs');
const turns = require(process.argv[1]);
if (turns.read() === null) process.exit(3);
const fill = () => {
  const numbers = [];
  try {
    for (;;) numbers.push(fs.openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  return numbers;
};
const ours = fs.readdirSync('/proc/self/fd').map(Number).filter((number) => {
  try { return fs.readlinkSync(`/proc/self/fd/${number}`).includes('/task'); } catch { return false; }
});
fill();
for (const number of ours) fs.closeSync(number);
for (const number of fill().slice(0, 2)) fs.closeSync(number);
const said = [turns.read(), turns.read(), turns.read()];
console.log(JSON.stringify([...said, fill().length]));
"""


def test_turns_of_every_thread_are_counted_whatever_happens_to_open_files() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    done = subprocess.run([node, "-e", SCRIPT, str(TURNS)], capture_output=True, text=True, timeout=60)
    if done.returncode == 3:
        pytest.skip("this kernel has no schedstat")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "first": True,
        "again": True,
        "leaves": 0,
        "another": True,
        "ended": True,
        "closed": True,
        "taken": True,
    }


def test_function_has_its_last_file_numbers_where_threads_have_none_left() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", node, "-e", FULL, str(TURNS)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60)
    if done.returncode == 3:
        pytest.skip("this kernel has no schedstat")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [None, None, None, 2]
