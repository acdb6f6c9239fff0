// What is known of a model: from what it came, how good it is, and what it takes and gives?

import { $, element, rounded, soft, table } from "./elements.js";

/** Of longer lists only the beginning is shown. */
const MANY = 20;

const part = (title, open, ...content) =>
  element("details", { open }, element("summary", { textContent: title }), ...content);

const isEmpty = (value) => value === null || value === undefined || (typeof value === "object" && !Object.keys(value).length);

/** Any JSON as rows of a path and a value; lists of plain values stay together. */
function flat(value, path = "") {
  const deep = (one) => typeof one === "object" && one !== null;
  if (!deep(value)) return [[path || "value", rounded(value)]];
  if (Array.isArray(value) && !value.some(deep)) {
    const shown = value.slice(0, MANY).map(rounded).join(", ");
    return [[path || "values", value.length > MANY ? `${shown} and ${value.length - MANY} more` : shown || "none"]];
  }
  if (isEmpty(value)) return [[path || "value", "none"]];
  return Object.entries(value).flatMap(([name, one]) => flat(one, path ? `${path}.${name}` : name));
}

/** What is known under a title, as names and values. */
function pairs(title, rows) {
  const made = table(null, rows, title);
  made.classList.add("pairs");
  return made;
}

/** A table of scores, a column for each part of the data. */
function metricsTable(metrics) {
  const splits = Object.keys(metrics);
  const names = [...new Set(splits.flatMap((split) => Object.keys(metrics[split])))];
  const rows = names.map((name) => [name, ...splits.map((split) => metrics[split][name] ?? "")]);
  return table(["metric", ...splits], rows, "Metrics");
}

const sizes = (shape) => shape.map((size) => (size === -1 || size == null ? "any" : size)).join(" x ");

/** Tensors as the Open Inference Protocol describes them. */
export function tensorsTable(title, list = []) {
  const row = ({ name, datatype, shape, optional }) => [optional ? `${name} (may be left out)` : name, datatype, sizes(shape)];
  return table([title, "type", "shape"], list.map(row), title);
}

function columnsTable(columns) {
  const usual = (value) => (value === undefined || value === null ? "" : rounded(value));
  const row = ({ name, kind, choices, typical }) => [name, kind, usual(typical), choices ? flat(choices)[0][1] : ""];
  return table(["column", "kind", "typical", "choices"], columns.map(row), "Columns");
}

/** Everything that is known of a model, the most asked for opened. */
export function showCard({ task, model_version: version, columns, image, labels, inputs, outputs, card }) {
  const counted = (number) => number?.toLocaleString("en");
  const about = [["name", card.name], ["version", version], ["task", task], ["created", card.created_at], ["by", card.created_by],
    ["numbers learnt", counted(card.parameters)], ["steps", counted(card.step)]].filter(([, value]) => !isEmpty(value));
  const takes = columns ? [columnsTable(columns)] : [];
  if (image) takes.push(soft(`An image, as channels x height x width: ${sizes([image.channels, image.height, image.width])}.`));
  if (labels) takes.push(soft(`It answers one of ${labels.length} classes: ${flat(labels)[0][1]}.`));
  const parts = [part("About", true, pairs("About", about))];
  if (!isEmpty(card.metrics)) parts.push(part("Metrics", true, metricsTable(card.metrics)));
  for (const title of ["Thresholds", "Architecture", "Data"]) {
    const value = card[title.toLowerCase()];
    if (!isEmpty(value)) parts.push(part(title, false, pairs(title, flat(value))));
  }
  parts.push(part("What it takes and gives", false, ...takes, soft("Behind the transforms, at /v2/models/NAME/infer:"),
    tensorsTable("takes", inputs), tensorsTable("gives", outputs)));
  $("card").replaceChildren(...parts);
  $("known").hidden = false;
}
