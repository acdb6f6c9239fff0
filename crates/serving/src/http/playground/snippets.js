// How is the same asked without this page? By curl, or by Python with nothing besides it; both send the very same bytes.

import { $, button, choice, element, say, soft } from "./elements.js";
import { hasKey } from "./server.js";

/** A body longer than this is no argument of a command any more, and stands in a file. */
const LONG = 8_000;

/** A text as the shell reads it: nothing means anything between single quotes, but for the quote itself. */
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A value as Python reads it. Texts are written alike in JSON and in Python. */
function pythonic(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entry = ([key, one]) => `${JSON.stringify(key)}: ${pythonic(one)}`;
  return `{${Object.entries(value).map(entry).join(", ")}}`;
}

/** The file in which a body stands that is none of text, or too long. */
function fileOf({ body, file, type }) {
  if (typeof body !== "string") return file;
  const named = { "text/csv": "rows.csv", "text/plain": "text.txt" }[type.split(";")[0]] ?? "rows.json";
  return body.length > LONG ? named : null;
}

const urlOf = ({ address }) => new URL(address, location.origin).href;

export function curl(request) {
  const file = fileOf(request);
  const lines = [`curl ${request.stream ? "-N " : ""}${shell(urlOf(request))}`];
  if (hasKey()) lines.push(`-H "Authorization: Bearer $FIREBOX_KEY"`);
  lines.push(`-H ${shell(`Content-Type: ${request.type}`)}`);
  lines.push(file ? `--data-binary ${shell(`@${file}`)}` : `--data-raw ${shell(request.body)}`);
  return lines.join(" \\\n  ");
}

const WHOLE = `with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))`;
const PIECES = `with urllib.request.urlopen(request) as answer:
    for line in answer:
        if line.startswith(b"event: error"):
            raise SystemExit(answer.readline().decode())
        if line.startswith(b"event: end"):
            break
        if line.startswith(b"data: "):
            print(json.loads(line[6:])["text"], end="", flush=True)`;

export function python(request) {
  const file = fileOf(request);
  const written = request.value === undefined ? JSON.stringify(request.body) : `json.dumps(${pythonic(request.value)})`;
  const body = file ? `open(${JSON.stringify(file)}, "rb").read()` : `${written}.encode()`;
  const key = hasKey() ? `, "Authorization": "Bearer " + os.environ["FIREBOX_KEY"]` : "";
  return `import json${hasKey() ? "\nimport os" : ""}
import urllib.request

body = ${body}
headers = {"Content-Type": ${JSON.stringify(request.type)}${key}}
request = urllib.request.Request(${JSON.stringify(urlOf(request))}, body, headers)
${request.stream ? PIECES : WHOLE}
`;
}

/** Puts a text where the next paste takes it from; older ways serve where the page came unencrypted. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    if (!document.execCommand("copy")) return say("The text is marked, and can be copied by keys.");
  }
  say("Copied.");
}

const FORMS = { curl, python };
let form = "curl";
let kept = "";

/** Shows a request in both languages, with the file that it names. */
export function showRequest(request) {
  const code = element("code", { id: "code" });
  const show = (chosen) => {
    form = chosen;
    code.textContent = FORMS[form](request);
  };
  const forms = choice("Language", [["curl", "curl"], ["python", "Python"]], form, show);
  const row = element("div", { className: "row" }, forms, button("Copy", () => copy(code), { id: "copy" }));
  const box = element("pre", { tabIndex: 0, role: "region", "aria-label": "Request" }, code);
  show(form);
  URL.revokeObjectURL(kept);
  const file = fileOf(request);
  const notes = [];
  if (file) {
    kept = URL.createObjectURL(new Blob([request.body], { type: request.type }));
    const link = element("a", { href: kept, download: file, textContent: file });
    notes.push(element("p", { className: "soft" }, "It sends a file: ", link));
  }
  if (hasKey()) notes.push(soft("The key stands in the variable FIREBOX_KEY."));
  if (request.note) notes.push(soft(request.note));
  $("snippet").replaceChildren(row, box, ...notes);
  $("request").hidden = false;
}
