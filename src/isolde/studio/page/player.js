// Playback: one audio context, a gain for each stem, and chunks fetched ahead.
// The ring (ring.js) is the source and has the clock; between its messages the context's clock is used.

import { chunk, CHUNK, Refused } from "./api.js";

const AHEAD = 20; // chunks, 15 s at 44.1 kHz
const GLIDE = 0.02; // seconds a gain takes to its new value
const USUAL = { sample_rate: 44100, n_channels: 2, stems: ["vocals", "accompaniment"] };

/** Connect a ring to a gain and a meter for each stem, in any context. */
export async function wire(context, song) {
  await context.audioWorklet.addModule("/page/ring.js");
  const ring = new AudioWorkletNode(context, "isolde-ring", {
    numberOfInputs: 0,
    numberOfOutputs: song.stems.length,
    outputChannelCount: song.stems.map(() => song.n_channels),
    processorOptions: { chunk: CHUNK, width: song.stems.length * song.n_channels },
  });
  const gains = song.stems.map((_, i) => ring.connect(new GainNode(context), i));
  const meters = gains.map((gain) => gain.connect(new AnalyserNode(context, { fftSize: 1024 })));
  for (const gain of gains) gain.connect(context.destination);
  return { ring, gains, meters };
}

export class Player {
  song = null;
  playing = false;
  starved = false;
  tempo = 1;
  key = 0;
  loop = null; // [start, end] in seconds
  #opening = null;
  #connecting = null; // promise of the context and the ring
  #context = null;
  #wired = null;
  #shape = ""; // rate, channels and stems that the ring is made for
  #jumps = 0; // number of seeks sent to the ring
  #wanted = []; // gain of each stem
  #at = 0; // sample at the context's time #time
  #time = 0;
  #fed = new Set(); // indices of the chunks in the ring
  #busy = false;
  #turn = 0; // grows whenever pending work becomes outdated
  #scratch = new Float32Array(1024);

  /** `changed` is called when playback starts, stops, jumps or waits. */
  constructor(changed) {
    this.changed = changed;
    setInterval(() => this.#feed(), 120);
    this.#connect(USUAL); // for most songs
  }

  get rate() {
    return this.song.sample_rate;
  }

  /** Position in the song in seconds. */
  get position() {
    if (!this.song) return 0;
    let at = this.#at / this.rate;
    if (this.playing && !this.starved && this.#context?.state === "running") {
      at += Math.max(0, this.#context.currentTime - this.#time) * this.tempo;
      if (this.loop && this.#at / this.rate < this.loop[1]) {
        while (at >= this.loop[1]) at -= this.loop[1] - this.loop[0];
      }
    }
    const end = this.song.seconds ?? Infinity;
    return Math.min(Math.max(0, at), end);
  }

  get complete() {
    return this.song?.state === "ready";
  }

  /** Open another song, or a replacement that continues at a position. */
  open(song, how = {}) {
    return (this.#opening = this.#open(song, how));
  }

  async #open(song, { at = 0, play = false }) {
    const turn = ++this.#turn;
    this.song = song;
    this.#fed.clear();
    this.#at = Math.round(at * song.sample_rate);
    await this.#connect(song).catch(() => {
      if (turn === this.#turn) throw new Refused(`${song.title}: this browser cannot play ${song.n_channels}-channel sound at ${song.sample_rate} Hz: download the stems`);
    });
    if (turn !== this.#turn) return;
    this.#apply(0);
    this.#post({ do: "set", values: { chunks: new Map(), end: this.complete ? this.song.n_samples : Infinity } });
    this.#post({ do: "stretch", tempo: this.tempo, key: this.key });
    this.#jump();
    this.setLoop(null);
    if (play || this.playing) await this.#begin();
    this.#feed();
  }

  /** Make the context and the ring for a song, unless the present ones fit. */
  #connect({ sample_rate: sampleRate, n_channels, stems }) {
    const shape = [sampleRate, n_channels, ...stems].join();
    if (shape === this.#shape) return this.#connecting;
    [this.#shape, this.#wired] = [shape, null];
    const before = Promise.allSettled([this.#connecting]); // also after a failure
    this.#connecting = before.then(() => Promise.allSettled([this.#context?.close()])).then(async () => {
      this.#context = new AudioContext({ sampleRate, latencyHint: "interactive" });
      this.#wired = await wire(this.#context, { n_channels, stems });
      this.#wired.ring.port.onmessage = ({ data }) => this.#receive(data);
    });
    return this.#connecting;
  }

  /** Update the values of the current song. */
  update(song) {
    this.song = song;
    if (this.complete) this.#post({ do: "set", values: { end: song.n_samples } });
    this.#feed();
  }

  close() {
    this.#turn++;
    this.pause();
    this.song = null;
  }

  /** Play; false if the browser wants a click or key before the first sound. */
  async play() {
    await this.#opening;
    return Boolean(this.song) && this.#begin();
  }

  async #begin() {
    if (this.complete && this.position >= this.song.seconds - 0.05) this.seek(this.loop?.[0] ?? 0);
    const turn = this.#turn;
    const begun = this.#context.resume().then(() => turn === this.#turn && this.#start()); // a slow device starts later
    return Promise.race([begun, new Promise((done) => setTimeout(done, 1500, false))]);
  }

  #start() {
    if (!this.playing) this.#time = this.#context.currentTime;
    this.playing = true;
    this.#post({ do: "play" });
    this.changed();
    return true;
  }

  pause() {
    if (!this.playing) return;
    this.#settle();
    this.playing = false;
    this.starved = false;
    this.#post({ do: "pause" });
    this.changed();
  }

  seek(seconds) {
    if (!this.song) return;
    this.#at = Math.round(Math.min(Math.max(0, seconds), this.song.seconds ?? Infinity) * this.rate);
    this.#time = this.#context.currentTime;
    this.#jump();
    this.#feed();
    this.changed();
  }

  setLoop(loop) {
    this.loop = loop;
    this.#post({ do: "set", values: { loop: loop?.map((s) => Math.round(s * this.rate)) ?? null } });
    this.changed();
  }

  /** Tempo 0.5 to 1.5, key in semitones. */
  setStretch(tempo, key) {
    this.#settle();
    [this.tempo, this.key] = [tempo, key];
    this.#post({ do: "stretch", tempo, key });
  }

  setGains(gains) {
    this.#wanted = gains;
    this.#apply(GLIDE);
  }

  /** Peak of a stem as it sounds; 1 is full scale. */
  level(i) {
    const meter = this.#wired?.meters[i]; // none while the ring of another song is made
    if (!meter || !this.playing || this.starved) return 0;
    meter.getFloatTimeDomainData(this.#scratch);
    return this.#scratch.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
  }

  #post(message, moved = []) {
    this.#wired?.ring.port.postMessage(message, moved);
  }

  #jump() {
    this.#post({ do: "seek", at: this.#at, jump: ++this.#jumps });
  }

  #apply(glide) {
    this.#wired?.gains.forEach(({ gain }, i) => {
      const now = this.#context.currentTime;
      const value = this.#wanted[i] ?? 1;
      gain.cancelScheduledValues(now);
      gain.setValueAtTime(glide ? gain.value : value, now).linearRampToValueAtTime(value, now + glide);
    });
  }

  /** Continue from the present position. */
  #settle() {
    if (!this.song) return;
    this.#at = Math.round(this.position * this.rate);
    this.#time = this.#context.currentTime;
  }

  #receive({ at, time, ended, starved, jumps }) {
    if (jumps !== this.#jumps) return ended && this.playing && this.#post({ do: "play" }); // a jump came at the end: play on
    [this.#at, this.#time] = [at, time];
    if (ended) this.playing = false;
    const hungry = starved && this.playing;
    if (ended || hungry !== this.starved) {
      this.starved = hungry;
      this.changed();
    }
    this.#feed();
  }

  /** Fetch the next chunks and send them to the ring, one at a time. */
  async #feed() {
    if (!this.song || !this.#wired || this.#busy) return;
    const [turn, song] = [this.#turn, this.song];
    const now = Math.floor((this.position * this.rate) / CHUNK);
    const there = this.complete ? Math.ceil(song.n_samples / CHUNK) : Math.floor(song.n_ready / CHUNK);
    const loop = this.loop ? Math.floor((this.loop[0] * this.rate) / CHUNK) : now;
    const ahead = Array.from({ length: AHEAD - 1 }, (_, i) => now + 1 + i);
    const wanted = [now, now - 1, ...ahead, loop, loop + 1, loop + 2]; // now - 1: for stretching
    const missing = wanted.find((i) => i >= 0 && i < there && !this.#fed.has(i));
    if (missing === undefined) return;
    this.#busy = true;
    try {
      const stems = await chunk(song, missing);
      if (turn !== this.#turn) return;
      this.#post({ do: "put", index: missing, stems, wanted }, stems.map(({ buffer }) => buffer)); // moved, not copied
      this.#fed = new Set([...this.#fed, missing].filter((i) => wanted.includes(i)));
    } catch {
      await new Promise((done) => setTimeout(done, 500));
    } finally {
      this.#busy = false;
      queueMicrotask(() => this.#feed());
    }
  }
}
