// How is a model asked that takes only tensors? Not from a page: what it takes is shown, and a request to begin with.

import { tensorsTable } from "./card.js";
import { element, soft } from "./elements.js";

/** Of more numbers only a place for them is written. */
const WRITTEN = 256;

/** Says what it takes, and shows the request. */
export function tensorsInput(name, { inputs }, show) {
  const needed = inputs.filter(({ optional }) => !optional);
  const given = needed.map(({ name, datatype, shape }) => {
    const sizes = shape.map((size) => (size === -1 ? 1 : size));
    const count = sizes.reduce((a, b) => a * b, 1);
    const data = count > WRITTEN ? `${count} numbers, the last axis running fastest` : Array(count).fill(0);
    return { name, shape: sizes, datatype, data };
  });
  const value = { inputs: given };
  const unwritten = given.some(({ data }) => typeof data === "string");
  const note = unwritten ? "Put in the numbers first." : "The zeros stand for your numbers.";
  const address = `/v2/models/${encodeURIComponent(name)}/infer`;
  show({ address, type: "application/json", body: JSON.stringify(value), value, note });
  const words = "This model takes tensors, as the Open Inference Protocol has it; this page has no form for them.";
  return [element("p", { textContent: words }), tensorsTable("input", inputs), soft("The request below shows how it is asked.")];
}
