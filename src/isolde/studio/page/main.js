// The page: its parts, the input, and the frames of the screen.

import * as api from "./api.js";
import { Choice } from "./choice.js";
import { Downloads } from "./downloads.js";
import { listen } from "./input.js";
import { Library } from "./library.js";
import { Mixer } from "./mixer.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { Songs } from "./songs.js";
import { $, clock, write } from "./text.js";
import { Transport } from "./transport.js";

/** Show why something was refused, or clear that message. */
const trouble = (words = "") => write($("refused"), words);

const about = await api.about().catch(({ message }) => (trouble(message), new Promise(() => {})));

export const player = new Player(() => show());
export const mixer = new Mixer((gains) => player.setGains(gains));
const jump = (at) => transport.jump(at);
const loop = (span) => transport.setLoop(span);
const picture = new Picture(about, player, { seek: (at) => transport.seek(at), jump, loop });
const transport = new Transport(player, picture);
const choice = new Choice(about);
const library = new Library({ player, picture, mixer, transport, choice }, { changed: () => show(), refused: trouble });
const downloads = new Downloads({ mix: () => mixer.levels, stretched: () => player.tempo !== 1 || player.key !== 0, jump, loop });
const list = new Songs({ pick: (id) => library.open(id), remove: async (id) => (await library.remove(id)) && trouble() });
export const song = () => library.song;

// --- the current song ----------------------------------------------------------------------------

function show() {
  list.show(library.listed, library.current, player.playing);
  const now = song();
  document.querySelector("main").classList.toggle("bare", !now);
  document.title = now ? `${now.title} – isolde studio` : "isolde studio";
  if (!now) return;
  if (!library.wish) choice.show(library.coming() ?? now);
  if (write($("title"), now.title)) $("title").title = now.title;
  write($("meta"), now.facts);
  write($("length"), now.length && `/ ${now.length}`);
  $("seek").max = now.seconds ?? now.ready_seconds;
  downloads.show(now);
  showStatus(now);
}

function showStatus(now) {
  const wait = waiting(now);
  write($("status-text"), wait ?? now.status);
  $("status").className = wait ? "" : now.state;
  if (now.state !== showStatus.said) write($("said"), now.state === "ready" ? `${now.title} is separated` : now.status);
  showStatus.said = now.state;
}

/** The text that says how long to wait until the position plays; undefined without waiting. */
function waiting(now) {
  const sounds = (left, factor) => (factor ? `plays in ${clock(Math.max(0, left) / factor + 0.9)}` : "plays in a moment");
  const next = library.coming();
  if (next) return `strength ${next.strength}, ${next.model}: ${sounds(player.position + 3 - next.ready_seconds, next.real_time_factor)}`;
  const ahead = player.position - now.ready_seconds;
  if (now.state === "separating" && player.starved && player.playing && ahead > -0.5) return sounds(ahead + 1.5, now.real_time_factor);
}

// --- input and frames ---------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  picture.theme();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.onchange = () => setTheme(localStorage.theme ?? (dark.matches ? "dark" : "light"));
dark.onchange();

let shown = 0; // time of the last drawn frame

/** Draw at most thirty times a second: at most zooms a pixel takes longer. */
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
    downloads.mark(now);
    if (player.starved) show();
  }
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
}

function step(name, by) {
  if (name === "strength") return library.want(choice.stepped(by), 700);
  transport.step(name, by);
  show();
}

function reset() {
  mixer.reset();
  transport.reset();
  show();
}

const go = (seconds, direction) => ({ shiftKey }) => (shiftKey ? transport.phrase(direction) : transport.seek(player.position + seconds));
const toggle = () => transport.toggle();
const stepLoop = () => transport.stepLoop();

listen({
  add: (files) => library.add(files),
  clicks: {
    play: toggle, next: () => transport.phrase(1), "loop-button": stepLoop, demo: () => library.addDemo(), "demo-large": () => library.addDemo(),
    choose: () => $("file").click(), close: () => trouble(), help: () => $("keys").showModal(),
    "zoom-in": () => picture.zoom(0.5), "zoom-out": () => picture.zoom(2), "zoom-all": () => picture.zoom(Infinity),
    theme: () => setTheme((localStorage.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark")),
  },
  keys: {
    ArrowLeft: go(-5, -1), ArrowRight: go(5, 1),
    " ": toggle, m: () => mixer.mute(mixer.voice), s: () => mixer.only(mixer.voice), l: stepLoop,
    "+": () => step("tempo", 5), "=": () => step("tempo", 5), "-": () => step("tempo", -5),
    "<": () => step("key", -1), ">": () => step("key", 1), 0: reset, "?": () => $("keys").showModal(),
    1: () => mixer.only(0), 2: () => mixer.only(1), 3: () => mixer.only(2), 4: () => mixer.only(3),
  },
});
for (const button of document.querySelectorAll("[data-step]")) button.onclick = () => step(button.dataset.step, Number(button.dataset.by));
for (const radio of document.querySelectorAll("[name=layer]")) radio.onchange = () => picture.choose(radio.value);
$("model-list").onchange = (event) => library.want({ model: event.target.value }, 300);
$("seek").oninput = () => transport.seek(Number($("seek").value));
addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof api.Refused)) return;
  event.preventDefault();
  trouble(event.reason.message);
});

transport.reset();
const acts = { song: (event) => library.receive(event), gone: (event) => library.handleRemoval(event), models: (event) => choice.list(event) };
const silent = `no sound without https from another computer: there, open a tunnel with \`ssh -L ${location.port}:localhost:${location.port}\`, and the address with localhost`;
api.listen(acts, () => library.check(), (ended) => write($("ended"), ended || (isSecureContext ? "" : silent)));
requestAnimationFrame(frame);
