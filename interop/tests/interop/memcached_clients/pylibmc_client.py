"""pylibmc, which reads on after every write that was refused: ADDRESS KEY VALUE."""

import sys

import pylibmc

address, key, value = sys.argv[1:]
value = value.encode()
WRITES = [
    ("set", key, "x"),
    ("add", key, "x"),
    ("replace", key, "x"),
    ("append", key, "x"),
    ("prepend", key, "x"),
    ("delete", key),
    ("incr", key, 1),
    ("decr", key, 1),
    ("touch", key, 10),
]
clients = [{}, {"ketama": True, "remove_failed": 1, "retry_timeout": 5, "dead_timeout": 60}, {"cas": True}]
for behaviors in clients:
    client = pylibmc.Client([address], behaviors=behaviors)
    assert client.get(key) == value and client.get("none") is None
    for write, *arguments in WRITES:
        try:
            done = getattr(client, write)(*arguments)
            raise AssertionError(f"{write} was not refused: {done}")
        except pylibmc.ClientError:
            pass
        assert client.get(key) == value, write
    assert client.get_multi([key, "none"]) == {key: value}
