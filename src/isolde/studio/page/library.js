// The songs of the page, which of them is on, and what is wished for it; it shows and plays nothing itself.

import * as api from "./api.js";
import { $, write } from "./text.js";

/** Of a song that may have gone meanwhile, as was wanted. */
const quietly = (answer) => answer.catch(() => null);

export class Library {
  current = null; // id of the song that is on
  wish = null; // model and strength that hands chose, until the server has answered
  #songs = new Map(); // id -> song
  #dropped = new Set(); // ids of songs that went: news of them come too late
  #later = 0; // timer of a wish that hands are still at
  #asked = Promise.resolve(); // wishes go to the server one after the other
  #wished = null; // id of the song that came of one

  /** `changed` is called when there is something else to show, `refused` with the reason, or none any more. */
  constructor({ player, picture, mixer, transport, choice }, { changed, refused }) {
    Object.assign(this, { player, picture, mixer, transport, choice, changed, refused });
  }

  get song() {
    return this.#songs.get(this.current);
  }

  /** Those to be listed, in their order. */
  get listed() {
    const all = [...this.#songs.values()].sort((a, b) => a.place - b.place);
    return all.filter(({ replaces }) => !this.#songs.has(replaces));
  }

  /** The same song with another model or strength, which takes its place when it has caught up. */
  coming(id = this.current) {
    return [...this.#songs.values()].findLast(({ replaces }) => id && replaces === id);
  }

  // --- songs ---------------------------------------------------------------------------------------

  async open(id, { play = true } = {}) {
    const next = this.#songs.get(id);
    if (!next || next.state === "failed" || next.upload) return;
    if (next.state !== "ready") quietly(api.prefer(id));
    if (id === this.current) return play && this.transport.play();
    this.#leave();
    await this.#turn(next);
    if (play && this.current === id) this.transport.play();
  }

  /** Turn to a song; `how` tells of the same one, separated anew, where the player goes on. */
  #turn(next, how) {
    this.current = next.id;
    sessionStorage.setItem("song", next.id);
    this.transport.setLoop(null);
    this.picture.open(next, Boolean(how));
    this.mixer.open(next.stems);
    this.changed();
    return this.player.open(next, how);
  }

  remove(id) {
    const known = this.#songs.get(id);
    known?.upload?.abort();
    if (this.coming(id)) this.#forget(this.coming(id).id); // it goes with it
    this.#forget(id);
    if (!known?.upload) return quietly(api.remove(id));
  }

  #forget(id) {
    this.#dropped.add(id);
    this.#songs.delete(id);
    if (id === this.current) {
      this.current = null;
      this.player.close();
      this.picture.set({ song: null });
    }
    this.changed();
  }

  async add(files) {
    const before = this.current;
    const rows = files.map((file) => ({ id: `local-${Math.random()}`, title: file.name, place: Infinity, progress: "waits to be read", upload: new AbortController() }));
    for (const row of rows) this.#songs.set(row.id, row);
    for (const [i, file] of files.entries()) {
      const row = rows[i];
      row.progress = "is being read";
      this.changed();
      try {
        const made = await api.upload(file, this.choice.chosen, row.upload.signal);
        this.#songs.delete(row.id);
        const id = this.#answered(made);
        if (file === files[0] || !this.current || (this.current === before && !this.player.playing)) await this.open(id);
      } catch (error) {
        if (row.upload.signal.aborted) continue;
        if (!this.#songs.has(row.id)) { // it is on the server, but the browser cannot play it
          this.refused(error.message);
          continue;
        }
        Object.assign(row, { state: "failed", progress: error.message.replace(`${file.name}: `, "") });
        write($("said"), `${file.name}: ${row.progress}`);
        this.changed();
      }
    }
  }

  async addDemo() {
    this.open(this.#answered(await api.demo(this.choice.chosen)));
  }

  // --- news of the server --------------------------------------------------------------------------

  hear(news) {
    if (this.#dropped.has(news.id)) return;
    const before = this.#songs.has(news.id);
    this.#songs.set(news.id, news);
    if (news.id === this.current) {
      this.player.update(news);
      this.picture.set({ song: news });
    }
    this.#catchUp();
    if (!this.current && !before && !this.#songs.has(news.replaces)) { // the song that was on before a reload, or else any
      const wait = news.id === (sessionStorage.getItem("song") ?? news.id) ? 0 : 300;
      setTimeout(() => !this.current && this.open(news.id, { play: false }), wait);
    }
    this.changed();
  }

  /** A song went, and another one has its place, if any. */
  lose({ id, next }) {
    if (id === this.current && this.#songs.has(next)) this.#goOn(this.#songs.get(next));
    else this.#forget(id);
  }

  /** Lose the songs that went while there were no news. */
  async check() {
    const before = [...this.#songs.values()].filter(({ upload }) => !upload);
    const there = before.length ? await quietly(api.songs()) : null;
    for (const { id, place } of there ? before : []) {
      const next = there.find((song) => song.place === place && !song.replaces);
      if (!there.some((song) => song.id === id)) this.lose({ id, next: next?.id });
    }
  }

  /** Take a song that the server answers, of which the news may have told before, and more. */
  #answered(made) {
    this.refused();
    if (!this.#songs.has(made.id)) this.hear(made);
    return made.id;
  }

  // --- wishes --------------------------------------------------------------------------------------

  /** Let hands choose a model or a strength; the song is separated anew when they rest. */
  want(values, rest) {
    clearTimeout(this.#later);
    this.choice.show((this.wish = { ...this.choice.chosen, ...values }));
    this.#later = setTimeout(() => this.#separateAgain(), rest);
  }

  /** Ask for the same song as it is wished for; what plays goes on until that has caught up. */
  #separateAgain() {
    const [old, mine] = [this.current, this.wish];
    this.#later = clearTimeout(this.#later);
    if (!old) return (this.wish = null);
    this.#inTurn(async () => {
      if (this.coming(old)) this.#forget(this.coming(old).id); // the server removes it
      try {
        const made = await api.again(old, mine);
        this.#wished = made.id;
        if (made.id === old || this.#songs.has(made.replaces)) this.#answered(made);
        if (old === this.current) quietly(api.prefer(made.id));
      } catch ({ message }) {
        if (this.#songs.has(old)) this.refused(message);
      }
      if (mine === this.wish) this.wish = null;
      this.#catchUp();
      this.changed();
    });
  }

  #inTurn(ask) {
    this.#asked = quietly(this.#asked.then(ask));
  }

  /** Turn away from a song: what is coming takes its place at once. */
  #leave() {
    const old = this.current;
    if (this.#later) this.#separateAgain(); // hands were still at it
    if (old && (this.wish || this.coming())) this.#inTurn(() => api.take(old));
    this.wish = null;
  }

  /** Go on with what is coming for the song that is on, once it has caught up. */
  #catchUp() {
    const [old, next] = [this.current, this.coming()];
    if (!next || this.wish) return;
    if (next.state === "failed") return this.remove(next.id), this.refused(next.error);
    const need = Math.min(this.player.position + 3, next.seconds ?? Infinity);
    if (next.state !== "ready" && (next.id !== this.#wished || next.ready_seconds < need)) return;
    this.#goOn(next);
    this.#inTurn(() => api.take(old));
  }

  /** Go on with the song that takes the place of the one that is on, where that is. */
  async #goOn(next) {
    const { position: at, loop, playing } = this.player;
    this.#dropped.add(this.current);
    this.#songs.delete(this.current);
    await this.#turn(next, { at, play: playing });
    if (loop && this.current === next.id) this.transport.setLoop(loop);
  }
}
