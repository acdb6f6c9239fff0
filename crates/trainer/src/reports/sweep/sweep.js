// Shows the trial under the pointer in every drawing, sorts and filters the table, and copies. The page is complete without it.
const island = JSON.parse(document.getElementById("trials").textContent);
const areas = [...document.querySelectorAll(".area")], unseen = document.querySelector(".unseen");
let tip, pinned = null, current = null;

// What an area draws: of each piece its trial, its points from 0 to 1, and its path.
const pieces = area => area.pieces ??= [...area.querySelectorAll("path[data-n]:not(.hole):not(.ring)")].flatMap(path => {
  const numbers = path.dataset.n.split(" "), kind = ["span", "curve"].find(name => path.classList.contains(name)) ?? "dot";
  return path.getAttribute("d").split("M").slice(1).map((d, index) => ({ n: numbers[index], kind, d,
    points: [...d.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(m => [m[1] / 1000, m[2] / 1000]) }));
});
const of = (area, n) => {
  area.byTrial ??= pieces(area).reduce((map, piece) => map.set(piece.n, [...map.get(piece.n) ?? [], piece]), new Map());
  return area.byTrial.get(n) ?? [];
};

function distance(piece, x, y, width, height) {
  let least = Infinity, before = null;
  for (const [px, py] of piece.points) {
    const here = [px * width - x, py * height - y];
    least = Math.min(least, Math.hypot(...here));
    if (before) {
      const [dx, dy] = [here[0] - before[0], here[1] - before[1]], long = dx * dx + dy * dy;
      const t = long ? Math.max(0, Math.min(1, -(before[0] * dx + before[1] * dy) / long)) : 0;
      least = Math.min(least, Math.hypot(before[0] + t * dx, before[1] + t * dy));
    }
    before = here;
  }
  return least;
}

function nearest(area, event) {
  const box = area.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let best = null, least = 26;
  for (const piece of pieces(area)) {
    // Of what lies on one spot the one in front.
    const here = distance(piece, x, y, box.width, box.height);
    if (here <= least) [best, least] = [piece, here];
  }
  return best && { n: best.n, x: x / box.width, y: y / box.height };
}

function text(n) {
  const [state, values, settings] = island.trials[n] ?? ["", [], []];
  const named = (names, all) => names.map((name, index) => all[index] == null ? "" : `${name}  ${all[index]}`).filter(line => line);
  return [`trial ${n} · ${state}`, ...named(island.values, values), ...named(island.settings, settings)].join("\n");
}

// Shows a trial everywhere; none if there is no number.
function show(n, area, at) {
  tip?.remove();
  tip = null;
  if (n !== current) {
    document.querySelectorAll("path.chosen").forEach(path => path.remove());
    document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
    if (n != null) {
      for (const each of areas) {
        for (const piece of of(each, n)) {
          for (const kind of piece.kind === "dot" ? ["dot", "dot in"] : [piece.kind]) {
            const path = each.querySelector("path").cloneNode();
            path.removeAttribute("data-n");
            path.setAttribute("class", "chosen " + kind);
            path.setAttribute("d", "M" + piece.d);
            each.querySelector("svg").append(path);
          }
        }
      }
      document.querySelectorAll(`tr[data-n="${n}"]`).forEach(row => row.classList.add("chosen"));
    }
    current = n;
  }
  if (n == null || !area) return;
  tip = area.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.textContent = text(n);
  const [x, y] = [at.x, at.y];
  tip.style.left = x < .5 ? `calc(${x * 100}% + 14px)` : "auto";
  tip.style.right = x < .5 ? "auto" : `calc(${(1 - x) * 100}% + 14px)`;
  tip.style.top = y < .5 ? `${y * 100}%` : "auto";
  tip.style.bottom = y < .5 ? "auto" : `${(1 - y) * 100}%`;
}

for (const area of areas) {
  if (!area.querySelector("path[data-n]")) continue;
  let waits = false;
  area.addEventListener("pointermove", event => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      const found = nearest(area, event);
      show(found?.n ?? pinned, found && area, found);
    });
  });
  area.addEventListener("pointerleave", () => show(pinned));
  area.addEventListener("blur", () => show(pinned));
  area.addEventListener("click", event => {
    const found = nearest(area, event);
    pinned = found && found.n !== pinned ? found.n : null;
    show(pinned, found && pinned && area, found);
  });
  area.addEventListener("keydown", event => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") return show(pinned = null);
    if (event.key === "Enter") return void (pinned = pinned === current ? null : current);
    if (!(event.key in steps)) return;
    event.preventDefault();
    // From left to right; lines that begin together from the front to the back.
    area.order ??= [...new Set([...pieces(area)].reverse().sort((a, b) => a.points[0][0] - b.points[0][0]).map(piece => piece.n))];
    const place = area.order.indexOf(current), last = area.order.length - 1;
    const next = place < 0 ? 0 : Math.max(0, Math.min(last, place + steps[event.key]));
    const [x, y] = of(area, area.order[next])[0].points.at(-1);
    show(area.order[next], area, { x, y });
    unseen.textContent = text(current).replaceAll("\n", ", ");
  });
}

for (const table of document.querySelectorAll("table.trials")) {
  const body = table.tBodies[0], rows = [...body.rows], headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => row.cells[column].dataset.v === undefined ? row.cells[column].textContent : Number(row.cells[column].dataset.v);
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)], missing = (x === "–") - (y === "–");
        if (missing) return missing;
        const apart = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
        return down ? -apart : apart;
      };
      body.append(...rows.sort(order));
    });
  });
  const tools = table.closest(".card").querySelector(".tools"), [find, state] = tools.querySelectorAll("input,select");
  const count = tools.querySelector("[role=status]");
  const filter = () => {
    const word = find.value.trim().toLowerCase();
    let seen = 0;
    for (const row of rows) {
      row.hidden = !((!word || row.textContent.toLowerCase().includes(word)) && (!state.value || row.cells[1].firstChild.textContent === state.value));
      seen += !row.hidden;
    }
    count.textContent = seen === rows.length ? `${seen} trials` : `${seen} of ${rows.length} trials`;
  };
  find.addEventListener("input", filter);
  state.addEventListener("change", filter);
  tools.hidden = false;
  body.addEventListener("click", event => {
    const n = event.target.closest("tr")?.dataset.n;
    if (n) show(pinned = pinned === n ? null : n);
  });
}

for (const holder of document.querySelectorAll(".copied")) {
  const source = holder.firstElementChild, button = holder.appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      done = "Selected";
    }
    button.textContent = done;
    unseen.textContent = done;
    setTimeout(() => button.textContent = "Copy", 1500);
  });
}
