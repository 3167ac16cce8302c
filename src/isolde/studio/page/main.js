// The page: news from the server, what the hands do, and a frame of the screen after the other.

import * as api from "./api.js";
import { listen } from "./hands.js";
import { Mixer } from "./mixer.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { Songs } from "./songs.js";
import { Take } from "./take.js";
import { $, clock, copy, write } from "./text.js";

/** Tell what was refused, or no more of it when what the user did went well. */
const trouble = (words = "") => write($("refused"), words);

const about = await api.about().catch(({ message }) => (trouble(message), new Promise(() => {})));

export const player = new Player(() => show());
const songs = new Map(); // id -> song
const choice = { model: about.model, strength: about.strength };
let current = null; // id of the song that is on
const dropped = new Set(); // ids of songs that went: news of them come too late
let wish = null; // model and strength that hands chose, until the server has answered
let later = 0; // timer of a wish that hands are still at
let asked = Promise.resolve(); // wishes go to the server one after the other
let wished = null; // id of the song that came of one
let loopFrom = null;
let models = about.models;

export const mixer = new Mixer((gains) => player.setGains(gains));
const jump = (at) => (seek(at), play());
const picture = new Picture(about, player, { seek, jump, loop: setLoop });
const take = new Take({ mix: () => mixer.levels, stretched: () => player.tempo !== 1 || player.key !== 0, jump, loop: setLoop });
const list = new Songs({ pick: open, remove: async (id) => (await remove(id)) && trouble() });

// --- songs ---------------------------------------------------------------------------------------

export const song = () => songs.get(current);

/** The same song with another model or strength, which takes its place when it has caught up. */
const coming = (id) => [...songs.values()].findLast(({ replaces }) => id && replaces === id);

/** Turn to a song; `how` tells of the same one, separated anew, where the player goes on. */
function turnTo(next, how) {
  current = next.id;
  sessionStorage.setItem("song", current);
  setLoop(null);
  picture.open(next, Boolean(how));
  mixer.open(next.stems);
  show();
  return player.open(next, how);
}

async function open(id, { play: start = true } = {}) {
  const next = songs.get(id);
  if (!next || next.state === "failed" || next.upload) return;
  if (next.state !== "ready") quietly(api.prefer(id));
  if (id === current) return start && play();
  leave();
  await turnTo(next);
  if (start && current === id) play();
}

function remove(id) {
  const known = songs.get(id);
  known?.upload?.abort();
  if (coming(id)) forget(coming(id).id); // it goes with it
  forget(id);
  if (!known?.upload) return quietly(api.remove(id));
}

function forget(id) {
  dropped.add(id);
  songs.delete(id);
  if (id === current) {
    current = null;
    player.close();
    picture.set({ song: null });
  }
  show();
}

/** The server says that a song went, and which one has its place, if any. */
function gone({ id, next }) {
  if (id === current && songs.has(next)) goOn(songs.get(next));
  else forget(id);
}

async function add(files) {
  const before = current;
  for (const file of files) {
    const row = { id: `local-${Math.random()}`, title: file.name, place: Infinity, progress: "is being read", upload: new AbortController() };
    songs.set(row.id, row);
    show();
    try {
      const made = await api.upload(file, choice, row.upload.signal);
      songs.delete(row.id);
      answered(made);
      if (file === files[0] || !current || (current === before && !player.playing)) await open(made.id);
    } catch (error) {
      if (!songs.has(row.id)) continue;
      Object.assign(row, { state: "failed", progress: error.message });
      write($("said"), `${file.name}: ${error.message}`);
      show();
    }
  }
}

const addDemo = async () => open(answered(await api.demo(choice)));

/** Let hands choose a model or a strength; the song is separated anew when they rest. */
function want(values, rest) {
  clearTimeout(later);
  showChoice((wish = { ...choice, ...values }));
  later = setTimeout(separateAgain, rest);
}

/** Ask for the same song as it is wished for; what plays goes on until that has caught up. */
function separateAgain() {
  const [old, mine] = [current, wish];
  later = clearTimeout(later);
  if (!old) return (wish = null);
  inTurn(async () => {
    if (coming(old)) forget(coming(old).id); // the server removes it
    try {
      const made = await api.again(old, mine);
      wished = made.id;
      if (made.id === old || songs.has(made.replaces)) answered(made);
      if (old === current) quietly(api.prefer(made.id));
    } catch ({ message }) {
      if (songs.has(old)) trouble(message);
    }
    if (mine === wish) wish = null;
    catchUp();
    show();
  });
}

const inTurn = (ask) => (asked = quietly(asked.then(ask)));

/** Turn away from a song: what is coming takes its place at once. */
function leave() {
  const old = current;
  if (later) separateAgain(); // hands were still at it
  if (old && (wish || coming(old))) inTurn(() => api.take(old));
  wish = null;
}

/** Go on with what is coming for the song that is on, once it has caught up. */
function catchUp() {
  const [old, next] = [current, coming(current)];
  if (!next || wish) return;
  if (next.state === "failed") return remove(next.id), trouble(next.error);
  const need = Math.min(player.position + 3, next.seconds ?? Infinity);
  if (next.state !== "ready" && (next.id !== wished || next.ready_seconds < need)) return;
  goOn(next);
  inTurn(() => api.take(old));
}

/** Go on with the song that takes the place of the one that is on, where that is. */
async function goOn(next) {
  const { position: at, loop, playing } = player;
  dropped.add(current);
  songs.delete(current);
  await turnTo(next, { at, play: playing });
  if (loop && current === next.id) setLoop(loop);
}

/** Take a song that the server answers, of which the news may have told before, and more. */
function answered(made) {
  trouble();
  if (!songs.has(made.id)) heard(made);
  return made.id;
}

function heard(news) {
  if (dropped.has(news.id)) return;
  const before = songs.get(news.id);
  songs.set(news.id, news);
  if (news.id === current) {
    player.update(news);
    picture.set({ song: news });
  }
  catchUp();
  if (!current && !before && !songs.has(news.replaces)) { // the song that was on before a reload, or else any
    const wait = news.id === (sessionStorage.getItem("song") ?? news.id) ? 0 : 300;
    setTimeout(() => !current && open(news.id, { play: false }), wait);
  }
  show();
}

function show() {
  const all = [...songs.values()].sort((a, b) => a.place - b.place);
  list.show(all.filter(({ replaces }) => !songs.has(replaces)), current, player.playing);
  const now = song();
  document.querySelector("main").classList.toggle("bare", !now);
  document.title = now ? `${now.title} – isolde studio` : "isolde studio";
  if (!now) return;
  if (!wish) showChoice(coming(current) ?? now);
  if (write($("title"), now.title)) $("title").title = now.title;
  write($("meta"), now.facts);
  write($("length"), now.length && `/ ${now.length}`);
  $("seek").max = now.seconds ?? now.ready_seconds;
  take.show(now);
  showStatus(now);
}

function showStatus(now) {
  const wait = waiting(now);
  write($("status-text"), wait ?? now.status);
  $("status").className = wait ? "" : now.state;
  if (now.state !== showStatus.said) write($("said"), now.state === "ready" ? `${now.title} is separated` : now.status);
  showStatus.said = now.state;
}

/** How long it is until what is wanted sounds, where that has to be waited for. */
function waiting(now) {
  const sounds = (left, factor) => (factor ? `sounds in ${clock(Math.max(0, left) / factor + 0.9)}` : "sounds in a moment");
  const next = coming(current);
  if (next) return `strength ${next.strength}, ${next.model}: ${sounds(player.position + 3 - next.ready_seconds, next.real_time_factor)}`;
  const ahead = player.position - now.ready_seconds;
  if (now.state === "separating" && player.starved && player.playing && ahead > -0.5) return sounds(ahead + 1.5, now.real_time_factor);
}

/** Of a song that may have gone meanwhile, as was wanted. */
const quietly = (answer) => answer.catch(() => null);

// --- playing -------------------------------------------------------------------------------------

async function play() {
  if (!(await player.play())) write($("status-text"), "press play: the browser wants a click before the first sound");
  picture.follow();
}

const toggle = () => (player.playing ? player.pause() : play());

function seek(at) {
  player.seek(at);
  picture.follow();
}

function phrase(direction) {
  const now = player.position;
  const starts = song().segments.map(([start]) => start);
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

function step(name, by) {
  const known = steps[name];
  const value = Math.min(known.high, Math.max(known.low, Math.round((known.value + by) * 100) / 100));
  if (name === "strength") return want({ strength: value }, 700);
  known.value = value;
  write($(name), known.text(value));
  player.setStretch(steps.tempo.value / 100, steps.key.value);
  show();
}

function reset() {
  mixer.reset();
  step("tempo", 100 - steps.tempo.value);
  step("key", -steps.key.value);
}

// --- models --------------------------------------------------------------------------------------

function showModels(news) {
  models = news;
  models.forEach((model, i) => {
    const row = $("model-list").children[i] ?? $("model-list").appendChild(copy("model-row"));
    const [radio, name, line, summary] = row.children;
    Object.assign(radio, { value: model.name, checked: model.name === choice.model });
    line.title = `Vocals uSDR, ${model.data}`;
    write(name, model.name);
    write(line, model.line);
    write(summary, model.summary);
    if (radio.checked) write($("model-line"), model.line);
  });
  write($("model-name"), choice.model);
}

/** Show a model and a strength as chosen; no song changes. */
function showChoice({ model, strength }) {
  Object.assign(choice, { model, strength });
  steps.strength.value = strength;
  write($("strength"), steps.strength.text(strength));
  showModels(models);
}

// --- hands and frames ---------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  picture.theme();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.onchange = () => setTheme(localStorage.theme ?? (dark.matches ? "dark" : "light"));
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
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
}

listen({
  add,
  clicks: {
    play: toggle, next: () => phrase(1), "loop-button": stepLoop, demo: addDemo, "demo-large": addDemo,
    choose: () => $("file").click(), close: () => trouble(), help: () => $("keys").showModal(),
    "zoom-in": () => picture.zoom(0.5), "zoom-out": () => picture.zoom(2), "zoom-all": () => picture.zoom(Infinity),
    theme: () => setTheme((localStorage.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark")),
  },
  keys: {
    ArrowLeft: ({ shiftKey }) => (shiftKey ? phrase(-1) : seek(player.position - 5)),
    ArrowRight: ({ shiftKey }) => (shiftKey ? phrase(1) : seek(player.position + 5)),
    " ": toggle, m: () => mixer.mute(mixer.voice), s: () => mixer.only(mixer.voice), l: stepLoop,
    "+": () => step("tempo", 5), "=": () => step("tempo", 5), "-": () => step("tempo", -5),
    "<": () => step("key", -1), ">": () => step("key", 1), 0: reset, "?": () => $("keys").showModal(),
    1: () => mixer.only(0), 2: () => mixer.only(1), 3: () => mixer.only(2), 4: () => mixer.only(3),
  },
});
for (const button of document.querySelectorAll("[data-step]")) button.onclick = () => step(button.dataset.step, Number(button.dataset.by));
for (const radio of document.querySelectorAll("[name=layer]")) radio.onchange = () => picture.choose(radio.value);
$("model-list").onchange = (event) => want({ model: event.target.value }, 300);
$("seek").oninput = () => seek(Number($("seek").value));
addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof api.Refused)) return;
  event.preventDefault();
  trouble(event.reason.message);
});

reset();
showChoice(about);
api.listen({ song: heard, gone, models: showModels }, (ended) => write($("ended"), ended));
requestAnimationFrame(frame);
