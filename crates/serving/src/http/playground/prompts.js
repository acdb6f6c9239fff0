// How is a text continued, piece by piece as the model writes it?

import { $, button, element, rounded, say, soft } from "./elements.js";
import { addressOf, ask, events, Trouble } from "./server.js";
import { ending, form, whole } from "./records.js";

const SETTINGS = [
  ["tokens", "Tokens at most", { min: 1, max: 4095, step: 1, defaultValue: "100", required: true }],
  ["temperature", "Temperature", { min: 0, step: "any", defaultValue: "0.8" }],
  ["top_k", "The best k only (top k)", { min: 1, step: 1, placeholder: "all" }],
  ["top_p", "The best share only (top p)", { min: 0, max: 1, step: "any", placeholder: "all" }],
  ["seed", "Seed", { min: 0, step: 1, defaultValue: "0" }],
];

/** A place for the beginning, and settings; the request and what is known of its answer are shown by others. */
export function promptInput(name, { show, facts, guarded }, signal) {
  const area = element("textarea", { id: "prompt", spellcheck: false, className: "prose" });
  const inputs = SETTINGS.map(([id, , more]) => element("input", { type: "number", name: id, ...more }));
  const fields = inputs.map((input, k) => element("label", {}, element("span", {}, SETTINGS[k][1]), input));
  const read = () => {
    const said = inputs.filter((input) => input.value !== "").map((input) => [input.name, Number(input.value)]);
    return { prompt: whole(area.value), ...Object.fromEntries(said), stream: true };
  };
  let stopping = null;
  const stop = button("Stop", () => stopping?.abort(), { id: "stop", disabled: true });
  const start = element("button", { className: "first", textContent: "Continue" });
  const asked = guarded(async () => {
    stopping?.abort();
    const mine = (stopping = new AbortController());
    const value = read();
    const body = JSON.stringify(value);
    const request = { address: addressOf("generate", name), type: "application/json", body, value, stream: true };
    show(request);
    stop.disabled = false;
    try {
      await write(request, AbortSignal.any([mine.signal, signal]), facts);
    } finally {
      if (stopping === mine) {
        if (document.activeElement === stop) start.focus();
        stop.disabled = true;
      }
    }
  });
  area.onkeydown = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && area.form.requestSubmit();
  const label = element("label", { htmlFor: "prompt", textContent: "With what the text begins; it may be empty" });
  return [form(asked,
    element("p", { className: "field" }, label, area),
    element("div", { className: "fields" }, ...fields),
    element("div", { className: "row" }, start, stop, ending("continues")))];
}

/** Writes as the pieces come. What was told stays where it is stopped; the end sets right what later tokens changed. */
async function write(request, signal, facts) {
  const written = element("span", { id: "written" });
  const prompt = element("span", { className: "soft", textContent: request.value.prompt });
  const text = element("p", { className: "text writing", tabIndex: 0 }, prompt, written);
  $("answer").replaceChildren(text);
  $("answer").ariaBusy = "true";
  facts([]);
  let [first, last, response, begun] = [null, null, null, performance.now()];
  const known = () => {
    const took = performance.now() - begun;
    const tokens = last?.tokens === undefined ? null : `${last.tokens}${last.ended ? ", then the model ended the text" : ""}`;
    const speed = last?.tokens > 1 ? `${rounded((1000 * last.tokens) / took)} tokens a second` : null;
    return [["Model version", last?.model_version], ["Tokens", tokens], ["Speed", speed],
      ["First piece after", `${(first ?? took).toFixed(1)} ms`], ["There and back", `${took.toFixed(1)} ms`],
      ["Request", response.headers.get("X-Request-Id")]];
  };
  try {
    ({ response, begun } = await ask({ ...request, signal }));
    for await (const { name, data } of events(response)) {
      if (name === "error") throw new Trouble(data.error, data);
      if (name === "end") last = data;
      else {
        first ??= performance.now() - begun;
        written.append(data.text);
      }
    }
    if (!last) throw new Trouble("the text breaks off before its end", { hint: "the server may have ended; ask again" });
    if (typeof last.text === "string") written.textContent = last.text;
    if (written.textContent === "") $("answer").append(soft("The model ended the text at once."));
    facts(known());
    say(`The text is complete: ${request.value.prompt}${written.textContent}`);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    if (!text.isConnected) return;
    $("answer").append(soft("Stopped."));
    if (response) facts(known());
    say("Stopped.");
  } finally {
    text.classList.remove("writing");
    if (text.isConnected) $("answer").ariaBusy = "false";
  }
}
