# redis-py and pymemcache as a user: python_clients.py PORT USER TOKEN [CA], over TLS where an authority is given.

import ssl
import sys

import redis
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheClientError

port, user, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ca = sys.argv[4] if len(sys.argv) > 4 else None
tls = dict(ssl=True, ssl_ca_certs=ca) if ca else {}
context = ssl.create_default_context(cafile=ca) if ca else None

assert redis.Redis(port=port, **tls, username=user, password=token).get("k") == b"value"
# Without a name it says none, or `default`.
store = redis.Redis(port=port, **tls, password=token)
with store.pipeline() as pipe:
    pipe.get("k")
    pipe.get("none")
    assert pipe.execute() == [b"value", None]
for wrong in [dict(), dict(password="wrong"), dict(username="other", password=token)]:
    try:
        redis.Redis(port=port, **tls, **wrong).get("k")
        raise SystemExit(f"let in: {wrong}")
    except redis.exceptions.AuthenticationError:
        pass

cache = Client(("127.0.0.1", port), tls_context=context)
try:
    cache.get("k")
    raise SystemExit("let in")
except MemcacheClientError as error:
    assert "unauthenticated" in str(error), error
cache = Client(("127.0.0.1", port), tls_context=context)
assert cache.set("login", f"{user} {token}", noreply=False)
assert cache.get("k") == b"value"
print("done")
