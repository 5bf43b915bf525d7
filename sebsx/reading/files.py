"""Writes the files that analyzers hand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.exporters import replacing
from sebsx.errors import PluginError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.analyzers import Report, ReportFile
    from sebsx.contracts.runs import RunView


def write_files(report: Report, views: Sequence[RunView], folder: Path) -> list[Path]:
    """Write the files of a report into a folder, which is made where it is missing, and return them.

    Raises:
        PluginError: If a name leads out of the folder.
        UserError: If one cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"folder {str(folder)!r} cannot be made: {error.strerror or error}") from error
    return [_write(each, views, folder) for each in report.files]


def _write(file: ReportFile, views: Sequence[RunView], folder: Path) -> Path:
    target = folder / file.name
    if target.parent != folder or file.name in ("", ".", ".."):
        raise PluginError(f"an analyzer hands out a file {file.name!r}; a name without a folder is wanted")
    with replacing(target) as part:
        if file.artifact is None:
            part.write_text(file.content or "", encoding="utf-8")
        else:
            holder = next(view for view in views if file.artifact in view.artifacts())
            holder.copy_artifact(file.artifact, part)
    return target
