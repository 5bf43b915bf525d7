"""One round of a cell: fresh sandboxes load the model, and all of them say what they hold."""

from __future__ import annotations

import base64
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.contracts.schedules import Closed
from sebsx.errors import UnsupportedError
from sebsx.model import CellStatus, Kind, Status
from sebsx.running.rounds import StoppingRule, Turns
from sebsx_memory import ksm, metrics
from sebsx_memory.settings import MERGING, bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.groups import Group
    from sebsx.contracts.measurement import Measurement
    from sebsx_memory.settings import SharingSettings

EXECUTION = "replicas"
_ATTEMPTS = 3  # waves until every call meets a sandbox of its own
_DIGEST_BYTES = 8
_MOST_DIGESTS = 50_000  # that one call answers: 0.5 MB
_INTERPRETER_BYTES = 16 * 2**20
_PAGE = 4096


class Rounds(Turns):
    """The rounds of one cell.

    Args:
        measurement: The cell.
        settings: How often, and how the kernel is to merge.
    """

    def __init__(self, measurement: Measurement, settings: SharingSettings) -> None:
        rounds = settings.chosen.rounds
        rule = StoppingRule(
            repetitions=rounds,
            max_attempts=rounds + settings.max_failures,
            max_failures=settings.max_failures,
            max_time_s=settings.max_time_s,
        )
        super().__init__(measurement, rule)
        self._settings = settings
        self._good = [
            each.duration_s or 0.0
            for each in measurement.session.view.executions()
            if each.cell_id == measurement.cell_id and each.status is Status.OK and each.purpose is Kind.MEASURED
        ]
        self._tried = len(self._good)

    @property
    def samples(self) -> Sequence[float]:
        """The rounds that count."""
        return self._good

    @property
    def attempts(self) -> int:
        """Rounds that were begun."""
        return self._tried

    def take(self, number: int) -> None:
        """Take one round; a strategy that kernel or user does not allow makes the cell unsupported."""
        self._tried += 1
        merging = self.measurement.cell.factors["strategy"] in MERGING
        try:
            with ksm.running(self._settings.pages_to_scan) if merging else nullcontext():
                self._round(number)
        except UnsupportedError as exc:
            self.end(CellStatus.UNSUPPORTED, "not possible", str(exc))
        finally:
            self.measurement.force_cold()  # what stays would be counted among those who share, in every other cell

    def _round(self, number: int) -> None:
        measurement, settings = self.measurement, self._settings
        measurement.force_cold()
        wave = Wave(measurement=measurement, settings=settings, number=number)
        if not wave.send("load"):
            return
        figures: dict[str, float | None] = {metrics.LOAD: wave.middle("load_s")}
        if measurement.cell.factors["strategy"] in MERGING:
            figures |= self._merge(wave)
        with measurement.session.execution(EXECUTION, measurement.cell_id, measurement.function, round=number) as group:
            if not wave.send("memory", Kind.MEASURED):
                _void(group, measurement)
                return
            for name, metric in _SUMS.items():
                figures[metric] = sum(replica[name] for replica in wave.replicas)
            for do in ("pages", "read", "write"):
                if not wave.send(do):
                    _void(group, measurement)
                    return
                figures |= _FIGURES[do](wave)
            group.figures.update({name: value for name, value in figures.items() if value is not None})
        self._good.append(0.0)

    def _merge(self, wave: Wave) -> dict[str, float | None]:
        if wave.kernels != {_this_kernel()}:
            raise UnsupportedError("its sandboxes run under another kernel than this machine's, whose KSM is not ours")
        session = self.measurement.session
        session.observer.step("waiting for KSM to settle")
        merged = ksm.wait_until_settled(self._settings.merge_timeout_s, session.wait)
        if not merged.settled:
            session.observer.warned(
                f"KSM did not settle within {self._settings.merge_timeout_s:g} s: what it would still have merged is "
                "missing (--merge-timeout, --pages-to-scan)"
            )
        return {metrics.MERGE: merged.took_s, metrics.MERGE_CPU: merged.cpu_s}


@dataclass(slots=True, kw_only=True)
class Wave:
    """Simultaneous calls, one to each sandbox of a round, and what their replicas answered.

    Args:
        measurement: The cell.
        settings: How long each call holds its sandbox.
        number: Of the round.
    """

    measurement: Measurement
    settings: SharingSettings
    number: int
    replicas: list[Mapping[str, Any]] = field(default_factory=list)
    kernels: set[str] = field(default_factory=set)

    def send(self, do: str, kind: Kind = Kind.WARMUP) -> bool:
        """Have every replica do something; return whether each answered, and each call met a sandbox of its own.

        Raises:
            UnsupportedError: If kernel or user does not allow what the strategy needs.
        """
        processes, calls = shape(self.measurement.cell.factors)
        for _ in range(1 if do in ("load", "write") else _ATTEMPTS):  # the others change nothing and may be repeated
            outputs: list[Mapping[str, Any]] = []
            invocations = self.measurement.invoke(
                Closed(calls, users=calls), kind, round=self.number, events=[self._event(do, processes, calls)],
                read=partial(_collect, outputs),
            )  # fmt: skip
            refused = next((output["refused"] for output in outputs if output["refused"]), "")
            if refused:
                raise UnsupportedError(refused)
            bad = next((each for each in invocations if each.status is not Status.OK), None)
            if bad is not None:
                self._failed(f"{bad.status}: {bad.error}", counted=kind is Kind.MEASURED)
                return False
            if len({each.sandbox_id for each in invocations}) == calls:
                self.replicas = [replica for output in outputs for replica in output["replicas"]]
                self.kernels = {output["boot"] for output in outputs}
                return True
        self._failed(f"{calls} simultaneous calls met fewer sandboxes (--hold keeps each busy for longer)")
        return False

    def middle(self, name: str) -> float:
        """Return the median of what the replicas answered."""
        return float(median(replica[name] for replica in self.replicas))

    def _failed(self, why: str, *, counted: bool = False) -> None:
        self.measurement.failures += not counted
        self.measurement.first_error = self.measurement.first_error or why.partition("\n")[0]

    def _event(self, do: str, processes: int, calls: int) -> dict[str, Any]:
        factors = self.measurement.cell.factors
        pages = processes * (factors["model_bytes"] + factors["private_bytes"] + _INTERPRETER_BYTES) // _PAGE
        return {
            "do": do,
            "strategy": factors["strategy"],
            "weights": factors["weights"],
            "private_bytes": factors["private_bytes"],
            "processes": processes,
            "every": 1 + pages // _MOST_DIGESTS,
            "hold_s": self.settings.hold_s if calls > 1 else 0.0,
        }


def _collect(outputs: list[Mapping[str, Any]], output: Mapping[str, Any]) -> dict[str, float]:
    outputs.append(output)
    return {}


def shape(factors: Mapping[str, Any]) -> tuple[int, int]:
    """Return the processes of each sandbox and the number of sandboxes of a cell."""
    replicas = factors["replicas"]
    return (replicas, 1) if factors["strategy"] == "forked" else (1, replicas)


def model_bytes(name: str) -> int:
    """Return the size of a model as it lies in the package: whole pages."""
    return -(-bytes_of(name) // _PAGE) * _PAGE


def redundancy(digests: Sequence[bytes]) -> float:
    """Return the share of pages whose content another one has, too: what is left over when each is kept once.

    Args:
        digests: Of each replica, its pages' digests one after the other.
    """
    contents = Counter(each[at : at + _DIGEST_BYTES] for each in digests for at in range(0, len(each), _DIGEST_BYTES))
    return 1 - len(contents) / total if (total := contents.total()) else 0.0


def _pages(wave: Wave) -> dict[str, float]:
    digests = [base64.b64decode(replica["digests"]) for replica in wave.replicas]
    pages, zero = (sum(replica[name] for replica in wave.replicas) for name in ("pages", "zero"))
    return {metrics.IDENTICAL: redundancy(digests), metrics.ZERO: zero / pages if pages else 0.0}


_SUMS = {
    "rss_bytes": metrics.RSS,
    "pss_bytes": metrics.PSS,
    "uss_bytes": metrics.USS,
    "model_pss_bytes": metrics.MODEL_PSS,
    "private_pss_bytes": metrics.PRIVATE_PSS,
}


def _reading(wave: Wave) -> dict[str, float]:
    return {metrics.READ: wave.middle("read_s")}


def _writing(wave: Wave) -> dict[str, float]:
    return {
        metrics.FIRST_WRITE: wave.middle("first_write_s"),
        metrics.LATER_WRITE: wave.middle("later_write_s"),
    }


_FIGURES: dict[str, Callable[[Wave], dict[str, float]]] = {"pages": _pages, "read": _reading, "write": _writing}


def _void(group: Group, measurement: Measurement) -> None:
    group.status, group.error = Status.PLATFORM_ERROR, measurement.first_error


def _this_kernel() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "none"
