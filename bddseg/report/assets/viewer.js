// The viewer: one frame with all its layers, and the way through the frames that are listed.

const viewer = find("viewer");
const OPACITY = 60;
const firstOf = (...kinds) => report.layers.find((layer) => kinds.includes(layer.kind)) ?? report.layers[0];
const predictions = report.layers.filter((layer) => layer.kind === "mask");
const view = {
  index: 0,
  mode: "all",
  layer: firstOf("errors", "mask"),
  before: firstOf("frame"), // the layer that was shown before, to swap with
  left: predictions.length > 1 ? predictions[0] : firstOf("truth", "frame"),
  right: predictions[1] ?? predictions[0],
};

const listShown = () => state.shown.filter(hasImages);

function openViewer(index) {
  view.index = index;
  if (!viewer.open) viewer.showModal();
  setCamera(1, 0, 0);
  showFrame();
}

function showFrame() {
  const { index } = view;
  const shown = listShown();
  const position = shown.indexOf(index);
  find("viewer-name").textContent = report.names[index];
  find("viewer-position").textContent = position < 0 ? "" : `${(position + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}${describeConditions(index)}`;
  find("viewer-scores").replaceChildren(...listNumbers(index).map((each) => makeNumber(each, report.columns[0])));
  find("previous").disabled = position <= 0;
  find("next").disabled = position < 0 || position === shown.length - 1;
  history.replaceState(null, "", `#frame=${encodeURIComponent(report.names[index])}`);
  showPanes();
  for (const neighbor of [shown[position + 1], shown[position - 1]]) preload(neighbor);
}

function describeConditions(index) {
  return report.conditions.map((condition) => ` · ${condition.values[condition.index[index]]}`).join("");
}

function preload(index) {
  if (index === undefined || report.folder === null) return;
  report.layers.forEach((layer, bit) => {
    if (hasLayer(index, bit)) new Image().src = getImage(index, layer.key, layer.suffix);
  });
}

function showPanes() {
  const { index, mode } = view;
  const content = {
    all: () => report.layers.filter((_, bit) => hasLayer(index, bit)).map((layer) => makePane(index, layer)),
    single: () => [makePane(index, view.layer)],
    slider: () => [makeSlider(index, view.left, view.right)],
  }[mode]();
  panes.replaceChildren(...content);
  arrangePanes();
  setSplit(split);
  for (const button of viewer.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === mode));
  for (const button of find("layer-buttons").children) button.setAttribute("aria-pressed", String(mode === "single" && button.dataset.key === view.layer.key));
  find("slider-choice").hidden = mode !== "slider";
  find("layer-buttons").hidden = mode === "slider";
  find("left").value = view.left.key;
  find("right").value = view.right.key;
  showLegend();
}

function showLegend() {
  const visible = { all: report.layers, single: [view.layer], slider: [view.left, view.right] }[view.mode];
  const kinds = new Set(visible.map((layer) => layer.kind));
  find("viewer-legend").replaceChildren(...makeLegend([...kinds]));
}

function setMode(mode) {
  view.mode = mode;
  showPanes();
}

function showLayer(layer) {
  if (!layer) return;
  if (layer !== view.layer) view.before = view.layer;
  view.layer = layer;
  setMode("single");
}

function step(distance) {
  const shown = listShown();
  const position = shown.indexOf(view.index) + distance;
  if (position < 0 || position >= shown.length) return;
  view.index = shown[position];
  showFrame();
}

function setOpacity(percent) {
  find("opacity").value = percent;
  panes.style.setProperty("--opacity", percent / 100);
}

function toggleHelp(open = find("keys").hidden) {
  find("keys").hidden = !open;
  find("help").setAttribute("aria-expanded", String(open));
}

const actions = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  Home: () => step(-listShown().indexOf(view.index)),
  End: () => step(listShown().length - 1 - listShown().indexOf(view.index)),
  a: () => setMode("all"),
  s: () => setMode("slider"),
  f: () => showLayer(view.mode === "single" ? view.before : view.layer),
  o: () => setOpacity(Number(find("opacity").value) ? 0 : OPACITY),
  "+": () => zoomAt(1.5),
  "=": () => zoomAt(1.5),
  "-": () => zoomAt(1 / 1.5),
  0: () => setCamera(1, 0, 0),
  "?": () => toggleHelp(),
};

// On the document: when the button that has the focus is disabled, the focus leaves the dialog.
document.addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!viewer.open || modified || event.target.matches("select, input")) return;
  const number = Number(event.key);
  const action = number >= 1 ? () => showLayer(report.layers[number - 1]) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
viewer.addEventListener("close", () => {
  toggleHelp(false);
  history.replaceState(null, "", location.pathname + location.search);
  const card = gallery.querySelector(`[data-index="${view.index}"]`);
  card?.focus();
});
find("close").addEventListener("click", () => viewer.close());
find("previous").addEventListener("click", () => step(-1));
find("next").addEventListener("click", () => step(1));
find("help").addEventListener("click", () => toggleHelp());
find("zoom-in").addEventListener("click", () => zoomAt(1.5));
find("zoom-out").addEventListener("click", () => zoomAt(1 / 1.5));
find("zoom-reset").addEventListener("click", () => setCamera(1, 0, 0));
find("opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
for (const button of viewer.querySelectorAll("[data-view]")) button.addEventListener("click", () => setMode(button.dataset.view));
report.layers.forEach((layer, number) => {
  const key = number < 9 ? [make("kbd", {}, String(number + 1))] : [];
  const button = make("button", { type: "button" }, ...key, layer.label);
  button.dataset.key = layer.key;
  button.addEventListener("click", () => showLayer(layer));
  find("layer-buttons").append(button);
  for (const side of ["left", "right"]) find(side).append(make("option", { value: layer.key }, layer.label));
});
for (const side of ["left", "right"]) {
  find(side).addEventListener("change", (event) => {
    view[side] = report.layers.find((layer) => layer.key === event.target.value);
    showPanes();
  });
}

function openFromAddress() {
  const match = /^#frame=(.*)$/.exec(location.hash);
  const index = match ? report.names.indexOf(decodeURIComponent(match[1])) : -1;
  if (index >= 0 && hasImages(index)) openViewer(index);
}

setOpacity(OPACITY);
sortBy(state.sort);
drawHistogram(find("quantity").value, state.range, chooseRange);
addEventListener("hashchange", openFromAddress);
openFromAddress();
