// What the tests of the page run inside it; each function is given one value and returns one.

const drop = ([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
};

const render = async ([gains, tempo, key]) => {
  const { song } = await import("/page/main.js");
  const { wire } = await import("/page/player.js");
  const api = await import("/page/api.js");
  const now = song();
  const context = new OfflineAudioContext(now.n_channels, Math.round(now.n_samples / tempo), now.sample_rate);
  const wired = await wire(context, now);
  wired.gains.forEach(({ gain }, i) => (gain.value = gains[i]));
  for (let index = 0; index * api.CHUNK < now.n_samples; index++)
    wired.ring.port.postMessage({ do: "put", index, stems: await api.chunk(now, index) });
  wired.ring.port.postMessage({ do: "set", values: { end: now.n_samples } });
  wired.ring.port.postMessage({ do: "stretch", tempo, key });
  if (tempo !== 1 || key) await new Promise((done) => setTimeout(done, 1500)); // it is compiled
  const told = new Promise((done) => (wired.ring.port.onmessage = done));
  wired.ring.port.postMessage({ do: "play" });
  await told;
  const sound = await context.startRendering();
  let text = "";
  for (let c = 0; c < now.n_channels; c++) {
    const bytes = new Uint8Array(sound.getChannelData(c).buffer);
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(text);
};

const contrast = () => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = css;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faults = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("[aria-disabled], :disabled, [hidden], .unseen")) continue;
    let ground = element;
    while (ground && rgba(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
    const a = light(rgba(getComputedStyle(element).color));
    const b = light(rgba(getComputedStyle(ground ?? document.documentElement).backgroundColor));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`${element.tagName} '${element.textContent.trim().slice(0, 30)}': ${ratio.toFixed(2)}`);
  }
  return faults;
};

const nameless = () => [...document.querySelectorAll("button, input, select, summary, a[href]")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
  .map((e) => e.outerHTML);

const controls = () => [...document.querySelectorAll("button, select, input, a[href]")]
  .filter((e) => e.checkVisibility() && !e.matches(".skip"))
  .map((e) => [e.ariaLabel || e.id || e.textContent.trim(), (e.matches("[type=radio], [type=file]") ? e.closest("label") : e).getBoundingClientRect()]);

const small = (least) => controls().filter(([, box]) => Math.min(box.width, box.height) < least - 0.01).map(([name]) => name);

const overlapping = () => controls().flatMap(([name, a], i, all) => all.slice(i + 1)
  .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
  .map(([other]) => `${name}, ${other}`));

const inside = (part) => [...document.querySelector("#waveform > div").shadowRoot.querySelectorAll(`[part~=${part}]`)];

const layers = () => [...new Set(inside("tile").map((e) => e.src.split("/").at(-3)))];

const colours = () => {
  let [red, blue, n] = [0, 0, 0];
  for (const tile of inside("tile").filter((e) => e.naturalWidth)) {
    const canvas = new OffscreenCanvas(tile.naturalWidth, tile.naturalHeight);
    const paint = canvas.getContext("2d");
    paint.drawImage(tile, 0, 0);
    const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      red += Math.max(0, data[i] - data[i + 2]);
      blue += Math.max(0, data[i + 2] - data[i]);
    }
    n += data.length;
  }
  return [red / n, blue / n];
};

const regions = (part) => inside(part).map((e) => [e.style.left, e.style.right].map(parseFloat));

const seams = () => inside("canvases").flatMap((e) => [...e.querySelectorAll("canvas")]).map((canvas) => {
  const paint = canvas.getContext("2d");
  const painted = (x) => paint.getImageData(x, 0, 1, canvas.height).data.filter((alpha, i) => i % 4 === 3 && alpha > 50).length;
  return [painted(canvas.width - 1), painted(canvas.width >> 1)];
});

const waves = () => inside("canvases").flatMap((e) => [...e.querySelectorAll("canvas")]).map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((alpha, i) => i % 4 === 3 && alpha).length / (data.length / 4);
});
