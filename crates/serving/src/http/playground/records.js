// What does somebody write to ask for records? One in a form, a text as it is, or many rows as CSV or JSON lines.

import { button, choice, element, rounded, soft } from "./elements.js";
import { Trouble } from "./server.js";

/** Half of a pair that stands for one letter cannot be sent. */
export const whole = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

/** A form, or a place for a text, and one for many rows; `give` takes what is to be asked. */
export function recordsInput({ columns }, give) {
  const only = columns.length === 1 && columns[0].kind === "text";
  const one = only ? textForm(columns[0], give) : recordForm(columns, give);
  const many = rowsForm(columns, give);
  many.hidden = true;
  const show = (form) => [one, many].forEach((each) => (each.hidden = each !== form));
  const options = [["one", only ? "One text" : "One record"], ["many", "Many rows"]];
  const kinds = choice("How much is asked", options, "one", (kind) => show(kind === "one" ? one : many));
  return [element("div", { className: "row" }, kinds), one, many];
}

/** A form that is checked by the browser, asked with, and goes nowhere. */
export const form = (asked, ...children) =>
  element("form", { onsubmit: (event) => (event.preventDefault(), asked()) }, ...children);
const askButton = () => element("button", { className: "first", textContent: "Ask" });

function textForm({ name, typical }, give) {
  const area = element("textarea", { id: "text", className: "prose", spellcheck: false, required: true });
  area.defaultValue = typical ?? "";
  const asked = () => {
    const text = whole(area.value);
    give(() => ({ type: "text/plain; charset=utf-8", body: text, record: { [name]: text } }));
  };
  area.onkeydown = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && area.form.requestSubmit();
  const label = element("label", { htmlFor: "text", textContent: name });
  return form(asked,
    element("p", { className: "field" }, label, area),
    element("div", { className: "row" }, askButton(), ending("asks")));
}

/** A word about what the keys do that send a text with several lines. */
export const ending = (does) => element("span", { className: "soft", textContent: `Ctrl and Enter ${does} too.` });

/** A record as a form, of which what is empty is missing. */
function recordForm(columns, give) {
  const fields = columns.map(field);
  const asked = () => {
    const record = Object.fromEntries(columns.map(({ name }, k) => [name, fields[k].read()]));
    give(() => ({ type: "application/json", body: JSON.stringify(record), value: record, record }));
  };
  const empty = () => fields.forEach(({ input }) => (input.value = ""));
  const made = form(asked, soft("What is left empty is a missing value."),
    element("div", { className: "fields" }, ...fields.map(({ label }) => label)),
    element("div", { className: "row" }, askButton(), element("button", { type: "reset", textContent: "Typical values" }),
      button("Empty all", empty)));
  made.id = "record";
  return made;
}

/** One column in the form: its label with what is put in, and how that is read. */
function field({ name, kind, choices, typical }) {
  const told = typical === undefined || typical === null ? "" : typical;
  let input;
  let read = () => (input.value === "" ? null : whole(input.value));
  if (choices) {
    const option = (choice, k) => element("option", { value: k, textContent: choice, defaultSelected: choice === told });
    input = element("select", {}, element("option", { value: "", textContent: "(missing)" }), ...choices.map(option));
    read = () => (input.value === "" ? null : choices[Number(input.value)]);
  } else if (kind === "number") {
    input = element("input", { type: "number", step: "any", defaultValue: rounded(told), placeholder: "missing" });
    read = () => (input.value === "" ? null : Number(input.value));
  } else if (kind === "date" && /^(\d{4}-\d\d-\d\d)?$/.test(told)) {
    input = element("input", { type: "date", defaultValue: told });
  } else {
    input = element(kind === "text" ? "textarea" : "input", { defaultValue: told, placeholder: "missing", spellcheck: false });
  }
  input.name = name;
  return { input, read, label: element("label", {}, element("span", {}, name), input) };
}

function rowsForm(columns, give) {
  const area = element("textarea", { id: "rows", spellcheck: false, required: true });
  const asked = () => give(() => readRows(whole(area.value)));
  const take = async ([file]) => file && (area.value = await file.text());
  const file = element("input", { type: "file", accept: ".csv,.json,.jsonl", id: "rows-file", onchange: () => take(file.files) });
  const words = "CSV with a line of names above, or JSON lines; what is empty or null is missing";
  const label = element("label", { htmlFor: "rows", textContent: words });
  const other = element("p", {}, element("label", { htmlFor: "rows-file", textContent: "A file: drop it here, or choose it" }));
  const drop = dropped(element("div", { className: "drop" }, other, file), take);
  const fill = () => {
    area.value = example(columns);
    area.focus();
  };
  return form(asked, element("p", { className: "field" }, label, area), drop,
    element("div", { className: "row" }, askButton(), button("Begin with an example", fill, { id: "example" })));
}

/** Takes files that are dropped there. */
export function dropped(place, take) {
  const over = (is) => (event) => (event.preventDefault(), place.classList.toggle("over", is));
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => (over(false)(event), take(event.dataTransfer.files)));
  return place;
}

/** The names of all columns, and a row with what is typical. */
function example(columns) {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const usual = ({ kind, choices, typical }) => typical ?? choices?.[0] ?? (kind === "text" ? "a text" : "");
  const line = (values) => `${values.map(cell).join(",")}\n`;
  return line(columns.map(({ name }) => name)) + line(columns.map((column) => rounded(usual(column))));
}

/** Rows as they are sent: CSV as it is, and JSON as a list, whose numbers keep all of their digits. */
export function readRows(text) {
  const trimmed = text.replace(/^\ufeff/, "").trim();
  if (!/^[[{]/.test(trimmed)) {
    if (/[\r\n]/.test(trimmed)) return { type: "text/csv; charset=utf-8", body: trimmed, rows: true };
    throw new Trouble("there is no row", { hint: "CSV names the columns in its first line, and has a line for each row below" });
  }
  const as = (body) => ({ type: "application/json", body, rows: true });
  if (trimmed.startsWith("[")) return checked("the list", trimmed) && as(trimmed);
  const lines = trimmed.split(/\r?\n/).filter((line) => line.trim() !== "");
  // One record may be spread over many lines.
  if (isJson(trimmed)) return as(`[${trimmed}]`);
  return lines.every((line, k) => checked(`record ${k + 1}`, line)) && as(`[${lines.join(",")}]`);
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function checked(name, text) {
  if (isJson(text)) return true;
  throw new Trouble(`${name} is no JSON`, { hint: "write one record in braces on each line, or a list of them" });
}
