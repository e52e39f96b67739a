"""The online store of Feast: materialised offline, published, read online. Needs `graven[feast]`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Array, Bool, Float64, Int64, String
from feast.value_type import ValueType

import graven
import graven.feast

pytestmark = pytest.mark.filterwarnings("ignore")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def write_source(path: Path, trips: int) -> None:
    times = [NOON, NOON - timedelta(days=1), NOON]
    pyarrow.parquet.write_table(
        pyarrow.table(
            {
                "driver_id": pyarrow.array([1001, 1001, 1002], pyarrow.int64()),
                "city": ["Oslo", "Oslo", "Bergen"],
                "when": pyarrow.array(times, pyarrow.timestamp("us", "UTC")),
                "trips": pyarrow.array([trips, 1, 7], pyarrow.int64()),
                "rating": [4.5, 1.0, None],
                "active": [True, False, False],
                "name": ["Kari", "old", "Ola"],
                "routes": pyarrow.array([[1, 2], [], [3]], pyarrow.list_(pyarrow.int64())),
            }
        ),
        path,
    )


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    path = tmp_path / "drivers.parquet"
    write_source(path, 10)
    config = RepoConfig(
        project="rides",
        provider="local",
        registry=str(tmp_path / "registry.db"),
        offline_store={"type": "file"},
        online_store={"type": "graven.feast.GravenOnlineStore", "root": str(tmp_path / "root"), "refresh_seconds": 0},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    city = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING)
    source = FileSource(name="drivers", path=str(path), timestamp_field="when")
    fields = [
        Field(name="trips", dtype=Int64),
        Field(name="rating", dtype=Float64),
        Field(name="active", dtype=Bool),
        Field(name="name", dtype=String),
        Field(name="routes", dtype=Array(Int64)),
    ]
    views = [
        FeatureView(name="stats", entities=[driver], schema=fields, source=source, ttl=timedelta(0)),
        FeatureView(name="by_city", entities=[driver, city], schema=fields[:1], source=source, ttl=timedelta(0)),
    ]
    store.apply([driver, city, source, *views])
    return store


def online(store: FeatureStore, features: list[str], rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    answer: dict[str, list[Any]] = store.get_online_features(features=features, entity_rows=rows).to_dict()
    return answer


def test_features_are_published_and_read(store: FeatureStore) -> None:
    assert graven.feast.publish(store, "stats", version="monday") == "monday"
    features = [f"stats:{name}" for name in ("trips", "rating", "active", "name", "routes")]
    rows = [{"driver_id": 1001}, {"driver_id": 9}, {"driver_id": 1002}]
    assert online(store, features, rows) == {
        "driver_id": [1001, 9, 1002],
        "trips": [10, None, 7],
        "rating": [4.5, None, None],
        "active": [True, None, False],
        "name": ["Kari", None, "Ola"],
        "routes": [[1, 2], None, [3]],
    }
    assert online(store, ["stats:name"], rows[:1]) == {"driver_id": [1001], "name": ["Kari"]}


def test_the_same_features_come_from_the_offline_store(store: FeatureStore) -> None:
    graven.feast.publish(store, "stats")
    view = store.get_feature_view("stats")
    table = graven.open(graven.feast.table_path(store.config, view))
    assert table.get(1001)["event_timestamp"] == NOON
    assert sorted(table.keys(as_type=int)) == [1001, 1002]


def test_a_new_version_is_read_and_rolled_back(store: FeatureStore, tmp_path: Path) -> None:
    row = [{"driver_id": 1001}]
    graven.feast.publish(store, "stats", version="monday")
    assert online(store, ["stats:trips"], row)["trips"] == [10]
    write_source(tmp_path / "drivers.parquet", 11)
    graven.feast.publish(store, "stats", version="tuesday")
    assert online(store, ["stats:trips"], row)["trips"] == [11]
    graven.rollback(tmp_path / "root" / "rides_stats", reason="a test")
    assert online(store, ["stats:trips"], row)["trips"] == [10]


def test_several_join_keys_make_one_key(store: FeatureStore) -> None:
    graven.feast.publish(store, "by_city")
    rows = [{"driver_id": 1001, "city": "Oslo"}, {"driver_id": 1001, "city": "Bergen"}]
    assert online(store, ["by_city:trips"], rows)["trips"] == [10, None]
    table = graven.open(graven.feast.table_path(store.config, store.get_feature_view("by_city")))
    assert '["Oslo",1001]' in table


def test_writing_row_by_row_is_refused_with_advice(store: FeatureStore) -> None:
    with pytest.raises(graven.Error, match=r"read-only; graven.feast.publish\(store, view\)"):
        store.materialize(NOON - timedelta(days=2), NOON + timedelta(days=1))


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert time.timezone == -9 * 3600
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_time_in_a_key_is_the_same_wherever_it_is_made() -> None:
    times = [NOON, NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=-5)))]
    keys = {graven.feast._key({"driver": 1, "since": at}) for at in times}
    assert keys == {b'[1,"2026-11-27T12:00:00+00:00"]'}
