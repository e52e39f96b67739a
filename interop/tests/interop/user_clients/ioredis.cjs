// ioredis as a user: ioredis.cjs PORT USER TOKEN, in a folder with its packages.

const assert = require("node:assert");
const Redis = require("ioredis");

const [port, username, password] = process.argv.slice(2);

async function main() {
  const client = new Redis({ port: Number(port), host: "127.0.0.1", username, password });
  assert.equal(await client.get("k"), "value");
  const answers = await client.pipeline().get("k").get("none").exec();
  assert.deepEqual(answers, [[null, "value"], [null, null]]);
  await client.quit();
  const stranger = new Redis({ port: Number(port), host: "127.0.0.1", lazyConnect: true, retryStrategy: null });
  stranger.on("error", () => {});
  await assert.rejects(stranger.get("k"), /NOAUTH/);
  stranger.disconnect();
  console.log("done");
}

main();
