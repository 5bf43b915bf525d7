"""Stored models: a folder with the estimators, without pickle, and a card that says what they are.

`model-HASH.skops` holds estimators of scikit-learn. What it holds is looked at before anything is loaded: only the
types that this plugin writes are, so that a file from elsewhere cannot run code. `card.json` holds all the rest, and
names that file: a model is replaced when its card is, in one rename.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.system.folders import data_folder, has_home
from sebsx.system.lazy import require
from sebsx_arm_prediction.models import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CARD, ESTIMATORS = "card.json", "model-{:.12}.skops"  # the hash of what it holds: a card names the file that is its own
SCHEMA = 3
_SEAL = "card_sha256"  # of all the rest: what was edited or half written is told, and never predicts
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LEFT_S = 3600.0  # no model takes so long to be written
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a file of the right types and the wrong content ends in.
_GARBLED = (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RecursionError, zipfile.BadZipFile)
# What is shown of a card, and read before the rest of it.
_PLAIN: Mapping[str, Any] = {
    "name": str, "scikit_learn": str, "skops_sha256": str, "source": str, "target": str, "scope": str, "method": str,
    "functions": list, "runs": list, "rows": int, "error": int | float, "baselines": dict,
}  # fmt: skip
_NEW = ".new-"  # what begins so is being written, or was when whoever wrote it was killed
_MOST_BYTES = 256 * 2**20  # unpacked; a model of all scopes with 100 trees has 60 MB
# What a model of ours is made of; a random state of numpy is not in it, whose loader trusts the file.
_TYPES = frozenset(
    {
        "builtins.dict", "builtins.list", "builtins.tuple", "builtins.str", "builtins.int", "builtins.float",
        "builtins.bool", "builtins.NoneType", "builtins.type", "builtins.slice",
        "numpy.ndarray", "numpy.int64", "numpy.float64", "numpy.int32", "numpy.bool_", "numpy.bool", "numpy.dtype",
        "numpy.float32", "numpy.uint8", "numpy.uint32", "numpy.uint64",
        "sklearn.linear_model._base.LinearRegression",
        "sklearn.ensemble._forest.RandomForestRegressor", "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor", "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn._loss.link.IdentityLink", "sklearn._loss.link.Interval",
        "sklearn._loss.loss.HalfSquaredError", "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
        "sklearn.pipeline.Pipeline", "sklearn.preprocessing._data.StandardScaler",
        "sklearn.neighbors._classification.KNeighborsClassifier", "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.metrics._dist_metrics.EuclideanDistance64", "sklearn.metrics._dist_metrics.EuclideanDistance",
        "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    }
)  # fmt: skip


def folder() -> Path:
    """Return where models lie."""
    return data_folder() / "models"


def names() -> list[str]:
    """Return the names of the models there are."""
    found = (path.parent.name for path in folder().glob(f"*/{CARD}")) if has_home() else ()
    return sorted(name for name in found if _NAME.fullmatch(name))  # not what is being written, or was by one killed


def check_place(name: str) -> None:
    """Refuse to begin what could not be kept: fitting takes long.

    Raises:
        UserError: If the name cannot be one, or nothing can be written where models lie.
    """
    _check_name(name)
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder(), prefix=_NEW):
            pass
    except OSError as exc:
        raise _unwritten(name, exc) from exc


def save(name: str, card: Mapping[str, Any], estimators: Mapping[str, Any], place: Path | None = None) -> Path:
    """Write a model, replacing one of the same name, and return its folder.

    Args:
        name: Lower case letters, digits, dots and dashes.
        card: What it is, as JSON; the versions of what it was made with are added.
        estimators: Of scikit-learn, fitted, by name.
        place: Folder of models; None for the user's.

    Raises:
        UserError: If the name cannot be one, or nothing can be written.
    """
    _check_name(name)
    sklearn, skops_io = require("sklearn", extra=EXTRA), require("skops.io", extra=EXTRA)
    content: bytes = skops_io.dumps(dict(estimators))
    whole = {
        "schema": SCHEMA, "name": name, "scikit_learn": sklearn.__version__,
        "skops_sha256": hashlib.sha256(content).hexdigest(), **card,
    }  # fmt: skip
    target = (place or folder()) / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=_NEW) as temporary:
            made = Path(temporary, ESTIMATORS.format(whole["skops_sha256"]))
            made.write_bytes(content)
            check_types(made, name)  # what could not be read back is told now
            card_made = Path(temporary, CARD)
            card_made.write_text(json.dumps(_sealed(whole), indent=1) + "\n", encoding="utf-8")
            made.replace(target / made.name)
            card_made.replace(target / CARD)  # from here on it is the new one
        for old in target.glob(ESTIMATORS.format("*")):
            if old.name != made.name:
                old.unlink(missing_ok=True)
        _sweep(target.parent)
    except OSError as exc:
        with suppress(OSError):
            target.rmdir()  # made for nothing
        raise _unwritten(name, exc) from exc
    return target


def _sweep(place: Path) -> None:
    """Remove what those that were killed left long ago; others may be writing now."""
    for left in place.glob(f"{_NEW}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UserError(f"invalid name {name!r} of a model: use lower case letters, digits, dots and dashes")


def _unwritten(name: str, exc: OSError) -> UserError:
    return UserError(f"model {name!r} cannot be written to {str(folder())!r}: {exc.strerror or exc}")


def find(name: str) -> Path:
    """Return the folder of a model by its name or its path.

    Raises:
        UserError: If there is none.
    """
    with suppress(OSError):  # no path can be so long
        if (Path(name) / CARD).is_file():
            return Path(name)
    if _NAME.fullmatch(name) and has_home() and (folder() / name / CARD).is_file():
        return folder() / name
    if not _NAME.fullmatch(name):
        raise UserError(f"there is no model in {name!r}: a folder with {CARD} (sebsx predict models)")
    known = names()
    if not known:
        raise UserError(f"model {name!r} is not known; make one: sebsx predict train RUN --save {name}")
    raise UnknownNameError("model", name, known, "sebsx predict models")


def card_of(place: Path) -> dict[str, Any]:
    """Return the card of a model.

    Raises:
        UserError: If it cannot be read, is of another schema, or was changed.
    """
    try:
        card = json.loads((place / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise UserError(f"model {place.name!r} cannot be read: {exc}") from exc
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise UserError(f"model {place.name!r} was not written by this version of sebsx; train it again")
    if card.get(_SEAL) != _seal(card):
        raise UserError(f"model {place.name!r} is damaged: {CARD} is not as it was written; train it again")
    wrong = [name for name, types in _PLAIN.items() if not isinstance(card.get(name), types)]
    wrong += [] if wrong or _SHA256.fullmatch(card["skops_sha256"]) else ["skops_sha256"]
    if wrong:
        raise UserError(f"model {place.name!r} is damaged: {CARD} garbles {wrong[0]}; train it again")
    return card


def load(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the card and the estimators of a model.

    Raises:
        UserError: If it is damaged, holds types that no model of ours has, or is of another scikit-learn.
    """
    card = card_of(place)
    sklearn, skops_io = require("sklearn", extra=EXTRA), require("skops.io", extra=EXTRA)
    if card.get("scikit_learn") != sklearn.__version__:
        raise UserError(
            f"model {place.name!r} was made with scikit-learn {card.get('scikit_learn')}, and {sklearn.__version__} is "
            f"installed; train it again (sebsx predict train {' '.join(card.get('runs', ())) or 'RUN'} --save "
            f"{place.name}), or install that version"
        )
    path = place / ESTIMATORS.format(str(card.get("skops_sha256")))
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise UserError(f"model {place.name!r} cannot be read: {exc}") from exc
    if hashlib.sha256(content).hexdigest() != card.get("skops_sha256"):
        raise UserError(f"model {place.name!r} is damaged: {path.name} is not the file that its card names")
    types = check_types(path, place.name)
    try:
        loaded: dict[str, Any] = skops_io.loads(content, trusted=sorted(types))
    except _GARBLED as exc:
        raise UserError(f"model {place.name!r} is damaged: {path.name} cannot be loaded: {exc}") from exc
    return card, loaded


def _sealed(card: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(card))
    return {**plain, _SEAL: _seal(plain)}


def _seal(card: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in card.items() if name != _SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_types(path: Path, name: str) -> set[str]:
    """Return the types that a file of estimators holds.

    Args:
        path: The file.
        name: Of the model, for messages.

    Raises:
        UserError: If it is not such a file, is too large, or holds a type that no model of ours has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(item.file_size for item in archive.infolist())) > _MOST_BYTES:
                raise UserError(f"model {name!r} has {size:,} bytes, more than the {_MOST_BYTES:,} allowed")
            found = set(_types(json.loads(archive.read("schema.json"))))
    except (OSError, KeyError, ValueError, RecursionError, NotImplementedError, zipfile.BadZipFile, zlib.error) as exc:
        raise UserError(f"model {name!r} is damaged: {exc}") from exc
    if unknown := sorted(found - _TYPES):
        raise UserError(f"model {name!r} holds {', '.join(unknown)}, which no model of sebsx has; it is not loaded")
    return found


def _types(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "__class__" in node:
            yield f"{node.get('__module__')}.{node['__class__']}"
        for value in node.values():
            yield from _types(value)
    elif isinstance(node, list):
        for value in node:
            yield from _types(value)
