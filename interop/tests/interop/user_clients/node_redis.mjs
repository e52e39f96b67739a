// node-redis as a user: node_redis.mjs PORT USER TOKEN [CA], over TLS where an authority is given, in a folder with its packages.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createClient } from "redis";

const [port, username, password, ca] = process.argv.slice(2);
const url = `redis${ca ? "s" : ""}://127.0.0.1:${port}`;
const tls = ca ? { tls: true, ca: readFileSync(ca) } : {};
for (const RESP of [2, 3]) {
  const client = createClient({ url, username, password, RESP, socket: { ...tls } });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  assert.equal(await client.get("k"), "value");
  client.destroy();
  const socket = { ...tls, reconnectStrategy: false };
  const stranger = createClient({ url, password: "wrong", RESP, socket });
  stranger.on("error", () => {});
  await assert.rejects(stranger.connect(), /WRONGPASS/);
}
console.log("done");
