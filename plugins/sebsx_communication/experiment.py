"""communication: two functions, every channel, every size of message, interleaved."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.schedules import Arrivals
from sebsx.errors import PluginError, UnsupportedError, UserError
from sebsx.model import PLUGIN_FAILED, Capability, Cell, CellStatus, Design, Factor, Kind, Plan, Role, Status
from sebsx.pricing.planning import estimate
from sebsx.running.rounds import rounds
from sebsx.settings import Layer, Section, SettingsReader, public
from sebsx_communication.costs import ENDS, functions_usd_per_s, operations_usd
from sebsx_communication.exchanges import OPERATIONS, RATE, exchanged
from sebsx_communication.settings import CommunicationSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.channels import Channel
    from sebsx.contracts.functions import Function
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Invocation, Provision

LANGUAGE = "python"
_PROBES = 3
# For the plan only: a round trip, and a byte more of it.
_GUESS_S, _GUESS_S_PER_BYTE = 0.005, 2 / 50e6
_GUESS_OPERATIONS = ("put", "push", "send", "pop", "receive", "invoke")
_UNREACHABLE = "Unreachable"
_ONE_BYTE = {"message_bytes": 1, "round_trips": 1, "warmups": 0, "stream_messages": 0}


class Communication(Experiment[CommunicationSettings]):
    """Latency, bandwidth and cost of messages between functions (SeBS, Middleware'21; FMI, ICS'23)."""

    name = "communication"
    summary = "latency, bandwidth and cost of messages between functions, by channel and size"
    Settings: ClassVar[type[Any]] = CommunicationSettings
    factors = (
        Factor(name="channel", meaning="what carries messages", always=True),
        Factor(name="message_bytes", title="message", meaning="size of a message", bare=True, always=True),
        Factor(name="parameters", role=Role.DERIVED, of=("channel",), meaning="settings of the channel"),
    )
    analyzer = "communication"

    def plan(self, scene: Scene, settings: CommunicationSettings) -> Plan:
        """Return one cell per platform, memory size, channel and size of message."""
        channels = _channels(scene, settings)
        cells = [
            _cell(scene, platform, provision, channel, size, settings)
            for platform in scene.platforms.values()
            for provision in _provisions(scene, platform, settings)
            for channel in channels
            for size in settings.message_bytes
        ]
        refusals = dict.fromkeys(
            why
            for platform in scene.platforms.values()
            for channel in channels
            for size in settings.message_bytes
            if (why := channel.refusal(platform, size))
        )
        notes = (
            *refusals,
            "time and cost follow from a guess: 5 ms and 50 MB/s a message, one unanswered poll for each",
        )
        return Plan(tuple(cells), deployments=len({_spec_of(cell) for cell in cells}), notes=notes, design=Design.RMIT)

    def run(self, session: Session, settings: CommunicationSettings) -> None:
        """Deploy one function for all channels, and let two invocations of it talk."""
        scene = session.scene
        channels = {channel.name: channel for channel in _channels(scene, settings)}
        shipped = tuple(
            (f"sebsx_channels/{name.replace('-', '_')}.py", channel.source(LANGUAGE) or b"")
            for name, channel in sorted(channels.items())
        )
        pending = session.pending(self.plan(scene, settings))
        for spec, group in groupby(pending, key=_spec_of):
            platform = scene.platforms[spec.platform]
            cells = _possible(session, platform, channels, list(group))
            if not cells:
                continue
            needs = frozenset().union(*(channels[cell.factors["channel"]].needs for cell in cells))
            with session.deployed(replace(spec, files=shipped, needs=needs), cells) as function:
                if function is not None:
                    _measure(session, function, channels, cells, settings)


@dataclass
class _Exchanger:
    """One cell being measured, exchange by exchange."""

    session: Session
    measurement: Measurement
    channel: Channel[Any]
    settings: CommunicationSettings
    parameters: Mapping[str, Any]
    done: int = 0
    failures: int = 0
    closed: bool = False

    @cached_property
    def size(self) -> int:
        """Size of its messages."""
        return int(self.measurement.cell.factors["message_bytes"])

    def begin(self) -> None:
        """Count the exchanges that an interrupted run completed."""
        rounds: dict[int | None, list[bool]] = {}
        view = self.session.view
        for stored in view.invocations(cell_id=self.measurement.cell_id, kind=Kind.MEASURED):
            rounds.setdefault(stored.round, []).append(stored.status is Status.OK)
        self.done = sum(all(ends) and len(ends) == self.ends for ends in rounds.values())
        self.settle()

    @property
    def ends(self) -> int:
        """Invocations that the driver starts for one exchange."""
        return ENDS if self.channel.paired else 1

    def exchange(self, kind: Kind, number: int | None = None, **changes: Any) -> list[Invocation]:
        """Let both ends talk once; return their invocations."""
        settings = self.settings
        session = f"communication/{self.session.run.id}/{secrets.token_hex(12)}"
        event = {
            "channel": self.channel.name,
            "session": session,
            "message_bytes": self.size,
            "round_trips": settings.round_trips,
            "warmups": settings.warmups,
            "stream_messages": settings.stream_messages,
            "stream_bytes": settings.most_streamed_bytes,
            "budget_s": settings.budget_s,
            "timeout_s": settings.timeout_s,
            "retries": settings.retries,
            "start_s": settings.start_s,
            "parameters": self.parameters,
            **changes,
        }
        roles = ("consumer", "producer")[-self.ends :]
        events = [{**event, "role": role} for role in roles]
        try:
            with self.session.execution("exchange", self.measurement.cell_id, None, kind, number):
                return self.measurement.invoke(Arrivals([0.0] * self.ends), kind, number, events)
        finally:
            self.channel.clean(self.measurement.function.platform, session)

    def renew(self) -> None:
        """Have all cells meet new sandboxes, and start those by one exchange that does not count."""
        with self._alone():
            self.measurement.force_cold()
            self.exchange(Kind.WARMUP, **_ONE_BYTE)

    def sample(self, number: int) -> None:
        """Do one exchange that counts."""
        ends: list[Invocation] = []
        with self._alone():
            ends = self.exchange(Kind.MEASURED, number)
        if self.closed:
            return
        if all(end.status is Status.OK for end in ends):
            self.done += 1
        else:
            self.failures += 1
        self.settle()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let a plugin that fails end this cell and no other."""
        try:
            yield
        except PluginError as exc:
            self.closed = True
            self.session.finish(self.measurement, CellStatus.FAILED, PLUGIN_FAILED, str(exc))

    def settle(self) -> None:
        """Close the cell if it has enough, or has failed or lasted too long."""
        settings = self.settings
        if self.done >= settings.rounds:
            self.close(CellStatus.FINISHED, f"{self.done} exchanges")
        elif self.failures >= settings.max_failures:
            self.close(CellStatus.FAILED, f"{self.failures} exchanges failed", self.measurement.first_error)
        elif self.measurement.elapsed_s > settings.max_time_s:
            status = CellStatus.FINISHED if self.done else CellStatus.FAILED
            self.close(status, f"time is up after {self.done} exchanges", None if self.done else "no exchange ended")

    def close(self, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close the cell, with what a message costs by what was counted."""
        self.closed = True
        self._price()
        self.session.finish(self.measurement, status, reason, error)

    def _price(self) -> None:
        function, cell_id = self.measurement.function, self.measurement.cell_id
        platform, factors = function.platform, self.measurement.cell.factors
        memory_mib = function.deployment.config.memory_mib
        view = self.session.view
        (mine,) = [each for each in exchanged(view) if each.cell.id == cell_id]
        if not mine.carried:
            return
        charges = self.channel.charges(mine.per_message(), self.size)
        found = {
            RATE: functions_usd_per_s(platform, memory_mib, factors["architecture"]),
            OPERATIONS: operations_usd(platform, factors["architecture"], charges),
        }
        for metric, usd in found.items():
            if usd is not None:
                self.session.record(metric, usd, cell_id=cell_id)


def _measure(
    session: Session,
    function: Function,
    channels: Mapping[str, Channel[Any]],
    cells: Sequence[Cell],
    settings: CommunicationSettings,
) -> None:
    """Exchange messages in rounds: one exchange of each cell is a turn, and each round has sandboxes of its own."""
    with ExitStack() as stack:
        exchangers = []
        for name, group in groupby(cells, key=lambda cell: str(cell.factors["channel"])):
            those = list(group)
            try:
                exchangers += _reached(session, function, channels[name], those, settings, stack)
            except PluginError as exc:
                session.refuse(those, PLUGIN_FAILED, str(exc), CellStatus.FAILED)
                session.observer.warned(str(exc))
        changes = Capability.FORCE_COLD in function.platform.capabilities
        for done, (number, turns) in enumerate(rounds(session, exchangers)):
            if done and changes:
                turns[0].renew()
            for exchanger in turns:
                if not exchanger.closed:
                    exchanger.sample(number)


def _reached(
    session: Session,
    function: Function,
    channel: Channel[Any],
    cells: Sequence[Cell],
    settings: CommunicationSettings,
    stack: ExitStack,
) -> list[_Exchanger]:
    """Send one byte over a channel, and return its cells; empty where it is not available, which is stored."""
    try:
        parameters = _parameters(function, channel, settings)
    except UnsupportedError as exc:
        session.refuse(cells, "not reachable", str(exc))
        session.observer.warned(str(exc))
        return []
    session.observer.step(f"trying channel {channel.name} on {function.platform.name}")
    exchangers = [
        _Exchanger(session, stack.enter_context(session.measure(cell, function)), channel, settings, parameters)
        for cell in cells
    ]
    problem = ""
    for _ in range(_PROBES):
        ends = exchangers[0].exchange(Kind.WARMUP, **_ONE_BYTE)
        errors = [(end.error or end.status.value).partition("\n")[0] for end in ends if end.status is not Status.OK]
        if not errors:
            for exchanger in exchangers:
                exchanger.begin()
            return exchangers
        # The end that knows why says so; the other only waited.
        problem = next((error for error in reversed(errors) if error.startswith(_UNREACHABLE)), errors[-1])
    known = problem.startswith(_UNREACHABLE)
    status, reason = (CellStatus.UNSUPPORTED, "not reachable") if known else (CellStatus.FAILED, "the first try failed")
    session.refuse(cells, reason, problem, status)
    session.observer.warned(f"channel {channel.name} on {function.platform.name}: {reason}: {problem}")
    return []


def _parameters(function: Function, channel: Channel[Any], settings: CommunicationSettings) -> dict[str, Any]:
    if not function.simultaneous and channel.paired:
        raise UnsupportedError(
            f"channel {channel.name!r} needs two invocations at once; platform {function.platform.name!r} makes them "
            "one after the other"
        )
    own = channel.parameters(function.platform, function.deployment)
    return {"poll_s": settings.poll_s, "timeout_s": settings.timeout_s, "meet_s": settings.start_s, **own}


def _possible(
    session: Session, platform: Platform[Any], channels: Mapping[str, Channel[Any]], cells: Sequence[Cell]
) -> list[Cell]:
    """Store the cells that are known to be impossible, telling each reason once; return the others."""
    possible, told = [], set()
    for cell in cells:
        why = channels[cell.factors["channel"]].refusal(platform, cell.factors["message_bytes"])
        if why is None:
            possible.append(cell)
            continue
        session.refuse([cell], "not possible", why)
        if why not in told:
            told.add(why)
            session.observer.warned(why)
    return possible


def _channels(scene: Scene, settings: CommunicationSettings) -> list[Channel[Any]]:
    """Return the channels with their settings.

    Raises:
        UnknownNameError: If there is no such channel, or an option is of none of them.
        UserError: If an option is wrong, or a channel has no code for the functions.
    """
    registry = scene.registry
    names = settings.channels or tuple(sorted(registry.channels))
    classes = {name: registry.get("channels", name) for name in dict.fromkeys(names)}
    for option in settings.channel_settings:
        registry.get("channels", option.partition(".")[0])
    sections = [Section(name, cls.Settings) for name, cls in classes.items()]
    chosen = {key: value for key, value in settings.channel_settings.items() if key.partition(".")[0] in classes}
    reader = SettingsReader([Layer("options", chosen)], sections)
    for key, _origin, advice in reader.unknown():
        raise UserError(f"option {key!r} is not known{f'; {advice}' if advice else ''}")
    channels = [cls(reader.read(name).value) for name, cls in classes.items()]
    for channel in channels:
        if channel.source(LANGUAGE) is None:
            raise UserError(f"channel {channel.name!r} has no code for {LANGUAGE}")
    return channels


def _folder() -> str:
    return str(files("sebsx_communication") / "shipped" / "probe")


def _provisions(scene: Scene, platform: Platform[Any], settings: CommunicationSettings) -> list[Provision]:
    return scene.provisions(platform, settings.memory_mib, settings.architecture or platform.architectures[0])


def _cell(
    scene: Scene,
    platform: Platform[Any],
    provision: Provision,
    channel: Channel[Any],
    size: int,
    settings: CommunicationSettings,
) -> Cell:
    benchmark = scene.benchmark(_folder())
    code = hashlib.sha256(benchmark.sha256.encode() + (channel.source(LANGUAGE) or b"")).hexdigest()
    factors = {
        "platform": platform.name,
        "benchmark": benchmark.name,
        "folder": _folder(),
        "benchmark_sha256": code,
        "size": "default",
        "channel": channel.name,
        "message_bytes": size,
        "parameters": {key: value for key, value in public(channel.settings).items() if value},
        "language": LANGUAGE,
        "architecture": settings.architecture or platform.architectures[0],
        **provision.factors,
        "timeout_s": min(settings.function_timeout_s, platform.timeout_s),
    }
    ends = ENDS if channel.paired else 1
    invocations = settings.rounds * ends
    if channel.refusal(platform, size):
        return Cell(factors, invocations, duration_s=0.0, cost_usd=0.0, provision=provision, in_flight=ends)
    trips = settings.round_trips + settings.warmups
    trip_s = _GUESS_S + _GUESS_S_PER_BYTE * size
    call_s = min(settings.budget_s + trip_s, trips * trip_s) + min(settings.budget_s, settings.stream_messages * trip_s)
    cost_usd = _expected_usd(platform, factors, provision, channel, call_s, settings)
    return Cell(
        factors,
        invocations,
        duration_s=settings.rounds * call_s,
        cost_usd=cost_usd,
        provision=provision,
        in_flight=ends,
    )


def _expected_usd(
    platform: Platform[Any],
    factors: Mapping[str, Any],
    provision: Provision,
    channel: Channel[Any],
    call_s: float,
    settings: CommunicationSettings,
) -> float | None:
    """Return what a cell costs if every message takes one unanswered poll."""
    each = estimate(platform, factors, 1, call_s, provision=provision).expected_usd
    guess = {**dict.fromkeys(_GUESS_OPERATIONS, 1.0), "get": 2.0, "poll": 1.0}
    size = int(factors["message_bytes"])
    operations = operations_usd(platform, factors["architecture"], channel.charges(guess, size))
    if each is None or operations is None:
        return None
    messages = 2 * (settings.round_trips + settings.warmups) + settings.stream_messages
    return settings.rounds * (ENDS * each + messages * operations)


def _spec_of(cell: Cell) -> FunctionSpec:
    """Return what to deploy: the channels and sizes of message of one platform share a function."""
    return replace(FunctionSpec.of(cell), size="default", parameters=())
