// What is heard: one audio context, a gain for each stem, and chunks fetched ahead of the ear.
// At tempo 1 and key 0 the ring plays the very samples; else the stretching library stands in for it.

import SignalsmithStretch from "./vendor/SignalsmithStretch.mjs";
import { chunk, CHUNK } from "./api.js";

SignalsmithStretch.moduleUrl = "/page/vendor/SignalsmithStretch.mjs"; // not a blob, which the policy forbids

const AHEAD = 20; // chunks, 15 s at 44.1 kHz
const GLIDE = 0.02; // seconds a gain takes to its new value
const LONGEST_LOOP = 90; // seconds that the stretching library keeps for a loop

/** The gains and meters of a song's stems in any context; its ring is the source. */
export async function wire(context, song) {
  await context.audioWorklet.addModule("/page/ring.js");
  const ring = new AudioWorkletNode(context, "isolde-ring", {
    numberOfInputs: 0,
    numberOfOutputs: song.stems.length,
    outputChannelCount: song.stems.map(() => song.n_channels),
    processorOptions: { chunk: CHUNK },
  });
  const gains = [];
  const meters = [];
  song.stems.forEach((_, i) => {
    const gain = new GainNode(context);
    const meter = new AnalyserNode(context, { fftSize: 1024 });
    ring.connect(gain, i).connect(context.destination);
    gain.connect(meter);
    gains.push(gain);
    meters.push(meter);
  });
  return { ring, gains, meters };
}

export class Player extends EventTarget {
  song = null;
  playing = false;
  starved = false;
  tempo = 1;
  key = 0;
  loop = null; // [start, end] in seconds
  #opening = null;
  #context = null;
  #wired = null;
  #stretch = null;
  #wanted = []; // the gain of each stem
  #at = 0; // sample at the context's time #time
  #time = 0;
  #chunks = new Map(); // index -> promise of its stems
  #fed = new Set(); // indices that the ring has
  #next = 0; // the chunk that the stretching library gets next
  #base = 0; // the chunk that it began with
  #schedule = null; // what the stretching library is told when it may go on
  #busy = false;
  #turn = 0; // grows whenever what is on its way is for nothing
  #scratch = new Float32Array(1024);

  constructor() {
    super();
    setInterval(() => this.#feed(), 120);
  }

  get rate() {
    return this.song.sample_rate;
  }

  get stretching() {
    return this.tempo !== 1 || this.key !== 0;
  }

  /** Seconds of the song that are heard now. */
  get position() {
    if (!this.song) return 0;
    let at = this.#at / this.rate;
    if (this.playing && !this.starved && this.#context?.state === "running") {
      at += Math.max(0, this.#context.currentTime - this.#time) * (this.stretching ? this.tempo : 1);
      if (this.loop && this.stretching && this.#at / this.rate < this.loop[1]) {
        while (at >= this.loop[1]) at -= this.loop[1] - this.loop[0];
      }
    }
    const end = this.song.seconds ?? Infinity;
    return Math.min(Math.max(0, at), end);
  }

  get ready() {
    return this.song ? this.song.n_ready / this.rate : 0;
  }

  get complete() {
    return this.song?.state === "ready";
  }

  /** Take another song, or the same one separated anew, which goes on where it is. */
  open(song, how = {}) {
    this.#opening = this.#open(song, how);
    return this.#opening;
  }

  async #open(song, { at = 0, play = false }) {
    const turn = ++this.#turn;
    const same = this.#context && this.song.sample_rate === song.sample_rate &&
      this.song.stems.join() === song.stems.join() && this.song.n_channels === song.n_channels;
    this.song = song;
    this.#forget();
    this.#at = Math.round(at * song.sample_rate);
    if (!same) {
      await this.#context?.close();
      this.#stretch = null;
      this.#context = new AudioContext({ sampleRate: song.sample_rate, latencyHint: "interactive" });
      const wired = await wire(this.#context, song);
      if (turn !== this.#turn) return;
      this.#wired = wired;
      this.#wired.ring.port.onmessage = ({ data }) => this.#heard(data);
    }
    this.#apply(0);
    this.#post({ do: "clear" });
    this.#post({ do: "limit", end: this.complete ? song.n_samples : null });
    this.#post({ do: "seek", at: this.#at });
    this.setLoop(null);
    if (play || this.playing) await this.#begin();
    this.#feed();
  }

  /** News of the song that plays. */
  update(song) {
    if (this.song?.id !== song.id) return;
    this.song = song;
    if (this.complete) this.#post({ do: "limit", end: song.n_samples });
    this.#feed();
  }

  close() {
    this.#turn++;
    this.pause();
    this.#forget();
    this.song = null;
  }

  /** Whether it may sound; browsers want a click or key before the first sound. */
  async play() {
    await this.#opening;
    return Boolean(this.song) && this.#begin();
  }

  async #begin() {
    if (this.complete && this.position >= this.song.seconds - 0.05) this.seek(this.loop?.[0] ?? 0);
    const resumed = this.#context.resume().then(() => true);
    const allowed = await Promise.race([resumed, new Promise((done) => setTimeout(done, 1500, false))]);
    if (!allowed && this.#context.state !== "running") return false;
    this.playing = true;
    if (this.stretching) await this.#startStretch();
    else this.#post({ do: "play" });
    this.#changed();
    return true;
  }

  pause() {
    if (!this.playing) return;
    this.#settle();
    this.playing = false;
    this.starved = false;
    this.#post({ do: "pause" });
    this.#stopStretch();
    this.#changed();
  }

  seek(seconds) {
    if (!this.song) return;
    const end = this.complete ? this.song.seconds : (this.song.seconds ?? Infinity);
    this.#at = Math.round(Math.min(Math.max(0, seconds), end) * this.rate);
    this.#time = this.#context.currentTime;
    this.#post({ do: "seek", at: this.#at });
    if (this.playing && this.stretching) this.#startStretch();
    this.#feed();
    this.#changed();
  }

  setLoop(loop) {
    this.loop = loop;
    this.#post({ do: "repeat", loop: loop?.map((s) => Math.round(s * this.rate)) ?? null });
    if (this.playing && this.stretching) {
      this.#settle();
      this.#startStretch();
    }
    this.#changed();
  }

  /** Tempo 0.5 to 1.5, key in semitones. */
  async setStretch(tempo, key) {
    this.#settle();
    const before = this.stretching;
    [this.tempo, this.key] = [tempo, key];
    if (!this.playing) return;
    if (this.stretching) {
      if (!before) this.#post({ do: "pause" });
      await this.#startStretch();
    } else {
      this.#stopStretch();
      this.#post({ do: "seek", at: this.#at });
      this.#post({ do: "play" });
    }
  }

  setGains(gains) {
    this.#wanted = gains;
    this.#apply(GLIDE);
  }

  /** Peak of a stem as it is heard, 0 to 1. */
  level(i) {
    if (!this.#wired || !this.playing || this.starved) return 0;
    this.#wired.meters[i].getFloatTimeDomainData(this.#scratch);
    let peak = 0;
    for (const value of this.#scratch) peak = Math.max(peak, Math.abs(value));
    return Math.min(1, peak);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #post(message) {
    this.#wired?.ring.port.postMessage(message);
  }

  #forget() {
    this.#chunks.clear();
    this.#fed.clear();
  }

  #apply(glide) {
    this.#wired?.gains.forEach(({ gain }, i) => {
      const now = this.#context.currentTime;
      const value = this.#wanted[i] ?? 1;
      gain.cancelScheduledValues(now);
      if (!glide) return gain.setValueAtTime(value, now);
      gain.setValueAtTime(gain.value, now);
      gain.linearRampToValueAtTime(value, now + glide);
    });
  }

  /** Make the clock's position the one to go on from. */
  #settle() {
    if (!this.song) return;
    this.#at = Math.round(this.position * this.rate);
    this.#time = this.#context.currentTime;
  }

  #heard({ at, time, ended, starved }) {
    if (this.stretching && this.playing) return;
    if (ended) {
      this.playing = false;
      this.#at = this.song.n_samples;
    } else {
      [this.#at, this.#time] = [at, time];
    }
    const hungry = Boolean(starved) && this.playing;
    if (ended || hungry !== this.starved) {
      this.starved = hungry;
      this.#changed();
    }
    this.#feed();
  }

  /** Fetch what will be heard soon and hand it on. */
  async #feed() {
    if (!this.song || !this.#wired || this.#busy) return;
    const turn = this.#turn;
    const [song, rate] = [this.song, this.rate];
    const now = Math.floor((this.position * rate) / CHUNK);
    const there = this.complete ? Math.ceil(song.n_samples / CHUNK) : Math.floor(song.n_ready / CHUNK);
    const loop = this.loop ? Math.floor((this.loop[0] * rate) / CHUNK) : now;
    const wanted = [];
    const low = this.playing && this.stretching && this.#nativeLoop() ? this.#base : now;
    for (let i = low; i < Math.min(there, now + AHEAD); i++) wanted.push(i);
    for (let i = loop; i < Math.min(there, loop + 3); i++) if (!wanted.includes(i)) wanted.push(i);
    const missing = wanted.find((i) => !this.#chunks.has(i));
    this.#hand();
    if (missing === undefined) return;
    this.#busy = true;
    try {
      const got = await chunk(song, missing);
      if (turn !== this.#turn) return;
      this.#chunks.set(missing, got);
      const from = Math.min(low, now - 2);
      this.#post({ do: "keep", from, to: now + AHEAD, also: [loop, loop + 1, loop + 2] });
      for (const i of this.#chunks.keys()) {
        const near = (i >= from && i <= now + AHEAD) || (i >= loop && i <= loop + 2);
        if (!near) this.#chunks.delete(i), this.#fed.delete(i);
      }
      this.#hand();
    } catch (error) {
      if (error.status !== 416) await new Promise((done) => setTimeout(done, 500));
    } finally {
      this.#busy = false;
      if (turn !== this.#turn || wanted.length > 1) queueMicrotask(() => this.#feed());
    }
  }

  #hand() {
    for (const [index, stems] of this.#chunks) {
      if (this.#fed.has(index)) continue;
      this.#fed.add(index);
      this.#post({ do: "put", index, stems });
    }
    if (this.#stretch && this.playing && this.stretching) this.#feedStretch();
  }

  // --- tempo and key ---------------------------------------------------------------------------

  async #startStretch() {
    const turn = this.#turn;
    const { stems, n_channels: channels } = this.song;
    if (!this.#stretch) {
      const made = await SignalsmithStretch(this.#context, {
        numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [stems.length * channels],
        channelCountMode: "explicit", channelInterpretation: "discrete",
      });
      if (turn !== this.#turn || this.#stretch) return;
      const split = new ChannelSplitterNode(this.#context, { numberOfOutputs: stems.length * channels });
      made.connect(split);
      stems.forEach((_, s) => {
        const join = new ChannelMergerNode(this.#context, { numberOfInputs: channels });
        for (let c = 0; c < channels; c++) split.connect(join, s * channels + c, c);
        join.connect(this.#wired.gains[s]);
      });
      this.#stretch = made;
    }
    const native = this.#nativeLoop();
    const first = Math.floor(this.#at / CHUNK);
    this.#base = native ? Math.min(first, Math.floor((this.loop[0] * this.rate) / CHUNK)) : first;
    this.#next = this.#base;
    await this.#stretch.dropBuffers();
    if (turn !== this.#turn) return;
    this.#time = this.#context.currentTime;
    const zero = (this.#base * CHUNK) / this.rate;
    this.starved = true;
    this.#schedule = {
      input: this.#at / this.rate - zero, rate: this.tempo, semitones: this.key,
      loopStart: native ? this.loop[0] - zero : 0, loopEnd: native ? this.loop[1] - zero : 0,
    };
    this.#feedStretch();
  }

  #nativeLoop() {
    return this.loop && this.loop[1] - this.loop[0] <= LONGEST_LOOP && this.#at / this.rate < this.loop[1];
  }

  #stopStretch() {
    this.#stretch?.disconnect();
    this.#stretch?.stop();
    this.#stretch = null;
  }

  async #feedStretch() {
    const [turn, stretch] = [this.#turn, this.#stretch];
    while (this.#stretch === stretch) {
      const stems = this.#chunks.get(this.#next);
      if (!stems) break;
      this.#next++;
      stretch.addBuffers(stems.flat().map((channel) => channel.slice()));
    }
    const got = Math.min(this.#next * CHUNK, this.song.n_samples ?? Infinity) / this.rate;
    const now = this.position;
    const over = this.complete && now >= this.song.seconds - 0.02;
    if (over) {
      this.pause();
      this.#at = this.song.n_samples;
      return this.#changed();
    }
    if (this.loop && !this.#nativeLoop() && now >= this.loop[1]) return this.seek(this.loop[0]);
    const enough = got > now + (this.starved ? 0.25 : 0.05) || (this.complete && got >= this.song.seconds);
    if (this.starved && enough && turn === this.#turn) {
      const input = now - (this.#base * CHUNK) / this.rate;
      this.#time = this.#context.currentTime;
      this.#at = Math.round(now * this.rate);
      this.starved = false;
      stretch.schedule({ active: true, ...this.#schedule, input, output: this.#time });
      this.#changed();
    } else if (!this.starved && !enough) {
      this.#settle();
      this.starved = true;
      stretch.schedule({ active: false });
      this.#changed();
    } else if (!this.starved && !this.#nativeLoop()) {
      stretch.dropBuffers(Math.max(0, now - (this.#base * CHUNK) / this.rate - 2));
    }
  }
}
