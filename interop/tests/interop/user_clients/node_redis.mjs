// node-redis as a user: node_redis.mjs PORT USER TOKEN, in a folder with its packages.

import assert from "node:assert";
import { createClient } from "redis";

const [port, username, password] = process.argv.slice(2);
for (const RESP of [2, 3]) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, username, password, RESP });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  assert.equal(await client.get("k"), "value");
  client.destroy();
  const socket = { reconnectStrategy: false };
  const stranger = createClient({ url: `redis://127.0.0.1:${port}`, password: "wrong", RESP, socket });
  stranger.on("error", () => {});
  await assert.rejects(stranger.connect(), /WRONGPASS/);
}
console.log("done");
