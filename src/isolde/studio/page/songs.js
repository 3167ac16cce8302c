// The list of songs: progress, the current one, and why one was refused.

import { $, copy, write } from "./text.js";

/** The progress of a song, with its settings if another one has the same title. */
function line({ model, strength, progress, state }, on, playing, twin) {
  const made = twin ? `${model} ${strength === 1 ? "" : strength}`.trim() : "";
  return [made, progress, on && playing && state === "ready" ? "playing" : ""].filter(Boolean).join(" · ");
}

export class Songs {
  #list = $("list");
  #rows = new Map();

  constructor({ pick, remove }) {
    this.act = { pick, remove };
  }

  /** Show songs in the given order. */
  show(songs, current, playing) {
    const ids = new Set(songs.map((song) => song.id));
    const held = [...this.#list.children].findIndex((row) => row.contains(document.activeElement));
    const button = document.activeElement?.className;
    for (const [id, row] of this.#rows) if (!ids.has(id)) row.remove(), this.#rows.delete(id);
    songs.forEach((song, i) => {
      const row = this.#rows.get(song.id) ?? this.#add(song.id);
      const on = song.id === current;
      row.className = `song${on ? " on" : ""}${song.state === "failed" ? " bad" : ""}`;
      row.querySelector(".pick").ariaCurrent = on ? "true" : null;
      if (write(row.querySelector("b"), song.title)) row.querySelector("b").title = song.title;
      const twin = song.model && songs.some((other) => other !== song && other.title === song.title);
      write(row.querySelector("small"), line(song, on, playing, twin));
      row.querySelector(".away").setAttribute("aria-label", `Remove ${song.title}`);
      row.querySelector(".part").style.strokeDasharray = `${song.share ?? 0} 1`;
      if (this.#list.children[i] !== row) this.#list.insertBefore(row, this.#list.children[i] ?? null);
    });
    if (held < 0 || this.#list.contains(document.activeElement)) return;
    const next = this.#list.children[Math.min(held, songs.length - 1)];
    (next?.querySelector(`.${button}`) ?? $("file")).focus();
  }

  #add(id) {
    const row = copy("song-row");
    row.querySelector(".pick").onclick = () => this.act.pick(id);
    row.querySelector(".away").onclick = () => this.act.remove(id);
    this.#rows.set(id, row);
    return row;
  }
}
