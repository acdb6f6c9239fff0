// Does the page of a server ask every kind of model as its addresses do, and show what they say? Asks headless Chromium.
//
//     node playground.mjs ADDRESS SCREENSHOTS          # playground.sh calls it, in a folder with puppeteer-core
//
// ADDRESS serves `penguins` (a record), `digits` (a grey image), `names` (a text) and `letters` (which continues texts). What no such
// server says, as that it wants a key, is put in between. Says what was seen, and ends with 1 at the first thing that is wrong. CHROMIUM
// names the browser.

import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import assert from "node:assert/strict";

const puppeteer = createRequire(`${process.cwd()}/`)("puppeteer-core");
const [address, shots] = process.argv.slice(2);
await mkdir(shots, { recursive: true });
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const strangers = [];
const scratch = await mkdtemp(`${tmpdir()}/playground-`);

const json = async (path, body, type = "application/json") => {
  const response = await fetch(`${address}${path}`, body === undefined ? {} : { method: "POST", headers: { "Content-Type": type }, body });
  assert.ok(response.ok, `${path} answers ${response.status}: ${await response.clone().text()}`);
  return response.json();
};
const described = Object.fromEntries(await Promise.all(
  ["penguins", "digits", "names", "letters"].map(async (name) => [name, await json(`/describe/${name}`)])));

/** Opens the page at a model. `between` may answer a request in the place of the server; all that were sent are kept in `sent`. */
async function open(name, { scheme = "light", width = 1100, height = 900, between = () => null, ready = "yes" } = {}) {
  const page = await browser.newPage();
  await page.setViewport({ width, height, isMobile: width < 600, hasTouch: width < 600 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  const known = (page.sent = []);
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(data|blob):/.test(url)) strangers.push(url);
    const path = url.slice(address.length).replace(/#.*/, "");
    known.push({ path, method: request.method(), headers: request.headers(), body: request.postData() });
    const told = url.startsWith(address) ? between(path, request) : null;
    if (!told) return request.continue();
    const { status = 200, headers = {}, body } = told;
    request.respond({ status, headers, contentType: "application/json", body: JSON.stringify(body) });
  });
  page.on("pageerror", (error) => strangers.push(String(error)));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && strangers.push(message.text()));
  await page.goto(`${address}/#${encodeURIComponent(name)}`);
  await page.waitForSelector(`html[data-ready=${ready}]`, { timeout: 60_000 });
  return page;
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);
const facts = (page) => page.$$eval("#facts dt", (names) =>
  Object.fromEntries(names.map((name) => [name.textContent, name.nextSibling.textContent])));
/** The answer, once it is told which request it belongs to; what was told before is wiped first. */
async function after(page, doing) {
  await page.$eval("#facts", (element) => element.replaceChildren());
  await doing();
  const told = () => document.querySelector("#facts dd") && document.getElementById("answer").ariaBusy !== "true";
  await page.waitForFunction(told, { timeout: 20_000 });
  return text(page, "#answer");
}
const submit = (page, form) => after(page, () => page.$eval(form, (element) => element.requestSubmit()));
const troubled = async (page, words) => {
  await page.waitForFunction(() => !document.getElementById("trouble").hidden);
  const told = await text(page, "#trouble");
  assert.match(told, words);
  return told;
};
const thanked = (page) => page.waitForFunction(() => document.getElementById("feedback").textContent.startsWith("Thank you"));
const shot = (page, name) => page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

/** Nothing is wider than the window, everything that takes input has a name, and every text stands out from its ground. */
async function looked(page, where) {
  const wrong = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push(`it is ${document.documentElement.scrollWidth} wide`);
    for (const input of document.querySelectorAll("input,select,textarea,button,canvas[tabindex],[role=region]")) {
      const labels = [...(input.labels ?? [])].map((label) => label.textContent).join();
      if (!input.ariaLabel && !labels && !(input.tagName === "BUTTON" && input.textContent)) found.push(`${input.tagName} ${input.id} has no name`);
    }
    const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const painted = (colours) => {
      for (const colour of colours) (context.fillStyle = colour), context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => rgb.slice(0, 3).map((byte) => byte / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest(".hidden,caption,:disabled")) continue;
      const grounds = [];
      for (let each = element; each; each = each.parentElement) grounds.unshift(getComputedStyle(each).backgroundColor);
      const [ink, ground] = [painted([...grounds, getComputedStyle(element).color]), painted(grounds)].map(light);
      const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
      if (contrast < 4.5) found.push(`"${element.textContent}" has a contrast of ${contrast.toFixed(2)}`);
    }
    return found;
  });
  assert.deepEqual(wrong, [], where);
}

/** What a snippet answers when it is run where its files lie. */
async function run(page, language, files = {}) {
  await page.$$eval("#snippet input", (radios, value) => radios.find((radio) => radio.value === value).click(), language);
  const code = await text(page, "#code");
  for (const [name, bytes] of Object.entries(files)) await writeFile(`${scratch}/${name}`, bytes);
  const [program, how] = language === "curl" ? ["bash", "-c"] : ["python3", "-c"];
  return execFileSync(program, [how, code], { cwd: scratch, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
/** That both snippets do as they should. */
const both = async (page, check, files) => {
  for (const language of ["curl", "python"]) check(await run(page, language, files), language);
};
const predicted = (told) => JSON.parse(told).predictions;
const close = (told, wanted, what) => {
  assert.equal(told[0].label, wanted[0].label, what);
  told[0].scores.forEach(([name, score], k) => assert.ok(Math.abs(score - wanted[0].scores[k][1]) < 1e-4, `${what}: ${name}`));
};

// Records: a form, what is missing, rows, and both snippets.
const page = await open("penguins");
assert.equal(await page.title(), "penguins: playground");
for (const { name } of described.penguins.columns) assert.ok(await page.$(`#record [name="${name}"]`), `${name} can be put in`);
const usual = await submit(page, "#record");
for (const name of ["bill_length_mm", "sex"]) await page.$eval(`#record [name="${name}"]`, (input) => (input.value = ""));
await submit(page, "#record");
const asked = page.sent.findLast(({ path }) => path === "/predict/penguins");
const { bill_length_mm: length, sex, year } = JSON.parse(asked.body);
assert.deepEqual([length, sex, typeof year], [null, null, "number"]);
const { predictions } = await json("/predict/penguins", asked.body);
assert.equal(await text(page, ".best"), predictions[0].label);
const shares = await page.$$eval(".bars .n", (numbers) => numbers.map((number) => parseFloat(number.textContent)));
const sorted = predictions[0].scores.map(([, share]) => 100 * share).sort((a, b) => b - a);
sorted.forEach((share, k) => assert.ok(Math.abs(share - shares[k]) < 0.06, `${shares} are ${sorted}`));
const known = await facts(page);
for (const name of ["Model version", "In the server", "There and back", "Request"]) assert.ok(known[name], `${name} is told`);
await both(page, (told, language) => close(predicted(told), predictions, `${language} of a record`));
console.log(`penguins: typical values are answered ${usual.slice(0, 6)}; what is empty is null; curl and Python say the same`);

await page.click("input[value=many]");
await page.click("#example");
const rows = await page.$eval("#rows", (area) => area.value);
assert.equal(rows.split("\n")[0], described.penguins.columns.map(({ name }) => name).join(","));
const fill = (value) => page.$eval("#rows", (area, value) => (area.value = value), value);
const table = () => page.$$eval("#answer tbody tr", (lines) => lines.map((line) => line.cells[1].textContent));
const askRows = () => page.$eval("#rows", (area) => area.form.requestSubmit());
const byRows = () => after(page, askRows);
const line = rows.trim().split("\n")[1];
await fill(`${rows.trim()}\n${line}\n${line}\n`);
await byRows();
assert.equal((await table()).length, 3);
assert.match(page.sent.at(-1).headers["content-type"], /^text\/csv/);
await both(page, (told) => assert.equal(predicted(told).length, 3));
await fill(`${asked.body}\n\n${asked.body}`);
await byRows();
assert.deepEqual(await table(), Array(2).fill(predictions[0].label));
await both(page, (told, language) => close(predicted(told), predictions, `${language} of rows`));
const long = `${rows.trim()}\n${`${line}\n`.repeat(399)}`;
await fill(long);
await byRows();
assert.match(await text(page, "#answer"), /and 200 more rows/);
await both(page, (told) => assert.equal(predicted(told).length, 400), { "rows.csv": long });
await browser.defaultBrowserContext().overridePermissions(address, ["clipboard-read", "clipboard-write", "clipboard-sanitized-write"]);
await page.click("#copy");
await page.waitForFunction(() => document.getElementById("said").textContent === "Copied.");
assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await text(page, "#code"));
await fill('{"island": "Biscoe"}\n{"island": }');
await askRows();
assert.match(await troubled(page, /Record 2 is no JSON\./), /on each line/);
await fill("[1, 2]");
await askRows();
console.log(`penguins: CSV and JSON lines become tables; what is wrong is told: ${await troubled(page, /\./)}`);

// Explanations and feedback, where the server has them; in light, in dark and on a phone.
const kinds = [["light", {}], ["dark", { scheme: "dark" }], ["phone", { width: 390, height: 844 }], ["small", { width: 360, height: 640 }]];
const draw = async (page) => {
  await page.$eval("#draw", (canvas) => canvas.scrollIntoView({ block: "center" }));
  const place = await (await page.$("#draw")).boundingBox();
  const at = (x, y) => [place.x + x * place.width, place.y + y * place.height];
  await page.mouse.move(...at(0.5, 0.2));
  await page.mouse.down();
  for (let step = 0; step <= 20; step++) await page.mouse.move(...at(0.5, 0.2 + 0.03 * step));
  await page.mouse.up();
};
const asking = {
  penguins: (page) => submit(page, "#record"),
  names: async (page) => (await page.$eval("#text", (area) => (area.value = "Anna Maria")), submit(page, "#input form")),
  digits: (page) => after(page, () => draw(page)),
  letters: async (page) => (await page.$eval("#prompt", (area) => (area.value = "An")), submit(page, "#input form")),
};
for (const [kind, options] of kinds) {
  for (const name of Object.keys(asking)) {
    const page = await open(name, options);
    await looked(page, `${name} in ${kind}`);
    const { explain, feedback } = described[name];
    const explained = explain && name !== "letters";
    if (explained) await page.click("#explain");
    const told = await asking[name](page);
    if (name === "digits") assert.match(told, /^1/, `a line from above was read as ${told}`);
    if (explained) {
      await page.waitForSelector("#explanation h3");
      const what = { penguins: ".changes li", names: "#words mark", digits: "#heat" }[name];
      assert.ok(await page.$(what), `what speaks for the answer of ${name} is shown`);
      if (name === "names") assert.match(await text(page, "#words mark .hidden"), /\([+\u2212]?[\d.]+\)/);
      await page.$$eval("#explanation details", (all) => all.forEach((each) => (each.open = true)));
    }
    await page.$$eval("#card details", (all) => all.forEach((each) => (each.open = true)));
    await looked(page, `${name}, answered, in ${kind}`);
    await shot(page, `${name}-${kind}`);
    if (explained) {
      await page.click("#explain");
      assert.equal(await text(page, "#explanation"), "", "it is hidden when it is not wanted any more");
    }
    if (feedback && name !== "letters" && kind === "light") {
      const id = (await facts(page)).Request;
      await page.click("#right");
      await thanked(page);
      assert.deepEqual(JSON.parse(page.sent.at(-1).body), { request_id: id, label: await text(page, ".best") });
      await asking[name](page);
      const other = described[name].labels.find((label) => !told.startsWith(label));
      await page.select("#truth", other);
      await page.$eval("#truth", (input) => input.form.requestSubmit());
      await thanked(page);
      assert.equal(JSON.parse(page.sent.at(-1).body).label, other);
    }
    await page.close();
  }
  console.log(`${kind}: four models answer; contrast, names and width are well`);
}

// Images: a file, dropped, pasted, and by keys.
const digits = await open("digits");
await after(digits, () => draw(digits));
const png = Buffer.from(await digits.$eval("#draw", (canvas) => canvas.toDataURL().split(",")[1]), "base64");
await writeFile(`${scratch}/it's a digit.png`, png);
const wanted = (await json("/predict/digits", png, "image/png")).predictions;
await after(digits, async () => (await digits.$("#file")).uploadFile(`${scratch}/it's a digit.png`));
assert.equal(await text(digits, ".best"), wanted[0].label);
await both(digits, (told, language) => close(predicted(told), wanted, language), { "it's a digit.png": png });
const transfer = (kind) => digits.evaluate((kind, data) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], "d.png", { type: "image/png" }));
  const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true })
    : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.querySelector(".drop").dispatchEvent(event);
}, kind, png.toString("base64"));
for (const kind of ["paste", "drop"]) {
  await after(digits, () => transfer(kind));
  assert.equal(await text(digits, ".best"), wanted[0].label, `after a ${kind}`);
}
await writeFile(`${scratch}/no.png`, "this is no image");
await (await digits.$("#file")).uploadFile(`${scratch}/no.png`);
await troubled(digits, /no image that can be read/);
await digits.click("#clear");
await digits.focus("#draw");
const keyed = await after(digits, async () => {
  await digits.keyboard.press("Space");
  for (let step = 0; step < 16; step++) await digits.keyboard.press("ArrowDown");
});
assert.match(keyed, /^1/, `a line by keys was read as ${keyed}`);
console.log("digits: a file, a drop, a paste and keys ask; curl and Python send the same file");

// Texts: nothing in them means anything to the shell, to Python or to the page.
const names = await open("names");
const nasty = `O'Brien "x" \\ $HOME \`id\` $(id) !! é\u{1F600}<b>&amp;\n%00 {[*]} @x`;
await names.$eval("#text", (area, value) => (area.value = value), nasty);
await submit(names, "#input form");
const said = (await json("/predict/names", nasty, "text/plain; charset=utf-8")).predictions;
await both(names, (told, language) => close(predicted(told), said, `${language} of a text`));

// Continuations: equal seeds give equal texts; one is stopped.
const letters = await open("letters");
await letters.$eval("#prompt", (area) => (area.value = "Ma"));
await letters.$eval('[name="tokens"]', (input) => (input.value = "12"));
await submit(letters, "#input form");
const written = await text(letters, "#written");
await submit(letters, "#input form");
assert.equal(await text(letters, "#written"), written);
assert.deepEqual(JSON.parse(letters.sent.at(-1).body), { prompt: "Ma", tokens: 12, temperature: 0.8, seed: 0, stream: true });
assert.match(await run(letters, "curl"), /event: end/);
assert.equal((await run(letters, "python")).trim(), written.trim());
await letters.evaluate(() => {
  // A text that never ends by itself, to be stopped.
  const real = fetch;
  window.fetch = (address, sent) => (String(address).startsWith("/generate") ? Promise.resolve(new Response(new ReadableStream({
    start(source) {
      const tick = setInterval(() => source.enqueue(new TextEncoder().encode('data: {"text":"la "}\n\n')), 20);
      sent.signal.addEventListener("abort", () => (clearInterval(tick), source.error(sent.signal.reason)));
    },
  }))) : real(address, sent));
});
await letters.$eval("#input form", (form) => form.requestSubmit());
await letters.waitForFunction(() => document.getElementById("written")?.textContent.startsWith("la la la"));
await letters.focus("#stop");
await letters.keyboard.press("Enter");
await letters.waitForFunction(() => document.getElementById("answer").textContent.endsWith("Stopped."));
assert.equal(await letters.evaluate(() => document.activeElement.textContent), "Continue", "whoever stopped by keys goes on from there");
// Another model, by the choice; the address remembers it.
await letters.select("#model", "penguins");
await letters.waitForSelector("html[data-ready=yes] #record");
assert.equal(new URL(letters.url()).hash, "#penguins");
await letters.evaluate(() => (location.hash = "names"));
await letters.waitForSelector("html[data-ready=yes] #text");
await letters.goBack();
await letters.waitForSelector("html[data-ready=yes] #record");
// By keys alone: to the button, with a mark around whatever has the focus.
await letters.focus("#model");
for (let tab = 0; tab < 30 && (await letters.evaluate(() => document.activeElement.textContent)) !== "Ask"; tab++) {
  await letters.keyboard.press("Tab");
  const outlines = await letters.evaluate(() => [document.activeElement, document.activeElement.nextElementSibling]
    .map((each) => each && getComputedStyle(each).outlineStyle));
  assert.ok(outlines.includes("solid"), "what has the focus is marked");
}
await after(letters, () => letters.keyboard.press("Enter"));
console.log(`letters: "Ma" goes on as "${written}" each time, and in Python; a text is stopped; keys alone ask`);

// What no such server says: a key, one that is not ready, too much at once, many classes, numbers, tensors.
const locked = await open("penguins", {
  ready: "key",
  between: (path, request) => (path.startsWith("/playground") || path === "/" || request.headers().authorization === "Bearer right" ? null
    : { status: 401, body: { error: "a key is wanted" } }),
});
const unlock = async (key) => (await locked.type("#key", key), locked.keyboard.press("Enter"));
await looked(locked, "the field for a key");
await shot(locked, "key");
await unlock("wrong");
await troubled(locked, /not taken/);
await unlock("right");
await locked.waitForSelector("html[data-ready=yes] #record");
await submit(locked, "#record");
const code = await text(locked, "#code");
assert.ok(code.includes("Bearer $FIREBOX_KEY") && !code.includes("right"), "the key is in no snippet");
assert.equal(await locked.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0, "and stored nowhere");
let opening = 0;
const slow = await open("digits", {
  ready: "no",
  between: (path) => (path === "/describe/digits" && (opening += 1) === 1
    ? { status: 503, headers: { "Retry-After": "1" }, body: { error: "the model `digits` is not ready yet", hint: "ask again in a moment" } } : null),
});
await troubled(slow, /not ready yet\.Ask again in a moment\./);
await slow.waitForSelector("html[data-ready=yes] #draw", { timeout: 10_000 });
assert.ok(await slow.$eval("#trouble", (place) => place.hidden));
const mute = await open("penguins", { between: (path) => (path.startsWith("/explain")
  ? { status: 500, body: { error: "no explanation was found" } }
  : path === "/describe/penguins" ? { body: { ...described.penguins, explain: true } } : null) });
await mute.click("#explain");
await submit(mute, "#record");
await troubled(mute, /No explanation was found\./);
assert.ok(await mute.$(".best"), "the answer stays where its explanation fails");
const busy = { status: 429, headers: { "Retry-After": "7" }, body: { error: "too many requests" } };
const eager = await open("penguins", { between: (path) => (path.startsWith("/predict") ? busy : null) });
await eager.$eval("#record", (form) => form.requestSubmit());
await troubled(eager, /Too many requests\.It is worth asking again in 7 s\./);
await looked(eager, "trouble");
await shot(eager, "trouble");
const evil = "<img src=x onerror=alert(1)>";
const labels = Array.from({ length: 1000 }, (_, k) => (k === 5 ? evil : `class ${k}`));
const scores = labels.map((label, k) => [label, (k === 5 ? 0.5 : 0.5 / 999)]);
const of = (more, prediction) => (path) => {
  if (path === "/describe/penguins") return { body: { ...described.penguins, ...more } };
  if (path === "/feedback") return { status: 202, body: {} };
  const body = { model_version: "1", milliseconds: 1, predictions: [{ id: "request", ...prediction }] };
  return path === "/predict/penguins" ? { body, headers: { "X-Request-Id": "r-1" } } : null;
};
const many = await open("penguins", { width: 390, between: of({ labels, feedback: true, explain: false }, { label: evil, scores }) });
await submit(many, "#record");
assert.equal(await many.$$eval(".bars li", (lines) => lines.length), 10);
assert.equal(await text(many, ".best"), evil);
assert.equal(await many.$("main img"), null, "a text of the server stays a text");
assert.match(await text(many, "#answer"), /and 990 less likely ones/);
await looked(many, "many classes");
const regression = { task: "regress", labels: undefined, feedback: true, explain: false };
const number = await open("penguins", { between: of(regression, { scores: [["price", 12345.678]] }) });
await submit(number, "#record");
assert.equal(await text(number, ".best"), "12345.7");
await number.type("#truth", "3.2");
await number.keyboard.press("Enter");
await thanked(number);
assert.deepEqual(JSON.parse(number.sent.at(-1).body), { request_id: "r-1", value: 3.2 });
const worst = { scores: [["anomaly_score", 1.5], ["percentile", 98]], label: "unusual", unusual: [["sex", 0.7], ["year", 0.3]] };
const odd = await open("penguins", { between: of({ task: "reconstruct", labels: undefined, explain: false }, worst) });
assert.match(await submit(odd, "#record"), /unusual.*anomaly_score1\.5.*sex70\.0 %/s);
await shot(odd, "unusual");
const tensors = await open("penguins", { between: of({ task: "forecast", takes: "tensors" }) });
assert.match(await text(tensors, "#code"), /\/v2\/models\/penguins\/infer/);
await both(tensors, (told) => assert.ok(JSON.parse(told).outputs.length > 0));
await looked(tensors, "tensors");
await shot(tensors, "tensors");
console.log("keys, waiting, trouble, a thousand classes, numbers, what is unusual, and tensors are shown as they should be");

await browser.close();
await rm(scratch, { recursive: true });
assert.deepEqual(strangers, [], "something was loaded from elsewhere, or failed in the page");
console.log("nothing was loaded from elsewhere, and nothing failed in the page");
