
"use strict";
// Reads /status.json every two seconds. Whatever it reads is written with textContent, never as markup.
(() => {
const POLL_MS = 2000;
// A longer value is cut: a page is no place for megabytes.
const SHOWN_BYTES_MAX = 64 * 1024;
const $ = (id) => document.getElementById(id);
const make = (name, parent, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};
// What stands there already is left alone, so that what somebody has selected stays selected.
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const number = (n) => Math.round(n).toLocaleString("en");
const rate = (n) => n < 10 && n > 0 ? n.toFixed(1) : number(n);
const percent = (part) => part === null ? "\u2013" : (100 * part).toFixed(part > 0.99 && part < 1 ? 2 : 1) + " %";
const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit += 1; }
  return (unit && n < 99.5 ? n.toFixed(1) : Math.round(n)) + " " + units[unit];
};
const time = (us) => us < 1000 ? us + " \u00b5s" : us < 1e6 ? us / 1000 + " ms" : us / 1e6 + " s";
// A percentile is the bound of a bucket; one above the last bound has none.
const wait = (waits, name) =>
  waits.requests === 0 ? "\u2013" : waits[name] === null ? "> 1 s" : "\u2264 " + time(waits[name]);
const span = (s) => {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const said = [];
  for (const [seconds, unit] of parts) {
    if (said.length < 2 && (s >= seconds || (seconds === 1 && !said.length))) {
      if (Math.floor(s / seconds)) said.push(Math.floor(s / seconds) + " " + unit);
      s %= seconds;
    } else if (said.length) break;
  }
  return said.join(" ") || "0 s";
};
const date = (s) => s === null ? "\u2013" : new Date(1000 * s).toISOString().replace("T", " ").slice(0, 19) + " UTC";

// Each number: its label, its place in /status.json, how it is written, and what stands below it.
const now = [
  ["Requests a second", "recent.requests_per_second", rate, (s) => "over " + Math.round(s.recent.seconds) + " s"],
  ["Hit ratio", "recent.hit_ratio", percent],
  ["Wait, median", "recent.waits_us.p50", (v, s) => wait(s.recent.waits_us, "p50")],
  ["Wait, 99 %", "recent.waits_us.p99", (v, s) => wait(s.recent.waits_us, "p99"),
    (s) => "99.9 %: " + wait(s.recent.waits_us, "p999")],
  ["Connections", "connections.open", number, (s) => "of " + number(s.connections.max)],
  ["Memory", "memory.resident_bytes", bytes, (s) => "of " + bytes(s.memory.system_bytes)],
  ["Uptime", "uptime_seconds", span, (s) => "since " + date(s.started)],
];
const DAY_SECONDS = 86400;
// From here on a certificate is shown as a trouble; the log warns of it from the same day on.
const EXPIRES_SOON_DAYS = 14;
const expiry = (s) => {
  const left = s.certificate.expires - s.now;
  return left > 0 ? "expires in " + span(left) : "has expired";
};
const isExpiring = (s) => s.certificate && s.certificate.expires - s.now < EXPIRES_SOON_DAYS * DAY_SECONDS;
// Shown where TLS is spoken.
const certificate = [
  ["Certificate", "certificate.expires", (v, s) => expiry(s), (s) => date(s.certificate.expires)],
];
const hitsOf = (name) => (s) => {
  const all = s[name].hits + s[name].misses;
  return all ? percent(s[name].hits / all) + " hits" : "";
};
const since = [
  ["Requests", "requests.total", number, (s) => s.requests.protocols.filter((p) => p.requests)
    .map((p) => p.name + " " + number(p.requests)).join(", ")],
  ["Hits", "requests.hits", number, hitsOf("requests")],
  ["Misses", "requests.misses", number],
  ["Wait, median", "requests.waits_us.p50", (v, s) => wait(s.requests.waits_us, "p50")],
  ["Wait, 99 %", "requests.waits_us.p99", (v, s) => wait(s.requests.waits_us, "p99")],
  ["Connections opened", "connections.opened", number],
  ["Connections refused", "connections.refused", number],
  ["Timeouts", "connections.timeouts", number],
  ["Protocol errors", "connections.protocol_errors", number],
  ["Failed logins", "connections.logins_failed", number],
  ["Memory, most", "memory.peak_bytes", bytes],
  ["Cache", "cache.bytes", bytes, (s) => s.cache.max_bytes ? "of " + bytes(s.cache.max_bytes) : "not used"],
  ["Cache hits", "cache.hits", number, hitsOf("cache")],
  ["Cache misses", "cache.misses", number],
  ["Cache evictions", "cache.evictions", number],
  ["Disk reads", "disk.reads", number, (s) => s.disk.reads ? bytes(s.disk.read_bytes) : ""],
  ["Disk errors", "disk.errors", number],
  ["Bytes received", "network.read_bytes", bytes],
  ["Bytes sent", "network.written_bytes", bytes],
];
const at = (status, path) => path.split(".").reduce((value, name) => value[name], status);
const shown = new Map();
const showNumbers = (list, declared, status) => {
  for (const [label, path, format, below] of declared) {
    const known = list.id + path;
    if (!shown.has(known)) {
      const group = make("div", list);
      make("dt", group, "", label);
      const value = make("dd", group);
      shown.set(known, [make("span", value), make("small", value)]);
    }
    const [text, small] = shown.get(known);
    const value = at(status, path);
    write(text, format(value, status));
    text.dataset.path = path;
    text.dataset.value = value;
    write(small, below ? below(status) : "");
  }
};

// Plots: lines of steps over the last ten minutes, on a scale from 0 to the highest.
const svg = (name, parent, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
};
const longest = 1e6;
const us = (values, waited) => values.map((v, i) => waited[i] === 0 ? null : v === null ? longest : v);
const plots = [
  { title: "Requests a second", lines: [["", (h) => h.requests_per_second]], format: rate },
  { title: "Wait", lines: [["median", (h) => us(h.p50_us, h.waited)], ["99 %", (h) => us(h.p99_us, h.waited)]], format: time },
  { title: "Hit ratio", lines: [["", (h) => h.hit_ratio]], format: percent, top: 1 },
];
const showPlot = (plot, history) => {
  if (!plot.paths) {
    const figure = make("figure", $("plots"));
    const caption = make("figcaption", figure);
    const title = make("span", caption, "", plot.title + " ");
    plot.text = make("span", caption);
    plot.drawing = svg("svg", figure, { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img" });
    plot.paths = plot.lines.map((_, i) => svg("path", plot.drawing, i ? { class: "second" } : {}));
    plot.lines.forEach(([name], i) => name && make("span", title, i ? "key second" : "key", name));
    const axis = make("div", figure, "axis");
    make("span", axis, "", "10 min ago");
    make("span", axis, "", "now");
  }
  const series = plot.lines.map(([, read]) => read(history));
  const values = series.flat().filter((value) => value !== null);
  const highest = plot.top ?? Math.max(0, ...values);
  const x = (ago) => (600 * (1 - Math.min(1, ago / history.span_seconds))).toFixed(1);
  series.forEach((values, line) => {
    let path = "";
    let before = null;
    values.forEach((value, i) => {
      if (value !== null) {
        const y = (98 - 94 * (highest ? value / highest : 0)).toFixed(1);
        const begin = x(history.seconds_ago[i] + history.seconds[i]);
        path += (before === null ? "M" : "L") + begin + " " + y + "H" + x(history.seconds_ago[i]);
      }
      before = value;
    });
    plot.paths[line].setAttribute("d", path);
  });
  const text = values.length ? "highest " + plot.format(Math.max(...values)) : "nothing yet";
  write(plot.text, text);
  plot.drawing.setAttribute("aria-label", plot.title + ", last ten minutes: " + text);
};

// Tables: a card each, kept as long as the table is there.
const cards = new Map();
const facts = [
  ["Version", "version", (v) => v ?? "\u2013"], ["Age", "age_seconds", (v) => v === null ? "\u2013" : span(v)],
  ["Pairs", "pairs", number], ["Bytes", "bytes", bytes], ["Storage", "storage", (v) => v ?? "\u2013"],
  ["Made", "made", date], ["Answers since", "since", date],
];
const makeCard = () => {
  const card = make("article", $("tables"));
  const head = make("header", card);
  const parts = { card, name: make("h3", head), state: make("span", head, "state"), note: make("span", head, "quiet") };
  parts.reason = make("p", card, "reason");
  parts.progress = make("progress", card);
  parts.loading = make("p", card, "quiet");
  const list = make("dl", card);
  parts.facts = facts.map(([label]) => {
    const group = make("div", list);
    make("dt", group, "", label);
    return make("dd", group);
  });
  parts.versions = make("p", card, "quiet");
  parts.details = make("details", card);
  make("summary", parts.details, "", "Commands to type");
  parts.commands = make("pre", parts.details);
  parts.commands.tabIndex = 0;
  return parts;
};
const showTables = (tables) => {
  for (const [name, parts] of cards) {
    if (!tables.some((table) => table.name === name)) { parts.card.remove(); cards.delete(name); }
  }
  for (const table of tables) {
    if (!cards.has(table.name)) cards.set(table.name, makeCard());
    const parts = cards.get(table.name);
    parts.card.dataset.table = table.name;
    write(parts.name, table.name);
    write(parts.state, table.state);
    parts.state.className = "state " + table.state;
    write(parts.note, table.default ? "asked where none is named" : "");
    write(parts.reason, table.reason ?? "");
    parts.reason.hidden = !table.reason;
    const loading = table.loading;
    parts.progress.hidden = parts.loading.hidden = !loading;
    if (loading) {
      parts.progress.max = Math.max(1, loading.total_bytes);
      parts.progress.value = loading.done_bytes;
      parts.progress.setAttribute("aria-label", "Loading " + loading.version);
      const part = loading.total_bytes ? Math.floor(100 * loading.done_bytes / loading.total_bytes) : 0;
      write(parts.loading, "Loading " + loading.version + ": " + part + " %, " + bytes(loading.done_bytes) + " of "
        + bytes(loading.total_bytes));
    }
    facts.forEach(([, name, format], i) => {
      write(parts.facts[i], format(table[name]));
      parts.facts[i].dataset.fact = name;
      parts.facts[i].dataset.value = table[name];
    });
    write(parts.versions, table.versions.length > 1 ? "At hand: " + table.versions.join(", ") : "");
    parts.versions.hidden = table.versions.length < 2;
    write(parts.commands, table.commands.join("\n"));
    parts.details.hidden = !table.commands.length;
  }
  $("no-tables").hidden = tables.length > 0;
};
let choices = "";
const showChoices = (tables) => {
  const names = tables.flatMap((table) =>
    [table.name, ...table.versions.filter((v) => v !== table.version).map((v) => table.name + "@" + v)]);
  if (names.join("\n") === choices) return;
  choices = names.join("\n");
  const chosen = $("lookup-table").value || (tables.find((table) => table.default) ?? {}).name;
  $("lookup-table").replaceChildren();
  for (const name of names) {
    const option = make("option", $("lookup-table"), "", name);
    option.value = name;
    option.selected = name === chosen;
  }
};

let answered = null;
const show = (status) => {
  const bad = status.tables.filter((table) => table.state === "refused").length;
  const troubles = [bad && "a version is refused", isExpiring(status) && "the certificate " + expiry(status)].filter(Boolean);
  write($("state"), !status.ready ? "not ready" : ["ready", ...troubles].join(", "));
  $("state").className = "state " + (troubles.length ? "refused" : status.ready ? "ready" : "loading");
  write($("build"), [status.version, status.build, status.user && "asked as " + status.user].filter(Boolean).join(" \u00b7 "));
  document.title = (status.ready && !troubles.length ? "" : "! ") + "graven " + location.host;
  showNumbers($("now"), now, status);
  if (status.certificate) showNumbers($("now"), certificate, status);
  showNumbers($("since"), since, status);
  for (const plot of plots) showPlot(plot, status.history);
  showTables(status.tables);
  showChoices(status.tables);
};
const poll = async () => {
  if (!document.hidden || answered === null) {
    try {
      const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error("status " + answer.status);
      show(await answer.json());
      answered = new Date();
      $("trouble").hidden = true;
    } catch (error) {
      const last = answered ? "What is shown is of " + date(Math.floor(answered / 1000)) + "." : "";
      write($("trouble"), "The server does not answer (" + error.message + "). " + last);
      $("trouble").hidden = false;
      write($("state"), "no answer");
      $("state").className = "state gone";
    }
  }
  setTimeout(poll, POLL_MS);
};

// Bytes as text: what is no text, would not be seen or would turn the line is written as escapes.
const readable = (bytes) => {
  const hex = (n, width) => n.toString(16).padStart(width, "0");
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.replace(/[^\P{C}\n\t]/gu, (c) =>
      c.codePointAt(0) < 256 ? "\\x" + hex(c.codePointAt(0), 2) : "\\u{" + hex(c.codePointAt(0), 4) + "}");
  } catch {
    return Array.from(bytes, (b) => b >= 32 && b < 127 || b === 10 ? String.fromCharCode(b) : "\\x" + hex(b, 2)).join("");
  }
};
const escaped = (text) => Array.from(new TextEncoder().encode(text), (b) => "%" + b.toString(16).padStart(2, "0")).join("");
const firstBytes = async (answer) => {
  const reader = answer.body.getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length >= SHOWN_BYTES_MAX) { await reader.cancel(); break; }
  }
  const all = new Uint8Array(length);
  let end = 0;
  for (const part of parts) { all.set(part, end); end += part.length; }
  return all.subarray(0, SHOWN_BYTES_MAX);
};
let asked = 0;
$("lookup").addEventListener("submit", async (event) => {
  event.preventDefault();
  const mine = asked += 1;
  const said = (text, value) => {
    if (mine !== asked) return;
    write($("lookup-said"), text);
    write($("lookup-value"), value ?? "");
    $("lookup-value").hidden = value === undefined;
  };
  const table = $("lookup-table").value, key = $("lookup-key").value;
  if (!table) return said("There is no table.");
  if (!key) return said("Type a key.");
  if (key === "." || key === "..") return said("A browser takes this key for a folder: ask for it with graven get.");
  said("Asking.");
  try {
    const path = "/v1/tables/" + escaped(table) + "/kv/" + escaped(key);
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    const whole = Number(answer.headers.get("Content-Length")) || 0;
    const value = await firstBytes(answer);
    const version = answer.headers.get("Graven-Version");
    const from = version ? ", from " + version : "";
    if (answer.status === 200) {
      const cut = value.length === SHOWN_BYTES_MAX && whole > value.length ? ", of which the first 64 KiB are shown" : "";
      said("Found: " + number(Math.max(value.length, whole)) + " bytes" + from + cut, readable(value));
    } else if (answer.status === 404 && version) {
      said("Not found" + from);
    } else {
      said(answer.status + ": " + readable(value));
    }
  } catch (error) {
    said("The server does not answer: " + error.message);
  }
});
poll();
})();
