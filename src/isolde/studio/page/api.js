// Requests to the server; every failure throws Refused with the server's message.

export const CHUNK = 32768; // samples per channel of one request

export class Refused extends Error {}

async function ask(path, options = {}, read = (answer) => answer) {
  let answer;
  try {
    answer = await fetch(path, options);
    if (answer.ok) return await read(answer);
  } catch {
    throw new Refused("the server does not answer: start `isolde studio` again and open its new address");
  }
  const told = await answer.json().catch(() => null);
  throw new Refused(told?.error ?? `the server answers ${answer.status}`);
}

const json = (path, options) => ask(path, options, (answer) => answer.json());
const query = (values) => new URLSearchParams(values);
const bytes = (path) => ask(path, {}, async (answer) => new Uint8Array(await answer.arrayBuffer()));

export const about = () => json("/about");
export const songs = () => json("/songs");
export const remove = (id) => ask(`/songs/${id}`, { method: "DELETE" });
export const prefer = (id) => ask(`/songs/${id}/first`, { method: "POST" });
export const peaks = (id, start) => bytes(`/songs/${id}/peaks?from=${start}`);
export const demo = (choice) => json(`/songs?${query({ demo: "", ...choice })}`, { method: "POST" });
export const take = (id) => ask(`/songs/${id}/take`, { method: "POST" });
export const again = (id, choice) => json(`/songs/${id}/again?${query(choice)}`, { method: "POST" });

/** Upload a file. A file that the browser cannot read, like a folder, is refused before fetch blames the server. */
export async function upload(file, choice, signal) {
  await file.slice(0, 1).arrayBuffer().catch(() => Promise.reject(new Refused("cannot be read: give songs, not a folder of them")));
  return json(`/songs?${query({ name: file.name, ...choice })}`, { method: "POST", body: file, signal });
}

/** Fetch a chunk of every stem, with interleaved channels. */
export function chunk(song, index) {
  const step = 4 * song.n_channels;
  const [from, to] = [index * CHUNK * step, (index + 1) * CHUNK * step - 1];
  return Promise.all(song.stems.map(async (stem) => {
    const answer = await ask(`/songs/${song.id}/stems/${stem}`, { headers: { Range: `bytes=${from}-${to}` } });
    return new Float32Array(await answer.arrayBuffer());
  }));
}

export const file = (song, what, container, gains = {}) => `/songs/${song.id}/files/${what}.${container}?${query(gains)}`;
// Browsers cache pictures: the address changes when more of the song is ready.
export const tile = (song, key, colours) => `/songs/${song.id}/tiles/${key}.png?${query({ colours, ready: song.state + song.n_ready })}`;
export const labels = (song, format) => `/songs/${song.id}/activity?format=${format}`;

/** Listen to the server: a function per kind of event, one for the start, and one for a text while the server is gone. */
export function listen(acts, begun, ended) {
  const source = new EventSource("/events");
  for (const kind in acts) source.addEventListener(kind, (event) => acts[kind](JSON.parse(event.data)));
  source.onopen = () => (ended(""), begun());
  source.onerror = () => ended("the server has ended: start `isolde studio` again and open its new address");
}
