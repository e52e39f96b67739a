// node-redis and rows: node_redis.mjs PORT, in a folder with its packages.

import assert from "node:assert";
import { createClient } from "redis";

const lamp = { title: 'a "bright" Lämp', price: "12.50", stock: "7" };
for (const RESP of [2, 3]) {
  const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}`, RESP });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  assert.deepEqual({ ...(await client.hGetAll("lamp")) }, lamp);
  assert.deepEqual({ ...(await client.hGetAll("none")) }, {});
  assert.deepEqual(await client.hmGet("lamp", ["stock", "none", "title"]), ["7", null, lamp.title]);
  assert.equal(await client.hGet("lamp", "price"), "12.50");
  assert.equal(await client.hGet("chair", "price"), null);
  assert.deepEqual(await client.hKeys("chair"), ["title", "stock"]);
  assert.equal(await client.type("lamp"), "hash");
  const together = Array.from({ length: 500 }, () => client.hmGet("chair", ["title", "stock"]));
  assert.deepEqual(await Promise.all(together), Array(500).fill(["Chair", "-3"]));
  const [all, some] = await client.multi().hGetAll("lamp").hmGet("lamp", ["price"]).exec();
  assert.deepEqual([{ ...all }, some], [lamp, ["12.50"]]);
  const found = {};
  for await (const entries of client.hScanIterator("lamp", { MATCH: "[tp]*" })) {
    for (const { field, value } of entries) found[field] = value;
  }
  assert.deepEqual(found, { title: lamp.title, price: lamp.price });
  client.destroy();
}
console.log("done");
