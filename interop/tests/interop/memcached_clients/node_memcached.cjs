// node-memcached, which reads on after every write that was refused: node_memcached.cjs ADDRESS KEY VALUE, in a folder with
// its packages.

const Memcached = require("memcached");

const [address, key, value] = process.argv.slice(2);
const client = new Memcached(address);
const troubles = [];
for (const event of ["issue", "failure"]) {
  client.on(event, (details) => troubles.push(`${event}: ${details.messages.join()}`));
}
// It empties its arrays once they were handed over.
const kept = (found) => (Array.isArray(found) ? [...found] : found);
const ask = (command, ...rest) =>
  new Promise((resolve) => {
    client[command](...rest, (error, found) => resolve(error ? `error ${error.message}` : kept(found)));
  });
const expect = (what, found, expected) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  }
};
const main = async () => {
  expect("get", await ask("get", key), value);
  expect("get of none", await ask("get", "none"), undefined);
  const writes = [
    ["set", key, "x", 0],
    ["add", key, "x", 0],
    ["replace", key, "x", 0],
    ["append", key, "x"],
    ["prepend", key, "x"],
    ["cas", key, "x", "7", 0],
    ["del", key],
    ["incr", key, 1],
    ["decr", key, 1],
    ["touch", key, 10],
    ["flush"],
  ];
  for (const write of writes) {
    expect(write[0], await ask(...write), "error read-only");
    expect(`get after ${write[0]}`, await ask("get", key), value);
  }
  const [version] = await ask("version");
  expect("version", [version.version, version.major, version.minor, version.bugfix], ["1.6.18", "1", "6", "18"]);
  const [items] = await ask("items");
  expect("items", items["1"], { number: 2 });
  const listed = await ask("cachedump", address, 1, 0);
  expect("cachedump", listed.map((item) => item.key).sort(), [key, "number"].sort());
  expect("troubles", troubles, []);
  client.end();
  console.log("done");
};
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
