"""A read-only online store for Feast: features that a job materialised into tables of a root.

In ``feature_store.yaml``::

    online_store:
        type: graven.feast.GravenOnlineStore
        root: /srv/features          # every feature view is a table in it: PROJECT_VIEW

A job writes new versions with :func:`publish`; ``feast materialize`` is refused, because nothing is written row by row. Readers
take a new version within ``refresh_seconds``.

A table of a view with one join key has that key's text as its keys (a whole number its digits), so other clients find it too.
With several join keys, a key is their values as a JSON list, in the order of the names of the join keys.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow
from feast import Entity, FeatureStore, FeatureView, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.offline_utils import get_offline_store_from_config
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.utils import _get_column_names, _run_pyarrow_field_mapping

import graven

__all__ = ["GravenOnlineStore", "GravenOnlineStoreConfig", "publish"]

_AT = "event_timestamp"
_KEY = "key"

Row = tuple[datetime | None, dict[str, Value] | None]


class GravenOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """The section ``online_store`` of ``feature_store.yaml``."""

    type: Literal["graven.feast.GravenOnlineStore"] = "graven.feast.GravenOnlineStore"
    """What Feast finds the store by."""

    root: str
    """The root: a directory with a table for each feature view."""

    storage: Literal["ram", "mmap", "disk"] = "mmap"
    """Where tables are kept while they are read."""

    refresh_seconds: float = 1.0
    """How old the knowledge may be of which version answers."""


class GravenOnlineStore(OnlineStore):  # type: ignore[misc]
    """Features from tables of a root, read by many threads at once."""

    def __init__(self) -> None:
        self._tables: dict[Path, tuple[graven.Table, float]] = {}
        self._lock = threading.Lock()

    def _table(self, config: RepoConfig, view: FeatureView) -> graven.Table:
        settings = config.online_store
        path = table_path(config, view)
        now = time.monotonic()
        with self._lock:
            known = self._tables.get(path)
            if known is not None and now - known[1] < settings.refresh_seconds:
                return known[0]
            # Others wait, so that a new version is opened once.
            table = known[0].latest() if known is not None else graven.open(path, storage=settings.storage)
            self._tables[path] = (table, now)
            return table

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Row]:
        """The features of each entity; ``(None, None)`` for one that the table does not hold."""
        opened = self._table(config, table)
        types = {feature.name: feature.dtype.to_value_type() for feature in table.features}
        names = list(types) if requested_features is None else [name for name in requested_features if name in types]
        keys = [_key({name: _plain(value) for name, value in _values(entity)}) for entity in entity_keys]
        rows = opened.get_many(keys, columns=[*names, _AT])
        found = [row for row in rows if row is not None]
        features: list[dict[str, Value]] = [{} for _ in found]
        for name in names:
            values = python_values_to_proto_values([row.get(name) for row in found], types[name])
            for row, value in zip(features, values, strict=True):
                row[name] = value
        answers = zip(found, features, strict=True)
        answer = ((row.get(_AT), values) for row, values in answers)
        return [(None, None) if row is None else next(answer) for row in rows]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Any],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Refused: versions are published whole."""
        raise graven.Error(
            f"the online store of {table.name} is read-only",
            path=str(table_path(config, table)),
            advice="graven.feast.publish(store, view) makes a version of all rows and switches to it",
        )

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Changes nothing: tables are made by :func:`publish`."""

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Closes what is open; the root stays as it is."""
        with self._lock:
            self._tables.clear()


def table_path(config: RepoConfig, view: FeatureView) -> Path:
    """The table of a feature view."""
    root = Path(config.online_store.root)
    if not root.is_absolute() and config.repo_path is not None:
        root = Path(config.repo_path) / root
    return root / f"{config.project}_{view.name}"


def publish(
    store: FeatureStore,
    view: str | FeatureView,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    version: str | None = None,
    note: str = "",
    keep: int | None = None,
) -> str:
    """Publish the latest row of every entity of ``view`` as a new version, and switch to it; the version's name.

    What ``feast materialize`` would write, from the offline store: rows with a time from ``start``, by default the earliest,
    to ``end``, by default now.
    """
    if isinstance(view, str):
        view = store.get_feature_view(view)
    config = store.config
    table = _latest(store, view, start or datetime(1970, 1, 1, tzinfo=UTC), end or datetime.now(UTC))
    path = table_path(config, view)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".build-") as scratch:
        file = Path(scratch) / "table.graven"
        features = [feature.name for feature in view.features]
        graven.build(table, file, key=_KEY, columns=[*features, _AT])
        return graven.publish(file, path, version=version, note=note, keep=keep)


def _latest(store: FeatureStore, view: FeatureView, start: datetime, end: datetime) -> pyarrow.Table:
    """The latest row of every entity, with its key in the column `key`."""
    names = [feature.name for feature in view.features]
    if _AT in names or _KEY in names:
        raise graven.BuildError(f"the view {view.name} has a feature that is called {_AT!r} or {_KEY!r}, which are taken")
    entities = [store.get_entity(name) for name in view.entities if name != DUMMY_ENTITY_ID]
    joins, features, at, created = _get_column_names(view, entities)
    source = view.batch_source
    job = get_offline_store_from_config(store.config.offline_store).pull_latest_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=joins,
        feature_name_columns=features,
        timestamp_field=at,
        created_timestamp_column=created,
        start_date=start,
        end_date=end,
    )
    table = job.to_arrow()
    if source.field_mapping:
        table = _run_pyarrow_field_mapping(table, source.field_mapping)
        at = source.field_mapping.get(at, at)
        joins = [source.field_mapping.get(name, name) for name in joins]
    columns = [table[name].to_pylist() for name in joins]
    rows = zip(*columns, strict=True) if columns else (() for _ in range(table.num_rows))
    keys = [_key(dict(zip(joins, row, strict=True))) for row in rows]
    times = table[at].cast(pyarrow.timestamp("us", "UTC"))
    table = table.select(names)
    return table.append_column(_AT, times).append_column(_KEY, pyarrow.array(keys, pyarrow.binary()))


def _values(entity: EntityKey) -> list[tuple[str, Value]]:
    pairs = zip(entity.join_keys, entity.entity_values, strict=True)
    return [(name, value) for name, value in pairs if name != DUMMY_ENTITY_ID]


def _plain(value: Value) -> Any:
    return feast_value_type_to_python_type(value)


def _key(joins: dict[str, Any]) -> bytes:
    """The key of an entity, from the values of its join keys."""
    values = [joins[name] for name in sorted(joins)]
    if len(values) == 1:
        value = values[0]
        if isinstance(value, bytes):
            return value
        if isinstance(value, (str, uuid.UUID)) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value).encode()
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, default=_json).encode()


def _json(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        # One without a zone is in UTC, as it is for Feast, and not of the place of this machine.
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    raise TypeError(f"a join key of type {type(value).__name__} makes no key with others")
