// The songs of the page, the current one, and requests to separate it again; it draws and plays nothing.

import * as api from "./api.js";
import { $, write } from "./text.js";

/** Ignore an error: the song may have been removed. */
const quietly = (answer) => answer.catch(() => null);

export class Library {
  current = null; // id of the current song
  wish = null; // chosen model and strength, until the server has answered
  #songs = new Map(); // id -> song
  #dropped = new Set(); // ids of removed songs, whose events come too late
  #later = 0; // timer of a choice that may still change
  #asked = Promise.resolve(); // requests are sent one after the other
  #wished = null; // id of the song that was added last

  /** `changed` is called when something to show has changed, `refused` with a reason, or without when it is outdated. */
  constructor({ player, picture, mixer, transport, choice }, { changed, refused }) {
    Object.assign(this, { player, picture, mixer, transport, choice, changed, refused });
  }

  get song() {
    return this.#songs.get(this.current);
  }

  /** The songs to list, in order. */
  get listed() {
    const all = [...this.#songs.values()].sort((a, b) => a.place - b.place);
    return all.filter(({ replaces }) => !this.#songs.has(replaces));
  }

  /** The replacement of a song, with another model or strength, until it takes its place. */
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

  /** Switch to a song; `how` tells where to continue if it is a replacement. */
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
    if (this.coming(id)) this.#forget(this.coming(id).id); // the server removes it too
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
    const rows = files.map((file) => ({ id: `local-${Math.random()}`, title: file.name, place: Infinity, progress: "waiting", upload: new AbortController() }));
    for (const row of rows) this.#songs.set(row.id, row);
    for (const [i, file] of files.entries()) {
      const row = rows[i];
      row.progress = "uploading";
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

  // --- events of the server ------------------------------------------------------------------------

  receive(song) {
    if (this.#dropped.has(song.id)) return;
    const before = this.#songs.has(song.id);
    this.#songs.set(song.id, song);
    if (song.id === this.current) {
      this.player.update(song);
      this.picture.set({ song });
    }
    this.#catchUp();
    if (!this.current && !before && !this.#songs.has(song.replaces)) { // the current song before a reload, else any
      const wait = song.id === (sessionStorage.getItem("song") ?? song.id) ? 0 : 300;
      setTimeout(() => !this.current && this.open(song.id, { play: false }), wait);
    }
    this.changed();
  }

  /** Handle the removal of a song; `next` is the song in its place, if any. */
  handleRemoval({ id, next }) {
    if (id === this.current && this.#songs.has(next)) this.#goOn(this.#songs.get(next));
    else this.#forget(id);
  }

  /** Find songs that were removed while there were no events. */
  async check() {
    const before = [...this.#songs.values()].filter(({ upload }) => !upload);
    const there = before.length ? await quietly(api.songs()) : null;
    for (const { id, place } of there ? before : []) {
      const next = there.find((song) => song.place === place && !song.replaces);
      if (!there.some((song) => song.id === id)) this.handleRemoval({ id, next: next?.id });
    }
  }

  /** Take a song from a response; a newer event may have come before. */
  #answered(made) {
    this.refused();
    if (!this.#songs.has(made.id)) this.receive(made);
    return made.id;
  }

  // --- separating again ----------------------------------------------------------------------------

  /** Choose a model or a strength; the song is separated again after `rest` milliseconds without another choice. */
  want(values, rest) {
    clearTimeout(this.#later);
    this.choice.show((this.wish = { ...this.choice.chosen, ...values }));
    this.#later = setTimeout(() => this.#separateAgain(), rest);
  }

  /** Request the song with the chosen settings; the current one plays until the replacement has caught up. */
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

  /** Leave the current song: its replacement takes its place at once. */
  #leave() {
    const old = this.current;
    if (this.#later) this.#separateAgain(); // the choice was not sent yet
    if (old && (this.wish || this.coming())) this.#inTurn(() => api.take(old));
    this.wish = null;
  }

  /** Continue with the replacement of the current song once it has caught up. */
  #catchUp() {
    const [old, next] = [this.current, this.coming()];
    if (!next || this.wish) return;
    if (next.state === "failed") return this.remove(next.id), this.refused(next.error);
    const need = Math.min(this.player.position + 3, next.seconds ?? Infinity);
    if (next.state !== "ready" && (next.id !== this.#wished || next.ready_seconds < need)) return;
    this.#goOn(next);
    this.#inTurn(() => api.take(old));
  }

  /** Continue with a song in place of the current one, at the same position. */
  async #goOn(next) {
    const { position: at, loop, playing } = this.player;
    this.#dropped.add(this.current);
    this.#songs.delete(this.current);
    await this.#turn(next, { at, play: playing });
    if (loop && this.current === next.id) this.transport.setLoop(loop);
  }
}
