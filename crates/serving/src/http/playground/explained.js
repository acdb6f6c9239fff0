// What speaks for an answer, and what against it? Columns as bars, words that are marked, patches of an image as a map of heat.

import { $, barLine, element, percent, rounded, say, signed, soft, table } from "./elements.js";

/** Shows it; `asked` holds the picture or the record of which it speaks. */
export function showExplanation({ task }, { explains, score, columns, image }, asked) {
  const number = task === "classify" ? percent(score) : rounded(score);
  const title = element("h3", { textContent: `What speaks for ${explains}, ${number}` });
  const parts = image ? heat(image, asked.picture) : columnsOf(columns ?? [], asked.record ?? {});
  $("explanation").replaceChildren(title, ...parts);
  say(`It is shown what speaks for ${explains}.`);
}

const MEANT = "Each number is the score less what it would be without this part; what is positive speaks for the answer.";
const strongest = (parts) => [...parts].sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
const largest = (changes) => changes.reduce((most, change) => Math.max(most, Math.abs(change)), 0) || 1;

/** Colours and their ends, which are also written. */
function legend(most) {
  const end = (text) => element("span", { textContent: text });
  const colours = element("i", { "aria-hidden": "true" });
  return element("p", { className: "legend" }, end(`against, ${signed(-most)}`), colours, end(`for, ${signed(most)}`));
}

// Columns.

function columnsOf(columns, record) {
  const order = strongest(columns);
  const most = largest(order.map(({ change }) => change));
  const texts = order.filter(({ name, words }) => words?.length > 0 && typeof record[name] === "string");
  const alone = columns.length === 1 && texts.length === 1;
  const list = element("ul", { className: "bars changes" }, ...order.map((column) => changed(column, most)));
  const read = texts.flatMap(({ name, words }) => marked(alone ? "" : name, record[name], words));
  return [...(alone ? [] : [list]), ...read, soft(MEANT)];
}

/** A bar to the right of the middle where a column speaks for the answer, and to the left where against it. */
function changed({ name, change }, most) {
  const fill = element("b", { className: change < 0 ? "against" : "for" });
  const wide = (50 * Math.abs(change)) / most;
  Object.assign(fill.style, { width: `${wide}%`, marginLeft: `${change < 0 ? 50 - wide : 50}%` });
  return barLine(name, fill, signed(change));
}

// Words.

/** The text with its words marked, and their numbers both beside each for those who listen and in a table for all. */
function marked(name, text, words) {
  const letters = Array.from(text);
  const most = largest(words.map(({ change }) => change));
  const shown = element("p", { className: "text", id: "words" });
  const cut = (start, end) => letters.slice(start, end).join("");
  let place = 0;
  for (const { start, end, change } of [...words].sort((a, b) => a.start - b.start)) {
    if (start < place) continue;
    const strength = Math.abs(change) / most;
    const word = element("mark", { className: change < 0 ? "against" : "for", title: signed(change) }, cut(start, end),
      element("span", { className: "hidden", textContent: ` (${signed(change)}) ` }));
    word.style.setProperty("--strength", `${Math.round(45 * strength)}%`);
    if (strength < 0.05) word.className = "";
    shown.append(cut(place, start), word);
    place = end;
  }
  shown.append(cut(place));
  const rows = strongest(words).map((word) => [cut(word.start, word.end), signed(word.change)]);
  return [...(name ? [element("h4", { textContent: name })] : []), shown, legend(most), numbers("Words", rows)];
}

/** Numbers that are shown to whoever wants them. */
const numbers = (what, rows) => element("details", {}, element("summary", { textContent: `${what} with their numbers` }),
  table([what, "Change"], rows, what));

// Patches.

const FOR = [0, 190, 175];
const AGAINST = [240, 110, 50];

/** The picture with what each patch changes laid over it, and the strongest of them in words. */
function heat({ rows, columns, changes }, picture) {
  const most = largest(changes);
  const map = element("canvas", { width: columns, height: rows });
  const colours = new ImageData(columns, rows);
  const colour = (change) => [...(change < 0 ? AGAINST : FOR), Math.round((200 * Math.abs(change)) / most)];
  changes.forEach((change, k) => colours.data.set(colour(change), 4 * k));
  map.getContext("2d").putImageData(colours, 0, 0);
  const [width, height] = [picture.width, picture.height];
  const canvas = element("canvas", { className: "heat", id: "heat", width, height, role: "img" });
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(map, 0, 0, width, height);
  const place = (k) => `row ${Math.floor(k / columns) + 1} of ${rows}, column ${(k % columns) + 1} of ${columns}`;
  const patches = strongest(changes.map((change, k) => ({ change, k }))).slice(0, 10);
  const told = patches.map(({ change, k }) => [place(k), signed(change)]);
  canvas.ariaLabel = `The image, with what each patch of it changes; the most does ${told[0].join(": ")}`;
  return [canvas, legend(most), soft(MEANT), numbers("Strongest patches", told)];
}
