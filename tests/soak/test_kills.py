from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak import kills

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1, 11))
def test_twenty_kills_lose_nothing_and_leave_nothing(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    code = kills.main(["--kills", "20", "--seed", str(seed)])
    assert code == 0, capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("broken", "told"), [("heard", "announced"), ("lost", "lost"), ("left", "left behind")])
def test_promise_that_is_broken_is_found(
    tmp_path: Path, broken: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = kills.make_cli(tmp_path)
    assert cli.say("run", "benchmark", "sleep", "--size", "test", "--repetitions", "1", "--start", "warm").code == 0
    assert kills.heard(cli) == kills.stored(cli) != set()
    if broken == "heard":
        with (tmp_path / "heard").open("a", encoding="utf-8") as file:
            file.write("01JZ 7\n")
    elif broken == "lost":
        rows = iter([kills.stored(cli) | {"01JZ 7"}])
        monkeypatch.setattr(kills, "stored", lambda cli, real=kills.stored: next(rows, None) or real(cli))
    else:
        monkeypatch.setattr(kills, "left_behind", lambda _cli: ["folder x"])
        monkeypatch.setattr(kills, "PATIENCE_S", 0.1)
    with pytest.raises(kills.BrokenPromiseError, match=told):
        kills.kill_once(cli, ("runs",), 0.0)
