"""What a benchmark built on the driver, on its way into the storage of a platform and into the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from sebsx.building.stages import Stage
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.storage import Storage
    from sebsx.store import Store


def upload(stage: Stage | None, storage: Storage | None, benchmark: Benchmark) -> dict[str, str]:
    """Put files into the storage unless it has them, and return their keys by name; keys follow the content.

    Raises:
        UserError: If the benchmark does not ask for a storage.
    """
    if stage is None or not stage.stored:
        return {}
    if storage is None:
        raise UserError(
            f"benchmark {benchmark.name!r} builds {', '.join(stage.stored)} for the storage; "
            'say needs = ["storage"] in its manifest'
        )
    keys = {}
    for name, path in stage.stored.items():
        digest = stage.digests[f"storage/{name}"].partition("+")[0]
        keys[name] = key = f"sebsx-artifacts/{digest[:32]}/{name}"
        if key not in storage.keys(key):
            storage.put_file(key, path)
    return keys


def record(stage: Stage, store: Store, run_id: str, deployment_id: int) -> None:
    """Keep what was built with its deployment: each file by its content, and how long it took."""
    for path in (*stage.packaged.values(), *stage.stored.values()):
        store.artifacts.add(run_id, path, role="built", name=path.name, deployment_id=deployment_id)
    told = {"build_s": stage.build_s, "cached": stage.cached, "files": dict(stage.digests)}
    store.add_value(run_id, "client.build", None, deployment_id=deployment_id, text=json.dumps(told, sort_keys=True))
