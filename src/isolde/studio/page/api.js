// What the page asks of its server; every answer that is no success is Refused, in the server's words.

export const CHUNK = 32768; // samples per channel that are fetched together

export class Refused extends Error {}

const refusal = (status, told) => new Refused(told?.error ?? `the server answers ${status}`);

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused("the server does not answer: start `isolde studio` again and open its new address");
  }
  if (answer.ok) return answer;
  throw refusal(answer.status, await answer.json().catch(() => null));
}

const json = async (path, options) => (await ask(path, options)).json();
const bytes = async (path) => new Uint8Array(await (await ask(path)).arrayBuffer());

export const about = () => json("/about");
export const remove = (id) => ask(`/songs/${id}`, { method: "DELETE" });
export const prefer = (id) => ask(`/songs/${id}/first`, { method: "POST" });
export const activity = (id) => json(`/songs/${id}/activity`);
export const tile = (id, key) => bytes(`/songs/${id}/tiles/${key}`);
export const demo = (choice) => json(`/songs?${new URLSearchParams({ demo: "", ...choice })}`, { method: "POST" });
export const again = (id, choice) => json(`/songs/${id}/again?${new URLSearchParams(choice)}`, { method: "POST" });

/** Send a file; XMLHttpRequest, because fetch does not tell how much is sent. */
export function upload(file, choice, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/songs?${new URLSearchParams({ name: file.name, ...choice })}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
    request.onerror = () => reject(new Refused("the upload broke off: is the server still running?"));
    request.onload = () => (request.status === 201 ? resolve(request.response) : reject(refusal(request.status, request.response)));
    request.send(file);
  });
}

/** A chunk of every stem, the channels of a sample side by side. */
export function chunk(song, index) {
  const step = 4 * song.n_channels;
  const [from, to] = [index * CHUNK * step, (index + 1) * CHUNK * step - 1];
  return Promise.all(song.stems.map(async (stem) => {
    const answer = await ask(`/songs/${song.id}/stems/${stem}`, { headers: { Range: `bytes=${from}-${to}` } });
    return new Float32Array(await answer.arrayBuffer());
  }));
}

export function file(song, what, container, gains = {}) {
  return `/songs/${song.id}/files/${what}.${container}?${new URLSearchParams(gains)}`;
}

export const labels = (song, format) => `/songs/${song.id}/activity?format=${format}`;

/** Everything that changes, as it changes. */
export function listen(heard, gone, connected) {
  const source = new EventSource("/events");
  source.addEventListener("song", (event) => heard(JSON.parse(event.data)));
  source.addEventListener("gone", (event) => gone(JSON.parse(event.data).id));
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
}
