"""`sebsx import saaf`: profiles that others took, as one file of rows that may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.errors import UserError
from sebsx.settings import setting

if TYPE_CHECKING:
    from sebsx.contracts.analyzers import Table
    from sebsx.contracts.commands import Services
    from sebsx_arm_prediction.dataset import Dataset


@dataclass(frozen=True)
class ImportSettings:
    """What to read, and where to put it."""

    files: tuple[str, ...] = setting(
        (), help="files of SAAF, FaaS Runner or sebsx export (CSV, JSON, Parquet), or folders of JSON files",
        positional="FILE...",
    )  # fmt: skip
    output: str = setting("", help="file to write, .csv or .parquet; default: nothing is written", option="--output")
    columns: dict[str, str] = setting(
        {}, help="which column of the files has what their names do not tell: step=payload", option="--column"
    )
    given: dict[str, str] = setting(
        {}, help="what the files do not say of their rows: campaign=train", option="--given"
    )
    tolerance: float = setting(
        0.05, help="how far processor times may miss the run time, as a share of it", minimum=0, share=True
    )


class ImportSaaf(Command[ImportSettings]):
    """Reads profiles that others took, says how many rows may be believed, and writes those."""

    name = "import-saaf"
    words = "import saaf"
    summary = "profiles of SAAF and FaaS Runner: which rows may be believed, as one file"
    details = (
        "  sebsx import saaf report.csv --output profiles.parquet\n"
        "  sebsx import saaf answers/ --column step=payload --given campaign=train --output train.csv"
    )
    Settings: ClassVar[type[Any]] = ImportSettings

    def run(self, services: Services, settings: ImportSettings) -> None:
        """Read, say and write."""
        from sebsx_arm_prediction.files import read_files, write_file  # `sebsx --help` must stay quick

        if not settings.files:
            raise UserError("name the files to read, such as: sebsx import saaf report.csv --output profiles.csv")
        paths = [Path(name) for name in settings.files]
        dataset = read_files(paths, settings.columns, settings.given, settings.tolerance)
        if settings.output:
            write_file(dataset, Path(settings.output))
        document = {"rows": len(dataset), "notes": list(dataset.notes), "written": settings.output or None}
        services.output.result(document, _table(dataset), text=f"{len(dataset):,} rows may be believed")
        for note in dataset.notes:
            services.output.note(note)
        if settings.output:
            services.output.note(f"wrote {settings.output}")


def _table(dataset: Dataset) -> Table:
    """Return how many rows there are of each function on each machine, and their run times."""
    import numpy as np  # heavy

    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [
        Column("environment", "machine"),
        Column("function", "function"),
        Column("steps", "steps", unit="count"),
        Column("rows", "rows", unit="count"),
        Column("shortest_s", "shortest", unit="s"),
        Column("longest_s", "longest", unit="s"),
    ]
    rows = []
    for environment in dataset.levels("environment"):
        here = dataset.select(environment=environment)
        for function in here.functions:
            those = here.select(function=function)
            run_s = those["runtime_s"]
            rows.append(
                {
                    "environment": environment,
                    "function": function,
                    "steps": len(those.levels("step")),
                    "rows": len(those),
                    "shortest_s": float(np.min(run_s)),
                    "longest_s": float(np.max(run_s)),
                }
            )
    return Table("profiles", columns=columns, rows=rows)
