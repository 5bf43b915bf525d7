from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packages import write_package
from tests.runtime.conftest import PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

COMPARE = """
import sys
sys.path.insert(0, sys.argv[1])
from sebsx_runtime import fastjson
alone = "json" not in sys.modules
import json
texts = ['1', ' [1, 2.5e3, -0, true, false, null] ', '{"a": {"b": []}, "a": 2}', '"\\\\u00fc\\\\ud83d\\\\ude00"',
         '1e400', 'NaN', '"\\u00fc"', '\\t{}\\r\\n', '-Infinity']
for text in texts:
    assert repr(fastjson.loads(text.encode())) == repr(json.loads(text)), text
for text in ['', ' ', '{', '[1,]', '1 2', "{'a': 1}", '"\\n"', 'nul', '{"a" 1}', '[', '"', '01', '{"a":}']:
    try:
        fastjson.loads(text.encode())
    except ValueError:
        continue
    raise AssertionError(text)
mapping = {"a": {"b": (1, 2)}, 1: 2, None: 3, 1.5: 4}
for value in [None, True, 1, 1.5, 10**30, "\\u00fc\\U0001f600", [], {}, [1, [2]], mapping]:
    assert fastjson.dumps(value) == json.dumps(value, separators=(",", ":")), value
print(alone)
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_it_says_what_json_says_without_importing_it(tmp_path: Path, python: str) -> None:
    write_package(tmp_path, "")
    done = subprocess.run([python, "-I", "-S", "-c", COMPARE, str(tmp_path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


def test_interpreter_without_the_c_core_falls_back_on_json(tmp_path: Path) -> None:
    write_package(tmp_path, "")
    script = "import sys\nsys.modules['_json'] = None\n" + COMPARE

    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, str(tmp_path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n"


def test_cold_path_imports_nothing_heavy(tmp_path: Path) -> None:
    write_package(tmp_path, "import sys\ndef handler(e, c): return sorted(sys.modules)\n")
    script = (
        "import sys\nsys.path.insert(0, sys.argv[1])\nimport sebsx_runtime.bootstrap\n"
        "from sebsx_runtime.shim import Shim\nshim = Shim(sys.argv[1])\nshim.load()\nprint(shim.invoke(None, 'i').text)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )

    loaded = set(json.loads(done.stdout)["output"])
    assert (
        not {"json", "re", "enum", "socket", "http", "http.client", "ctypes", "email", "traceback", "typing"} & loaded
    )
