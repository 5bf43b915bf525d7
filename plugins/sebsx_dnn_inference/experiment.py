"""dnn-inference: every model in every engine, batch and memory size, in rounds of fresh sandboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.schedules import Closed
from sebsx.errors import MissingDependencyError, PluginError, UserError
from sebsx.model import Capability, Cell, CellStatus, Design, Factor, Plan, Role
from sebsx.pricing.planning import estimate
from sebsx.running.rounds import StoppingRule, interleave
from sebsx_dnn_inference import images, models, zoo
from sebsx_dnn_inference.converting import convert, reference
from sebsx_dnn_inference.engines import ConversionTarget
from sebsx_dnn_inference.reuse import ENVIRONMENT, REUSED, environment_of, measured_before, without_work
from sebsx_dnn_inference.serving import STORAGE, WORD_BYTES, folder_of
from sebsx_dnn_inference.settings import DnnSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx_dnn_inference.converting import Converted
    from sebsx_dnn_inference.engines import InferenceEngine
    from sebsx_dnn_inference.models import NeuralModel

CONVERSION = "dnn.conversion_s"
CONVERSION_PEAK = "dnn.conversion_peak_bytes"
CONVERTED = "dnn.converted_bytes"
ORIGINAL = "dnn.original_bytes"
DIFFERENCE = "dnn.difference_ratio"
MULTIPLY_ADDS = "dnn.multiply_adds_count"
_LANGUAGE = "python"
# For plans, before anything was measured: multiply-adds a second of one processor, and a cold start.
_SPEED = 2e10
_GUESS_S, _COLD_GUESS_S = 0.05, 2.0


class DnnInference(Experiment[DnnSettings]):
    """Which environment serves a model best (the sweep of All-You-Can-Inference, and more)."""

    name = "dnn-inference"
    summary = "which engine, batch and memory size serve a DNN best, with cold starts and cost"
    Settings: ClassVar[type[Any]] = DnnSettings
    factors = (
        Factor(name="model", meaning="what is served", always=True),
        Factor(name="model_identity", role=Role.IDENTITY, meaning="SHA-256 of a file, version of a model of sebsx"),
        Factor(
            name=ENVIRONMENT,
            role=Role.IDENTITY,
            meaning="digest of the machine, the platform's settings, the engine and its versions",
        ),
        Factor(
            name="optimizer", title="engine", meaning="what serves it, and how it was converted for that", always=True
        ),
        Factor(name="batch", title="batch", meaning="items of one inference", always=True),
        Factor(name="text_bytes", title="text", unit="bytes", meaning="size of a text; none where items are made"),
        Factor(name="model_source", title="model from", meaning="the package or the storage"),
        Factor(name="tokens", meaning="length of a text; none for pictures"),
        Factor(name="threads", meaning="of an operator; none for the processors a sandbox sees"),
    )
    collectors = ("process",)
    analyzer = "dnn-inference"
    extras = ("dnn",)

    def plan(self, scene: Scene, settings: DnnSettings) -> Plan:
        """Return one cell for each model, engine, batch, memory size and platform; nothing is converted."""
        return self._planned(scene, settings)[0]

    def _planned(self, scene: Scene, settings: DnnSettings) -> tuple[Plan, Mapping[str, str]]:
        """Return the plan, and by hash the run that measured a cell before."""
        engines = {name: scene.registry.get("engines", name) for name in settings.chosen.optimizers}
        refused = [reason for name in settings.chosen.models if (reason := models.refusal(name))]
        if len(refused) == len(settings.chosen.models):
            raise UserError(refused[0])
        cells = [
            cell
            for model, platform in product(models.named(settings.chosen.models).items(), scene.platforms.values())
            for cell in _cells(scene, platform, model, settings, engines)
        ]
        known = {} if settings.force else measured_before(scene, self.name, cells)
        deployed = {
            _function_of(cell, engines[cell.factors["optimizer"]])
            for cell in cells
            if cell.hash not in known and cell.unsupported is None
        }
        cells, notes = without_work(cells, known)
        notes += images.said(cells, settings.chosen.models, engines, scene.platforms)
        return Plan(tuple(cells), deployments=len(deployed), notes=tuple(notes), design=Design.RMIT), known

    def run(self, session: Session, settings: DnnSettings) -> None:
        """Convert, deploy and measure; what cannot be converted is a result, and the other cells go on."""
        plan, known = self._planned(session.scene, settings)
        cells = session.pending(plan)
        for cell in cells:
            if cell.hash in known:
                _take(session, cell, known[cell.hash])
        cells = [cell for cell in cells if cell.hash not in known]
        conversions = _Conversions(session, settings)
        ready = [cell for cell in cells if conversions.prepared(cell)]
        calls = settings.chosen.sandboxes * (1 + settings.chosen.calls)
        rule = StoppingRule(repetitions=calls, max_failures=settings.max_failures, max_time_s=settings.max_time_s)
        interleave(
            session,
            ready,
            rule,
            partial(_look_at_one, settings),
            prepare=conversions.begun,
            spec_of=conversions.spec_of,
            shared=True,
        )


@dataclass(slots=True)
class _Conversions:
    """What was converted so far: each model once for an engine and an architecture."""

    session: Session
    settings: DnnSettings
    _models: dict[str, NeuralModel] = field(default_factory=dict)
    _done: dict[tuple[Any, ...], tuple[Path, Converted] | str] = field(default_factory=dict)

    def prepared(self, cell: Cell) -> bool:
        """Convert what a cell serves; store a cell whose model cannot be served, and return False."""
        made = self._made(cell)
        if isinstance(made, str):
            self.session.refuse([cell], "cannot be served", made, CellStatus.FAILED)
        return not isinstance(made, str)

    def spec_of(self, cell: Cell) -> FunctionSpec:
        """Return what to deploy: batches share a function, unless the engine compiles for each."""
        made = self._made(cell)
        assert not isinstance(made, str)
        factors, provision = cell.factors, cell.provision
        fixed = factors["batch"] if self._engine(cell).fixed_batch else 1
        parameters = self._parameters(cell, fixed) | {"text_bytes": 0}  # texts of all sizes share a function
        return FunctionSpec(
            platform=factors["platform"],
            benchmark=str(made[0]),
            size="default",
            language=_LANGUAGE,
            architecture=factors["architecture"],
            memory_mib=factors["memory_mib"] if provision is None else provision.memory_offered_mib,
            options=() if provision is None else provision.options_offered,
            timeout_s=factors["timeout_s"],
            parameters=tuple(sorted(parameters.items())),
        )

    def begun(self, measurement: Measurement) -> None:
        """Give a cell its own batch, and store once what the conversion took."""
        cell = measurement.cell
        measurement.function = self.session.called(measurement.function, self._parameters(cell, cell.factors["batch"]))
        made = self._made(cell)
        assert not isinstance(made, str)
        told = {value.metric for value in self.session.view.values() if value.cell_id == measurement.cell_id}
        for metric, value in self._figures(cell, made[1]).items():
            if metric not in told and value is not None:
                self.session.record(metric, value, cell_id=measurement.cell_id)

    def _figures(self, cell: Cell, converted: Converted) -> dict[str, float | None]:
        model = self._model(cell)
        return {
            CONVERSION: converted.duration_s,
            CONVERSION_PEAK: converted.peak_bytes,
            CONVERTED: converted.size_bytes,
            ORIGINAL: model.size_bytes,
            DIFFERENCE: converted.difference,
            MULTIPLY_ADDS: model.multiply_adds,
        }

    def _parameters(self, cell: Cell, batch: int) -> dict[str, int]:
        settings, text_bytes = self.settings, cell.factors["text_bytes"] or 0
        return {"batch": batch, "tokens": settings.tokens, "threads": settings.threads, "text_bytes": text_bytes}

    def _engine(self, cell: Cell) -> InferenceEngine:
        engine: InferenceEngine = self.session.scene.registry.get("engines", cell.factors["optimizer"])()
        return engine

    def _model(self, cell: Cell) -> NeuralModel:
        name = cell.factors["model"]
        if name not in self._models:
            given = models.given(self.settings.chosen.models, name)
            self.session.observer.step(f"opening model {name}")
            self._models[name] = models.opened(given)
        return self._models[name]

    def _made(self, cell: Cell) -> tuple[Path, Converted] | str:
        factors = cell.factors
        engine = self._engine(cell)
        target = ConversionTarget(
            architecture=factors["architecture"], batch=factors["batch"], tokens=self.settings.tokens
        )
        key = (factors["model"], engine.name, target.architecture, target.batch if engine.fixed_batch else 0)
        if key not in self._done:
            self._done[key] = self._convert(cell, engine, target)
        made = self._done[key]
        if isinstance(made, str):
            return made
        return _refused_input(self._model(cell), factors["batch"], factors["text_bytes"] or 0) or made

    def _convert(self, cell: Cell, engine: InferenceEngine, target: ConversionTarget) -> tuple[Path, Converted] | str:
        try:
            model = self._model(cell)
            self.session.observer.step(f"converting {model.name} for {engine.name}")
            converted = convert(engine, model, target)
            expected = reference(model, self.settings.tokens)
            source = cell.factors["model_source"]
            return folder_of(engine, model, converted, expected, target, source=source), converted
        except MissingDependencyError:
            raise  # of all cells alike
        except (UserError, PluginError) as exc:
            return str(exc)


def _take(session: Session, cell: Cell, run_id: str) -> None:
    """Store that a cell was measured by another run."""
    begun = session.begin(cell)
    session.record(REUSED, run_id, cell_id=begun.cell_id)
    session.finish(begun, CellStatus.FINISHED, f"measured in run {run_id}")


def _refused_input(model: NeuralModel, batch: int, text_bytes: int) -> str:
    """Return why a model does not take a batch or a text; empty where it does."""
    if text_bytes and not model.reads_words:
        return f"model {model.name!r} reads no text; leave out --text-bytes"
    if model.fixed_batch in {None, batch}:
        return ""
    return f"model {model.name!r} takes {model.fixed_batch} items at a time; export it with a free first size"


def _cells(
    scene: Scene,
    platform: Platform[Any],
    model: tuple[str, str],
    settings: DnnSettings,
    engines: Mapping[str, type[InferenceEngine]],
) -> Iterator[Cell]:
    name, identity = model
    chosen = settings.chosen
    refused = models.refusal(models.given(chosen.models, name))
    architecture = settings.architecture or platform.architectures[0]
    missing = settings.model_source == STORAGE and Capability.STORAGE not in platform.capabilities
    if missing:
        raise UserError(f"platform {platform.name!r} has no storage; use --model-source package")
    environments = {
        (optimizer, batch): environment_of(
            platform,
            engines[optimizer](),
            ConversionTarget(architecture=architecture, batch=batch, tokens=settings.tokens),
        )
        for optimizer, batch in product(chosen.optimizers, chosen.batches)
    }
    for provision, optimizer, batch, text_bytes in product(
        scene.provisions(platform, settings.memory_mib, architecture), chosen.optimizers, chosen.batches, chosen.texts
    ):
        factors = {
            "platform": platform.name,
            "model": name,
            "model_identity": identity,
            ENVIRONMENT: environments[optimizer, batch],
            "optimizer": optimizer,
            "batch": batch,
            "text_bytes": text_bytes or None,
            "architecture": architecture,
            **provision.factors,
            "timeout_s": min(settings.timeout_s, platform.timeout_s),
            "model_source": settings.model_source,
            "tokens": settings.tokens if models.may_read_words(models.given(chosen.models, name)) else None,
            "threads": settings.threads or None,
        }
        calls = chosen.sandboxes * (1 + chosen.calls)
        items = max(batch, text_bytes / (WORD_BYTES * settings.tokens))
        call_s = _GUESS_S + items * _share(name) / _SPEED
        cost = estimate(
            platform, factors, calls, call_s, init_s=_COLD_GUESS_S / (1 + chosen.calls), provision=provision
        )
        duration_s = calls * call_s + chosen.sandboxes * _COLD_GUESS_S
        yield Cell(
            factors,
            calls,
            duration_s=duration_s,
            cost_usd=cost.expected_usd,
            provision=provision,
            unsupported=refused or _refusal(platform, architecture, engines[optimizer]()),
        )


def _refusal(platform: Platform[Any], architecture: str, engine: InferenceEngine) -> str | None:
    """Return why an engine cannot serve on a platform; None where it can, as far as that is known beforehand."""
    if architecture not in platform.architectures:
        has = ", ".join(platform.architectures)
        return f"architecture {architecture!r} is not offered; platform {platform.name!r} has {has}"
    if architecture not in engine.architectures:
        return f"engine {engine.name!r} does not serve on {architecture}"
    if lacking := engine.lacking():
        return f"engine {engine.name!r}: {lacking}"
    return platform.refusal(_LANGUAGE, architecture)


def _share(name: str) -> float:
    """Return roughly the multiply-adds of an item: published ones of our own models go with their parameters."""
    recipe = zoo.RECIPES.get(name)
    return 1e9 if recipe is None else 30.0 * recipe.parameters


def _function_of(cell: Cell, engine: type[InferenceEngine]) -> tuple[Any, ...]:
    shared = {"text_bytes"} if engine.fixed_batch else {"text_bytes", "batch"}
    factors = {name: level for name, level in cell.factors.items() if name not in shared}
    return tuple(sorted((name, str(level)) for name, level in factors.items()))


def _look_at_one(settings: DnnSettings, measurement: Measurement, number: int) -> None:
    """Take one sandbox: its first call, which loads everything, and some behind it."""
    if Capability.FORCE_COLD in measurement.function.platform.capabilities:
        measurement.force_cold()
    measurement.invoke(Closed(1 + settings.chosen.calls), round=number)
