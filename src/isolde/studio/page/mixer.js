// Faders, mute, solo and the crossfade, turned into a gain for each stem.

import { $, copy, decibels } from "./text.js";

const UNITY = 80; // place of 0 dB on a fader from 0 to 100

const gainAt = (place) => (place / UNITY) ** 2;
const placeOf = (gain) => Math.min(100, Math.sqrt(gain) * UNITY);

export class Mixer {
  stems = [];
  faders = [];
  cross = 0;
  #slider = $("cross");

  constructor(changed) {
    this.changed = changed;
    this.#slider.oninput = () => this.#set(this, { cross: Number(this.#slider.value) });
    this.#slider.ondblclick = () => this.#set(this, { cross: 0 });
  }

  /** Show a fader for each stem; settings stay if the stems are the same. */
  open(stems) {
    if (stems.join() === this.stems.join()) return this.#apply();
    this.stems = stems;
    this.faders = stems.map((stem, i) => this.#fader(stem, i));
    $("faders").replaceChildren(...this.faders.map((fader) => fader.row));
    this.#apply();
  }

  get voice() {
    return Math.max(0, this.stems.indexOf("vocals"));
  }

  /** The factor of each stem. */
  get gains() {
    const solo = this.faders.some((fader) => fader.solo);
    return this.faders.map((fader, i) => {
      if (fader.mute || (solo && !fader.solo)) return 0;
      return fader.gain * Math.min(1, i === this.voice ? 1 + this.cross : 1 - this.cross);
    });
  }

  /** The same in dB, as the server reads it. */
  get levels() {
    const gains = this.gains;
    return Object.fromEntries(this.stems.map((stem, i) => [stem, gains[i] > 0 ? (20 * Math.log10(gains[i])).toFixed(3) : "off"]));
  }

  mute(i) {
    this.#set(this.faders[i], { mute: !this.faders[i].mute });
  }

  /** Play only this stem, or all again. */
  only(i) {
    if (!this.faders[i]) return;
    const solo = !this.faders[i].solo;
    this.faders.forEach((fader, other) => (fader.solo = solo && other === i));
    this.#apply();
  }

  reset() {
    this.cross = 0;
    this.faders.forEach((fader) => Object.assign(fader, { gain: 1, mute: false, solo: false }));
    this.#apply();
  }

  meters(level) {
    this.faders.forEach((fader, i) => {
      const db = 20 * Math.log10(Math.max(1e-4, level(i)));
      fader.shown = Math.max(0, Math.min(1, 1 + db / 54), fader.shown - 0.02);
      fader.bar.style.transform = `scaleX(${fader.shown.toFixed(3)})`;
    });
  }

  #fader(stem, i) {
    const name = stem.charAt(0).toUpperCase() + stem.slice(1);
    const row = copy("fader-row");
    const fader = { row, gain: 1, mute: false, solo: false, shown: 0, bar: row.querySelector(".meter div") };
    const [muteButton, soloButton] = row.querySelectorAll("button");
    const slider = row.querySelector("input");
    row.querySelector("span").textContent = name;
    row.dataset.stem = stem; // chooses the colour
    slider.setAttribute("aria-label", `Level of ${name}`);
    slider.oninput = () => this.#set(fader, { gain: gainAt(Number(slider.value)) });
    slider.ondblclick = () => this.#set(fader, { gain: 1 });
    muteButton.ariaLabel = muteButton.title = `Mute ${name}`;
    muteButton.onclick = () => this.mute(i);
    soloButton.ariaLabel = soloButton.title = `Only ${name}`;
    soloButton.onclick = () => this.#set(fader, { solo: !fader.solo });
    return Object.assign(fader, { slider, muteButton, soloButton, told: row.querySelector("output") });
  }

  #set(what, values) {
    Object.assign(what, values);
    this.#apply();
  }

  #apply() {
    const gains = this.gains;
    this.#slider.value = this.cross;
    const side = this.cross === 0 ? "the song itself" : `${Math.round(100 * Math.abs(this.cross))} % ${this.cross < 0 ? "karaoke" : "a cappella"}`;
    this.#slider.setAttribute("aria-valuetext", side);
    this.faders.forEach((fader, i) => {
      const place = placeOf(fader.gain);
      fader.slider.value = place;
      fader.slider.style.setProperty("--fill", `${place}%`);
      fader.slider.setAttribute("aria-valuetext", decibels(fader.gain));
      fader.muteButton.setAttribute("aria-pressed", fader.mute);
      fader.soloButton.setAttribute("aria-pressed", fader.solo);
      fader.row.classList.toggle("silent", gains[i] === 0);
      fader.told.textContent = decibels(gains[i]);
    });
    this.changed(gains);
  }
}
