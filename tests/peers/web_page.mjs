// Does a page answer in a browser as the network did, to whoever draws, drops, types or tabs? Asks headless Chromium.
//
//     node web_page.mjs ADDRESS SCREENSHOTS PHOTO          # web_page.sh calls it, in a folder with puppeteer-core
//
// ADDRESS shows a folder for each page: `image` (digits), `columns`, `text`, `series`, and `broken`, of which a golden answer was changed.
// PHOTO.png is a picture of another size, to which `firebox predict` answered what stands in PHOTO.json.
// Says what was seen, and ends with 1 at the first thing that is wrong. CHROMIUM names the browser.

import { createRequire } from "node:module";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import assert from "node:assert/strict";

const puppeteer = createRequire(`${process.cwd()}/`)("puppeteer-core");
const [address, shots, photo] = process.argv.slice(2);
await mkdir(shots, { recursive: true });
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const strangers = [];

async function open(name, query = "", { scheme = "light", width = 1100, height = 900 } = {}) {
  const page = await browser.newPage();
  await page.setViewport({ width, height, isMobile: width < 600, hasTouch: width < 600 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  page.on("request", (request) => {
    if (!request.url().startsWith(address) && !/^(data|blob):/.test(request.url())) strangers.push(request.url());
  });
  page.on("pageerror", (error) => strangers.push(String(error)));
  await page.goto(`${address}/${name}/${query}`);
  await page.waitForSelector("html[data-ready]", { timeout: 60_000 });
  return page;
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);
const verdict = (page) => page.$eval("#self-test", (element) => ({ ...element.dataset, told: element.textContent }));
/** The answer, once the page has told how long it took; what was told before is wiped first. */
async function after(page, doing) {
  await page.$eval("#time", (element) => (element.textContent = ""));
  await doing();
  await page.waitForFunction(() => document.getElementById("time").textContent.startsWith("Answered in "), { timeout: 20_000 });
  return text(page, "#answer");
}

// Golden answers.
for (const name of ["image", "columns", "text", "series"]) {
  const page = await open(name, "?self-test");
  const { result, largest, told } = await verdict(page);
  assert.equal(result, "PASS", `${name}: ${told} ${await text(page, "#trouble")}`);
  assert.ok(Number(largest) <= 1e-4);
  console.log(`${name}: ${told}`);
  const answer = await after(page, () => page.select("#sample", "0"));
  assert.ok(answer.length > 0);
  if (name !== "image") assert.equal(await after(page, async () => (await page.focus("#input button"), page.keyboard.press("Enter"))), answer);
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  await page.close();
}
const broken = await open("broken", "?self-test");
assert.equal((await verdict(broken)).result, "FAIL");
console.log(`broken: ${(await verdict(broken)).told}`);
await broken.close();

// Digits: drawn by pointer and by keys, and as a file.
for (const [kind, options] of [["light", {}], ["dark", { scheme: "dark" }], ["phone", { width: 390, height: 844 }]]) {
  const page = await open("image", "", options);
  assert.equal(await page.$eval("#self-test", (element) => element.textContent), "", "nobody asked for a test");
  const place = await (await page.$("#draw")).boundingBox();
  const at = (x, y) => [place.x + x * place.width, place.y + y * place.height];
  const drawn = await after(page, async () => {
    await page.mouse.move(...at(0.5, 0.2));
    await page.mouse.down();
    for (let step = 0; step <= 20; step++) await page.mouse.move(...at(0.5, 0.2 + 0.03 * step));
    await page.mouse.up();
  });
  assert.match(drawn, /^1/, `a line from above was read as ${drawn}`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "it is wider than the window");
  await page.screenshot({ path: `${shots}/image-${kind}.png`, fullPage: true });
  console.log(`${kind}: a line is read as 1; ${await text(page, "#time")}`);
  await page.close();
}
const page = await open("image");
const golden = await after(page, () => page.select("#sample", "0"));
const url = await page.$eval("figure canvas", (canvas) => canvas.toDataURL("image/png"));
await writeFile(`${shots}/digit.png`, Buffer.from(url.split(",")[1], "base64"));
const uploaded = await after(page, async () => (await page.$("#file")).uploadFile(`${shots}/digit.png`));
assert.equal(uploaded, golden, "a file is answered as the sample that it shows");
const [{ scores }] = JSON.parse(await readFile(`${photo}.json`));
await after(page, async () => (await page.$("#file")).uploadFile(`${photo}.png`));
const bars = await page.$$eval(".bars li", (lines) => lines.map((line) => [line.children[0].textContent, parseFloat(line.children[2].textContent)]));
const off = Math.max(...scores.map(([label, share]) => Math.abs(100 * share - new Map(bars).get(label))));
const told = scores.map(([label, share]) => `${label} ${(100 * share).toFixed(1)} %`).join(", ");
assert.ok(off < 0.5, `a photo is answered ${bars} and by firebox predict ${told}`);
console.log(`a photo of another size: firebox predict says ${told}; the page is off by ${off.toFixed(2)} points at most`);
// By keys alone: to the place to draw, a line downwards; to the button, which checks.
await page.focus("#draw");
const keyed = await after(page, async () => {
  await page.keyboard.press("Space");
  for (let step = 0; step < 16; step++) await page.keyboard.press("ArrowDown");
});
assert.match(keyed, /^1/, `a line by keys was read as ${keyed}`);
for (let tab = 0; tab < 12 && (await page.evaluate(() => document.activeElement.id)) !== "check"; tab++) await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
await page.waitForFunction(() => document.getElementById("self-test").dataset.result === "PASS", { timeout: 20_000 });
console.log("a file is answered as the sample it shows; keys draw, and check the samples");

await browser.close();
assert.deepEqual(strangers, [], "something was loaded from elsewhere, or failed in the page");
console.log("nothing was loaded from elsewhere");
