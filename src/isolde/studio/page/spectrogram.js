// The spectrogram as adjacent pictures, which the server paints in the page's colours.

import * as api from "./api.js";
import { make } from "./text.js";

export class Spectrogram {
  layer = "both";
  #tiles = new Map(); // address -> tile of the last drawing

  /** `grown` is called when there is more to draw. */
  constructor(about, box, grown) {
    Object.assign(this, { about, box, grown });
  }

  /** Draw the available part of a song between two times; the whole song has `pixels` pixels. */
  draw(song, start, end, { seconds, pixels, colours }) {
    const { columns, scale_step: step, scales } = this.about;
    const finest = song.column_samples / song.sample_rate; // seconds of a column
    const coarser = Math.log(seconds / finest / (0.7 * pixels * Math.min(2, devicePixelRatio))) / Math.log(step);
    const scale = Math.max(0, Math.min(Math.floor(coarser), scales - 1));
    const column = finest * step ** scale;
    const length = columns * column;
    const tiles = new Map();
    for (let i = Math.max(0, Math.floor(start / length)); i * length < Math.min(end, seconds); i++) {
      const key = `${song.id}/${scale}/${i}`;
      const tile = this.#tiles.get(key) ?? { n: 0, look: "", busy: false, picture: make("img", { alt: "" }) };
      const ready = song.state === "ready" ? Infinity : Math.floor(song.ready_seconds / column);
      this.#paint(tile, Math.min(columns, ready - i * columns), song, { place: `${scale}/${i}`, colours });
      const width = tile.picture.naturalWidth * column;
      Object.assign(tile.picture.style, { left: `${(100 * i * length) / seconds}%`, width: `${(100 * width) / seconds}%` });
      tiles.set(key, tile);
    }
    this.#tiles = tiles;
    this.box.replaceChildren(...[...tiles.values()].map(({ picture }) => picture));
  }

  /** Fetch a tile again if it can have more columns or has other colours. */
  async #paint(tile, due, song, { place, colours }) {
    const look = this.layer + colours;
    if (tile.busy || due <= 0 || (due <= tile.n && look === tile.look)) return;
    tile.busy = true;
    try {
      const picture = make("img", { src: api.tile(song, `${this.layer}/${place}`, colours), alt: "", part: "tile" });
      await picture.decode(); // until then the old picture stays
      Object.assign(tile, { picture, look, n: song.state === "ready" ? Infinity : picture.naturalWidth });
      this.grown();
    } catch { /* it is fetched again */ } finally {
      tile.busy = false;
    }
  }
}
