"""How the cells of the lab are measured: one call at full load, or a policy that decides once a period."""

from __future__ import annotations

import json
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.contracts.schedules import Closed
from sebsx.errors import UnsupportedError
from sebsx.model import Capability, CellStatus, Kind, Status
from sebsx.reading.units import parse_bytes
from sebsx.running.rounds import StoppingRule, Turns
from sebsx_serving import metrics
from sebsx_serving.policies import CONCURRENCY, POLICIES, observed
from sebsx_serving.processors import Processors
from sebsx_serving.settings import HELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.measurement import Measurement
    from sebsx.model import Invocation
    from sebsx_serving.settings import ServingSettings


_UNBOUNDED = 10_000


class ModeTurns(Turns):
    """One call that keeps all workers of a sandbox busy.

    Args:
        measurement: The cell.
        settings: For how long.
    """

    def __init__(self, measurement: Measurement, settings: ServingSettings) -> None:
        super().__init__(measurement, _once(settings))
        self._settings = settings

    def take(self, number: int) -> None:
        """Measure once, in a fresh sandbox."""
        self.measurement.force_cold()
        factors = self.measurement.cell.factors
        event = {
            **_work_of(self._settings, held=factors["work"] == HELD),
            "do": "saturate",
            "mode": factors["mode"],
            "workers": factors["workers"],
            "seconds": self._settings.chosen.saturate_s,
        }
        self.measurement.invoke(Closed(1), round=number, events=[event], read=saturated)


class ScalingTurns(Turns):
    """One load under one policy; a run that was interrupted in it begins it again.

    Args:
        measurement: The cell.
        settings: The load.
    """

    def __init__(self, measurement: Measurement, settings: ServingSettings) -> None:
        super().__init__(measurement, _once(settings))
        self._settings = settings
        self._policy = POLICIES[measurement.cell.factors["policy"]]
        self._load = settings.load(measurement.cell.factors["load"])
        self._whole: list[float] = []
        self._tried = 0

    @property
    def samples(self) -> list[float]:
        """Loads that were served to their end."""
        return self._whole

    @property
    def attempts(self) -> int:
        """Loads that were begun."""
        return self._tried

    def take(self, number: int) -> None:
        """Serve the load once; a sandbox whose processors cannot be changed makes the cell unsupported."""
        self._tried += 1
        try:
            self._begin(number)
        except UnsupportedError as exc:
            self.end(CellStatus.UNSUPPORTED, "not possible", str(exc))

    def _begin(self, number: int) -> None:
        measurement = self.measurement
        measurement.force_cold()
        seed = measurement.session.rng_for("serving-lab", measurement.cell.hash).getrandbits(32)
        self._note(seed)
        if self._policy.name == CONCURRENCY:
            self._send_each(number, seed)
            return
        try:
            with measurement.session.execution(
                "load", measurement.cell_id, measurement.function, round=number
            ) as group:
                if self._serve(number, seed):
                    self._whole.append(self._load.duration_s)
                else:
                    group.status, group.error = Status.PLATFORM_ERROR, measurement.first_error
        finally:
            measurement.force_cold()  # ends the sandbox, with whatever load it still makes

    def _note(self, seed: int) -> None:
        """Store what a simulation needs to be of the same load."""
        load, chosen, most = self._load, self._settings.chosen, self.measurement.cell.factors["most"]
        here = Capability.COLOCATED in self.measurement.function.platform.capabilities
        if self._policy.name == CONCURRENCY and not here:
            most = _UNBOUNDED  # each sandbox of a cloud has processors of its own
        told = {
            "kind": load.kind, "duration_s": load.duration_s, "users": load.users, "spawn_rate": load.spawn_rate,
            "think_s": list(load.think_s), "rate": load.rate, "period_s": chosen.period_s, "seed": seed,
            "most": most,
        }  # fmt: skip
        self.measurement.session.record(metrics.BEGUN, json.dumps(told), cell_id=self.measurement.cell_id)

    def _serve(self, number: int, seed: int) -> bool:
        """Have a sandbox make the load itself, and decide after each period; return whether it came to its end."""
        most, period_s = self.measurement.cell.factors["most"], self._settings.chosen.period_s
        workers = self._policy.first(most)
        start = {
            **_work_of(self._settings, held=False), "do": "start", "mode": self._policy.mode, "workers": workers,
            "load": self._load.event(seed),
        }  # fmt: skip
        begun = self._call(start, number, Kind.WARMUP)
        if begun is None:
            return False
        processors = Processors(begun["host"])
        processors.set(workers)
        until_s = 0.0
        while until_s < self._load.duration_s:
            until_s = min(until_s + period_s, self._load.duration_s)
            event = {"do": "period", "workers": workers, "cpus": workers, "affinity": processors.inside,
                     "until_s": until_s}  # fmt: skip
            found = self._call(event, number, Kind.MEASURED)
            if found is None:
                return False
            seen = observed(found["latency_s"], found["waiting_s"], found["busy_s"], found["workers_s"])
            wanted = self._policy.next(workers, seen, most)
            if wanted != workers:
                workers = wanted
                processors.set(workers)
        return self._call({"do": "stop"}, number, Kind.WARMUP) is not None

    def _call(self, event: Mapping[str, Any], number: int, kind: Kind) -> Mapping[str, Any] | None:
        """Return what the sandbox answered; None where it failed, which is counted."""
        outputs: list[Mapping[str, Any]] = []
        (invocation,) = self.measurement.invoke(
            Closed(1), kind, round=number, events=[event], read=partial(_collect, outputs)
        )
        if invocation.status is Status.OK:
            return outputs[0]
        self._heard(invocation, counted=kind is Kind.MEASURED)
        return None

    def _heard(self, invocation: Invocation, *, counted: bool) -> None:
        measurement = self.measurement
        measurement.failures += not counted
        measurement.first_error = measurement.first_error or f"{invocation.status}: {invocation.error}"

    def _send_each(self, number: int, seed: int) -> None:
        """Send each request to the platform, which starts a sandbox for whoever finds none idle."""
        measurement = self.measurement
        if not measurement.function.simultaneous:
            raise UnsupportedError("calls are made one after the other there")
        calibrated: list[Mapping[str, Any]] = []
        event = {**_work_of(self._settings, held=False), "do": "saturate", "mode": "threads", "workers": 1,
                 "seconds": 0.2}  # fmt: skip
        (first,) = measurement.invoke(
            Closed(1), Kind.WARMUP, round=number, events=[event], read=partial(_collect, calibrated)
        )
        if first.status is not Status.OK:
            self._heard(first, counted=False)
            return
        measurement.force_cold()
        event = {**event, "do": "serve", "rounds": calibrated[0]["rounds"]}
        health = measurement.load(self._load.schedule(seed), round=number, events=[event], read=served)
        if health.verdict:
            self.end(CellStatus.INVALID, health.verdict)
        elif health.given_up:
            self.end(CellStatus.FAILED, health.given_up, measurement.first_error)
        else:
            self._whole.append(self._load.duration_s)


def _once(settings: ServingSettings) -> StoppingRule:
    return StoppingRule(repetitions=1, max_failures=settings.max_failures, max_time_s=settings.max_time_s)


def saturated(output: Mapping[str, Any]) -> dict[str, float]:
    """Return what a call at full load measured."""
    found = {metrics.THROUGHPUT: output["completed"] / output["seconds"], metrics.LOAD: output["load_s"]}
    return found | _known(output) | ({metrics.BOOT: median(output["boot_s"])} if output["boot_s"] else {})


def served(output: Mapping[str, Any]) -> dict[str, float]:
    """Return what one inference measured."""
    return {metrics.SERVICE: output["service_s"], metrics.LOAD: output["load_s"]} | _known(output)


def _known(output: Mapping[str, Any]) -> dict[str, float]:
    return {} if output["pss_bytes"] is None else {metrics.MEMORY: output["pss_bytes"]}


def _collect(outputs: list[Mapping[str, Any]], output: Mapping[str, Any]) -> dict[str, float]:
    outputs.append(output)
    if "due_s" not in output:
        return {}
    boots = {metrics.BOOT: median(output["boot_s"])} if output["boot_s"] else {}
    return {metrics.LOAD: output["load_s"]} | _known(output) | boots


def _work_of(settings: ServingSettings, *, held: bool) -> dict[str, Any]:
    return {
        "model_bytes": parse_bytes(settings.model),
        "held": held,
        "work_s": settings.chosen.inference_s,
        "rounds": 0,
    }
