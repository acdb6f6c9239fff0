// What does the server answer, and how is it shown?

import { $, bars, element, percent, rounded, say, soft, table } from "./elements.js";

/** Of more classes only the likeliest are shown, and of more rows and numbers only the first. */
const CLASSES = 10;
const ROWS = 200;
const NUMBERS = 100;

/** Puts the answer into the page, and says it to those who only listen. */
export function showAnswer({ task }, { predictions }, asked) {
  const one = predictions.length === 1 && !asked.rows;
  $("answer").replaceChildren(...(one ? single(task, predictions[0]) : several(task, predictions)));
  say(one ? sentence(task, predictions[0]) : `${predictions.length} rows are answered.`);
}

/** What is known of how the answer came; pairs of a name and a value. */
export function showFacts(facts) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined);
  $("facts").replaceChildren(...known.flatMap(([name, value]) => [
    element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

const hasShares = (task) => task === "classify";

function sentence(task, { label, scores }) {
  const share = hasShares(task) ? scores.find(([name]) => name === label) : undefined;
  if (share) return `${label}, ${percent(share[1])}.`;
  return label ?? scores.slice(0, 3).map(([name, number]) => `${name}: ${rounded(number)}.`).join(" ");
}

const best = (text) => element("p", { className: "best", textContent: text });
const more = (count, what) => (count > 0 ? [soft(`and ${count} more ${what}`)] : []);

function single(task, { label, scores, unusual = [] }) {
  if (hasShares(task)) {
    const order = [...scores].sort((a, b) => b[1] - a[1]);
    const rest = order.length - CLASSES;
    const less = rest > 0 ? [soft(`and ${rest} less likely ${rest === 1 ? "one" : "ones"}`)] : [];
    return [best(label ?? order[0]?.[0] ?? "no class"), bars(order.slice(0, CLASSES)), ...less];
  }
  const parts = unusual.length > 0 ? [element("h3", { textContent: "What came back worst, by its share" }), bars(unusual)] : [];
  if (!label && scores.length === 1) return [soft(scores[0][0]), best(rounded(scores[0][1])), ...parts];
  const numbers = table(null, scores.slice(0, NUMBERS), "Numbers");
  return [...(label ? [best(label)] : []), numbers, ...more(scores.length - NUMBERS, "numbers"), ...parts];
}

/** Many rows as a table: of a class its probability, else the numbers. */
function several(task, predictions) {
  const shown = predictions.slice(0, ROWS);
  const rest = more(predictions.length - ROWS, "rows, which are answered and not shown");
  if (shown.length === 0) return [soft("There was no row.")];
  if (hasShares(task)) {
    const share = ({ label, scores }) => scores.find(([name]) => name === label)?.[1];
    const line = (told, k) => [String(k + 1), told.label ?? "", percent(share(told) ?? NaN)];
    return [table(["Row", "Answer", "Probability"], shown.map(line), "Answers"), ...rest];
  }
  const names = shown[0].scores.slice(0, CLASSES).map(([name]) => name);
  const labelled = shown.some(({ label }) => label !== undefined);
  const worst = shown.some(({ unusual = [] }) => unusual.length > 0);
  const line = ({ label, scores, unusual = [] }, k) => [String(k + 1), ...(labelled ? [label ?? ""] : []),
    ...scores.slice(0, CLASSES).map(([, number]) => number), ...(worst ? [unusual.map(([name]) => name).join(", ")] : [])];
  const head = ["Row", ...(labelled ? ["Answer"] : []), ...names, ...(worst ? ["What came back worst"] : [])];
  return [table(head, shown.map(line), "Answers"), ...more(shown[0].scores.length - CLASSES, "numbers of each row"), ...rest];
}
