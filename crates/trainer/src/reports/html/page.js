// Shows the values under the pointer. The page is complete without it.
for (const area of document.querySelectorAll(".area")) {
  const [x0, x1] = area.dataset.x.split(" ").map(Number), [y0, y1] = area.dataset.y.split(" ").map(Number);
  const log = area.dataset.log === "1";
  const value = t => log ? y0 * Math.exp(t * Math.log(y1 / y0)) : y0 + t * (y1 - y0);
  let curves, cursor, tip;
  const leave = () => { cursor?.remove(); tip?.remove(); cursor = tip = null; };
  area.addEventListener("pointerleave", leave);
  area.addEventListener("pointermove", event => {
    curves ??= [...area.querySelectorAll(".line")].map(path => ({ name: path.dataset.name, points:
      [...path.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(m => [m[1] / 1000, 1 - m[2] / 1000]) }));
    const box = area.getBoundingClientRect(), at = (event.clientX - box.left) / box.width;
    const nearest = curves.filter(c => c.points.length).map(c => ({ name: c.name,
      point: c.points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a) }));
    if (!nearest.length) return;
    const x = nearest.reduce((a, b) => Math.abs(b.point[0] - at) < Math.abs(a.point[0] - at) ? b : a).point[0];
    if (!cursor) {
      cursor = area.appendChild(document.createElement("div"));
      cursor.className = "cursor";
      tip = area.appendChild(document.createElement("div"));
      tip.className = "tip";
    }
    cursor.style.left = x * 100 + "%";
    tip.textContent = ["step " + Math.round(x0 + x * (x1 - x0)).toLocaleString("en")].concat(nearest.map(n =>
      n.name + "  " + Number(value(n.point[1]).toPrecision(4)))).join("\n");
    tip.style.left = x < .5 ? `calc(${x * 100}% + 10px)` : "auto";
    tip.style.right = x < .5 ? "auto" : `calc(${(1 - x) * 100}% + 10px)`;
  });
}
