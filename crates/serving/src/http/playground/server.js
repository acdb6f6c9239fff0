// How is the server asked, and what is said when it does not answer? A key that it wants is kept here, in memory alone.

/** Why there is no answer: a sentence, what to do about it, and after how many seconds it is worth asking again. */
export class Trouble extends Error {
  constructor(sentence, { hint = "", status = 0, retryAfter = null } = {}) {
    super(sentence);
    Object.assign(this, { hint, status, retryAfter });
  }
}

let key = "";
let wanted = null;
let field = async () => {};

export const hasKey = () => key !== "";

/** Names who shows a field for a key, and promises what is put in there. */
export const keysFrom = (source) => (field = source);

/** All who are turned away at once wait for one key. */
function another(sentence) {
  wanted ??= field(sentence)
    .then((given) => (key = given))
    .finally(() => (wanted = null));
  return wanted;
}

async function trouble(response) {
  const told = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const sentence = typeof told?.error === "string" ? told.error : `the server answers with the status ${response.status}`;
  return new Trouble(sentence, { hint: told?.hint ?? "", status: response.status, retryAfter });
}

/** Asks, and gives the response; where a key is wanted, asks once more with it. `begun` is when the last try began. */
export async function ask({ address, type, body, signal }) {
  for (;;) {
    const used = key;
    const headers = { ...(type && { "Content-Type": type }), ...(used && { Authorization: `Bearer ${used}` }) };
    const begun = performance.now();
    const sent = { method: body === undefined ? "GET" : "POST", headers, body, signal, cache: "no-store" };
    const response = await fetch(address, sent).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Trouble("the server cannot be reached", { hint: "is it still running, and the network there?" });
    });
    if (response.ok) return { response, begun };
    const why = await trouble(response);
    if (why.status !== 401) throw why;
    if (used === key) await another(used ? `This key is not taken: ${why.message}.` : "");
    signal?.throwIfAborted();
  }
}

/** Asks for JSON; gives what is told, in how many milliseconds it came, and what identifies the request. */
export async function askJson(request) {
  const { response, begun } = await ask(request);
  const text = await response.text();
  const milliseconds = performance.now() - begun;
  const told = text === "" ? {} : JSON.parse(text);
  return { told, milliseconds, id: response.headers.get("X-Request-Id") };
}

/** Server-sent events as they come: the name of each, and its data. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (text + value).split(/\r?\n\r?\n/);
      text = parts.pop();
      for (const part of parts) {
        const lines = part.split(/\r?\n/);
        const of = (name) => lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length).trim());
        const data = of("data:").join("\n");
        if (data) yield { name: of("event:")[0] ?? "message", data: JSON.parse(data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The address of something that is done with a model. */
export const addressOf = (doing, name) => `/${doing}/${encodeURIComponent(name)}`;
