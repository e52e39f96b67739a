# libmemcached, by way of pylibmc, as a user: pylibmc_client.py PORT USER TOKEN.

import sys

import pylibmc

port, user, token = sys.argv[1:]
server = [f"127.0.0.1:{port}"]


def refused(action):
    try:
        action()
    except pylibmc.Error as error:
        return str(error)
    raise SystemExit("let in")


stranger = pylibmc.Client(server)
# libmemcached takes a refusal for a key that is not there.
assert stranger.get("k") is None
refused(lambda: stranger.set("login", f"{user} wrong"))
assert stranger.get("k") is None

client = pylibmc.Client(server)
assert client.set("login", f"{user} {token}")
assert client.get("k") == b"value"
assert client.get_multi(["k", "none"]) == {"k": b"value"}
# Once it is in, a write is a write, and costs it neither the server nor the login.
refused(lambda: client.set("k", "other"))
assert client.get("k") == b"value"

# SASL is the binary protocol's, which is not spoken: no login, and no value.
sasl = pylibmc.Client(server, binary=True, username=user, password=token)
refused(lambda: sasl.get("k"))
print("done")
