// How is a page put together from what a server says? Texts stay texts: none is ever read as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties, or attributes where it has no such property, and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A paragraph that says something beside the point. */
export const soft = (text) => element("p", { className: "soft", textContent: text });

export const button = (textContent, onclick, properties = {}) =>
  element("button", { type: "button", textContent, onclick, ...properties });

/** Tells those who see nothing what happened; those who see do so elsewhere. */
export function say(sentence) {
  $("said").textContent = sentence;
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
/** A number to six digits, but for whole ones, or whatever else stands in its place. */
export const rounded = (value) =>
  String(typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value);
/** A change with its sign, which is a true minus. */
export function signed(number) {
  const size = Math.abs(number);
  return size === 0 ? "0" : `${number < 0 ? "\u2212" : "+"}${size < 1000 ? size.toPrecision(3) : rounded(size)}`;
}

/** A table; of each row the first cell names it. Numbers stand at the right. */
export function table(head, rows, caption = "") {
  const title = (text) => element("th", { scope: "col", textContent: text });
  const cell = (value) => element("td", { textContent: rounded(value), className: typeof value === "number" ? "n" : "" });
  const line = ([name, ...values]) => element("tr", {}, element("th", { scope: "row", textContent: name }), ...values.map(cell));
  const numbers = (k) => rows.length > 0 && rows.every((row) => typeof row[k] === "number");
  const made = element("table", {}, element("tbody", {}, ...rows.map(line)));
  if (head) made.prepend(element("thead", {}, element("tr", {}, ...head.map(title))));
  head?.forEach((_, k) => k > 0 && made.tHead.rows[0].cells[k].classList.toggle("n", numbers(k)));
  if (caption) made.prepend(element("caption", { textContent: caption }));
  return scrolled(made, caption || "table");
}

/** What may be wider than the window is scrolled in a frame of its own, by keys too. */
export function scrolled(content, label) {
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": label }, content);
}

/** Shares as bars; `lines` are names with numbers between 0 and 1. */
export function bars(lines) {
  const line = ([name, share]) => {
    const fill = element("b");
    fill.style.width = `${Math.min(100, Math.max(0, 100 * share))}%`;
    return barLine(name, fill, percent(share));
  };
  return element("ul", { className: "bars" }, ...lines.map(line));
}

/** A name, a bar, and a number, which says what the bar shows. */
export const barLine = (name, fill, number) => element("li", {}, element("span", { className: "name", textContent: name }),
  element("i", { "aria-hidden": "true" }, fill), element("span", { className: "n", textContent: number }));

/** One of a few, beside each other; calls `chosen` with its value. */
export function choice(label, options, first, chosen) {
  const group = element("fieldset", { className: "choice" }, element("legend", { className: "hidden", textContent: label }));
  const name = `choice-${(choices += 1)}`;
  for (const [value, text] of options) {
    const onchange = () => chosen(value);
    const id = `${name}-${value}`;
    const radio = element("input", { type: "radio", name, value, id, checked: value === first, onchange });
    group.append(radio, element("label", { htmlFor: radio.id, textContent: text }));
  }
  return group;
}
let choices = 0;
