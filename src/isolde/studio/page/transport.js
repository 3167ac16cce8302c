// Playing, jumping, looping, tempo and key: controls of the player.

import { $, clock, write } from "./text.js";

const STEPS = {
  tempo: { low: 50, high: 150, usual: 100, text: (v) => `${v}\u202f%` },
  key: { low: -6, high: 6, usual: 0, text: (v) => (v > 0 ? `+${v}` : v < 0 ? `−${-v}` : "0") },
};

const NEAR = 0.05; // seconds before a loop's end that may be over when the ring gets the loop

export class Transport {
  #from = null; // start of an unfinished loop
  #values = { tempo: 100, key: 0 };

  constructor(player, picture) {
    Object.assign(this, { player, picture });
  }

  async play() {
    if (!(await this.player.play())) write($("status-text"), "press play: the browser wants a click before the first sound");
    this.picture.follow();
  }

  toggle() {
    return this.player.playing ? this.player.pause() : this.play();
  }

  seek(at) {
    this.player.seek(at);
    this.picture.follow();
  }

  jump(at) {
    this.seek(at);
    this.play();
  }

  /** Go to the next phrase or the one before. */
  phrase(direction) {
    const now = this.player.position;
    const starts = this.player.song.segments.map(([start]) => start);
    const next = direction > 0 ? starts.find((start) => start > now + 0.05) : starts.findLast((start) => start < now - 1);
    if (next !== undefined) this.seek(next);
  }

  setLoop(loop) {
    const { player, picture } = this;
    this.#from = null;
    if (loop && loop[1] - loop[0] < 0.2) loop = null; // too short: a slip
    const at = player.position; // before the loop changes it
    player.setLoop(loop);
    picture.set({ loop });
    if (loop && (at < loop[0] || at > loop[1] - NEAR)) this.seek(loop[0]);
    write($("loop-button"), loop ? "End loop" : "Loop A–B");
    $("loop-button").setAttribute("aria-pressed", Boolean(loop));
  }

  /** Start a loop, end it, or remove it. */
  stepLoop() {
    const [now, from] = [this.player.position, this.#from];
    if (this.player.loop) return this.setLoop(null);
    if (from !== null) return this.setLoop([Math.min(from, now), Math.max(from, now)]);
    this.#from = now;
    write($("loop-button"), `From ${clock(now, 1)} to …`);
    this.picture.set({ loop: [now, now] });
  }

  step(name, by) {
    const { low, high, text } = STEPS[name];
    const value = Math.min(high, Math.max(low, this.#values[name] + by));
    this.#values[name] = value;
    write($(name), text(value));
    this.player.setStretch(this.#values.tempo / 100, this.#values.key);
  }

  /** Set tempo and key to the song's own. */
  reset() {
    for (const name in STEPS) this.step(name, STEPS[name].usual - this.#values[name]);
  }
}
