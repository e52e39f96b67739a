// ioredis as a user: ioredis.cjs PORT USER TOKEN [CA], over TLS where an authority is given, in a folder with its packages.

const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const Redis = require("ioredis");

const [port, username, password, ca] = process.argv.slice(2);
const tls = ca && { ca: readFileSync(ca) };

async function main() {
  const client = new Redis({ port: Number(port), host: "127.0.0.1", username, password, tls });
  assert.equal(await client.get("k"), "value");
  const answers = await client.pipeline().get("k").get("none").exec();
  assert.deepEqual(answers, [[null, "value"], [null, null]]);
  await client.quit();
  const stranger = new Redis({ port: Number(port), host: "127.0.0.1", tls, lazyConnect: true, retryStrategy: null });
  stranger.on("error", () => {});
  await assert.rejects(stranger.get("k"), /NOAUTH/);
  stranger.disconnect();
  console.log("done");
}

main();
