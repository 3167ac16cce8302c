// The page: news from the server, what the hands do, and a frame of the screen after the other.

import * as api from "./api.js";
import { Mixer } from "./mixer.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { Songs } from "./songs.js";
import { Take } from "./take.js";
import { $, clock, copy, times, write } from "./text.js";

const about = await api.about().catch(({ message }) => (trouble(message), new Promise(() => {})));

export const player = new Player(() => show());
const songs = new Map(); // id -> song, in the order in which they came
const choice = { model: about.model, strength: about.strength };
let current = null; // id of the song that is on
let coming = null; // id of the same song with another model or strength, until it has caught up
let segments = [];
let loopFrom = null;
let models = about.models;

export const mixer = new Mixer((gains) => player.setGains(gains));
const jump = (at) => (seek(at), play());
const picture = new Picture(about, player, { seek, jump, loop: setLoop });
const take = new Take({ mix: () => mixer.levels, jump, loop: setLoop });
const list = new Songs({ pick: open, remove });

// --- songs ---------------------------------------------------------------------------------------

export const song = () => songs.get(current);

/** Turn to a song; `how` tells of the same one, separated anew, where the player goes on. */
function turnTo(next, how) {
  current = next.id;
  sessionStorage.setItem("song", current);
  document.querySelector("main").classList.remove("bare");
  setLoop(null);
  showSegments([]);
  picture.open(next, Boolean(how));
  mixer.open(next.stems);
  show();
  hearSegments(next.id);
  return player.open(next, how);
}

async function open(id, { play: start = true } = {}) {
  const next = songs.get(id);
  if (!next || next.state === "failed" || next.local) return;
  if (next.state !== "ready") api.prefer(id);
  if (id === current) return start && play();
  Object.assign(choice, { model: next.model, strength: next.strength });
  step("strength", next.strength - steps.strength.value);
  showModels(models);
  await turnTo(next);
  if (start) play();
}

async function remove(id) {
  const known = songs.get(id);
  gone(id);
  if (known && !known.local) await api.remove(id);
}

function gone(id) {
  songs.delete(id);
  if (id === current) {
    current = null;
    player.close();
    document.querySelector("main").classList.add("bare");
    document.title = "isolde studio";
  }
  show();
}

async function add(files) {
  const before = current;
  for (const file of files) {
    const row = { id: `local-${Math.random()}`, title: file.name, local: true, state: "sending" };
    songs.set(row.id, row);
    show();
    try {
      const made = await api.upload(file, choice);
      songs.delete(row.id);
      heard(made);
      if (file === files[0] || !current || (current === before && !player.playing)) await open(made.id);
    } catch (error) {
      Object.assign(row, { state: "failed", error: error.message });
      write($("said"), `${file.name}: ${error.message}`);
      show();
    }
  }
}

async function addDemo() {
  const made = await api.demo(choice);
  heard(made);
  await open(made.id);
}

/** The same song with another model or strength; what plays goes on until it has caught up. */
async function separateAgain() {
  if (!current || (song().model === choice.model && song().strength === choice.strength)) return;
  const made = await api.again(current, choice);
  if (coming) api.remove(coming);
  coming = made.id;
  heard(made);
  api.prefer(coming);
}

async function catchUp() {
  const [old, next] = [song(), songs.get(coming)];
  if (!old || !next || next.name !== old.name) return (coming = null);
  if (next.state === "failed") return trouble(next.error), (coming = null);
  const need = Math.min(player.position + 3, next.seconds ?? Infinity);
  if (next.state !== "ready" && next.ready_seconds < need) return;
  const { position: at, loop, playing } = player;
  coming = null;
  songs.delete(old.id);
  await turnTo(next, { at, play: playing });
  if (loop) setLoop(loop);
  api.remove(old.id);
}

function heard(news) {
  const before = songs.get(news.id);
  songs.set(news.id, news);
  if (news.id === current) {
    player.update(news);
    picture.set({ song: news });
    if (news.n_segments !== segments.length || (news.state === "ready" && before.state !== "ready")) hearSegments(news.id);
  }
  if (coming) catchUp();
  if (!current && !before) { // the song that was on before a reload, or else any
    const wait = news.id === (sessionStorage.getItem("song") ?? news.id) ? 0 : 300;
    setTimeout(() => !current && open(news.id, { play: false }), wait);
  }
  show();
}

async function hearSegments(id) {
  const told = await api.activity(id).catch(() => null); // the next news ask again
  if (told && id === current) showSegments(told.segments);
}

function showSegments(now) {
  segments = now;
  picture.set({ segments });
  take.list(segments);
}

function show() {
  list.show([...songs.values()].filter(({ id }) => id !== coming), current, player.playing);
  const now = song();
  if (!now) return;
  write($("title"), now.title);
  document.title = `${now.title} – isolde studio`;
  const channels = { 1: "mono", 2: "stereo" }[now.n_channels] ?? `${now.n_channels} channels`;
  const length = now.seconds ? clock(now.seconds, now.seconds < 60 ? 1 : 0) : "";
  write($("meta"), [now.artist, `${+(now.sample_rate / 1000).toFixed(1)} kHz`, channels, length].filter(Boolean).join(" · "));
  write($("length"), length && `/ ${length}`);
  $("seek").max = now.seconds ?? now.ready_seconds;
  take.show(now);
  showStatus(now);
}

function showStatus(now) {
  const [text, mood] = status(now);
  write($("status-text"), [text, now.warnings[0]].filter(Boolean).join(" · "));
  $("status").className = mood;
  if (now.state !== showStatus.said) write($("said"), now.state === "ready" ? `${now.title} is separated` : text);
  showStatus.said = now.state;
}

function status(now) {
  const sounds = (left, factor) => (factor ? `sounds in ${clock(Math.max(0, left) / factor + 0.9)}` : "sounds in a moment");
  const next = songs.get(coming);
  if (next) return [`strength ${next.strength}, ${next.model}: ${sounds(player.position + 3 - next.ready_seconds, next.real_time_factor)}`, ""];
  if (now.state === "failed") return [now.error, "bad"];
  if (now.state === "waiting") return ["waits for its turn", ""];
  if (now.state === "ready") return [`separated in ${now.elapsed.toFixed(1)} s: ${times(now.real_time_factor)}`, "good"];
  const ahead = player.position - now.ready_seconds;
  if (player.starved && player.playing && ahead > -0.5) return [sounds(ahead + 1.5, now.real_time_factor), ""];
  return [`${player.playing ? "sounds while it separates" : "separates"}: ${times(now.real_time_factor)}`, "good"];
}

function trouble(words) {
  $("trouble").hidden = !words;
  write($("trouble"), words);
}

// --- playing -------------------------------------------------------------------------------------

async function play() {
  if (!(await player.play())) write($("status-text"), "press play: the browser wants a click before the first sound");
  picture.follow();
}

function toggle() {
  if (player.playing) player.pause();
  else play();
}

function seek(at) {
  player.seek(at);
  picture.follow();
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
  if (loop && loop[1] - loop[0] < 0.2) loop = null; // too short to be meant
  player.setLoop(loop);
  picture.set({ loop });
  if (loop && (player.position < loop[0] || player.position > loop[1])) seek(loop[0]);
  write($("loop-button"), loop ? "End loop" : "Loop A–B");
  $("loop-button").setAttribute("aria-pressed", Boolean(loop));
}

function stepLoop() {
  const now = player.position;
  if (player.loop) return setLoop(null);
  if (loopFrom === null) {
    loopFrom = now;
    write($("loop-button"), `From ${clock(now, 1)} to …`);
    return picture.set({ loop: [now, now] });
  }
  setLoop([Math.min(loopFrom, now), Math.max(loopFrom, now)]);
}

const steps = {
  tempo: { low: 50, high: 150, value: 100, text: (v) => `${v}\u202f%` },
  key: { low: -6, high: 6, value: 0, text: (v) => (v > 0 ? `+${v}` : v < 0 ? `−${-v}` : "0") },
  strength: { low: 0.5, high: 3, value: about.strength, text: (v) => v.toFixed(2).replace(/0$/, "") },
};
let later = 0;

function step(name, by) {
  const known = steps[name];
  known.value = Math.min(known.high, Math.max(known.low, Math.round((known.value + by) * 100) / 100));
  write($(name), known.text(known.value));
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
  models.forEach((model, i) => {
    const row = $("model-list").children[i] ?? $("model-list").appendChild(copy("model-row"));
    const [radio, name, line, summary] = row.children;
    Object.assign(radio, { value: model.name, checked: model.name === choice.model });
    line.title = `Vocals uSDR, ${model.data}`;
    write(name, model.name);
    write(line, modelLine(model));
    write(summary, model.summary);
    if (radio.checked) write($("model-line"), modelLine(model));
  });
  write($("model-name"), choice.model);
}

// --- hands ---------------------------------------------------------------------------------------

function listen() {
  const clicks = {
    play: toggle, next: () => phrase(1), "loop-button": stepLoop, demo: addDemo, "demo-large": addDemo,
    choose: () => $("file").click(), help: () => $("keys").showModal(),
    "zoom-in": () => picture.zoom(0.5), "zoom-out": () => picture.zoom(2), "zoom-all": () => picture.zoom(Infinity),
    theme: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true),
  };
  for (const [id, act] of Object.entries(clicks)) $(id).onclick = act;
  for (const button of document.querySelectorAll("[data-step]")) button.onclick = () => step(button.dataset.step, Number(button.dataset.by));
  for (const radio of document.querySelectorAll("[name=layer]")) radio.onchange = () => picture.choose(radio.value);
  $("file").onchange = () => (add([...$("file").files]), ($("file").value = ""));
  $("model-list").onchange = (event) => {
    choice.model = event.target.value;
    showModels(models);
    separateAgain();
  };
  $("seek").oninput = () => seek(Number($("seek").value));
  document.addEventListener("keydown", key);
  for (const kind of ["dragenter", "dragover", "drop"]) {
    addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      $("dropping").hidden = kind === "drop";
      if (kind === "drop") add([...event.dataTransfer.files]);
    });
  }
  addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof api.Refused)) return;
    event.preventDefault();
    trouble(event.reason.message);
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? ($("dropping").hidden = true)); // of the window
}

function key(event) {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || at.closest("dialog, select, [popover]")) return;
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
dark.onchange = () => setTheme(localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light"));
dark.onchange();

let shown = 0; // when the last frame was drawn

/** Thirty times a second: at most of the zooms a pixel takes longer, and drawing costs. */
function frame(time) {
  requestAnimationFrame(frame);
  if (time - shown < 30) return;
  shown = time;
  const now = player.position;
  picture.draw();
  mixer.meters((i) => player.level(i));
  if (write($("now"), clock(now, 1))) {
    $("seek").value = now;
    $("seek").setAttribute("aria-valuetext", clock(now, 1));
    take.mark(now);
    if (player.starved) show();
  }
  $("play").classList.toggle("on", player.playing);
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
}

listen();
for (const name of Object.keys(steps)) step(name, 0);
showModels(about.models);
show();
const speeds = setInterval(async () => {
  showModels((await api.about()).models);
  if (models.every(({ speed }) => speed)) clearInterval(speeds);
}, 2000);
api.listen(heard, gone, (connected) => trouble(connected ? "" : "the server has ended: start `isolde studio` again and open its new address"));
requestAnimationFrame(frame);
