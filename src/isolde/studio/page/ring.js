// The source in the audio thread: plays chunks of all stems, stretched or at the song's own tempo and
// key. Unstretched it changes no samples, except for short fades where playback starts, stops or
// jumps.

import Stretch from "./vendor/stretch.mjs";

const FADE = 256;
const TONALITY_HZ = 8000; // the library transposes what is above as noise

class Ring extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.length = processorOptions.chunk;
    this.width = processorOptions.width; // channels of all stems
    this.chunks = new Map();
    this.at = 0; // next sample
    this.end = Infinity;
    this.loop = null;
    this.playing = false;
    this.jumps = 0; // number of the last seek that is done
    this.gain = 1;
    this.target = 1;
    this.then = null; // function called after the fade-out
    this.quiet = 0;
    this.starved = false;
    this.tempo = 1;
    this.key = 0;
    this.library = null;
    this.loading = null; // promise of the library
    this.fresh = true; // whether the library must be primed
    this.part = 0; // fraction of a sample carried over
    this.port.onmessage = ({ data }) => this[data.do](data);
  }

  // --- messages --------------------------------------------------------------------------------

  /** Store a chunk, and delete those that are not wanted any more. */
  put({ index, stems, wanted }) {
    this.chunks.set(index, stems);
    for (const old of wanted ? this.chunks.keys() : []) if (!wanted.includes(old)) this.chunks.delete(old);
  }

  /** Set values at once: `end` of the song and `loop`, in samples. */
  set({ values }) {
    // Stretching reads ahead: it starts again if it has passed the end of a loop, or must now.
    const near = (loop) => loop && this.at < loop[1] && loop[1] - this.at <= this.room;
    const anew = this.stretching && "loop" in values && (near(this.loop) || near(values.loop));
    Object.assign(this, values);
    if (anew) this.fade(() => (this.fresh = true));
  }

  async stretch({ tempo, key }) {
    const stretches = tempo !== 1 || key !== 0;
    if (this.then || stretches !== this.stretching) this.fade(() => ([this.tempo, this.key, this.fresh] = [tempo, key, true]));
    else [this.tempo, this.key] = [tempo, key];
    if (stretches) this.library = await (this.loading ??= this.load());
  }

  play() {
    if (this.then) {
      this.endFade();
      this.playing = false;
    }
    this.target = 1;
    if (!this.playing) this.gain = this.at === 0 ? 1 : 0;
    this.playing = true;
    this.report();
  }

  pause() {
    this.fade(() => (this.playing = false));
  }

  seek({ at, jump }) {
    this.fade(() => ([this.at, this.jumps, this.fresh] = [at, jump, true]));
  }

  // --- playing ---------------------------------------------------------------------------------

  get stretching() {
    return this.tempo !== 1 || this.key !== 0;
  }

  process(_, outputs) {
    const channels = outputs.flat();
    const size = channels[0].length;
    if (this.playing && this.at >= this.end) {
      [this.playing, this.at] = [false, this.end];
      this.report(true);
    }
    if (this.playing) {
      if (this.stretching) this.playStretched(channels, size);
      else this.playStraight(channels, size);
      if (this.then && (this.gain === 0 || this.starved)) this.endFade();
    }
    this.quiet += size;
    if (this.playing && this.quiet >= 2048) this.report();
    return true;
  }

  playStraight(channels, size) {
    if (this.starve(this.copy(this.at, size, channels, this.loop) === null)) return channels.forEach((channel) => channel.fill(0));
    const edge = this.loop && this.at < this.loop[1] ? this.loop[1] - this.at : Infinity; // samples to the loop's end
    for (let i = Math.max(0, edge - FADE); i < Math.min(size, edge); i++) {
      for (const channel of channels) channel[i] *= (edge - i) / FADE;
    }
    this.scale(channels, 0, Math.min(size, edge));
    if (edge <= size) this.gain = 0;
    this.scale(channels, edge, size);
    this.move(size);
  }

  playStretched(channels, size) {
    const { library } = this;
    const primed = library && (!this.fresh || this.prime());
    const exact = size * this.tempo + this.part;
    const n = Math.floor(exact);
    const next = primed ? this.copy(this.next, n, this.memory(0, n), this.loop) : null;
    if (this.starve(next === null)) return;
    [this.next, this.part] = [next, exact - n];
    library._setTransposeSemitones(this.key, TONALITY_HZ / sampleRate);
    library._process(n, size);
    this.memory(this.width, size).forEach((stretched, c) => channels[c].set(stretched));
    this.scale(channels, 0, size);
    if (this.late > 0) this.late -= size;
    else this.move(n);
  }

  /** Feed the library with the samples around its start. */
  prime() {
    const { library } = this;
    let ahead = this.at + library._inputLatency();
    if (this.copy(ahead - this.room, this.room, this.memory(0, this.room), null) === null) return false;
    library._seek(this.room, this.tempo);
    if (this.loop && this.at < this.loop[1] && ahead >= this.loop[1]) ahead += this.loop[0] - this.loop[1];
    [this.next, this.part, this.late, this.fresh] = [ahead, 0, library._outputLatency(), false];
    return true;
  }

  /** Views of n samples of the library's buffers from one on; its memory may have grown. */
  memory(first, n) {
    const { buffer } = this.library.HEAP8;
    return Array.from({ length: this.width }, (_, c) => new Float32Array(buffer, this.buffer + 4 * this.room * (first + c), n));
  }

  /** Copy n samples from a place on, silence outside of the song; return the next place, or null if some are missing. */
  copy(at, n, targets, loop) {
    for (let done = 0; done < n; ) {
      const stems = this.chunks.get(Math.floor(at / this.length));
      const from = at % this.length;
      const looping = loop && at < loop[1];
      let m = Math.min(n - done, looping ? loop[1] - at : n);
      if (at < 0 || at >= this.end) {
        m = at < 0 ? Math.min(m, -at) : m;
        for (const target of targets) target.fill(0, done, done + m);
      } else {
        const n_channels = stems ? this.width / stems.length : 1;
        m = Math.min(m, stems ? stems[0].length / n_channels - from : 0, this.end - at);
        if (m <= 0) return null;
        targets.forEach((target, c) => {
          const stem = stems[Math.floor(c / n_channels)];
          for (let i = 0; i < m; i++) target[done + i] = stem[(from + i) * n_channels + (c % n_channels)];
        });
      }
      done += m;
      at += m;
      if (looping && at === loop[1]) at = loop[0];
    }
    return at;
  }

  async load() {
    const library = await Stretch();
    library._main();
    library._presetDefault(this.width, sampleRate);
    this.room = library._inputLatency() + library._outputLatency();
    this.buffer = library._setBuffers(this.width, this.room);
    return library;
  }

  /** Advance by n samples, around the loop. */
  move(n) {
    const before = this.at;
    this.at += n;
    if (!this.loop || before >= this.loop[1] || this.at < this.loop[1]) return;
    this.at += this.loop[0] - this.loop[1];
    this.report();
  }

  starve(now) {
    if (now !== this.starved) {
      this.starved = now;
      if (now) [this.gain, this.fresh] = [0, true];
      this.report();
    }
    return now;
  }

  /** Call a function after a fade-out, or at once in silence. */
  fade(then) {
    const before = this.then;
    this.then = before ? () => (before(), then()) : then;
    this.target = 0;
    if (!this.playing || this.starved) this.endFade();
  }

  endFade() {
    const { then } = this;
    this.then = null;
    then();
    this.gain = 0;
    this.target = 1;
    this.report();
  }

  /** Apply the gain, which moves to its target sample by sample. */
  scale(channels, from, to) {
    for (let i = from; i < to && (this.gain !== 1 || this.target !== 1); i++) {
      this.gain = Math.min(1, Math.max(0, this.gain + (this.target > this.gain ? 1 : -1) / FADE));
      for (const channel of channels) channel[i] *= this.gain;
    }
  }

  report(ended = false) {
    this.quiet = 0;
    this.port.postMessage({ at: this.at, time: currentTime, jumps: this.jumps, starved: this.starved, ended });
  }
}

registerProcessor("isolde-ring", Ring);
