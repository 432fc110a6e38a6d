// The dashboard: it reads /api/v1/live (server-sent events, over fetch, which can
// carry the token) and shows it. Everything that comes from the proxy is written as
// text, never as markup.
"use strict";

const LOST_AFTER = 3500;   // ms without a sample; the proxy sends one each second
const HISTORY = 300;       // points of the plot, one a second
const RECENT = 50;         // rows

const $ = (id) => document.getElementById(id);
const tokenKey = "s3-crypt-proxy.token";

let points = [];           // {t, in, out}
let requests = [];         // the newest first
let names = false;         // requests have names
let lastHeard = 0;         // performance.now() of the last sample
let lostSince = 0;
let attempt = null;        // AbortController of the stream

// ---- text ------------------------------------------------------------------

function number(v, digits) { return v.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits }); }

function scaled(v, base, units) {
  let i = 0;
  while (v >= base && i < units.length - 1) { v /= base; i++; }
  return number(v, i === 0 || v >= 100 ? 0 : v >= 10 ? 1 : 2) + " " + units[i];
}
const bytes = (v) => scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const speed = (v) => bytes(v) + "/s";
const count = (v) => number(v, 0);
const perSecond = (v) => number(v, v >= 100 ? 0 : 1) + "/s";

function milli(v) {
  if (v === null || v === undefined) return "–";
  if (v < 1) return number(v, 2) + " ms";
  if (v < 1000) return number(v, v < 10 ? 1 : 0) + " ms";
  return number(v / 1000, v < 10000 ? 2 : 1) + " s";
}

function span(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  const days = Math.floor(s / 86400);
  return count(days) + " d" + (days < 30 ? " " + Math.floor(s % 86400 / 3600) + " h" : "");
}

function put(id, text, level) {
  const e = typeof id === "string" ? $(id) : id;
  if (e.textContent !== text) e.textContent = text;
  if (level !== undefined) e.className = level;
}

function cell(text, cls) {
  const td = document.createElement("td");
  td.textContent = text;
  if (cls) td.className = cls;
  return td;
}

// ---- state -----------------------------------------------------------------

function setState(state, headline, explanation) {
  $("state").dataset.state = state;
  put("headline", headline);
  put("explanation", explanation);
  document.title = (state === "good" || state === "asking" ? "" : "⚠ ") + "s3-crypt-proxy: " + headline;
}

function showState(s) {
  document.body.classList.remove("waiting", "lost");
  const wrong = s.checks ? s.checks.filter((c) => !c.ok) : [];
  if (!s.key.loaded) {
    setState("bad", "No key", "Every request for objects is refused until a key is delivered: memkey-admin key send.");
  } else if (wrong.some((c) => c.name === "shutdown")) {
    setState("warn", "Ending", "The proxy lets running requests end and takes no new ones.");
  } else if (wrong.length > 0) {
    setState("bad", "Not ready", wrong.map((c) => c.name + (c.detail ? ": " + c.detail : "")).join("; "));
  } else if (!s.checks) {
    setState("asking", "Key loaded", "The dependencies are being asked.");
  } else {
    setState("good", "Ready", "The key is loaded" + (s.key.since ? ", for " + span((s.time - Date.parse(s.key.since)) / 1000) : "") + ".");
  }
}

function showLost() {
  if (!lostSince) lostSince = lastHeard;
  document.body.classList.remove("waiting");
  document.body.classList.add("lost");
  setState("lost", "No contact with the proxy", "Nothing was heard for " + span((performance.now() - lostSince) / 1000) +
    ". It may have ended, or the way to it. The figures below are old.");
}

function showChecks(s) {
  if (!s.checks) {
    const li = document.createElement("li");
    li.textContent = "being asked";
    li.className = "quiet";
    $("checks").replaceChildren(li);
    return;
  }
  $("checks").replaceChildren(...s.checks.map((c) => {
    // The key is looked at each second, the others every three.
    if (c.name === "key" && !s.key.loaded) c = { name: "key", ok: false, detail: "no key is loaded" };
    const li = document.createElement("li");
    li.dataset.ok = c.ok ? "yes" : "no";
    li.textContent = c.name + (c.ok ? ": ok" : ": not ok");
    if (c.detail) {
      const small = document.createElement("small");
      small.textContent = c.detail;
      li.append(small);
    }
    return li;
  }));
}

// ---- figures ---------------------------------------------------------------

function showFigures(s) {
  put("uptime", "up " + span(s.up_s));
  put("rate-in", speed(s.in));
  put("rate-out", speed(s.out));
  put("rps", perSecond(s.requests));
  put("active", count(s.active) + (s.active === 1 ? " request" : " requests"));
  put("connections", count(s.connections));
  for (const q of ["p50", "p90", "p99"]) put(q, milli(s.latency[q + "_ms"]));
  const grave = { integrity: "bad", key: "bad", backend: "bad", overload: "warn" };
  $("faults").replaceChildren(...s.faults.flatMap((f) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = f.class;
    dd.textContent = count(f.recent) + " / " + count(f.total);
    if (f.recent > 0 || (f.class === "integrity" && f.total > 0)) dd.className = grave[f.class] || "";
    return [dt, dd];
  }));
  const p = s.pipeline, used = p.budget > 0 ? p.budget_used / p.budget : 0;
  put("budget", bytes(p.budget_used) + " of " + bytes(p.budget), used >= 0.9 ? "bad" : used >= 0.7 ? "warn" : "");
  $("budget-meter").value = used;
  put("queue", count(p.waiting) + (p.waiting === 1 ? " request" : " requests"), p.waiting > 0 ? "warn" : "");
  put("workers", count(p.busy) + " of " + count(p.workers));
  put("rss", s.rss > 0 ? bytes(s.rss) : "–");
  const b = s.backend;
  put("backend-rate", perSecond(b.rate));
  put("backend-p50", milli(b.p50_ms));
  put("backend-p99", milli(b.p99_ms));
  put("backend-trouble", count(b.failed) + " / " + count(b.again), b.failed > 0 ? "bad" : b.again > 0 ? "warn" : "");
  put("backend-connections", count(b.connections));
  const ahead = Math.abs(b.clock_ahead_s);
  put("backend-clock", ahead < 1.5 ? "agrees" : span(ahead) + (b.clock_ahead_s > 0 ? " ahead" : " behind"), ahead >= 300 ? "bad" : ahead >= 30 ? "warn" : "");
  if (!s.certificate_expires) {
    put("certificate", "no TLS");
    put("certificate-date", "");
  } else {
    const left = (Date.parse(s.certificate_expires) - s.time) / 1000;
    put("certificate", left > 0 ? span(left) + " left" : "expired", left <= 7 * 86400 ? "bad" : left <= 30 * 86400 ? "warn" : "");
    put("certificate-date", "until " + s.certificate_expires.slice(0, 10));
  }
  showOperations(s.operations);
}

function showOperations(ops) {
  if (ops.length === 0) return;
  $("operations").replaceChildren(...ops.map((o) => {
    const tr = document.createElement("tr");
    tr.append(cell(o.name), cell(perSecond(o.rate), "n"), cell(milli(o.p50_ms), "n"), cell(milli(o.p99_ms), "n"),
      cell(count(o.total), "n"), cell(count(o.refused), "n"), cell(count(o.failed), o.failed > 0 ? "n bad" : "n"));
    return tr;
  }));
}

// ---- recent requests -------------------------------------------------------

function showRecent() {
  const head = ["time", "operation", "status", "took", "in", "out", "credential"].concat(names ? ["bucket", "object", "client"] : [], ["request id"]);
  if ($("recent-head").childElementCount !== head.length) {
    $("recent-head").replaceChildren(...head.map((h, i) => {
      const th = document.createElement("th");
      th.textContent = h;
      if (i >= 2 && i <= 5) th.className = "n";
      return th;
    }));
  }
  put("names-note", names ? "" : "names are hidden");
  if (requests.length === 0) return;
  $("recent").replaceChildren(...requests.map((r) => {
    const tr = document.createElement("tr");
    const level = r.status >= 500 ? "n bad" : r.status >= 400 ? "n warn" : "n";
    const status = cell(String(r.status) + (r.fault ? " " + r.fault : ""), level);
    tr.append(cell(new Date(r.time).toLocaleTimeString("en-GB")), cell(r.operation), status, cell(milli(r.ms), "n"),
      cell(bytes(r.in), "n"), cell(bytes(r.out), "n"), cell(r.credential));
    if (names) tr.append(cell(r.bucket || ""), cell(r.key || "", "long"), cell(r.client || ""));
    tr.append(cell(r.id));
    return tr;
  }));
}

// ---- plot ------------------------------------------------------------------

// round is the next number that makes a calm axis, in binary units.
function round(v) {
  let step = 1024;
  while (step < v) step *= step * 2 >= v ? 2 : step * 4 >= v ? 4 : 8;
  return step;
}

function draw() {
  const canvas = $("plot"), box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (box.width === 0) return;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  const c = canvas.getContext("2d"), style = getComputedStyle(document.body);
  const color = (name) => style.getPropertyValue(name).trim();
  c.scale(ratio, ratio);
  const left = 66, right = box.width - 4, top = 8, bottom = box.height - 22;
  const peak = round(Math.max(1, ...points.map((p) => Math.max(p.in, p.out))));
  c.font = "12px system-ui, sans-serif";
  c.lineWidth = 1;
  c.textBaseline = "middle";
  for (let i = 0; i <= 4; i++) {
    const y = bottom - (bottom - top) * i / 4;
    c.strokeStyle = color("--line");
    c.beginPath();
    c.moveTo(left, Math.round(y) + 0.5);
    c.lineTo(right, Math.round(y) + 0.5);
    c.stroke();
    if (i % 2 === 0) {
      c.fillStyle = color("--quiet");
      c.textAlign = "right";
      c.fillText(i === 0 ? "0" : scaled(peak * i / 4, 1024, ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"]).replace(/\.0+(?= )/, ""), left - 6, y);
    }
  }
  c.fillStyle = color("--quiet");
  c.textBaseline = "alphabetic";
  c.textAlign = "left";
  c.fillText("5 min ago", left, box.height - 5);
  c.textAlign = "right";
  c.fillText("now", right, box.height - 5);
  if (points.length === 0) return;
  const now = points[points.length - 1].t;
  const x = (p) => right - (right - left) * (now - p.t) / (HISTORY * 1000);
  for (const name of ["in", "out"]) {
    c.beginPath();
    let last = null;
    for (const p of points) {
      if (x(p) < left) continue;
      const y = bottom - (bottom - top) * p[name] / peak;
      // A gap of contact is a gap in the line.
      if (last === null || p.t - last > LOST_AFTER) c.moveTo(x(p), y); else c.lineTo(x(p), y);
      last = p.t;
    }
    c.strokeStyle = color("--" + name);
    c.lineWidth = 2;
    c.lineJoin = "round";
    c.stroke();
  }
  canvas.dataset.points = points.length;
}

// ---- stream ----------------------------------------------------------------

function onHello(h) {
  put("version", h.version);
  names = h.names;
  points = h.history;
  requests = h.recent.slice().reverse().slice(0, RECENT);
  showRecent();
  draw();
}

function onSample(s) {
  lastHeard = performance.now();
  lostSince = 0;
  points.push({ t: s.time, in: s.in, out: s.out });
  if (points.length > HISTORY) points.splice(0, points.length - HISTORY);
  if (s.recent.length > 0) {
    requests = s.recent.slice().reverse().concat(requests).slice(0, RECENT);
    showRecent();
  }
  showState(s);
  showChecks(s);
  showFigures(s);
  draw();
}

const handlers = { hello: onHello, sample: onSample };

// events hands the events of a stream's text to their handlers; it keeps the rest.
function events(text) {
  for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
    let name = "", data = "";
    for (const line of text.slice(0, end).split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (handlers[name]) handlers[name](JSON.parse(data));
  }
  return text;
}

function headers() {
  const token = sessionStorage.getItem(tokenKey);
  return token ? { Authorization: "Bearer " + token } : {};
}

async function follow() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 5000)) {
    attempt = new AbortController();
    try {
      const answer = await fetch("api/v1/live", { headers: headers(), signal: attempt.signal, cache: "no-store" });
      if (answer.status === 401) {
        sessionStorage.removeItem(tokenKey);
        askToken("This token is not the proxy's. Without one, figures are shown.");
      }
      if (answer.ok) {
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          rest = events(rest + value);
          pause = 500;
        }
      }
    } catch { /* no contact: the watch below says so */ }
    await new Promise((go) => setTimeout(go, pause));
  }
}

setInterval(() => { if (performance.now() - lastHeard > LOST_AFTER) showLost(); }, 500);

// ---- token -----------------------------------------------------------------

async function showSettings() {
  $("settings").hidden = true;
  if (!sessionStorage.getItem(tokenKey)) return;
  try {
    const answer = await fetch("api/v1/config", { headers: headers(), cache: "no-store" });
    if (!answer.ok) return;
    const rows = (await answer.json()).settings;
    $("settings-rows").replaceChildren(...rows.map((r) => {
      const tr = document.createElement("tr");
      tr.append(cell(r.key), cell(r.value + (r.next !== undefined ? "  (at the next start: " + r.next + ")" : ""), "long"), cell(r.origin));
      return tr;
    }));
    $("settings").hidden = false;
  } catch { /* the next use of the token tries again */ }
}

function askToken(why) {
  if (why) put("token-why", why);
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

function useToken(token) {
  if (token) sessionStorage.setItem(tokenKey, token); else sessionStorage.removeItem(tokenKey);
  $("token").value = "";
  if (attempt) attempt.abort();
  showSettings();
}

$("unlock").addEventListener("click", () => askToken());
$("token-forget").addEventListener("click", () => { $("token-dialog").close(""); useToken(""); });
$("token-dialog").addEventListener("close", () => { if ($("token-dialog").returnValue === "use") useToken($("token").value.trim()); $("token-dialog").returnValue = ""; });
window.addEventListener("resize", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

lastHeard = performance.now();
showRecent();
draw();
showSettings();
follow();
