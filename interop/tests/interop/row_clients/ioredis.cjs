// ioredis and rows: ioredis.cjs PORT, in a folder with its packages.

const assert = require("node:assert");
const Redis = require("ioredis");

const lamp = { title: 'a "bright" Lämp', price: "12.50", stock: "7" };

async function main() {
  const client = new Redis(Number(process.argv[2]), "127.0.0.1");
  assert.deepEqual({ ...(await client.hgetall("lamp")) }, lamp);
  assert.deepEqual({ ...(await client.hgetall("none")) }, {});
  assert.deepEqual(await client.hmget("lamp", "stock", "none", "title"), ["7", null, lamp.title]);
  assert.equal(await client.hget("lamp", "price"), "12.50");
  assert.equal(await client.hget("chair", "price"), null);
  assert.deepEqual(await client.hkeys("chair"), ["title", "stock"]);
  const pipeline = client.pipeline();
  for (let i = 0; i < 500; i += 1) {
    pipeline.hmget("chair", "title", "stock");
  }
  const answers = await pipeline.exec();
  assert.deepEqual(answers, Array(500).fill([null, ["Chair", "-3"]]));
  const [[, all], [, some]] = await client.multi().hgetall("lamp").hmget("lamp", "price").exec();
  assert.deepEqual([{ ...all }, some], [lamp, ["12.50"]]);
  await client.quit();
  console.log("done");
}

main();
