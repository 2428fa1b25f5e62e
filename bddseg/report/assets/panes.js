// Panes of the viewer: each shows a layer over the frame, and all zoom and pan in step.

const MAX_ZOOM = 32;
const panes = find("panes");
// Offsets are in percent of a pane, so that they are the same in panes of any size.
const camera = { zoom: 1, x: 0, y: 0 };
const pointers = new Map(); // id of a pointer -> where it is

function makeStage(index, layer) {
  const stage = make("div", { className: "stage" });
  if (hasLayer(index, 0)) stage.append(make("img", { src: getImage(index, "frame"), alt: "", draggable: false }));
  const bit = report.layers.indexOf(layer);
  if (layer.kind !== "frame" && hasLayer(index, bit)) {
    stage.append(make("img", { className: "over", src: getImage(index, layer.key, layer.suffix), alt: "", draggable: false }));
  }
  return stage;
}

function describeLayer(index, layer) {
  return hasLayer(index, report.layers.indexOf(layer)) ? layer.label : `${layer.label}: there is none`;
}

function makePane(index, layer) {
  const label = describeLayer(index, layer);
  return make(
    "figure",
    { className: "pane", role: "img", ariaLabel: `${label} of ${report.names[index]}` },
    makeStage(index, layer),
    make("figcaption", {}, label),
  );
}

function makeSlider(index, left, right) {
  const halves = [left, right].map((layer) => make("div", { className: "half" }, makeStage(index, layer)));
  const divider = make("div", { id: "divider", role: "slider", tabIndex: 0, ariaLabel: "Share of the left image", ariaValueMin: "0", ariaValueMax: "100" });
  const pane = make(
    "figure",
    { className: "pane" },
    ...halves,
    make("figcaption", {}, describeLayer(index, left)),
    make("figcaption", { className: "second" }, describeLayer(index, right)),
    divider,
  );
  divider.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = pane.getBoundingClientRect();
    setSplit((100 * (event.clientX - box.left)) / box.width);
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2, PageDown: -10, PageUp: 10 }[event.key];
    if (!step && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    event.stopPropagation();
    setSplit({ Home: 0, End: 100 }[event.key] ?? split + step);
  });
  return pane;
}

let split = 50;

function setSplit(percent) {
  split = Math.min(100, Math.max(0, percent));
  panes.style.setProperty("--split", `${split}%`);
  find("divider")?.setAttribute("aria-valuenow", String(Math.round(split)));
}

// As many columns as make the images largest.
function arrangePanes() {
  const count = panes.childElementCount;
  const { width, height } = panes.getBoundingClientRect();
  let best = [0, 1];
  for (let columns = 1; columns <= count; columns += 1) {
    const size = Math.min(width / columns, (height / Math.ceil(count / columns)) * (16 / 9));
    if (size > best[0]) best = [size, columns];
  }
  panes.style.gridTemplateColumns = `repeat(${best[1]}, minmax(0, 1fr))`;
}

function setCamera(zoom, x, y) {
  camera.zoom = Math.min(MAX_ZOOM, Math.max(1, zoom));
  const lowest = 100 * (1 - camera.zoom);
  camera.x = Math.min(0, Math.max(lowest, x));
  camera.y = Math.min(0, Math.max(lowest, y));
  panes.style.setProperty("--zoom", camera.zoom);
  panes.style.setProperty("--x", `${camera.x}%`);
  panes.style.setProperty("--y", `${camera.y}%`);
  panes.classList.toggle("zoomed", camera.zoom > 3);
  find("zoom-reset").textContent = `${Math.round(100 * camera.zoom)} %`;
}

// Zoom so that what is at a point, in percent of a pane, stays there.
function zoomAt(factor, atX = 50, atY = 50) {
  const zoom = Math.min(MAX_ZOOM, Math.max(1, camera.zoom * factor));
  const scale = zoom / camera.zoom;
  setCamera(zoom, atX - (atX - camera.x) * scale, atY - (atY - camera.y) * scale);
}

function locate(event) {
  const pane = event.target.closest(".pane") ?? panes.firstElementChild;
  const box = pane.getBoundingClientRect();
  return { x: (100 * (event.clientX - box.left)) / box.width, y: (100 * (event.clientY - box.top)) / box.height, box };
}

const spread = () => {
  const [first, second] = [...pointers.values()];
  return Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY);
};

panes.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { x, y } = locate(event);
  zoomAt(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), x, y);
}, { passive: false });
panes.addEventListener("dblclick", (event) => {
  const { x, y } = locate(event);
  if (camera.zoom > 1) setCamera(1, 0, 0);
  else zoomAt(4, x, y);
});
panes.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, event);
  event.target.setPointerCapture?.(event.pointerId);
  panes.classList.add("dragging");
});
panes.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const { x, y, box } = locate(event);
  if (pointers.size === 1) {
    const shiftX = (100 * (event.clientX - before.clientX)) / box.width;
    const shiftY = (100 * (event.clientY - before.clientY)) / box.height;
    setCamera(camera.zoom, camera.x + shiftX, camera.y + shiftY);
    pointers.set(event.pointerId, event);
  } else {
    const earlier = spread();
    pointers.set(event.pointerId, event);
    zoomAt(spread() / Math.max(1, earlier), x, y);
  }
});
for (const type of ["pointerup", "pointercancel"]) {
  panes.addEventListener(type, (event) => {
    pointers.delete(event.pointerId);
    panes.classList.toggle("dragging", pointers.size > 0);
  });
}
new ResizeObserver(arrangePanes).observe(panes);
