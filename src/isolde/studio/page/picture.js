// Spectrogram, waveform and phrases over time, and the whole song below them.
// This file decides which part of the song is shown; the files that it imports draw it.

import { Spectrogram } from "./spectrogram.js";
import { $, clock, make } from "./text.js";
import { Peaks, Waveform } from "./waveform.js";

const TICKS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600]; // seconds between times on the axis
const CLOSEST = 4; // smallest number of seconds shown
const WAIT = 200; // least milliseconds between two drawings while a song is separated
const MARGIN = 0.5; // share of the shown part that is drawn on either side

const within = (low, value, high) => Math.max(low, Math.min(high, value));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const calm = matchMedia("(prefers-reduced-motion: reduce)"); // then pages turn instead of scrolling

export class Picture {
  #song = null;
  #peaks = null;
  #drawn = null; // { start, span, width, time } of the last drawing, null if it is invalid
  #stale = false; // there is more to draw, but it may wait
  #paint = {};
  #loop = null;

  constructor(about, player, { seek, jump, loop }) {
    Object.assign(this, { about: about.picture, player });
    // wavesurfer.js takes this for a media element.
    this.media = Object.defineProperties(new EventTarget(), {
      currentTime: { get: () => player.position, set: seek },
      duration: { get: () => this.#seconds },
      paused: { get: () => !player.playing },
    });
    const options = { media: this.media, cursorWidth: 2, cursorColor: "var(--ink)" };
    this.wave = new Waveform($("waveform"), 96, { ...options, autoCenter: !calm.matches });
    this.whole = new Waveform($("overview"), 34, options);
    this.spectrogram = new Spectrogram(this.about, this.wave.add("spectrogram", "prepend"), this.#more);
    this.axis = this.wave.add("axis");
    this.#listen(jump, loop);
    this.theme();
  }

  /** Switch to a song; `again` if it replaces the one before. */
  open(song, again) {
    this.set({ song, loop: null });
    this.#peaks = new Peaks();
    this.#drawn = null;
    this.follow();
    const { surfer } = this.wave;
    if (!again) surfer.options.minPxPerSec = this.#seconds < 45 ? 0 : surfer.getWidth() / 24;
    const [low, high] = this.about.hertz;
    $("marks").style.setProperty("--low", low);
    $("marks").style.setProperty("--top", Math.min(high, song.sample_rate / 2));
  }

  /** Set the song or the loop. */
  set({ song = this.#song, loop = this.#loop }) {
    [this.#song, this.#loop] = [song, loop];
    this.#stale = true;
  }

  choose(layer) {
    this.spectrogram.layer = layer;
    this.#drawn = null;
  }

  theme() {
    for (const name of ["picture", "ink", "voice", "band"]) this.#paint[name] = css(name);
    this.#drawn = null;
  }

  zoom(factor, at = this.player.position) {
    const { surfer } = this.wave;
    const seconds = this.#seconds;
    const { start, span } = this.#shown;
    const next = within(Math.min(CLOSEST, seconds), span * factor, seconds);
    surfer.zoom(next < seconds ? surfer.getWidth() / next : 0);
    surfer.setScrollTime(at - next * within(0, (at - start) / span, 1));
  }

  follow() {
    this.wave.surfer.options.autoScroll = true;
  }

  #more = () => (this.#stale = true);

  get #seconds() {
    return this.#song?.seconds ?? this.#song?.ready_seconds ?? 1;
  }

  /** The visible part of the song: start and length in seconds, and width in pixels. */
  get #shown() {
    const { surfer } = this.wave;
    const pixel = this.#seconds / surfer.getWrapper().clientWidth;
    return { start: surfer.getScroll() * pixel, span: surfer.getWidth() * pixel, width: surfer.getWidth() };
  }

  #listen(jump, loop) {
    const { surfer, regions } = this.wave;
    regions.enableDragSelection({ id: "drawn", color: "var(--loop)" }, 6);
    regions.on("region-created", (region) => {
      if (region.id !== "drawn") return;
      region.remove();
      loop([region.start, region.end]);
    });
    regions.on("region-updated", ({ start, end }) => loop([start, end]));
    regions.on("region-clicked", ({ id, start }, event) => {
      if (id !== "phrase") return;
      event.stopPropagation();
      jump(start);
    });
    const [view, hover] = [$("view"), $("hover")];
    const place = (event) => event.clientX - view.getBoundingClientRect().left;
    const time = (event) => this.#shown.start + (place(event) / view.clientWidth) * this.#shown.span;
    view.addEventListener("pointermove", (event) => {
      hover.textContent = clock(time(event), 1);
      hover.style.left = `${within(26, place(event), view.clientWidth - 26)}px`;
    });
    view.addEventListener("touchmove", () => (surfer.options.autoScroll = false), { passive: true });
    view.addEventListener("wheel", (event) => {
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) surfer.options.autoScroll = false;
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * 0.01), time(event));
    }, { passive: false });
  }

  /** Draw a frame of the screen: only what has changed. */
  draw() {
    if (!this.#song) return;
    this.media.dispatchEvent(new Event("timeupdate"));
    const { start, span, width } = this.#shown;
    const drawn = this.#drawn;
    const away = drawn?.span !== span || drawn.width !== width || Math.abs(start - drawn.start) > (span * MARGIN) / 2;
    const due = this.#stale && (this.#song.state === "ready" || performance.now() - drawn?.time > WAIT);
    if (away || due) this.#drawAll(this.#shown);
    Object.assign($("window").style, { left: `${(100 * start) / this.#seconds}%`, width: `${(100 * span) / this.#seconds}%` });
  }

  #drawAll({ start, span, width }) {
    this.#stale = false;
    this.#drawn = { start, span, width, time: performance.now() };
    const [song, seconds, { pixels }, paint] = [this.#song, this.#seconds, this.wave, this.#paint];
    const [from, to] = [start - MARGIN * span, start + (1 + MARGIN) * span];
    this.#peaks.grow(song, seconds, this.#more);
    for (const wave of [this.wave, this.whole]) {
      wave.draw(song, this.#peaks, seconds, paint);
      wave.mark("phrase", song.segments, { color: "var(--voice)" });
    }
    this.wave.mark("loop", this.#loop ? [this.#loop] : [], { color: "var(--loop)", drag: true, resize: true });
    const colours = ["picture", "ink", "band", "voice"].map((name) => paint[name].slice(1)).join();
    this.spectrogram.draw(song, from, to, { seconds, pixels, colours });
    this.#drawTimes(from, to);
    $("window").hidden = span >= seconds - 0.01;
  }

  #drawTimes(from, to) {
    const seconds = this.#seconds;
    const second = this.wave.pixels / seconds;
    const step = TICKS.find((tick) => tick * second > 74) ?? TICKS.at(-1);
    const times = [];
    for (let t = Math.max(0, Math.ceil(from / step) * step); t <= Math.min(to, seconds); t += step) {
      const edge = t === 0 ? "first" : (seconds - t) * second < 24 ? "last" : "";
      const time = make("span", { part: `time ${edge}`, textContent: clock(t, step < 1 ? 1 : 0) });
      time.style.left = `${(100 * t) / seconds}%`;
      times.push(time);
    }
    this.axis.replaceChildren(...times);
  }
}
