// The audio thread's part: chunks of all stems, and the sample that is next; it changes no sample
// but for the few at which playing stops, starts or jumps, which are faded so that nothing clicks.

const FADE = 256;

class Ring extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.length = processorOptions.chunk;
    this.chunks = new Map();
    this.at = 0;
    this.end = Infinity;
    this.loop = null;
    this.playing = false;
    this.gain = 1;
    this.target = 1;
    this.then = null; // what happens when it is faded out
    this.quiet = 0;
    this.starved = false;
    this.port.onmessage = ({ data }) => this[data.do](data);
  }

  put({ index, stems }) {
    this.chunks.set(index, stems);
  }

  keep({ from, to, also }) {
    for (const index of this.chunks.keys()) {
      if ((index < from || index > to) && !also.includes(index)) this.chunks.delete(index);
    }
  }

  clear() {
    this.chunks.clear();
  }

  limit({ end }) {
    this.end = end ?? Infinity;
  }

  repeat({ loop }) {
    this.loop = loop;
  }

  play() {
    this.then = null;
    this.target = 1;
    if (!this.playing) this.gain = this.at === 0 ? 1 : 0;
    this.playing = true;
    this.tell();
  }

  pause() {
    this.fade(() => (this.playing = false));
  }

  seek({ at }) {
    this.fade(() => (this.at = at));
  }

  ask() {
    this.tell();
  }

  fade(then) {
    if (this.playing && !this.starved) {
      const before = this.then;
      this.then = before ? () => (before(), then()) : then;
      this.target = 0;
    } else {
      then();
      this.gain = 0;
      this.target = 1;
      this.tell();
    }
  }

  tell() {
    this.port.postMessage({ at: this.at, time: currentTime, playing: this.playing, starved: this.starved });
  }

  process(_, outputs) {
    const size = outputs[0][0].length;
    let done = 0;
    while (this.playing && done < size) {
      if (this.at >= this.end) {
        this.playing = false;
        this.at = this.end;
        this.port.postMessage({ ended: true });
        break;
      }
      const index = Math.floor(this.at / this.length);
      const stems = this.chunks.get(index);
      const from = this.at - index * this.length;
      const left = stems ? stems[0][0].length - from : 0;
      if (this.starved !== left <= 0) {
        this.starved = left <= 0;
        if (this.starved) this.gain = 0;
        this.tell();
      }
      if (left <= 0) break;
      let n = Math.min(size - done, left, this.end - this.at);
      if (this.loop && this.at < this.loop[1]) n = Math.min(n, this.loop[1] - this.at);
      const near = this.loop && this.at < this.loop[1] && this.loop[1] - this.at <= FADE + size;
      if (this.gain === 1 && this.target === 1 && !near) {
        outputs.forEach((output, s) => output.forEach((channel, c) => channel.set(stems[s][c].subarray(from, from + n), done)));
      } else {
        n = this.ramp(outputs, stems, from, done, n);
      }
      done += n;
      this.at += n;
      if (this.loop && this.at === this.loop[1]) {
        this.at = this.loop[0];
        this.gain = 0;
        this.tell();
      }
      if (this.then && this.gain === 0) {
        const then = this.then;
        this.then = null;
        then();
        this.target = 1;
        this.tell();
      }
    }
    this.quiet += size;
    if (this.playing && this.quiet >= 2048) {
      this.quiet = 0;
      this.tell();
    }
    return true;
  }

  /** Up to n samples with the gain on its way; fewer when it has arrived at nothing. */
  ramp(outputs, stems, from, done, n) {
    let i = 0;
    for (; i < n; i++) {
      const step = this.target > this.gain ? 1 / FADE : -1 / FADE;
      this.gain = this.gain === this.target ? this.gain : Math.min(1, Math.max(0, this.gain + step));
      const near = this.loop && this.at + i < this.loop[1] ? (this.loop[1] - this.at - i) / FADE : 1;
      const gain = Math.min(this.gain, near);
      outputs.forEach((output, s) => output.forEach((channel, c) => (channel[done + i] = stems[s][c][from + i] * gain)));
      if (this.gain === 0 && this.target === 0) return i + 1;
    }
    return n;
  }
}

registerProcessor("isolde-ring", Ring);
