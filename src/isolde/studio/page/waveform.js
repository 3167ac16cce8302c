// Peaks of a song and of its voice, with regions of time, drawn by wavesurfer.js. The library draws,
// scrolls and handles clicks; it plays no sound: the page's player is its media element.

import * as api from "./api.js";
import { make } from "./text.js";
import Regions from "./vendor/regions.mjs";
import WaveSurfer from "./vendor/wavesurfer.mjs";

const SHADES = { band: "61", voice: "e6" }; // opacity of the colours, in hexadecimal
const QUIET = 0.15; // smallest peak that fills the height

/** The available peaks of mixture and vocals. */
export class Peaks {
  sounds = [new Float32Array(1), new Float32Array(1)];
  n = 0; // number of available columns
  #busy = false;

  /** Fetch new columns, and make room for all of the song. */
  async grow(song, seconds, grown) {
    const column = song.column_samples / song.sample_rate;
    if (this.#busy || this.n >= Math.floor(song.ready_seconds / column)) return;
    this.#busy = true;
    try {
      const data = await api.peaks(song.id, this.n);
      const length = Math.max(Math.ceil(seconds / column), this.n + data.length / 2);
      const resize = (old) => Float32Array.from({ length }, (_, i) => old[i] ?? 0);
      if (length !== this.sounds[0].length) this.sounds = this.sounds.map(resize);
      data.forEach((level, i) => (this.sounds[i % 2][this.n + (i >> 1)] = level / 255));
      this.n += data.length / 2;
      grown();
    } catch { /* they are fetched again */ } finally {
      this.#busy = false;
    }
  }
}

/** Fill a canvas between peaks and their mirror image; the library's own shape has a notch at every seam. */
function fill(peaks, context, highest) {
  const { width, height } = context.canvas;
  const points = []; // at most one per pixel
  let [at, peak] = [0, 0];
  peaks.forEach((value, i) => {
    const x = Math.floor((i * width) / peaks.length);
    if (x > at) points.push([at, peak]), ([at, peak] = [x, 0]);
    peak = Math.max(peak, value);
  });
  points.push([at, peak], [width, peak]);
  const sizes = points.map(([x, value]) => [x, Math.max(1, (value / highest) * (height / 2))]);
  context.beginPath();
  for (const [x, y] of sizes) context.lineTo(x, height / 2 - y);
  for (const [x, y] of sizes.reverse()) context.lineTo(x, height / 2 + y);
  context.fill();
}

export class Waveform {
  regions = Regions.create();
  #shown = ""; // key of the last drawing
  #marked = {}; // kind of region -> key of the last drawing

  constructor(container, height, options) {
    this.height = height;
    // With no height the library's own style is always the same text, which the server's policy allows.
    this.surfer = WaveSurfer.create({ container, height: 0, hideScrollbar: true, plugins: [this.regions], ...options });
    this.unready = this.add("unready");
  }

  /** Width of the whole song in pixels. */
  get pixels() {
    return Math.max(this.surfer.getWidth(), this.surfer.getDuration() * this.surfer.options.minPxPerSec);
  }

  /** Add an element that scrolls with the waveform, above or over it. */
  add(part, where = "append") {
    const element = make("div", { part });
    this.surfer.getWrapper()[where](element);
    return element;
  }

  draw(song, peaks, seconds, paint) {
    this.unready.style.left = song.state === "ready" ? "100%" : `${(100 * peaks.n * song.column_samples) / song.sample_rate / seconds}%`;
    const shown = [song.id, peaks.n, seconds, paint.band, paint.voice].join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    const splitChannels = Object.entries(SHADES).map(([name, shade]) => ({ overlay: true, waveColor: paint[name] + shade }));
    const highest = 1.12 * peaks.sounds[0].reduce((a, b) => Math.max(a, b), QUIET);
    const renderFunction = ([levels], context) => fill(levels, context, highest);
    Object.assign(this.surfer.options, { height: this.height, splitChannels, renderFunction });
    this.surfer.load("", peaks.sounds, seconds);
  }

  /** Show the regions of a kind, [start, end] each, and no others. */
  mark(id, spans, options) {
    const [seconds, before] = [this.surfer.getDuration(), this.#marked[id]];
    const now = JSON.stringify([spans, seconds]);
    if (now === before?.now) return;
    this.#marked[id] = { now, seconds };
    const fresh = new Map(spans.map(([start, end]) => [`${start} ${end}`, { start, end }]));
    for (const region of this.regions.getRegions().filter((old) => old.id === id)) {
      if (seconds !== before.seconds || !fresh.delete(`${region.start} ${region.end}`)) region.remove(); // hours have thousands
    }
    for (const span of fresh.values()) this.regions.addRegion({ id, ...span, drag: false, resize: false, ...options });
  }
}
