// What does somebody show to ask for an image? A file that is chosen, dropped or pasted, or what is drawn.

import { button, element, soft } from "./elements.js";
import { dropped } from "./records.js";
import { Trouble } from "./server.js";

/** What is shown of a picture is no wider or higher than this. */
const SHOWN = 640;

/** A picture of its own, small enough to be shown. */
function copied(source) {
  const scale = Math.min(1, SHOWN / Math.max(source.width, source.height));
  const [width, height] = [source.width, source.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = element("canvas", { width, height });
  canvas.getContext("2d").drawImage(source, 0, 0, width, height);
  return canvas;
}

const asPng = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

/** A file as it is asked with; formats that the server does not read are written anew as PNG. */
async function read(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "none" }).catch(() => {
    throw new Trouble(`${file.name || "what was given"} is no image that can be read`, { hint: "give a PNG or a JPEG" });
  });
  const name = file.name || "pasted.png";
  if (/^image\/(png|jpeg)$/.test(file.type)) return { type: file.type, body: file, file: name, picture: copied(bitmap) };
  const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return { type: "image/png", body: await asPng(canvas), file: `${name.replace(/\.\w*$/, "")}.png`, picture: copied(bitmap) };
}

/** A place for a file, and one to draw in where images are grey; `signal` says when neither is wanted any more. */
export function pictureInput({ image }, give, signal) {
  const { channels, height, width } = image;
  const seen = element("figure", { hidden: true });
  const show = (asked) => {
    const shown = copied(asked.picture);
    Object.assign(shown, { role: "img", ariaLabel: asked.file });
    seen.replaceChildren(shown, element("figcaption", { textContent: asked.file }));
    seen.hidden = false;
    return asked;
  };
  const take = ([file]) => file && give(async () => show(await read(file)));
  const file = element("input", { type: "file", accept: "image/*", id: "file", onchange: () => take(file.files) });
  const words = "An image (PNG or JPEG): drop it here, paste it, or choose a file";
  const label = element("p", {}, element("label", { htmlFor: "file", textContent: words }));
  const place = element("div", { className: "drop" }, label, file);
  addEventListener("paste", (event) => event.clipboardData?.files.length > 0 && take(event.clipboardData.files), { signal });
  const drawn = (canvas) => give(async () => {
    seen.hidden = true;
    return { type: "image/png", file: "drawing.png", drawn: true, picture: copied(canvas), body: await asPng(canvas) };
  });
  const size = soft(`The model sees ${width ?? "any"} x ${height ?? "any"} pixels${channels === 1 ? ", grey" : ""}.`);
  return [...(channels === 1 ? drawing(image, drawn) : []), dropped(place, take), seen, size];
}

/** A place to draw in, with a pointer or by keys, white on black. */
function drawing(image, done) {
  const side = 280;
  const high = Math.round((side * (image.height || 1)) / (image.width || 1));
  const label = "Draw here, in the middle and large; with keys, arrows move the pen and space sets it down or lifts it";
  const canvas = element("canvas", { className: "draw", width: side, height: high, tabIndex: 0, id: "draw" });
  Object.assign(canvas, { role: "application", ariaLabel: label });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pointer = element("span", { className: "pen", "aria-hidden": "true", hidden: true });
  let [pen, down, waiting] = [null, false, null];
  const clear = () => {
    clearTimeout(waiting);
    context.fillStyle = "#000";
    context.fillRect(0, 0, side, high);
  };
  const move = (x, y) => {
    Object.assign(context, { strokeStyle: "#fff", lineWidth: 22, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...(pen ?? [x, y]));
    context.lineTo(x, y);
    context.stroke();
    pen = [x, y];
    clearTimeout(waiting);
    waiting = setTimeout(() => done(canvas), 150);
  };
  const at = (event) => {
    const place = canvas.getBoundingClientRect();
    return [((event.clientX - place.left) * side) / place.width, ((event.clientY - place.top) * high) / place.height];
  };
  canvas.onpointerdown = (event) => (canvas.setPointerCapture(event.pointerId), (pen = null), (down = true), move(...at(event)));
  canvas.onpointermove = (event) => down && move(...at(event));
  canvas.onpointerup = canvas.onpointercancel = () => ((down = false), (pen = null));
  // By keys the pen is seen, too, while it is lifted.
  let keyed = [side / 2, high / 5];
  const point = () => {
    pointer.hidden = false;
    pointer.classList.toggle("down", down);
    Object.assign(pointer.style, { left: `${(100 * keyed[0]) / side}%`, top: `${(100 * keyed[1]) / high}%` });
  };
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    if (event.key === " ") [down, pen] = [!down, null];
    else if (!step) return;
    else keyed = keyed.map((place, k) => Math.min([side, high][k] - 10, Math.max(10, place + step[k])));
    event.preventDefault();
    if (down) move(...keyed);
    point();
  };
  canvas.onblur = () => ([down, pen, pointer.hidden] = [false, null, true]);
  clear();
  const frame = element("div", { className: "frame" }, canvas, pointer);
  return [soft(label), frame, element("p", {}, button("Clear", clear, { id: "clear" }))];
}
