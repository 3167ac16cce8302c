// What is seen: spectrogram, waveform and phrases over time, and the whole song below them.
// The server sends levels and peaks as bytes; colours are given here, so that they follow the theme.

import * as api from "./api.js";
import { clock } from "./text.js";

const LANE = 22; // CSS pixels of the phrases, and of the times below them
const AXIS = 28;
const MAX_TILES = 120;
const FLOOR = 0.1; // share of the levels that is ground, and where the brightest colour begins
const CEILING = 0.82;

const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (a, b, share) => a.map((value, c) => value + (b[c] - value) * share);
const within = (low, value, high) => Math.max(low, Math.min(high, value));

/** 256 colours from the ground through a hue to the far end. */
function ramp(ground, hue, far) {
  return Array.from({ length: 256 }, (_, i) => {
    const share = within(0, (i / 255 - FLOOR) / (CEILING - FLOOR), 1) ** 1.25;
    return share < 0.62 ? mix(ground, hue, share / 0.62) : mix(hue, far, (share - 0.62) / 0.38);
  });
}

export class Picture {
  layer = "both";
  #song = null;
  #about;
  #position;
  #tiles = new Map(); // "layer/scale/index" -> { data, n, image, when, final }, the last fetched at the end
  #asked = new Set();
  #span = 20; // seconds that are shown
  #start = 0;
  #follow = true;
  #dirty = true; // what is shown in detail has to be drawn anew
  #stale = true; // and the whole song below
  #calm = matchMedia("(prefers-reduced-motion: reduce)"); // then it turns pages instead of scrolling
  #loudest = 40;
  #paint = {};
  #table = null; // a pixel for each pair of levels, mixture and vocals
  #segments = [];
  #loop = null;

  constructor(about, { position, seek }) {
    this.#about = about.picture;
    this.#position = position;
    this.view = $("view");
    this.canvases = ["spectrogram", "waveform", "overview"].map($);
    new ResizeObserver(() => this.touch()).observe(this.view);
    this.#listen(seek);
    this.theme();
  }

  get seconds() {
    return this.#song?.seconds ?? this.#song?.ready_seconds ?? 1;
  }

  open(song) {
    const same = this.#song && song.name === this.#song.name && song.n_samples === this.#song.n_samples;
    this.#song = song;
    this.#tiles.clear();
    this.#loudest = 40;
    this.#segments = [];
    if (!same) {
      this.#follow = true;
      this.#span = Math.min(this.seconds, this.seconds < 45 ? 45 : 24);
      this.#start = 0;
    }
    const [low, high] = this.#about.hertz;
    const top = Math.min(high, song.sample_rate / 2);
    for (const mark of $("marks").children) {
      mark.hidden = Number(mark.dataset.hertz) >= top;
      mark.style.top = `${100 * (1 - Math.log(mark.dataset.hertz / low) / Math.log(top / low))}%`;
    }
    this.touch();
  }

  /** News of the song, its segments or the loop. */
  set({ song = this.#song, segments = this.#segments, loop = this.#loop }) {
    [this.#song, this.#segments, this.#loop] = [song, segments, loop];
    this.touch();
  }

  choose(layer) {
    this.layer = layer;
    this.theme();
  }

  theme() {
    for (const name of ["picture", "ink", "voice", "band", "soft", "line"]) this.#paint[name] = css(name);
    this.#table = this.#colours();
    for (const tile of this.#tiles.values()) tile.image = null;
    this.touch();
  }

  zoom(factor, at = this.#position()) {
    const most = this.seconds;
    const span = within(Math.min(4, most), this.#span * factor, most);
    const share = within(0, (at - this.#start) / this.#span, 1);
    this.#span = span;
    this.#move(at - share * span);
  }

  all() {
    this.#span = this.seconds;
    this.#move(0);
  }

  follow() {
    this.#follow = true;
    this.touch();
  }

  touch() {
    this.#dirty = this.#stale = true;
  }

  #move(start) {
    this.#start = within(0, start, Math.max(0, this.seconds - this.#span));
    this.#dirty = true;
  }

  #listen(seek) {
    const hover = $("hover");
    const time = (event) => this.#start + (event.offsetX / this.view.clientWidth) * this.#span;
    this.view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const up = event.target.clientHeight - event.offsetY - AXIS; // from the lower end of the phrases
      const at = time(event);
      const low = event.target.id === "waveform" && up > 0 && up <= LANE;
      const phrase = low && this.#segments.find(([a, b]) => at >= a - 0.05 && at <= b + 0.05);
      seek(phrase ? phrase[0] : at);
    });
    this.view.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      hover.hidden = false;
      hover.textContent = clock(Math.min(time(event), this.seconds), 1);
      hover.style.left = `${within(26, event.offsetX, this.view.clientWidth - 26)}px`;
    });
    this.view.addEventListener("pointerleave", () => (hover.hidden = true));
    this.view.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(Math.exp(event.deltaY * 0.01), time(event));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        this.#follow = false;
        this.#move(this.#start + (event.deltaX / this.view.clientWidth) * this.#span);
      }
    }, { passive: false });
  }

  // --- data ------------------------------------------------------------------------------------

  /** Seconds of a column of a scale. */
  #column(scale) {
    return (this.#song.column_samples / this.#song.sample_rate) * this.#about.scale_step ** scale;
  }

  /** The scale that gives about a column for each of so many pixels. */
  #scale(span, pixels) {
    const scale = Math.log(span / this.#column(0) / (pixels * 0.7)) / Math.log(this.#about.scale_step);
    return within(0, Math.floor(scale), this.#about.scales - 1);
  }

  /** The tiles of a layer between two times, [index, tile] each, as far as they are there. */
  #between(layer, scale, start, end) {
    const seconds = this.#column(scale) * this.#about.columns;
    const tiles = [];
    for (let i = Math.max(0, Math.floor(start / seconds)); i * seconds < Math.min(end, this.seconds); i++) {
      const key = `${layer}/${scale}/${i}`;
      const tile = this.#tiles.get(key);
      if (this.#grown(tile, scale, i) && !this.#asked.has(key)) this.#fetch(key, tile);
      if (tile) tiles.push([i, tile]);
    }
    return tiles;
  }

  /** Whether the server has more of a tile than is here. */
  #grown(tile, scale, index) {
    const { columns } = this.#about;
    if (tile?.final) return false;
    const due = Math.min(columns, Math.floor(this.#song.ready_seconds / this.#column(scale)) - index * columns);
    return due > 0 && (!tile || tile.n < due || this.#song.state === "ready");
  }

  async #fetch(key, before) {
    if (before && this.#song.state !== "ready" && performance.now() - before.when < 250) return; // the next news ask again
    this.#asked.add(key);
    const song = this.#song;
    const [layer, scale, index] = key.split("/");
    try {
      const data = await api.tile(song.id, key);
      if (this.#song.id !== song.id) return;
      const n = data.length / (layer === "peaks" ? 2 : this.#about.rows);
      const final = n === this.#about.columns || (song.state === "ready" && n > 0);
      this.#tiles.delete(key); // so that it comes to the end
      this.#tiles.set(key, { data, n, image: null, when: performance.now(), final });
      if (layer === "peaks") this.#loudest = data.reduce((a, b) => Math.max(a, b), this.#loudest);
      const mixture = this.#tiles.get(`mixture/${scale}/${index}`);
      if (mixture) mixture.image = null;
      for (const old of [...this.#tiles.keys()].slice(0, -MAX_TILES)) this.#tiles.delete(old);
      this.touch();
    } catch { /* it is asked for again */ } finally {
      this.#asked.delete(key);
    }
  }

  // --- drawing ---------------------------------------------------------------------------------

  /** Called for every frame of the screen; draws only what changed. */
  draw(playing) {
    if (!this.#song || !this.view.clientWidth) return;
    const now = this.#position();
    const width = this.view.clientWidth;
    if (playing && this.#follow && this.#span < this.seconds) {
      const still = this.#calm.matches && now > this.#start && now < this.#start + this.#span * 0.95;
      const start = within(0, now - this.#span * (this.#calm.matches ? 0.05 : 0.4), this.seconds - this.#span);
      if (!still && Math.abs(start - this.#start) >= this.#span / width) this.#move(start);
    }
    const x = this.#x(now, width);
    $("playhead").style.transform = `translateX(${x.toFixed(1)}px)`;
    $("playhead").hidden = x < -1 || x > width + 1;
    $("needle").style.transform = `translateX(${((now / this.seconds) * this.canvases[2].clientWidth).toFixed(1)}px)`;
    if (!this.#dirty) return;
    this.#dirty = false;
    const place = (id, start, end, from, span) => Object.assign($(id).style, { left: `${(100 * (start - from)) / span}%`, width: `${(100 * (end - start)) / span}%` });
    $("loop").hidden = !this.#loop;
    if (this.#loop) place("loop", ...this.#loop, this.#start, this.#span);
    $("window").hidden = this.#span >= this.seconds - 0.01;
    $("window").parentElement.classList.toggle("whole", $("window").hidden);
    place("window", this.#start, this.#start + this.#span, 0, this.seconds);
    const ready = Math.min(this.#song.ready_seconds, this.seconds);
    place("unready", Math.max(ready, this.#start), Math.max(this.seconds, this.#start + this.#span), this.#start, this.#span);
    place("unready-all", ready, this.seconds, 0, this.seconds);
    this.#drawSpectrogram();
    this.#drawWaveform();
    if (this.#stale) this.#drawOverview();
    this.#stale = false;
  }

  #x(seconds, width) {
    return ((seconds - this.#start) / this.#span) * width;
  }

  #fit(canvas) {
    const dense = Math.min(2, devicePixelRatio || 1);
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    const [width, height] = [Math.round(w * dense), Math.round(h * dense)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height }); // a new buffer
    const paint = canvas.getContext("2d");
    paint.reset();
    paint.scale(dense, dense);
    return [paint, w, h];
  }

  #colours() {
    const [ground, ink, ...hues] = ["picture", "ink", "band", "voice"].map((name) => rgb(this.#paint[name]));
    const [band, voice] = hues.map((hue) => ramp(ground, hue, mix(hue, ink, 0.6)));
    const step = (this.#about.decibels[1] - this.#about.decibels[0]) / 255;
    const colour = {
      mixture: (m) => band[m],
      vocals: (m, v) => voice[v],
      mask: (m, v, mask) => voice[m < 20 ? 0 : Math.round(255 * (FLOOR + (CEILING - FLOOR) * 0.9 * mask))],
      both: (m, v, mask) => mix(band[m], voice[m], Math.min(1, mask * 1.15)),
    }[this.layer];
    const table = new Uint8ClampedArray(4 * 256 * 256);
    for (let m = 0, k = 0; m < 256; m++) {
      for (let v = 0; v < 256; v++, k += 4) {
        table.set(colour(m, v, Math.min(1, 10 ** (((v - m) * step) / 20))), k);
        table[k + 3] = 255;
      }
    }
    return new Uint32Array(table.buffer);
  }

  #image(mixture, vocals) {
    const { rows } = this.#about;
    const n = this.layer === "mixture" ? mixture.n : Math.min(mixture.n, vocals?.n ?? 0);
    if (mixture.image || !n) return mixture.image;
    const image = new ImageData(n, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let x = 0, k = 0; x < n; x++) {
      for (let r = rows - 1; r >= 0; r--, k++) pixels[r * n + x] = this.#table[mixture.data[k] * 256 + (vocals?.data[k] ?? 0)];
    }
    mixture.image = new OffscreenCanvas(n, rows);
    mixture.image.getContext("2d").putImageData(image, 0, 0);
    return mixture.image;
  }

  #drawSpectrogram() {
    const [paint, w, h] = this.#fit(this.canvases[0]);
    const scale = this.#scale(this.#span, w * Math.min(2, devicePixelRatio || 1));
    const column = this.#column(scale);
    const end = this.#start + this.#span;
    const vocals = this.layer === "mixture" ? new Map() : new Map(this.#between("vocals", scale, this.#start, end));
    for (const [index, mixture] of this.#between("mixture", scale, this.#start, end)) {
      const image = this.#image(mixture, vocals.get(index));
      if (image) paint.drawImage(image, this.#x(index * column * this.#about.columns, w), 0, (image.width * column * w) / this.#span, h);
    }
  }

  /** Peaks of mixture and vocals, a bar for each pixel. */
  #bars(paint, start, span, w, middle, half) {
    const scale = this.#scale(span, w);
    const column = this.#column(scale);
    const tiles = new Map(this.#between("peaks", scale, start, start + span));
    const { columns } = this.#about;
    const peak = (i, sound) => tiles.get(Math.floor(i / columns))?.data[2 * (i % columns) + sound] ?? 0;
    for (const [sound, colour, alpha] of [[0, this.#paint.band, 0.38], [1, this.#paint.voice, 0.9]]) {
      paint.globalAlpha = alpha;
      paint.fillStyle = colour;
      for (let p = 0; p < w; p++) {
        const a = Math.floor((start + (p / w) * span) / column);
        const b = Math.max(a + 1, Math.floor((start + ((p + 1) / w) * span) / column));
        if (b * column > this.#song.ready_seconds) break;
        let most = 0;
        for (let i = a; i < b; i++) most = Math.max(most, peak(i, sound));
        const y = Math.max(0.5, (half * most) / this.#loudest);
        paint.fillRect(p, middle - y, 1, 2 * y);
      }
    }
    paint.globalAlpha = 1;
  }

  #drawWaveform() {
    const [paint, w, h] = this.#fit(this.canvases[1]);
    const wave = h - LANE - AXIS;
    this.#bars(paint, this.#start, this.#span, w, wave / 2, wave / 2 - 6);
    paint.fillStyle = this.#paint.line;
    paint.fillRect(0, wave, w, 1);
    paint.fillRect(0, h - AXIS, w, 1);
    paint.fillStyle = this.#paint.voice;
    for (const [a, b] of this.#segments) {
      const [x, to] = [this.#x(a, w), this.#x(b, w)];
      if (to < 0 || x > w) continue;
      paint.beginPath();
      paint.roundRect(x, wave + 7, Math.max(4, to - x), 8, 4);
      paint.fill();
    }
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200].find((s) => (s / this.#span) * w > 74) ?? 3600;
    paint.fillStyle = this.#paint.soft;
    paint.font = "12.5px Inter, system-ui, sans-serif";
    paint.textBaseline = "middle";
    for (let t = Math.ceil(this.#start / step) * step; t <= this.#start + this.#span + 1e-6; t += step) {
      const x = this.#x(t, w);
      paint.textAlign = x < 24 ? "left" : x > w - 24 ? "right" : "center";
      paint.fillText(clock(t, step < 1 ? 1 : 0), within(10, x, w - 10), h - AXIS / 2 + 1);
    }
  }

  #drawOverview() {
    const [paint, w, h] = this.#fit(this.canvases[2]);
    if (h > 20) this.#bars(paint, 0, this.seconds, w, h / 2 - 4, h / 2 - 7);
    paint.fillStyle = this.#paint.voice;
    for (const [a, b] of this.#segments) {
      paint.fillRect((a / this.seconds) * w, h - 5, Math.max(1.5, ((b - a) / this.seconds) * w), 4);
    }
  }
}
