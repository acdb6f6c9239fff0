// The model: what it takes, how pixels become what it takes, and how it is asked.

const TYPES = { u8: Uint8Array, f32: Float32Array, i64: BigInt64Array };

/** An array of the description: base 64 of its numbers, the lowest byte first. */
function unpack({ dtype, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return new TYPES[dtype](bytes.buffer);
}

const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

/** An input of the signature by its name. */
const inputOf = (description, name) => description.signature.inputs.find((input) => input.name === name);

/** The name and the content of what the signature says of the answer; `inputs` has no content. */
function outputOf(description) {
  const output = description.signature.output;
  return typeof output === "string" ? [output, {}] : Object.entries(output)[0];
}

/** Red, green, blue and opacity as planes of bytes; grey is that of ITU-R BT.601, as in training. */
function planes(rgba, channels) {
  const pixels = rgba.length / 4;
  const made = new Uint8Array(channels * pixels);
  for (let k = 0; k < pixels; k++) {
    const [r, g, b] = [rgba[4 * k], rgba[4 * k + 1], rgba[4 * k + 2]];
    if (channels === 1) made[k] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else [r, g, b].forEach((value, channel) => (made[channel * pixels + k] = value));
  }
  return made;
}

/** For each place of a shorter or longer row: where it begins in the old one, and the weights there. A triangle, as wide as what a pixel covers. */
function weightsOf(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const last = Math.min(from, Math.floor(centre + reach + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) => Math.max(0, 1 - Math.abs((first + k + 0.5 - centre) / reach)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((weight) => weight / sum)];
  });
}

/** Brings an image to a size, first its rows and then its columns, rounded to bytes each time as PIL does. */
function resize({ channels, height, width, data }, newHeight, newWidth) {
  if (height === newHeight && width === newWidth) return { channels, height, width, data };
  const [across, down] = [weightsOf(width, newWidth), weightsOf(height, newHeight)];
  const rows = new Uint8ClampedArray(channels * height * newWidth);
  for (let row = 0; row < channels * height; row++)
    across.forEach(([first, weights], x) => {
      rows[row * newWidth + x] = weights.reduce((sum, weight, k) => sum + weight * data[row * width + first + k], 0);
    });
  const made = new Uint8ClampedArray(channels * newHeight * newWidth);
  for (let channel = 0; channel < channels; channel++)
    down.forEach(([first, weights], y) => {
      for (let x = 0; x < newWidth; x++) {
        const place = (k) => (channel * height + first + k) * newWidth + x;
        made[(channel * newHeight + y) * newWidth + x] = weights.reduce((sum, weight, k) => sum + weight * rows[place(k)], 0);
      }
    });
  return { channels, height: newHeight, width: newWidth, data: new Uint8Array(made.buffer) };
}

/** What lies in a rectangle that begins at `top` and `left`; what lies outside of the image is `fill`. */
function cut({ channels, height, width, data }, [top, left], newHeight, newWidth, fill = 0) {
  const made = new Uint8Array(channels * newHeight * newWidth).fill(fill);
  for (let channel = 0; channel < channels; channel++)
    for (let y = 0; y < newHeight; y++)
      for (let x = 0; x < newWidth; x++) {
        const [oldY, oldX] = [y + top, x + left];
        if (oldY >= 0 && oldY < height && oldX >= 0 && oldX < width)
          made[(channel * newHeight + y) * newWidth + x] = data[(channel * height + oldY) * width + oldX];
      }
  return { channels, height: newHeight, width: newWidth, data: made };
}

/** Where a window in the middle begins; halves go to the even number. */
function middle(length, window) {
  if (window > length) return -Math.floor((window - length) / 2);
  const half = Math.floor((length - window) / 2);
  return (length - window) % 2 === 0 ? half : half + (half % 2);
}

/** What the transforms of the bundle do to a new image; each is the file of its name in the data-loader. */
const STEPS = {
  resize(image, { size, shorter }) {
    if (size) return resize(image, ...size);
    const long = Math.floor((shorter * Math.max(image.height, image.width)) / Math.min(image.height, image.width));
    return image.height <= image.width ? resize(image, shorter, long) : resize(image, long, shorter);
  },
  center_crop: (image, { size: [h, w] }) => cut(image, [middle(image.height, h), middle(image.width, w)], h, w),
  random_crop: (image, { size: [h, w], fill }) => cut(image, [middle(image.height, h), middle(image.width, w)], h, w, fill),
  random_resized_crop(image, { size: [h, w], center = 1 }) {
    const ratio = w / h;
    const whole = image.width < image.height * ratio ? [image.width / ratio, image.width] : [image.height, image.height * ratio];
    const [high, wide] = [image.height, image.width].map((most, k) => Math.min(most, Math.max(1, Math.round(whole[k] * center))));
    const begin = [Math.floor((image.height - high) / 2), Math.floor((image.width - wide) / 2)];
    return resize(cut(image, begin, high, wide), h, w);
  },
};

/** A new image as the network takes it, but for normalising: transforms first, and last whatever its size still lacks. */
function prepareImage(description, image) {
  for (const step of description.image_steps) {
    const [[name, settings]] = Object.entries(step);
    image = STEPS[name](image, settings);
  }
  const [, height, width] = inputOf(description, "image").shape;
  return resize(image, height ?? image.height, width ?? image.width);
}

/** Bytes `[examples, channels, height, width]` as the network takes them. */
function normalise(description, bytes, shape) {
  const { mean, std } = inputOf(description, "image").kind.image;
  const area = shape[2] * shape[3];
  return Float32Array.from(bytes, (byte, k) => {
    const channel = Math.floor(k / area) % shape[1];
    return (byte / 255 - mean[channel]) / std[channel];
  });
}

/** Asks the network; `inputs` is `{name: {shape, data}}`, images as bytes. Gives numbers, their shape and the milliseconds. */
async function ask({ ort, session, description }, inputs) {
  const feeds = {};
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    if (!session.inputNames.includes(name)) continue;
    const numbers = name === "image" ? normalise(description, data, shape) : data;
    feeds[name] = new ort.Tensor(numbers instanceof BigInt64Array ? "int64" : "float32", numbers, shape);
  }
  const begun = performance.now();
  const answers = await session.run(feeds);
  const milliseconds = performance.now() - begun;
  const answer = answers[session.outputNames[0]];
  return { numbers: answer.data, shape: answer.dims, milliseconds };
}

/** The golden sample `k`, or all of them as one batch. */
function golden(description, k) {
  const inputs = {};
  for (const [name, packed] of Object.entries(description.golden.inputs)) {
    const data = unpack(packed);
    const [, ...rest] = packed.shape;
    const each = product(rest);
    inputs[name] = k === undefined ? { shape: packed.shape, data } : { shape: [1, ...rest], data: data.slice(k * each, (k + 1) * each) };
  }
  return inputs;
}

/** The largest difference between what was found and the golden answers, relative to the largest number of each (at least 1). */
function largestDifference(description, { numbers, shape }) {
  const { outputs } = description.golden;
  const each = numbers.length / outputs.length;
  if (shape[0] !== outputs.length) return Infinity;
  let largest = 0;
  outputs.forEach((wanted, k) => {
    // Of tokens the golden answer is that to the last place.
    const found = numbers.slice((k + 1) * each - wanted.length, (k + 1) * each);
    const fits = outputOf(description)[0] === "tokens" ? each % wanted.length === 0 : each === wanted.length;
    const scale = wanted.reduce((most, number) => Math.max(most, Math.abs(number)), 1);
    const off = wanted.map((number, at) => Math.abs(number - found[at]) / scale);
    largest = Math.max(largest, fits ? off.reduce((a, b) => (b <= a ? a : b), 0) : Infinity);
  });
  return Number.isNaN(largest) ? Infinity : largest;
}
