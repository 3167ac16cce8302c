// Separate stereo music with a network of isolde's, by ONNX Runtime in JavaScript, without isolde.
//
//     npm install onnxruntime-node fft.js
//     ffmpeg -i song.mp3 -f f32le -ac 2 -ar 44100 - | node onnx_reader.mjs vocals-live.json > stems.f32
//
// Samples in are float32 at 44,100 Hz; out come the card's stems and the residual, one by one.
// In a page take onnxruntime-web, which has the same calls.
import { readFileSync } from "node:fs";
import FFT from "fft.js";

process.env.ORT_DISABLE_TELEMETRY = "1"; // ONNX Runtime tells its maker of every run else
const ort = await import("onnxruntime-node");

const { PI, sin, cos, ceil, sqrt, log } = Math;
const array = (n, value) => Float64Array.from({ length: n }, (_, i) => value(i));
const hann = (n) => array(n, (i) => 0.5 - 0.5 * cos((2 * PI * i) / n));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const abs = (re, im) => sqrt(re * re + im * im);

// Windows of the analysis and, over a frame's last samples, of the synthesis.
function windowsOf(nFft, synthesis) {
  if (synthesis === "long") return [hann(nFft), hann(nFft)];
  const fast = nFft / 4, slow = nFft - fast;
  const rise = (i) => sin((PI * i) / slow / 2) ** 2, fall = (i) => cos((PI * i) / fast / 2);
  const analysis = array(nFft, (i) => (i < slow ? rise(i) : fall(i - slow)));
  return [analysis, hann(2 * fast).map((value, i) => value / analysis[nFft - 2 * fast + i])];
}

// Stems of a mixture at the card's sample rate or twice that, all as samples left, right, left...
async function separate(mixture, rate, card, session) {
  const { grid, stems, features, past, look_ahead: ahead, step = 1 } = card;
  const twice = rate / grid.sample_rate;
  const pair = features.signal === "pair"; // left and right as they are
  if (!(pair || features.signal === "stereo") || ![1, 2].includes(twice))
    throw Error("no case for this card");
  const nFft = twice * grid.n_fft, hop = twice * grid.hop, nBins = grid.n_fft / 2 + 1;
  const [analysis, synthesis] = windowsOf(nFft, grid.synthesis);
  const reach = synthesis.length / 2, tail = nFft - 2 * reach, scale = 2 / sum(analysis);
  const nFrames = 1 + ceil(mixture.length / 2 / hop); // frame t is centred on sample t * hop
  const [lowest, treble] = [card.lowest_hz, 8000].map((hz) => ceil((hz * nFft) / rate));

  // Left goes through the transform as real part, right as imaginary part: bin k of both is had
  // from two bins, as [Re left, Im left, Re right, Im right].
  const fft = new FFT(nFft);
  const frameOf = (t) => {
    const start = 2 * (t * hop - nFft + reach), z = fft.createComplexArray();
    fft.transform(z, z.map((_, i) => analysis[i >> 1] * scale * (mixture[start + i] ?? 0)));
    return (k) => {
      const [a, b] = z.slice(2 * k, 2 * k + 2), m = 2 * ((nFft - k) % nFft);
      return [(a + z[m]) / 2, (b - z[m + 1]) / 2, (b + z[m + 1]) / 2, (z[m] - a) / 2];
    };
  };

  const width = (pair ? 2 : 4) * (nBins - 1), before = past + ((step - (past % step)) % step);
  const after = ahead + ((step - ((nFrames + ahead) % step)) % step);
  const frames = new Float32Array((before + nFrames + after) * width);
  const soon = 256 / 22050 / -log(0.6), share = (seconds) => 1 - Math.exp(-hop / rate / seconds);
  const follow = share(soon), rise = share(card.level_seconds ?? soon);
  const fall = Math.exp(-hop / rate / 5);
  for (let t = 0, newest, smooth, level = 0; t < nFrames; t++) {
    const bins = Array.from({ length: nBins }, (_, k) => k).map(frameOf(t));
    if (stems.join() === "vocals") bins.fill([0, 0, 0, 0], 0, lowest);
    const power = sum(bins.map(([a, b, c, d]) => a * a + b * b + c * c + d * d)) / 6;
    newest ??= power, smooth ??= power;
    newest += follow * (power - newest);
    smooth = Math.max(smooth + rise * (power - smooth), newest / 10 ** 0.6);
    level = Math.max(smooth, fall * level, 1e-10);
    const gain = 10 ** (card.level_db / 20) / sqrt(level), at = (before + t) * width;
    bins.slice(0, -1).forEach(([a, b, c, d], k) => {
      if (pair) {
        frames[at + k] = gain * abs(a, b);
        frames[at + nBins - 1 + k] = gain * abs(c, d);
        return;
      }
      const four = [abs(a, b), abs(c, d), abs(a + c, b + d) / 2, abs(a - c, b - d) / 2];
      const heard = four.map((value) => log(1 + features.scale * gain * value));
      frames.set(heard, at + 4 * k);
    });
  }

  const state = {}, answers = [];
  for (const { name, shape } of session.inputMetadata.filter(({ name }) => name !== "frames")) {
    const dims = [1, ...shape.slice(1)], zeros = new Float32Array(dims.reduce((a, b) => a * b));
    state[name] = new ort.Tensor("float32", zeros, dims);
  }
  for (let at = 0; at < frames.length; at += 64 * step * width) { // or another multiple of the step
    const part = frames.slice(at, at + 64 * step * width);
    const tensor = new ort.Tensor("float32", part, [1, part.length / width, width]);
    const { mask, ...next } = await session.run({ frames: tensor, ...state });
    for (const name in state) state[name] = next[`next_${name}`];
    for (let i = 0; i < mask.size; i += nBins) answers.push(mask.data.subarray(i, i + nBins));
  }

  const weight = new Float64Array(nFrames * hop + 2 * reach).fill(1e-12);
  for (let t = 0; t < nFrames; t++)
    synthesis.forEach((w, i) => (weight[t * hop + i] += w * analysis[tail + i]));
  return stems.map((stem, number) => {
    const total = new Float64Array(2 * weight.length), z = fft.createComplexArray();
    for (let t = 0; t < nFrames; t++) {
      const binOf = frameOf(t), spectrum = fft.createComplexArray().fill(0);
      const row = ((before + ahead + t) * stems.length + number) * 2;
      const [left, right] = [answers[row], answers[row + 1]];
      const [p1, q1] = [left, right].map((mask) => sum(mask.subarray(treble)) / (nBins - treble));
      for (let k = stem === "vocals" ? lowest : 0; k <= nFft / 2; k++) {
        const [a, b, c, d] = binOf(k), p = left[k] ?? p1, q = right[k] ?? q1;
        spectrum.splice(2 * ((nFft - k) % nFft), 2, a * p + d * q, c * q - b * p);
        spectrum.splice(2 * k, 2, a * p - d * q, c * q + b * p);
      }
      fft.inverseTransform(z, spectrum);
      for (let i = 0; i < 4 * reach; i++)
        total[2 * t * hop + i] += (z[2 * tail + i] * synthesis[i >> 1]) / scale;
    }
    return mixture.map((_, i) => total[2 * reach + i] / weight[reach + (i >> 1)]);
  });
}

const [, , path] = process.argv;
if (!path) {
  console.error("usage: node onnx_reader.mjs CARD.json < MIXTURE.f32 > STEMS.f32");
  process.exit(1);
}
const session = await ort.InferenceSession.create(path.replace(".json", ".onnx"));
const mixture = new Float32Array(new Uint8Array(readFileSync(0)).buffer);
const stems = await separate(mixture, 44100, JSON.parse(readFileSync(path, "utf8")), session);
const residual = mixture.map((value, i) => value - sum(stems.map((stem) => stem[i])));
for (const stem of [...stems, residual]) process.stdout.write(new Uint8Array(stem.buffer));
