// The page's only script: a line that follows the pointer over a chart, with the time and the
// values under it. The page is complete without it. It runs in the reader's browser, builds text
// only through textContent, and is named by its hash in the page's content security policy.

export const SCRIPT = `
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const readout = document.createElement("div");
  readout.className = "readout";
  document.body.append(readout);
  const show = (value) => Math.round(value).toLocaleString("en-US");
  const micros = (ms) => (ms < 0 ? "\\u2212" : "+") + Math.abs(ms * 1000).toFixed(1) + " \\u00b5s";
  const nearest = (list, value) => {
    let low = 0, high = list.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (list[middle] < value) low = middle; else high = middle;
    }
    return value - list[low] < list[high] - value ? low : high;
  };
  for (const svg of document.querySelectorAll("figure svg")) {
    const plots = [...svg.querySelectorAll(".plot")].map((g) => ({
      x0: +g.dataset.x0, x1: +g.dataset.x1, y0: +g.dataset.y0, y1: +g.dataset.y1,
      from: +g.dataset.from, to: +g.dataset.to, relative: "relative" in g.dataset,
      values: g.dataset.values ? JSON.parse(g.dataset.values) : null,
    }));
    if (plots.length === 0) continue;
    const cursor = document.createElementNS(NS, "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("visibility", "hidden");
    svg.append(cursor);
    const hide = () => {
      cursor.setAttribute("visibility", "hidden");
      readout.style.display = "none";
    };
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale;
      const y = (event.clientY - box.top) * scale;
      const plot = plots.find((p) => x >= p.x0 && x <= p.x1 && y >= p.y0 - 12 && y <= p.y1 + 12);
      if (!plot) return hide();
      const time = plot.from + ((x - plot.x0) / (plot.x1 - plot.x0)) * (plot.to - plot.from);
      let text = plot.relative ? micros(time) : (time / 1000).toFixed(3) + " s";
      if (plot.values) {
        const index = nearest(plot.values.at, time);
        for (const { name, values } of plot.values.series) {
          text += "\\n" + name + " " + show(values[index]);
        }
      }
      for (const [name, value] of [["x1", x], ["x2", x], ["y1", plot.y0], ["y2", plot.y1]]) {
        cursor.setAttribute(name, value);
      }
      cursor.setAttribute("visibility", "visible");
      readout.textContent = text;
      readout.style.display = "block";
      const left = Math.min(event.clientX + 14, innerWidth - readout.offsetWidth - 8);
      readout.style.left = Math.max(4, left) + "px";
      readout.style.top = Math.max(4, event.clientY - readout.offsetHeight - 10) + "px";
    });
  }
})();
`;
