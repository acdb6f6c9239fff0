// The page: a model is chosen, asked, and answers. It loads nothing but what lies beside it, and asks nobody but its own server.

import { $, button, element, soft } from "./elements.js";
import { addressOf, askJson, keysFrom } from "./server.js";
import { recordsInput } from "./records.js";
import { pictureInput } from "./pictures.js";
import { promptInput } from "./prompts.js";
import { tensorsInput } from "./tensors.js";
import { showAnswer, showFacts } from "./answers.js";
import { showExplanation } from "./explained.js";
import { askFeedback } from "./feedback.js";
import { showCard } from "./card.js";
import { showRequest } from "./snippets.js";

const DOES = {
  classify: "that tells which class something belongs to",
  regress: "that estimates numbers",
  reconstruct: "that tells how unusual something is",
  forecast: "that tells how a series goes on",
  generate: "that continues texts",
  segment: "that tells what each pixel shows",
  contrast: "that places things by their likeness",
};

/** The model that is shown: what is said of it, and the signal that another was chosen. */
let shown = { name: "", description: null, left: new AbortController() };
let asking = new AbortController();
/** The last request that one answer was given to, which can be explained. */
let last = null;

// Trouble.

function untroubled() {
  $("trouble").hidden = true;
  $("trouble").replaceChildren();
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** Says what went wrong, and what to do about it. */
function trouble(error, ...more) {
  const hints = error.hint ? [element("p", { textContent: sentence(error.hint) })] : [];
  if (error.retryAfter) hints.push(element("p", { textContent: `It is worth asking again in ${error.retryAfter} s.` }));
  const what = element("p", { className: "bad", textContent: sentence(String(error.message ?? error)) });
  const told = element("div", {}, what, ...hints, ...more);
  // What stands there already is not said once more.
  if ($("trouble").textContent !== told.textContent) $("trouble").replaceChildren(told);
  $("trouble").hidden = false;
  seen($("trouble"));
}

/** Brings it into the window where it is not. */
function seen(place) {
  const { top } = place.getBoundingClientRect();
  if (top < 0 || top > innerHeight - 120) place.scrollIntoView();
}

/** Shows what went wrong where somebody sees it; what was broken off on purpose did not go wrong. */
const guarded = (work) => async (...given) => {
  untroubled();
  try {
    return await work(...given);
  } catch (error) {
    if (error.name !== "AbortError") trouble(error);
  }
};

// Keys.

/** Shows the field for a key until something is put in. */
const keyWanted = (why) => new Promise((done) => {
  $("locked").hidden = false;
  if (!shown.name) $("about").textContent = "Its models are shown to those who have a key.";
  document.documentElement.dataset.ready = "key";
  if (why) trouble(new Error(why));
  $("key").focus();
  $("key-form").onsubmit = (event) => {
    event.preventDefault();
    untroubled();
    $("locked").hidden = true;
    if (shown.description) document.documentElement.dataset.ready = "yes";
    else delete document.documentElement.dataset.ready;
    done($("key").value.trim());
    $("key").value = "";
  };
});

// Asking.

/** Asks for what `made` gives; a newer question breaks off an older one. */
const give = guarded(async (make) => {
  asking.abort();
  const mine = (asking = new AbortController());
  const { name, description, left } = shown;
  const signal = AbortSignal.any([mine.signal, left.signal]);
  const asked = await make();
  signal.throwIfAborted();
  const request = { address: addressOf("predict", name), ...asked };
  showRequest(request);
  last = null;
  for (const id of ["explanation", "feedback", "facts"]) $(id).replaceChildren();
  $("answer").ariaBusy = "true";
  try {
    const { told, milliseconds, id } = await askJson({ ...request, signal });
    showAnswer(description, told, asked);
    showFacts([["Model version", told.model_version], ["In the server", `${told.milliseconds?.toFixed(1) ?? "?"} ms`],
      ["There and back", `${milliseconds.toFixed(1)} ms`], ["Request", id]]);
    if (!asked.rows) {
      last = { asked, request, signal };
      askFeedback(description, told.predictions[0], id, { guarded, signal: left.signal });
    }
  } catch (error) {
    if (error.name !== "AbortError") $("answer").replaceChildren(soft("There is no answer."));
    throw error;
  } finally {
    if (mine === asking) $("answer").ariaBusy = "false";
  }
  if (!asked.drawn) seen($("answered-title"));
  await explain();
});

/** Shows what speaks for the last answer, if that is wanted. */
async function explain() {
  const { name, description } = shown;
  $("explanation").replaceChildren();
  if (!last || !description.explain || !$("explain").checked) return;
  $("explanation").replaceChildren(soft("What speaks for it is being found out."));
  const { asked, request, signal } = last;
  try {
    const { told } = await askJson({ ...request, address: addressOf("explain", name), signal });
    if ($("explain").checked) showExplanation(description, told, asked);
  } catch (error) {
    $("explanation").replaceChildren();
    throw error;
  }
}

// Models.

function inputOf({ name, description, left }) {
  const { takes } = description;
  if (takes === "records") return recordsInput(description, give);
  if (takes === "image") return pictureInput(description, give, left.signal);
  if (takes === "prompt") return promptInput(name, { show: showRequest, facts: showFacts, guarded }, left.signal);
  return tensorsInput(name, description, showRequest);
}

/** Shows a model; one that is not ready is told, and asked for again when the server says so. */
async function open(name, again = false) {
  shown.left.abort();
  const left = new AbortController();
  shown = { name, description: null, left };
  last = null;
  delete document.documentElement.dataset.ready;
  if (!again) untroubled();
  for (const id of ["asked", "answered", "request", "known"]) $(id).hidden = true;
  for (const id of ["explanation", "facts", "feedback", "snippet", "input", "card"]) $(id).replaceChildren();
  $("answer").replaceChildren(soft("Nothing was asked yet."));
  $("answer").ariaBusy = "false";
  $("model").value = name;
  $("about").textContent = `${name} is being asked for.`;
  document.title = `${name}: playground`;
  try {
    const { told } = await askJson({ address: addressOf("describe", name), signal: left.signal });
    untroubled();
    show(told);
  } catch (error) {
    if (error.name === "AbortError" || left.signal.aborted) return;
    $("about").textContent = `${name} cannot be asked now.`;
    trouble(error, element("p", {}, button("Try again", () => open(name))));
    if (error.retryAfter) {
      const again = setTimeout(() => open(name, true), 1000 * Math.max(2, error.retryAfter));
      left.signal.addEventListener("abort", () => clearTimeout(again));
    }
    document.documentElement.dataset.ready = "no";
  }
}

function show(description) {
  shown.description = description;
  const { task, takes, explain: explains, card, model_version: version } = description;
  const [kind] = Object.keys(card?.architecture ?? {});
  const does = DOES[task] ?? `for the task ${task}`;
  $("about").textContent = `A network${kind ? ` of the kind ${kind}` : ""} ${does}, in version ${version}.`;
  $("input").replaceChildren(...inputOf(shown));
  $("asked").hidden = false;
  $("answered").hidden = takes === "tensors";
  $("explaining").hidden = !explains || takes === "tensors" || takes === "prompt";
  showCard({ ...description, card: card ?? {} });
  document.documentElement.dataset.ready = "yes";
}

const wanted = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
};

async function begin() {
  keysFrom(keyWanted);
  $("explain").onchange = guarded(explain);
  const { told } = await askJson({ address: "/v2/models" });
  const { models } = told;
  if (models.length === 0) throw new Error("this server has no models");
  $("model").append(...models.map((name) => element("option", { value: name, textContent: name })));
  $("choice").hidden = false;
  $("model").onchange = () => (location.hash = encodeURIComponent($("model").value));
  const follow = () => open(models.includes(wanted()) ? wanted() : models[0]);
  addEventListener("hashchange", () => wanted() !== shown.name && follow());
  await follow();
}

begin().catch((error) => {
  $("about").textContent = "";
  trouble(error, element("p", {}, button("Try again", () => location.reload())));
  document.documentElement.dataset.ready = "no";
});
