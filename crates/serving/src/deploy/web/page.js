// The page: inputs to give, answers to see. It stands behind model.js and loads nothing but what lies beside it.

const $ = (id) => document.getElementById(id);

/** An element with properties and children; a text is never read as HTML. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function trouble(message) {
  $("trouble").textContent = message;
  $("trouble").hidden = false;
}

/** Shows what went wrong where somebody sees it. */
const guarded = (work) => async (...given) => {
  try {
    return await work(...given);
  } catch (error) {
    trouble(`The model could not answer: ${error.message ?? error}`);
  }
};

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const rounded = (number) => Number(number.toPrecision(6)).toString();

// Answers.

function probabilities(given, decoding, temperature = 1) {
  const scores = Array.from(given, (score) => score / temperature);
  if (decoding === "sigmoid") return scores.map((score) => 1 / (1 + Math.exp(-score)));
  const most = Math.max(...scores);
  const shares = scores.map((score) => Math.exp(score - most));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}

/** The most likely classes; above them the one that is answered, which thresholds decide where some were set. */
function bars(names, shares, cutoffs = null) {
  const weighed = cutoffs ? shares.map((share, k) => share / cutoffs[k]) : shares;
  const answered = weighed.indexOf(Math.max(...weighed));
  const order = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]).slice(0, 10);
  const line = (k) => {
    const fill = element("b");
    fill.style.width = percent(shares[k]).replace(" ", "");
    return element("li", {}, element("span", { className: "name", textContent: names[k] }), element("i", {}, fill),
      element("span", { className: "n", textContent: percent(shares[k]) }));
  };
  const rest = shares.length > 10 ? [element("p", { className: "soft", textContent: `and ${shares.length - 10} less likely ones` })] : [];
  return [element("p", { className: "best", textContent: names[answered] }), element("ul", { className: "bars" }, ...order.map(line)), ...rest];
}

function table(head, rows) {
  const cell = (tag) => (text) => element(tag, { textContent: text });
  const line = ([name, ...values]) => element("tr", {}, element("th", { scope: "row", textContent: name }), ...values.map(cell("td")));
  const top = head ? [element("thead", {}, element("tr", {}, ...head.map(cell("th"))))] : [];
  return [element("div", { className: "scroll" }, element("table", {}, ...top, element("tbody", {}, ...rows.map(line))))];
}

const PALETTE = [[60, 60, 60], [79, 209, 197], [232, 131, 74], [140, 120, 230], [240, 200, 80], [95, 211, 141], [240, 110, 150], [90, 150, 240]];
const colourOf = (label) => PALETTE[label % PALETTE.length];

/** The class of every pixel, and what share of the image each has. */
function mask(labels, numbers, [, count, height, width]) {
  const canvas = element("canvas", { className: "picture", width, height });
  const image = new ImageData(width, height);
  const seen = labels.map(() => 0);
  for (let k = 0; k < height * width; k++) {
    let best = 0;
    for (let label = 1; label < count; label++) if (numbers[label * height * width + k] > numbers[best * height * width + k]) best = label;
    seen[best]++;
    image.data.set([...colourOf(best), 255], 4 * k);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const key = (label, k) => {
    const square = element("span", { className: "key" });
    square.style.background = `rgb(${colourOf(k)})`;
    return element("li", {}, square, `${label} ${percent(seen[k] / (height * width))}`);
  };
  return [canvas, element("ul", {}, ...labels.map(key))];
}

function shown(description, { numbers, shape }) {
  const [kind, output] = outputOf(description);
  if (kind === "classes") {
    const { decoding, temperature, cutoffs } = description;
    return bars(output.labels, probabilities(numbers, decoding, temperature), cutoffs);
  }
  if (kind === "values") return table(null, output.names.map((name, k) => [name, rounded(output.mean[k] + output.std[k] * numbers[k])]));
  if (kind === "horizon") {
    const each = Math.max(1, output.quantiles.length);
    const row = (name, step) => {
      const values = Array.from(numbers.slice(step * each, (step + 1) * each), (value) => output.mean[step] + output.std[step] * value);
      return [name, ...values.sort((a, b) => a - b).map(rounded)];
    };
    return table(output.quantiles.length ? ["step", ...output.quantiles] : null, output.names.map(row));
  }
  if (kind === "mask") return mask(output.labels, numbers, shape);
  if (kind === "tokens") {
    const last = numbers.slice(numbers.length - output.vocabulary);
    return bars(Array.from(last, (_, id) => `token ${id}`), probabilities(last, "softmax"));
  }
  return table(null, Array.from(numbers.slice(0, 64), (number, k) => [`number ${k}`, rounded(number)]));
}

const answer = guarded(async (model, inputs) => {
  const told = await ask(model, inputs);
  $("answer").replaceChildren(...shown(model.description, told));
  $("time").textContent = `Answered in ${told.milliseconds.toFixed(1)} ms.`;
});

// Inputs. Each of these builds its part of the page and gives what shows a golden sample in it.

function pictureInput(model) {
  const { description } = model;
  const [channels] = inputOf(description, "image").shape;
  const seen = element("canvas");
  const caption = element("figcaption");
  const figure = element("figure", { hidden: true }, seen, caption);
  const show = ({ shape: [, , height, width], data }) => {
    Object.assign(seen, { width, height });
    const image = new ImageData(width, height);
    for (let k = 0; k < height * width; k++) {
      const byte = (channel) => data[(channels === 1 ? 0 : channel) * height * width + k];
      image.data.set([byte(0), byte(1), byte(2), 255], 4 * k);
    }
    seen.getContext("2d").putImageData(image, 0, 0);
    caption.textContent = `What the network sees: ${width} x ${height} pixels${channels === 1 ? ", grey" : ""}`;
    figure.hidden = false;
  };
  const see = (canvas) => {
    const { width, height } = canvas;
    const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const made = prepareImage(description, { channels, height, width, data: planes(rgba, channels) });
    const input = { shape: [1, channels, made.height, made.width], data: made.data };
    show(input);
    return answer(model, { image: input });
  };
  const read = guarded(async (file) => {
    // As in training the turn that a camera notes is not done.
    const bitmap = await createImageBitmap(file, { imageOrientation: "none", colorSpaceConversion: "none" });
    const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    await see(canvas);
  });
  const file = element("input", { type: "file", accept: "image/png,image/jpeg", id: "file", onchange: () => file.files[0] && read(file.files[0]) });
  const words = "An image (PNG or JPEG): drop it here, paste it, or choose a file";
  const drop = element("div", { className: "drop" }, element("p", {}, element("label", { htmlFor: "file", textContent: words })), file);
  const over = (is) => (event) => (event.preventDefault(), drop.classList.toggle("over", is));
  drop.addEventListener("dragover", over(true));
  drop.addEventListener("dragleave", over(false));
  drop.addEventListener("drop", (event) => (over(false)(event), event.dataTransfer.files[0] && read(event.dataTransfer.files[0])));
  addEventListener("paste", (event) => event.clipboardData.files[0] && read(event.clipboardData.files[0]));
  $("input").append(...(channels === 1 ? drawing(description, see) : []), drop, figure);
  return ({ image }) => show(image);
}

/** A place to draw in, with a pointer or by keys, on the ground that most training images have. */
function drawing(description, done) {
  const dark = inputOf(description, "image").kind.image.mean[0] < 0.5;
  const [ground, ink] = dark ? ["#000", "#fff"] : ["#fff", "#000"];
  const label = "Draw here, in the middle and large; with keys, arrows move the pen and space sets it down or lifts it";
  const canvas = element("canvas", { className: "draw", width: 280, height: 280, tabIndex: 0, ariaLabel: label, id: "draw" });
  canvas.setAttribute("role", "img");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let [pen, down, waiting] = [null, false, null];
  const clear = () => {
    context.fillStyle = ground;
    context.fillRect(0, 0, 280, 280);
  };
  const move = (x, y) => {
    Object.assign(context, { strokeStyle: ink, lineWidth: 22, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...(pen ?? [x, y]));
    context.lineTo(x, y);
    context.stroke();
    pen = [x, y];
    clearTimeout(waiting);
    waiting = setTimeout(() => done(canvas), 120);
  };
  const at = (event) => {
    const place = canvas.getBoundingClientRect();
    return [((event.clientX - place.left) * 280) / place.width, ((event.clientY - place.top) * 280) / place.height];
  };
  canvas.onpointerdown = (event) => (canvas.setPointerCapture(event.pointerId), (pen = null), (down = true), move(...at(event)));
  canvas.onpointermove = (event) => down && move(...at(event));
  canvas.onpointerup = canvas.onpointercancel = () => ((down = false), (pen = null));
  let keyed = [140, 60];
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    if (event.key === " ") [down, pen] = [!down, null];
    else if (!step) return;
    else keyed = keyed.map((place, k) => Math.min(270, Math.max(10, place + step[k])));
    event.preventDefault();
    if (down) move(...keyed);
  };
  clear();
  const button = element("button", { type: "button", textContent: "Clear", onclick: clear });
  return [element("p", { className: "soft", textContent: label }), canvas, element("p", {}, button)];
}

const PREPARED =
  "These are prepared features, not what your table holds: numbers as the bundle's transforms leave them (mostly with the mean at 0 and a " +
  "standard deviation of 1), and codes of categories. Golden samples below show what they look like.";

function columnsInput(model) {
  const { description } = model;
  const fields = [];
  const numbers = inputOf(description, "numbers")?.kind.numbers.names ?? [];
  const { names = [], sizes = [] } = inputOf(description, "categories")?.kind.categories ?? {};
  for (const name of numbers) fields.push(element("input", { type: "number", step: "any", value: 0, name }));
  names.forEach((name, k) => {
    const known = description.categories[name] ?? [];
    const meant = (code) => (code === 0 ? "unknown" : known[code - 1]);
    const option = (code) => element("option", { value: code, textContent: meant(code) ? `${code}, ${meant(code)}` : code });
    fields.push(element("select", { name }, ...Array.from({ length: sizes[k] }, (_, code) => option(code))));
  });
  const read = () => ({
    numbers: { shape: [1, numbers.length], data: Float32Array.from(fields.slice(0, numbers.length), (field) => Number(field.value)) },
    categories: { shape: [1, names.length], data: BigInt64Array.from(fields.slice(numbers.length), (field) => BigInt(field.value)) },
  });
  const form = element("form", { onsubmit: (event) => (event.preventDefault(), answer(model, read())) },
    element("p", { className: "soft", textContent: PREPARED }),
    element("div", { className: "fields" }, ...fields.map((field) => element("label", {}, field.name, field))),
    element("button", { className: "first", textContent: "Ask" }));
  $("input").append(form);
  return (inputs) => {
    const values = [...(inputs.numbers?.data ?? []), ...(inputs.categories?.data ?? [])];
    fields.forEach((field, k) => (field.value = typeof values[k] === "bigint" ? values[k] : rounded(values[k])));
  };
}

const AS_JSON =
  "Prepared inputs as JSON, as the bundle's transforms make them: ids of tokens and their mask, or measurements by step and channel. Take a " +
  "golden sample below to begin with.";

/** Whatever has no form of its own: prepared inputs as JSON. */
function textInput(model) {
  const text = element("textarea", { spellcheck: false, ariaLabel: "Prepared inputs as JSON" });
  const typed = (name, { shape, data }) => {
    const whole = inputOf(model.description, name)?.dtype === "i64";
    return { shape, data: whole ? BigInt64Array.from(data, BigInt) : Float32Array.from(data) };
  };
  const read = () => Object.fromEntries(Object.entries(JSON.parse(text.value)).map(([name, input]) => [name, typed(name, input)]));
  const form = element("form", { onsubmit: (event) => (event.preventDefault(), guarded(async () => answer(model, read()))()) },
    element("p", { className: "soft", textContent: AS_JSON }),
    text, element("p", {}, element("button", { className: "first", textContent: "Ask" })));
  $("input").append(form);
  return (inputs) => {
    const plain = Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: Array.from(data, Number) }]);
    text.value = JSON.stringify(Object.fromEntries(plain));
  };
}

// Proof.

async function check(model) {
  const told = $("self-test");
  const { golden: samples } = model.description;
  const largest = largestDifference(model.description, await ask(model, golden(model.description)));
  const result = largest <= samples.tolerance ? "PASS" : "FAIL";
  told.textContent = `${result}: ${samples.outputs.length} golden samples; the largest difference is ${largest.toExponential(1)}, of which ${samples.tolerance} is allowed.`;
  told.className = result === "PASS" ? "good" : "bad";
  Object.assign(told.dataset, { result, largest, samples: samples.outputs.length });
}

async function load() {
  const description = await (await fetch("model.json")).json();
  let ort;
  try {
    ort = await import("./ort.wasm.min.mjs");
  } catch {
    throw new Error("onnxruntime-web does not lie beside this page; README.md says how to fetch it");
  }
  // Threads would need headers that a plain server does not send.
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  return { ort, session, description };
}

async function begin() {
  const model = await load();
  const { description } = model;
  const kinds = description.signature.inputs.map((input) => input.name);
  const { architecture, version, signature } = description;
  $("about").textContent = `A network of the kind ${architecture} for the task ${signature.task}, in version ${version}.`;
  const only = (...names) => kinds.every((kind) => names.includes(kind));
  const build = only("image") ? pictureInput : only("numbers", "categories") ? columnsInput : textInput;
  const show = build(model);
  for (const id of ["asked", "answered"]) $(id).hidden = false;
  if (description.golden) {
    const { outputs } = description.golden;
    const options = outputs.map((_, k) => element("option", { value: k, textContent: `sample ${k + 1}` }));
    $("sample").append(element("option", { value: "", textContent: "choose" }), ...options);
    $("sample").onchange = () => {
      if ($("sample").value === "") return;
      const inputs = golden(description, Number($("sample").value));
      show(inputs);
      answer(model, inputs);
    };
    $("check").onclick = guarded(() => check(model));
    $("proof").hidden = false;
    // The first answer takes longer, because memory is laid out for it.
    await ask(model, golden(description, 0));
  }
  if (new URLSearchParams(location.search).has("self-test")) {
    if (description.golden) await check(model);
    else Object.assign($("self-test").dataset, { result: "NONE" });
  }
  document.documentElement.dataset.ready = "yes";
}

begin().catch((error) => {
  $("about").textContent = "";
  trouble(`This page cannot answer: ${error.message ?? error}.`);
  Object.assign($("self-test").dataset, { result: "FAIL" });
  document.documentElement.dataset.ready = "no";
});
