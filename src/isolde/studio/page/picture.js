// What is seen: spectrogram, waveform and phrases over time, and the whole song below them.
// The server sends levels and peaks as bytes; colours are given here, so that they follow the theme.

import * as api from "./api.js";
import { clock } from "./text.js";

const MARKS = [[10000, "10 kHz"], [3000, "3 kHz"], [1000, "1 kHz"], [300, "300 Hz"], [100, "100 Hz"]];
const LANE = 22; // CSS pixels of the phrases, and of the times below them
const AXIS = 28;
const MAX_TILES = 120;
const FLOOR = 0.1; // share of the levels that is ground, and where the brightest colour begins
const CEILING = 0.82;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function rgb(colour) {
  const hex = colour.length === 4 ? colour.replace(/[^#]/g, "$&$&") : colour;
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** 256 colours from the ground through a hue to the far end. */
function ramp(ground, hue, far) {
  const stops = [[0, ground], [0.62, hue], [1, far]];
  return Array.from({ length: 256 }, (_, i) => {
    const share = Math.min(1, Math.max(0, (i / 255 - FLOOR) / (CEILING - FLOOR))) ** 1.25;
    const k = share < stops[1][0] ? 0 : 1;
    const t = (share - stops[k][0]) / (stops[k + 1][0] - stops[k][0]);
    return stops[k][1].map((value, c) => value + (stops[k + 1][1][c] - value) * t);
  });
}

export class Picture {
  layer = "both";
  #song = null;
  #about;
  #position = () => 0;
  #tiles = new Map(); // "layer/scale/index" -> { data, n, image, wanted }
  #peaks = new Map(); // scale -> Uint8Array
  #asked = new Set();
  #span = 20; // seconds that are shown
  #start = 0;
  #follow = true;
  #dirty = true; // what is shown in detail has to be drawn anew
  #stale = true; // and the whole song below
  #timer = 0;
  #calm = matchMedia("(prefers-reduced-motion: reduce)"); // then it turns pages instead of scrolling
  #loudest = 40;
  #paint = {};
  #colours = {};
  #segments = [];
  #loop = null;

  constructor(about, { position, seek }) {
    this.#about = about.picture;
    this.#position = position;
    this.view = document.getElementById("view");
    this.canvases = ["spectrogram", "waveform", "overview"].map((id) => document.getElementById(id));
    this.marks = ["playhead", "needle", "hover", "loop", "window"].map((id) => document.getElementById(id));
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
    this.#peaks.clear();
    this.#loudest = 40;
    this.#segments = [];
    if (!same) {
      this.#follow = true;
      this.#span = Math.min(this.seconds, this.seconds < 45 ? 45 : 24);
      this.#start = 0;
    }
    this.touch();
  }

  update(song) {
    this.#song = song;
    this.touch();
  }

  segments(segments) {
    this.#segments = segments;
    this.touch();
  }

  loop(loop) {
    this.#loop = loop;
    this.touch();
  }

  choose(layer) {
    this.layer = layer;
    for (const tile of this.#tiles.values()) tile.image = null;
    this.touch();
  }

  theme() {
    for (const name of ["picture", "ink", "voice", "band", "soft", "line", "hatch"]) this.#paint[name] = css(`--${name}`);
    const [ground, ink, voice, band] = ["picture", "ink", "voice", "band"].map((name) => rgb(this.#paint[name]));
    const far = (hue) => hue.map((value, c) => value + (ink[c] - value) * 0.6);
    this.#colours = { band: ramp(ground, band, far(band)), voice: ramp(ground, voice, far(voice)) };
    for (const tile of this.#tiles.values()) tile.image = null;
    this.touch();
  }

  zoom(factor, at = this.#position()) {
    const most = this.seconds;
    const span = Math.min(most, Math.max(Math.min(4, most), this.#span * factor));
    const share = Math.min(1, Math.max(0, (at - this.#start) / this.#span));
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
    this.#start = Math.min(Math.max(0, start), Math.max(0, this.seconds - this.#span));
    this.#dirty = true;
  }

  #listen(seek) {
    const time = (event) => {
      const box = this.view.getBoundingClientRect();
      return this.#start + ((event.clientX - box.left) / box.width) * this.#span;
    };
    const [, , hover] = this.marks;
    this.view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const box = this.canvases[1].getBoundingClientRect();
      const y = event.clientY - (box.bottom - AXIS - LANE);
      const at = time(event);
      const phrase = y >= 0 && y < LANE && this.#segments.find(([a, b]) => at >= a - 0.05 && at <= b + 0.05);
      seek(phrase ? phrase[0] : at);
    });
    this.view.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      const box = this.view.getBoundingClientRect();
      hover.hidden = false;
      hover.textContent = clock(Math.min(time(event), this.seconds), 1);
      hover.style.left = `${Math.min(box.width - 26, Math.max(26, event.clientX - box.left))}px`;
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

  get #column() {
    return this.#song.column_samples / this.#song.sample_rate;
  }

  #scale(span, width) {
    let scale = 0;
    const step = this.#about.scale_step;
    while (scale < this.#about.scales - 1 && span / (this.#column * step ** (scale + 1)) >= width * 0.7) scale++;
    return scale;
  }

  /** Look again soon: what was asked for a moment ago may have grown. */
  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.touch(), 260);
  }

  /** A tile's columns as far as they are ready; asks for it where it is missing or has grown. */
  async #need(layer, scale, index) {
    const key = `${layer}/${scale}/${index}`;
    let tile = this.#tiles.get(key);
    const width = this.#about.columns;
    const ready = this.#song.ready_seconds / (this.#column * this.#about.scale_step ** scale) - index * width;
    const due = Math.min(width, Math.floor(ready));
    const complete = tile && (tile.n >= width || (tile.final && tile.n > 0));
    if (complete || due <= 0 || (tile && tile.n >= due && this.#song.state !== "ready") || this.#asked.has(key)) return;
    if (tile && performance.now() - tile.when < 250) return this.#later();
    this.#asked.add(key);
    const song = this.#song;
    try {
      const data = await api.tile(song.id, layer, scale, index);
      if (this.#song.id !== song.id) return;
      tile = { data, n: data.length / this.#about.rows, image: null, when: performance.now(), final: song.state === "ready" };
      this.#tiles.delete(key);
      this.#tiles.set(key, tile);
      for (const old of this.#tiles.keys()) {
        if (this.#tiles.size <= MAX_TILES) break;
        this.#tiles.delete(old);
      }
      const both = this.#tiles.get(`mixture/${scale}/${index}`);
      if (both) both.image = null;
      this.touch();
    } catch { /* it is asked for again */ } finally {
      this.#asked.delete(key);
    }
  }

  async #needPeaks(scale) {
    const key = `peaks/${scale}`;
    const have = this.#peaks.get(scale) ?? new Uint8Array(0);
    const due = this.#song.ready_seconds / (this.#column * this.#about.scale_step ** scale);
    const done = have.final || (have.length / 2 >= Math.floor(due) && this.#song.state !== "ready");
    if (done || this.#asked.has(key)) return;
    if (performance.now() - (have.when ?? -1e3) < 250) return this.#later();
    this.#asked.add(key);
    const song = this.#song;
    try {
      const from = Math.max(0, have.length / 2 - 1);
      const more = await api.peaks(song.id, scale, from);
      if (this.#song.id !== song.id) return;
      const all = new Uint8Array(from * 2 + more.length);
      all.set(have.subarray(0, from * 2));
      all.set(more, from * 2);
      this.#loudest = all.reduce((a, b) => Math.max(a, b), this.#loudest);
      this.#peaks.set(scale, Object.assign(all, { when: performance.now(), final: song.state === "ready" }));
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
    if (playing && this.#follow && this.#span < this.seconds) {
      const still = this.#calm.matches && now > this.#start && now < this.#start + this.#span * 0.95;
      const start = Math.min(Math.max(0, now - this.#span * (this.#calm.matches ? 0.05 : 0.4)), this.seconds - this.#span);
      const pixel = this.#span / this.view.clientWidth;
      if (!still && Math.abs(start - this.#start) >= pixel) this.#move(start);
    }
    const [playhead, needle, , loop, frame] = this.marks;
    const width = this.view.clientWidth;
    const x = ((now - this.#start) / this.#span) * width;
    playhead.style.transform = `translateX(${x.toFixed(1)}px)`;
    playhead.hidden = x < -1 || x > width + 1;
    needle.style.transform = `translateX(${((now / this.seconds) * this.canvases[2].clientWidth).toFixed(1)}px)`;
    if (!this.#dirty) return;
    this.#dirty = false;
    loop.hidden = !this.#loop;
    if (this.#loop) {
      const [a, b] = this.#loop.map((t) => ((t - this.#start) / this.#span) * width);
      Object.assign(loop.style, { left: `${a}px`, width: `${b - a}px` });
    }
    frame.hidden = this.#span >= this.seconds - 0.01;
    frame.parentElement.classList.toggle("whole", frame.hidden);
    frame.style.left = `${(100 * this.#start) / this.seconds}%`;
    frame.style.width = `${(100 * this.#span) / this.seconds}%`;
    this.#drawSpectrogram();
    this.#drawWaveform();
    if (this.#stale) this.#drawOverview();
    this.#stale = false;
  }

  #fit(canvas) {
    const dense = Math.min(2, devicePixelRatio || 1);
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(w * dense) || canvas.height !== Math.round(h * dense)) {
      canvas.width = Math.round(w * dense);
      canvas.height = Math.round(h * dense);
    }
    const paint = canvas.getContext("2d");
    paint.setTransform(dense, 0, 0, dense, 0, 0);
    paint.clearRect(0, 0, w, h);
    return [paint, w, h];
  }

  #hatch(paint, x, y, w, h) {
    if (w <= 0) return;
    paint.save();
    paint.beginPath();
    paint.rect(x, y, w, h);
    paint.clip();
    paint.strokeStyle = this.#paint.hatch;
    paint.lineWidth = 1;
    paint.beginPath();
    for (let i = Math.floor((x - h) / 9) * 9; i < x + w; i += 9) {
      paint.moveTo(i, y + h);
      paint.lineTo(i + h, y);
    }
    paint.stroke();
    paint.restore();
  }

  #image(scale, index) {
    const mixture = this.#tiles.get(`mixture/${scale}/${index}`);
    if (!mixture?.n) return null;
    const vocals = this.#tiles.get(`vocals/${scale}/${index}`);
    if (mixture.image) return mixture.image;
    const rows = this.#about.rows;
    const n = this.layer === "mixture" ? mixture.n : Math.min(mixture.n, vocals?.n ?? 0);
    if (!n) return null;
    const image = new ImageData(n, rows);
    const { band, voice } = this.#colours;
    const step = (this.#about.decibels[1] - this.#about.decibels[0]) / 255;
    const share = Float32Array.from({ length: 256 }, (_, i) => Math.min(1, 10 ** ((-i * step) / 20)));
    for (let x = 0; x < n; x++) {
      for (let r = 0, k = x * rows; r < rows; r++, k++) {
        const at = 4 * ((rows - 1 - r) * n + x);
        const m = mixture.data[k];
        const v = vocals ? vocals.data[k] : 0;
        const mask = v >= m ? 1 : share[m - v];
        let colour;
        if (this.layer === "mixture") colour = band[m];
        else if (this.layer === "vocals") colour = voice[v];
        else if (this.layer === "mask") colour = voice[m < 20 ? 0 : Math.round(255 * (FLOOR + (CEILING - FLOOR) * 0.9 * mask))];
        const [a, b] = [band[m], voice[m]];
        for (let c = 0; c < 3; c++) image.data[at + c] = colour ? colour[c] : a[c] + (b[c] - a[c]) * Math.min(1, mask * 1.15);
        image.data[at + 3] = 255;
      }
    }
    const canvas = new OffscreenCanvas(n, rows);
    canvas.getContext("2d").putImageData(image, 0, 0);
    mixture.image = canvas;
    return canvas;
  }

  #drawSpectrogram() {
    const [paint, w, h] = this.#fit(this.canvases[0]);
    const scale = this.#scale(this.#span, w * Math.min(2, devicePixelRatio || 1));
    const column = this.#column * this.#about.scale_step ** scale;
    const width = column * this.#about.columns;
    this.#hatch(paint, this.#x(this.#song.ready_seconds, w), 0, w - this.#x(this.#song.ready_seconds, w), h);
    const last = Math.floor(Math.min(this.#start + this.#span, this.seconds) / width);
    for (let index = Math.max(0, Math.floor(this.#start / width)); index <= last; index++) {
      this.#need("mixture", scale, index);
      if (this.layer !== "mixture") this.#need("vocals", scale, index);
      const image = this.#image(scale, index);
      if (!image) continue;
      const x = this.#x(index * width, w);
      paint.drawImage(image, x, 0, (image.width * column * w) / this.#span, h);
    }
    const [low, high] = this.#about.hertz;
    const top = Math.min(high, this.#song.sample_rate / 2);
    paint.font = "12px Inter, system-ui, sans-serif";
    paint.textAlign = "right";
    paint.textBaseline = "middle";
    for (const [hertz, name] of MARKS) {
      if (hertz >= top) continue;
      const y = h * (1 - Math.log(hertz / low) / Math.log(top / low));
      const wide = paint.measureText(name).width + 12;
      paint.globalAlpha = 0.82;
      paint.fillStyle = this.#paint.picture;
      paint.beginPath();
      paint.roundRect(w - wide - 8, y - 9, wide, 18, 5);
      paint.fill();
      paint.globalAlpha = 1;
      paint.fillStyle = this.#paint.soft;
      paint.fillText(name, w - 14, y + 0.5);
    }
  }

  #x(seconds, width) {
    return ((seconds - this.#start) / this.#span) * width;
  }

  #bars(paint, scale, start, span, w, middle, half) {
    this.#needPeaks(scale);
    const peaks = this.#peaks.get(scale);
    if (!peaks?.length) return;
    const column = this.#column * this.#about.scale_step ** scale;
    const { voice, band } = this.#paint;
    for (const [sound, colour, alpha] of [[0, band, 0.38], [1, voice, 0.9]]) {
      paint.globalAlpha = alpha;
      paint.fillStyle = colour;
      paint.beginPath();
      const pixels = Math.ceil(w * 2) / 2;
      for (let p = 0; p < pixels; p += 1) {
        const a = Math.floor((start + (p / w) * span) / column);
        const b = Math.max(a + 1, Math.floor((start + ((p + 1) / w) * span) / column));
        let peak = 0;
        for (let i = Math.max(0, a); i < b && 2 * i < peaks.length; i++) peak = Math.max(peak, peaks[2 * i + sound]);
        if (2 * a >= peaks.length) break;
        const y = Math.max(0.5, (half * peak) / this.#loudest);
        paint.rect(p, middle - y, 1, 2 * y);
      }
      paint.fill();
    }
    paint.globalAlpha = 1;
  }

  #drawWaveform() {
    const [paint, w, h] = this.#fit(this.canvases[1]);
    const wave = h - LANE - AXIS;
    const ready = Math.max(0, this.#x(this.#song.ready_seconds, w));
    this.#hatch(paint, ready, 0, w - ready, h - AXIS);
    this.#bars(paint, this.#scale(this.#span, w), this.#start, this.#span, w, wave / 2, wave / 2 - 6);
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
      paint.fillText(clock(t, step < 1 ? 1 : 0), Math.min(w - 10, Math.max(10, x)), h - AXIS / 2 + 1);
    }
  }

  #drawOverview() {
    const [paint, w, h] = this.#fit(this.canvases[2]);
    const ready = (this.#song.ready_seconds / this.seconds) * w;
    this.#hatch(paint, ready, 0, w - ready, h);
    if (h > 20) this.#bars(paint, this.#scale(this.seconds, w), 0, this.seconds, w, h / 2 - 4, h / 2 - 7);
    paint.fillStyle = this.#paint.voice;
    for (const [a, b] of this.#segments) {
      paint.fillRect((a / this.seconds) * w, h - 5, Math.max(1.5, ((b - a) / this.seconds) * w), 4);
    }
  }
}
