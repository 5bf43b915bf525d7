"""`sebsx predict arm`, `sebsx predict train` and `sebsx predict models`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.errors import UserError
from sebsx.settings import NoSettings, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Table
    from sebsx.contracts.commands import Services
    from sebsx_arm_prediction.dataset import Dataset
    from sebsx_arm_prediction.learning import Trained
    from sebsx_arm_prediction.predicting import Costs, Prediction

_FEW = 6  # functions that are named


@dataclass(frozen=True)
class PredictSettings:
    """What to predict from, with which model, at which prices."""

    from_run: str = setting("", help="a run on x86, profiled with --collect saaf", option="--from")
    features: str = setting(
        "", help="a file of profiles: CSV, JSON or Parquet of sebsx, SAAF or FaaS Runner", option="--features"
    )
    function: str = setting(
        "", help="a function you have: its ARN; it is called ten times as it is, which tells its run time alone",
        option="--function",
    )  # fmt: skip
    model: str = setting(
        "", help="name or folder of a model; default: the only one there is (sebsx predict models); `example` to try it"
    )
    price_as: str = setting("aws:us-east-1", help="prices: a provider and a region; empty for none")
    memory_mib: int = setting(0, help="provisioned memory in MiB to price; 0 for the profile's", option="--memory")
    level: float = setting(0.8, help="coverage of the prediction interval", minimum=0.5, maximum=0.99, share=True)
    anyway: bool = setting(False, help="predict even where the answer is that it cannot be known")


class PredictArm(Command[PredictSettings]):
    """Says how long a function will run on ARM, what it will cost, and whether to move it."""

    name = "predict-arm"
    words = "predict arm"
    summary = "from an x86 profile: time, class and cost on ARM, or that it cannot be known"
    details = (
        "  sebsx run benchmark graph-mst --collect saaf && sebsx predict arm --from last\n"
        "  sebsx predict arm --features profile.json --model local-medium\n"
        "  sebsx predict arm --function arn:aws:lambda:eu-central-1:123456789012:function:thumbs"
    )
    Settings: ClassVar[type[Any]] = PredictSettings

    def run(self, services: Services, settings: PredictSettings) -> None:
        """Read the profile and the model, and say the answers."""
        from sebsx_arm_prediction import example, predicting, registry
        from sebsx_arm_prediction.learning import from_parts

        name = settings.model or _only_model()
        if name == example.NAME:
            card, estimators = example.load(services.output.note)
        else:
            card, estimators = registry.load(registry.find(name))
        trained = from_parts(card, estimators)
        rows = _profile(services, settings, trained)
        found = list(predicting.answers(trained, rows, _costs(services, settings, rows), settings.level))
        known = [predicting.regardless(each) if settings.anyway else each for each in found]
        for note in rows.notes:  # of a file it is told, too, that all is well
            (services.output.note if settings.features else services.output.warning)(note)
        for each in found:
            for reason in each.reasons if settings.anyway else ():
                services.output.warning(f"{each.function}: {reason}")
        document = {
            "model": card["name"],
            "answers": [{"sentence": each.sentence, "decision": each.decision, **asdict(each)} for each in known],
        }
        services.output.result(document, _table(known), text="\n".join(each.sentence for each in known))
        for note in _notes(trained, found):
            services.output.note(note)


@dataclass(frozen=True)
class TrainSettings:
    """What to learn from, and what the model is called."""

    runs: tuple[str, ...] = setting((), help="runs of the experiment arm-prediction", positional="RUN...")
    features: tuple[str, ...] = setting(
        (), help="files of profiles, beside or in place of runs (sebsx import saaf --help)", option="--features"
    )
    save: str = setting("", help="name of the model; nothing is kept without one")
    source: str = setting("", help="environment that is profiled, where there are several")
    target: str = setting("", help="environment that is predicted, where there are several")
    part: str = setting("train", help="campaign of the runs to learn from; empty for all", option="--part")
    all_functions: bool = setting(False, help="learn from the functions that the study kept back, too")
    trees: int = setting(50, help="trees of a forest", minimum=5, maximum=500)
    seed: int = setting(0, help="seed of all that is random")


class PredictTrain(Command[TrainSettings]):
    """Fits a model to the runs of a campaign, chosen on functions left out, and keeps it."""

    name = "predict-train"
    words = "predict train"
    summary = "fit a model to runs of the experiment arm-prediction, and keep it"
    details = "  sebsx run experiment arm-prediction --platform aws,aws-arm && sebsx predict train last --save aws-3008"
    Settings: ClassVar[type[Any]] = TrainSettings

    def run(self, services: Services, settings: TrainSettings) -> None:
        """Read, fit, say and keep."""
        from pathlib import Path

        from sebsx_arm_prediction import learning, registry
        from sebsx_arm_prediction.checks import few_rows
        from sebsx_arm_prediction.dataset import joined_datasets
        from sebsx_arm_prediction.files import read_files
        from sebsx_arm_prediction.models import Effort
        from sebsx_arm_prediction.pairs import pair
        from sebsx_arm_prediction.runs import dataset_of_runs

        if settings.save:
            registry.check_place(settings.save)
        names = settings.runs or (() if settings.features else ("last",))
        datasets = [read_files([Path(name) for name in settings.features])] if settings.features else []
        if names:
            with services.open_store() as store:
                datasets.append(dataset_of_runs([store.view(name) for name in names]))
        dataset = joined_datasets(datasets)
        if settings.part and settings.part in dataset.levels("campaign"):
            dataset = dataset.select(campaign=settings.part)
        if not settings.all_functions and "unseen" in dataset.levels("split"):
            dataset = dataset.select(where=~dataset.frame.equals("split", "unseen"))
        pairs = pair(dataset, settings.source, settings.target)
        trained = learning.train(pairs, effort=Effort(trees=settings.trees, seed=settings.seed), seed=settings.seed)
        card, estimators = learning.to_parts(trained)
        path = registry.save(settings.save, card, estimators) if settings.save else None
        document = {**card, "saved": None if path is None else str(path)}
        if few := few_rows(len(pairs), len(pairs.functions), len(pairs.step_names)):
            services.output.warning(few)
        services.output.result(document, _card_table(card), text=in_words(card))
        for note in card["notes"]:
            services.output.note(note)
        services.output.note(f"kept in {path}" if path else "nothing is kept; --save NAME keeps the model")


class PredictModels(Command[NoSettings]):
    """Lists the models there are."""

    name = "predict-models"
    words = "predict models"
    summary = "the models that `sebsx predict arm` can use"
    Settings: ClassVar[type[Any]] = NoSettings

    def run(self, services: Services, settings: NoSettings) -> None:
        """Read the cards and show them."""
        from sebsx_arm_prediction import registry

        cards = []
        for name in registry.names():
            try:
                cards.append(registry.card_of(registry.find(name)))
            except UserError as exc:  # the others can be used all the same
                services.output.warning(str(exc))
        from sebsx.contracts.analyzers import Column, Table  # heavy

        columns = [Column("name", "model"), Column("of", "from"), Column("to", "to"), Column("method", "method"),
                   Column("functions", "functions", unit="count"), Column("error", "error", unit="1")]  # fmt: skip
        rows = [
            {
                "name": card["name"], "of": card["source"], "to": card["target"],
                "method": f"{card['scope']} {card['method']}", "functions": len(card["functions"]),
                "error": card["error"],
            }
            for card in cards
        ]  # fmt: skip
        text = "" if cards else "no models yet; make one: sebsx predict train RUN --save NAME, or try --model example"
        services.output.result(cards, *([Table("models", columns=columns, rows=rows)] if rows else []), text=text)


def in_words(card: dict[str, Any]) -> str:
    """Return what a model is, in two sentences."""
    from sebsx.reading.units import percent  # heavy

    same = card["baselines"].get("same-time")
    beside = f", where 'the same time' errs by {percent(same, 1)}" if same is not None else ""
    verdict = "" if same is None or card["error"] < same else "; it is no better than that"
    return (
        f"{card['scope']} {card['method']} predicts {card['target']} from {card['source']}: on functions "
        f"it has not seen it errs by {percent(card['error'], 1)}{beside}{verdict}. "
        f"It learned from {len(card['functions'])} functions in {card['rows']:,} invocations."
    )


def _only_model() -> str:
    from sebsx_arm_prediction import registry

    known = registry.names()
    if len(known) > 1:
        raise UserError(f"there are {len(known)} models: name one with --model ({', '.join(known)})")
    return known[0] if known else "arm"


def _profile(services: Services, settings: PredictSettings, trained: Trained) -> Dataset:
    """Return the rows to predict from."""
    from pathlib import Path

    from sebsx_arm_prediction.checks import validate
    from sebsx_arm_prediction.dataset import RUNTIME
    from sebsx_arm_prediction.files import read_files
    from sebsx_arm_prediction.learning import needed
    from sebsx_arm_prediction.region import absent_of
    from sebsx_arm_prediction.runs import dataset_of_run

    given = [name for name in ("from_run", "features", "function") if getattr(settings, name)]
    if len(given) != 1:
        raise UserError("say what to predict from: --from RUN, --features FILE or --function ARN, one of them")
    if settings.features:
        rows = read_files([Path(settings.features)])
    else:
        run = settings.from_run or _called(services, settings.function)
        with services.open_store() as store:
            rows = dataset_of_run(store.view(run))
        here = rows.levels("environment")
        if len(here) > 1 and trained.source in here:
            rows = rows.select(environment=trained.source)
    wanted = needed(trained)
    if settings.function and absent_of(rows) and set(wanted) - {RUNTIME}:
        raise UserError(
            f"{settings.function!r} was called as it is, which tells its run time alone; the model reads a profile: "
            "put SAAF into the function and give what it answers (--features FILE), or deploy its code as a benchmark "
            "(--collect saaf) and give the run (--from RUN)"
        )
    validate(rows, wanted)
    return rows


def _called(services: Services, address: str) -> str:
    """Call a function that exists and return the run."""
    run = services.run("function", {"address": address, "repetitions": 10, "start": ["warm"]})
    return run.id


def _costs(services: Services, settings: PredictSettings, rows: Dataset) -> Costs | None:
    import numpy as np  # heavy

    from sebsx_arm_prediction.money import costs_of

    memory_mib = settings.memory_mib
    if not memory_mib and not np.isnan(rows["memory_mib"]).all():
        memory_mib = round(float(np.nanmedian(rows["memory_mib"])))
    if not settings.price_as:
        return None
    if not memory_mib:
        services.output.note("no cost: the profile does not say with how much memory it ran; --memory does")
        return None
    return costs_of(services.registry, settings.price_as, memory_mib)


def _table(found: Sequence[Prediction]) -> Table:
    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [
        Column("function", "function"),
        Column("step", "step"),
        Column("here_s", "here", unit="s", meaning="mean run time where it was profiled"),
        Column("there_s", "predicted", unit="s", meaning="mean run time on the other machine, with its interval"),
        Column("word", "class"),
        Column("probability", "probability", unit="1", meaning="of the class"),
        Column("saving", "saving", unit="1", meaning="share of the cost that moving saves"),
        Column("decision", "decision"),
    ]
    return Table("predictions", columns=columns, rows=[_row(each) for each in found])


def _row(found: Prediction) -> dict[str, Any]:
    if not found.is_known:
        return {"function": found.function, "step": found.step, "here_s": found.here_s, "decision": found.decision}
    from sebsx.contracts.analyzers import Estimate  # heavy

    there = Estimate(
        found.there_s, low=found.low_s, high=found.high_s, confidence=found.level or 0.0, n=found.rows,
        note="" if found.low_s is not None else "no interval",
    )  # fmt: skip
    saving = found.saving and Estimate(
        found.saving, low=found.saving_low, high=found.saving_high, confidence=found.level or 0.0, n=found.rows
    )
    return {
        "function": found.function, "step": found.step, "here_s": found.here_s, "there_s": there, "word": found.word,
        "probability": found.probabilities.get(found.word), "saving": saving, "decision": found.decision,
    }  # fmt: skip


def _notes(trained: Trained, found: Sequence[Prediction]) -> list[str]:
    from sebsx.reading.units import percent  # heavy

    functions = trained.facts.get("functions", ())
    named = ", ".join(functions[:_FEW]) + (", ..." if len(functions) > _FEW else "")
    error = f"errs by {percent(trained.error, 1)} on those it has not seen"
    notes = [f"the model learned from {len(functions)} functions ({named}) and {error}"]
    first = found[0]
    if first.level is not None and first.coverage is not None:
        held = f"held {percent(first.coverage)} of what was measured on functions left out"
        notes.append(f"intervals of {percent(first.level)} {held}")
    if first.break_even_ratio is not None:
        notes.append(
            f"a call costs the same there if it takes {first.break_even_ratio:.3g} times as long ({first.prices})"
        )
    if "emulated" in trained.target:
        notes.append("the model is of an emulated processor: it shows how this works, and says nothing of ARM")
    return notes


def _card_table(card: dict[str, Any]) -> Table:
    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [Column("function", "function left out"), Column("error", "error", unit="1", meaning="mean, relative")]
    rows = [{"function": name, "error": error} for name, error in card["errors"].items()]
    return Table("errors", columns=columns, rows=rows)
