// node-redis with values cached on its side: node_redis.mjs PORT KEY VALUE, in a folder with its packages.

import { createClient, BasicClientSideCache } from "redis";

const [port, key, value] = process.argv.slice(2);
const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3, clientSideCache: cache });
client.on("error", (error) => {
  throw error;
});
await client.connect();
const expect = (found, expected) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  }
};
for (let i = 0; i < 3; i += 1) {
  expect(await client.get(key), value);
}
expect(cache.stats().hitCount, 2);
expect(await client.get("none"), null);
expect((await client.role()).role, "master");
expect(await client.hGetAll("none"), {});
expect(await client.lRange("none", 0, -1), []);
expect((await client.clientList()).length, 1);
expect((await client.clientInfo()).libName, "node-redis");
const refused = await client.set("a", "b").catch((error) => error.message);
expect(refused, "READONLY You can't write against a read only replica.");
client.destroy();
console.log("done");
