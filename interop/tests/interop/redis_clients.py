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
    assert client.client_getname() == "test" and len(client.client_list()) == 1
    assert client.command_count() > 30 and "get" in client.command()
    try:
        client.set("a", "b")
        raise SystemExit("a write was taken")
    except redis.exceptions.ReadOnlyError:
        pass

client = Client((host, port))
assert client.get(keys[0]) == values[0].encode() and client.get("none") is None
found = client.get_many(keys)
assert {key: value.decode() for key, value in found.items()} == dict(pairs)
assert client.gets(keys[0])[0] == values[0].encode()
assert client.version() and client.stats()[b"curr_items"] == len(set(keys))
client.quit()
