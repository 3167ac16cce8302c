// The page: news from the server, what the hands do, and a frame of the screen after the other.

import * as api from "./api.js";
import { Mixer } from "./mixer.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { Songs, title } from "./songs.js";
import { Take } from "./take.js";
import { clock, make, times } from "./text.js";

const $ = (id) => document.getElementById(id);
const about = await api.about();

export const player = new Player();
const songs = new Map(); // id -> song, in the order in which they came
const choice = { model: about.model, strength: about.strength };
let current = null; // id of the song that is on
let coming = null; // id of the same song with another model or strength, until it has caught up
let segments = [];
let loopFrom = null;
let wantsPlay = false;
let models = about.models;

export const mixer = new Mixer((gains) => player.setGains(gains));
const picture = new Picture(about, { position: () => player.position, seek });
const take = new Take(about, { mix: () => mixer.levels, jump: (at) => (seek(at), play()), loop: (a, b) => setLoop([a, b]) });
const list = new Songs({ pick: open, remove });

// --- songs ---------------------------------------------------------------------------------------

export const song = () => songs.get(current);

async function open(id, { play: start = true } = {}) {
  const next = songs.get(id);
  if (!next || next.state === "failed" || next.state === "sending") return;
  const fresh = id !== current;
  current = id;
  sessionStorage.setItem("song", id);
  if (next.state !== "ready") api.prefer(id).catch(trouble);
  if (!fresh) return start && play();
  segments = [];
  wantsPlay = start;
  for (const [element, shown] of [["empty", false], ["stage", true], ["take", true]]) $(element).hidden = !shown;
  document.querySelector("main").classList.remove("bare");
  show();
  picture.open(next);
  mixer.open(next.stems);
  Object.assign(choice, { model: next.model, strength: next.strength });
  step("strength", next.strength - steps.strength.value);
  showModels(models);
  take.list([]);
  await player.open(next);
  mixer.open(next.stems);
  if (start) play();
}

function close() {
  current = null;
  player.close();
  for (const [element, shown] of [["empty", true], ["stage", false], ["take", false]]) $(element).hidden = !shown;
  document.querySelector("main").classList.add("bare");
  document.title = "isolde studio";
}

async function remove(id) {
  const known = songs.get(id);
  songs.delete(id);
  if (id === current) close();
  show();
  if (known && known.state !== "sending" && !known.local) await api.remove(id).catch(trouble);
}

async function add(files) {
  const before = current;
  for (const file of files) {
    const local = `local-${Math.random()}`;
    const row = { id: local, name: file.name, local: true, state: "sending", share: 0, stems: [], title: "" };
    songs.set(local, row);
    show();
    try {
      const made = await api.upload(file, choice, (share) => ((row.share = share), show()));
      songs.delete(local);
      heard(made);
      if (file === files[0] || !current || (current === before && !player.playing)) await open(made.id);
    } catch (error) {
      Object.assign(row, { state: "failed", error: error.message });
      say(`${file.name}: ${error.message}`);
      show();
    }
  }
}

async function addDemo() {
  try {
    const made = await api.demo(choice);
    heard(made);
    await open(made.id);
  } catch (error) {
    trouble(error);
  }
}

/** The same song with another model or strength; what plays goes on until it has caught up. */
async function separateAgain() {
  const from = current;
  if (!from || (song().model === choice.model && song().strength === choice.strength)) return;
  try {
    const made = await api.again(from, choice);
    if (coming) api.remove(coming).catch(trouble);
    coming = made.id;
    heard(made);
    api.prefer(coming).catch(trouble);
  } catch (error) {
    trouble(error);
  }
}

async function catchUp() {
  const [old, next] = [songs.get(current), songs.get(coming)];
  if (!old || !next || next.name !== old.name) return (coming = null);
  const need = Math.min(player.position + 3, next.seconds ?? Infinity);
  if (next.state === "failed") return trouble(new Error(next.error)), (coming = null);
  if (next.state !== "ready" && next.ready_seconds < need) return;
  const [at, loop, was] = [player.position, player.loop, player.playing];
  coming = null;
  current = next.id;
  sessionStorage.setItem("song", current);
  segments = [];
  songs.delete(old.id);
  picture.open(next);
  await player.open(next, { at, play: was });
  mixer.open(next.stems);
  hearSegments(next.id);
  if (loop) setLoop(loop);
  show();
  api.remove(old.id).catch(trouble);
}

function heard(news) {
  const before = songs.get(news.id);
  songs.set(news.id, news);
  if (news.id === current) {
    player.update(news);
    picture.update(news);
    if (news.n_segments !== (before?.n_segments ?? 0) || (news.state === "ready" && before?.state !== "ready") || (!segments.length && news.n_segments)) hearSegments(news.id);
    if (wantsPlay && !player.playing && player.ready > 0.7) play();
  }
  if (coming) catchUp();
  if (!current && before === undefined) {
    const last = sessionStorage.getItem("song");
    if (!last || last === news.id) open(news.id, { play: false });
    else setTimeout(() => !current && songs.has(news.id) && open(news.id, { play: false }), 300);
  }
  show();
}

async function hearSegments(id) {
  try {
    const told = await api.activity(id);
    if (id !== current) return;
    segments = told.segments;
    picture.segments(segments);
    take.list(segments);
  } catch { /* the next news asks again */ }
}

function show() {
  list.show([...songs.values()].filter(({ id }) => id !== coming), current, player.playing);
  $("demo").hidden = !current;
  const now = song();
  if (!now) return;
  const name = title(now);
  if ($("title").textContent !== name) $("title").textContent = name;
  document.title = `${name} – isolde studio`;
  const channels = { 1: "mono", 2: "stereo" }[now.n_channels] ?? `${now.n_channels} channels`;
  const length = now.seconds ? clock(now.seconds, now.seconds < 60 ? 1 : 0) : "";
  $("meta").textContent = [now.artist, `${+(now.sample_rate / 1000).toFixed(1)} kHz`, channels, length].filter(Boolean).join(" · ");
  $("length").textContent = length ? `/ ${length}` : "";
  $("seek").max = now.seconds ?? now.ready_seconds;
  take.show(now);
  showStatus(now);
}

function showStatus(now) {
  let [text, mood] = ["", ""];
  const ahead = player.position - player.ready;
  if (coming && songs.get(coming)) {
    const next = songs.get(coming);
    const left = next.real_time_factor ? (player.position + 3 - next.ready_seconds) / next.real_time_factor : 0;
    text = `strength ${next.strength}, ${next.model}: sounds in ${clock(Math.max(0, left) + 0.9)}`;
  } else if (now.state === "failed") [text, mood] = [now.error, "bad"];
  else if (now.state === "waiting") text = "waits for its turn";
  else if (player.starved && player.playing && ahead > -0.5 && now.state === "separating") {
    text = now.real_time_factor ? `sounds in ${clock(Math.max(0, ahead + 1.5) / now.real_time_factor + 0.9)}` : "sounds in a moment";
  } else if (now.state === "separating") [text, mood] = [`${player.playing ? "sounds while it separates" : "separates"}: ${times(now.real_time_factor)}`, "good"];
  else [text, mood] = [`separated in ${now.elapsed.toFixed(1)} s: ${times(now.real_time_factor)}`, "good"];
  if (now.warnings.length) text += ` · ${now.warnings[0]}`;
  if ($("status-text").textContent !== text) $("status-text").textContent = text;
  $("status").className = mood;
  if (now.state !== show.said) say(now.state === "ready" ? `${title(now)} is separated` : text);
  show.said = now.state;
}

function say(text) {
  $("said").textContent = text;
}

function trouble(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error?.message ?? "";
}

// --- playing -------------------------------------------------------------------------------------

async function play() {
  wantsPlay = false;
  if (!(await player.play())) {
    $("status-text").textContent = "press play: the browser wants a click before the first sound";
  }
  picture.follow();
}

function toggle() {
  if (player.playing) player.pause();
  else play();
}

function seek(at) {
  player.seek(at);
  picture.follow();
  picture.touch();
  if (song()) showStatus(song());
}

function phrase(direction) {
  const now = player.position;
  const starts = segments.map(([start]) => start);
  const next = direction > 0 ? starts.find((start) => start > now + 0.05) : starts.findLast((start) => start < now - 1);
  if (next !== undefined) seek(next);
}

function setLoop(loop) {
  loopFrom = null;
  player.setLoop(loop);
  picture.loop(loop);
  if (loop && (player.position < loop[0] || player.position > loop[1])) seek(loop[0]);
  $("loop-button").textContent = loop ? "End loop" : "Loop A–B";
  $("loop-button").setAttribute("aria-pressed", Boolean(loop));
}

function stepLoop() {
  const now = player.position;
  if (player.loop) return setLoop(null);
  if (loopFrom === null) {
    loopFrom = now;
    $("loop-button").textContent = `From ${clock(now, 1)} to …`;
    return picture.loop([now, now]);
  }
  const [a, b] = [Math.min(loopFrom, now), Math.max(loopFrom, now)];
  setLoop(b - a < 0.2 ? null : [a, b]);
}

const steps = {
  tempo: { low: 50, high: 150, value: 100, text: (v) => `${v} %` },
  key: { low: -6, high: 6, value: 0, text: (v) => (v > 0 ? `+${v}` : v < 0 ? `−${-v}` : "0") },
  strength: { low: 0.5, high: 3, value: about.strength, text: (v) => v.toFixed(2).replace(/0$/, "") },
};
let later = 0;

function step(name, by) {
  const known = steps[name];
  known.value = Math.min(known.high, Math.max(known.low, Math.round((known.value + by) * 100) / 100));
  $(name).textContent = known.text(known.value);
  if (name !== "strength") return player.setStretch(steps.tempo.value / 100, steps.key.value);
  choice.strength = known.value;
  clearTimeout(later);
  later = setTimeout(separateAgain, 700);
}

function reset() {
  mixer.reset();
  step("tempo", 100 - steps.tempo.value);
  step("key", -steps.key.value);
}

// --- models --------------------------------------------------------------------------------------

function modelLine({ quality, speed, licence }) {
  return [quality === null ? "" : `${quality.toFixed(1)} dB`, speed ? times(speed) : "", licence].filter(Boolean).join(" · ");
}

function showModels(news) {
  models = news;
  $("model-list").replaceChildren(...models.map((model) => {
    const radio = make("input", { type: "radio", name: "model", value: model.name, checked: model.name === choice.model });
    radio.onchange = () => {
      choice.model = model.name;
      showModels(models);
      separateAgain();
    };
    return make("label", { className: "choice" }, radio, make("b", { textContent: model.name }),
      make("span", { textContent: modelLine(model), title: `Vocals uSDR, ${model.data}` }), make("span", { textContent: model.summary }));
  }));
  const now = models.find(({ name }) => name === choice.model);
  $("model-line").replaceChildren(make("b", { textContent: choice.model }), make("span", { className: "more", textContent: now ? modelLine(now) : "" }));
}

// --- hands ---------------------------------------------------------------------------------------

function listen() {
  const clicks = {
    play: toggle, next: () => phrase(1), "loop-button": stepLoop, demo: addDemo, "demo-large": addDemo,
    choose: () => $("file").click(), help: () => $("keys").showModal(),
    "zoom-in": () => picture.zoom(0.5), "zoom-out": () => picture.zoom(2), "zoom-all": () => picture.all(),
    theme: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true),
  };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => step(button.dataset.step, Number(button.dataset.by)));
  }
  for (const radio of document.querySelectorAll("[name=layer]")) radio.onchange = () => picture.choose(radio.value);
  $("file").onchange = () => (add([...$("file").files]), ($("file").value = ""));
  $("seek").oninput = () => seek(Number($("seek").value));
  document.addEventListener("click", (event) => !$("models").contains(event.target) && ($("models").open = false));
  player.addEventListener("change", show);
  document.addEventListener("keydown", key);

  let depth = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => files(event) && (event.preventDefault(), ($("dropping").hidden = ++depth === 0)));
  addEventListener("dragleave", (event) => files(event) && ($("dropping").hidden = (depth = Math.max(0, depth - 1)) === 0));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth = 0;
    $("dropping").hidden = true;
    add([...event.dataTransfer.files]);
  });
}

function key(event) {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || at.closest("dialog, select, details[open]")) return;
  const sliding = at.matches("input[type=range], input[type=radio]") && event.key.startsWith("Arrow");
  if (sliding || (event.key === " " && at.matches("button, a, summary"))) return;
  const acts = {
    " ": toggle,
    ArrowLeft: () => (event.shiftKey ? phrase(-1) : seek(player.position - 5)),
    ArrowRight: () => (event.shiftKey ? phrase(1) : seek(player.position + 5)),
    m: () => mixer.mute(mixer.voice), s: () => mixer.only(mixer.voice), l: stepLoop,
    "+": () => step("tempo", 5), "=": () => step("tempo", 5), "-": () => step("tempo", -5),
    "<": () => step("key", -1), ">": () => step("key", 1), 0: reset, "?": () => $("keys").showModal(),
    1: () => mixer.only(0), 2: () => mixer.only(1), 3: () => mixer.only(2), 4: () => mixer.only(3),
  };
  const act = acts[event.key] ?? acts[event.key.toLowerCase()];
  if (!act || (!current && event.key !== "?")) return;
  event.preventDefault();
  act();
}

function setTheme(theme, keep = false) {
  document.documentElement.dataset.theme = theme;
  if (keep) localStorage.setItem("theme", theme);
  picture.theme();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light"));
dark.onchange = () => localStorage.getItem("theme") ?? setTheme(dark.matches ? "dark" : "light");

function frame() {
  const now = player.position;
  picture.draw(player.playing);
  mixer.meters((i) => player.level(i));
  const text = clock(now, 1);
  if ($("now").textContent !== text) {
    $("now").textContent = text;
    $("seek").value = now;
    $("seek").setAttribute("aria-valuetext", text);
    take.mark(now);
    if (player.starved) show();
  }
  $("play").classList.toggle("on", player.playing);
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  requestAnimationFrame(frame);
}

listen();
for (const name of Object.keys(steps)) $(name).textContent = steps[name].text(steps[name].value);
showModels(about.models);
close();
show();
const speeds = setInterval(async () => {
  showModels((await api.about()).models);
  if (models.every(({ speed }) => speed)) clearInterval(speeds);
}, 2000);
api.listen(heard, (id) => {
  songs.delete(id);
  if (id === current) close();
  show();
}, (connected) => trouble(connected ? null : new Error("the server has ended: start `isolde studio` again and open its new address")));
requestAnimationFrame(frame);
