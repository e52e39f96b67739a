"""redis-py and pymemcache as people use them: HOST PORT FILE, where FILE is the table that is served."""

import sys

import redis
from pymemcache.client.base import Client

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
pairs = [line.rstrip("\n").split(" ", 1) for line in open(path)]
keys = [key for key, _ in pairs]
values = [value for _, value in pairs]

for protocol in (2, 3):
    options = {"protocol": protocol} if int(redis.__version__.split(".")[0]) >= 5 else {}
    client = redis.Redis(host=host, port=port, decode_responses=True, client_name="test", **options)
    assert client.ping() and client.get(keys[0]) == values[0] and client.get("none") is None
    assert client.mget(keys) == values
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        for key in keys[:1000]:
            pipeline.get(key)
        assert pipeline.execute() == values[:1000]
    assert sorted(client.scan_iter(count=1000)) == sorted(keys)
    assert client.exists(keys[0], "none") == 1 and client.strlen(keys[0]) == len(values[0])
    assert client.ttl(keys[0]) == -1 and client.type(keys[0]) == "string" and client.dbsize() == len(set(keys))
    assert client.info()["redis_mode"] == "standalone" and client.config_get("save") == {"save": ""}
    assert client.client_getname() == "test"
    own = [line for line in client.client_list() if int(line["id"]) == client.client_id()]
    assert len(own) == 1 and own[0]["name"] == "test" and own[0]["addr"].startswith("127.0.0.1:"), own
    assert client.command_count() > 30 and "get" in client.command()
    try:
        client.set("a", "b")
        raise SystemExit("a write was taken")
    except redis.exceptions.ReadOnlyError:
        pass

if int(redis.__version__.split(".")[0]) >= 8:
    from redis.cache import CacheConfig

    cached = redis.Redis(host=host, port=port, decode_responses=True, protocol=3, cache_config=CacheConfig())
    assert [cached.get(keys[0]) for _ in range(3)] == values[:1] * 3
    assert cached.mget(keys[:10]) == values[:10] and cached.get_cache().size > 0
    assert cached.client_trackinginfo()["flags"] == ["on"]

with redis.Redis(host=host, port=port, decode_responses=True) as client:
    assert client.hgetall("none") == {} and client.lrange("none", 0, -1) == [] and client.smembers("none") == set()
    assert client.zrange("none", 0, -1) == [] and client.hget("none", "f") is None and client.xlen("none") == 0
    for read in (client.hgetall, client.llen, client.smembers, client.zcard):
        try:
            read(keys[0])
            raise SystemExit("a string was taken for another type")
        except redis.exceptions.ResponseError as error:
            assert str(error).startswith("WRONGTYPE"), error
    assert client.bitcount(keys[0]) == sum(byte.bit_count() for byte in values[0].encode())
    assert client.lcs(keys[0], keys[0]) == values[0] and client.getex(keys[0]) == values[0]
    assert client.slowlog_get() == [] and client.slowlog_len() == 0 and client.latency_latest() == []
    assert client.memory_usage(keys[0]) == len(keys[0]) + len(values[0]) and client.memory_stats()["keys.count"] == len(set(keys))
    assert client.acl_whoami() == "default" and client.module_list() == [] and client.wait(0, 0) == 0
    assert client.expiretime(keys[0]) == -1 and client.object("refcount", keys[0]) == 1
    assert client.pubsub_numsub("a") == [("a", 0)] and client.publish("a", "b") == 0
    info = client.info()
    assert info["role"] == "master" and info["used_memory"] > 1_000_000 and info["blocked_clients"] == 0

client = Client((host, port))
assert client.get(keys[0]) == values[0].encode() and client.get("none") is None
found = client.get_many(keys)
assert {key: value.decode() for key, value in found.items()} == dict(pairs)
assert client.gets(keys[0])[0] == values[0].encode()
assert client.version() and client.stats()[b"curr_items"] == len(set(keys))
client.quit()
