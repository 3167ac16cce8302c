// What one takes home, and the list of where it is sung.

import * as api from "./api.js";
import { clock, make, named } from "./text.js";

const LABELS = { audacity: "Audacity", srt: "SRT", lrc: "LRC" };

export class Take {
  #format = document.getElementById("format");
  #downloads = document.getElementById("downloads");
  #phrases = document.getElementById("phrases");
  #song = null;
  #shown = "";
  #kinds = "";
  #rows = [];

  constructor(about, { mix, jump, loop }) {
    this.act = { mix, jump, loop };
    this.#format.onchange = () => this.show(this.#song, true);
    this.formats = about.labels.filter((name) => name in LABELS);
  }

  show(song, anew = false) {
    const state = `${song.id} ${song.state} ${song.n_segments} ${this.#format.value}`;
    this.#song = song;
    if (state === this.#shown && !anew) return;
    this.#shown = state;
    if (this.#kinds !== song.formats.join()) {
      const before = this.#format.value;
      this.#kinds = song.formats.join();
      this.#format.replaceChildren(...song.formats.map((name) => make("option", { value: name, textContent: name.toUpperCase() })));
      if (song.formats.includes(before)) this.#format.value = before;
    }
    const ready = song.state === "ready";
    const [kind, how] = [this.#format.value, this.#format.value.toUpperCase()];
    const link = (text, note, href, first) => {
      const element = make("a", { className: `get${first ? " first" : ""}` }, make("span", { textContent: text }), make("small", { textContent: note }));
      if (ready) Object.assign(element, { href: typeof href === "string" ? href : href(), download: "" });
      else element.setAttribute("aria-disabled", "true");
      return element;
    };
    const all = song.stems.length === 2 ? "Both stems" : `All ${song.stems.length} stems`;
    const mix = link("This mix", "as faded", () => api.file(song, "mix", kind));
    mix.addEventListener("click", () => ready && (mix.href = api.file(song, "mix", kind, this.act.mix())));
    const count = `${song.n_segments} phrase${song.n_segments === 1 ? "" : "s"}`;
    const rows = [
      link(all, ready ? `${how}, zip` : "when it is ready", api.file(song, "stems", kind), true),
      mix,
      ...song.stems.map((stem) => link(stem === "accompaniment" ? "Karaoke" : named(stem), how, api.file(song, stem, kind))),
    ];
    if (song.stem_file) rows.push(link("Stem file", "for DJs", api.file(song, "stems", "stem.mp4")));
    if (song.n_segments) rows.push(link("Sung phrases", count, api.file(song, "phrases", kind)));
    const labels = make("div", { className: "labels" });
    labels.append(...this.formats.map((name) => link(LABELS[name], "", api.labels(song, name))));
    this.#downloads.replaceChildren(...rows, labels);
  }

  list(segments) {
    const known = this.#rows.length;
    if (known > segments.length || !known) this.#phrases.replaceChildren(), (this.#rows = []);
    for (const [start, end] of segments.slice(this.#rows.length)) {
      const to = make("button", { className: "to", onclick: () => this.act.jump(start) },
        make("b", { textContent: `${clock(start, 1)} – ${clock(end, 1)}` }), make("span", { textContent: `${(end - start).toFixed(1)} s` }));
      to.firstChild.style.fontWeight = "inherit";
      const round = make("button", { className: "round", textContent: "⟲", title: "Loop this phrase", onclick: () => this.act.loop(start, end) });
      round.setAttribute("aria-label", `Loop the phrase at ${clock(start, 1)}`);
      const item = make("li", {}, to, round);
      this.#phrases.append(item);
      this.#rows.push({ item, start, end });
    }
    if (!segments.length) this.#phrases.replaceChildren(make("li", { className: "none", textContent: "nobody was heard to sing so far" }));
  }

  mark(now) {
    for (const { item, start, end } of this.#rows) item.classList.toggle("on", now >= start && now < end);
  }
}
