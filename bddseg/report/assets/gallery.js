// The frames as cards: filtered, sorted, and added to the page as it is scrolled.

const CARDS_AT_ONCE = 48;
const BY_NAME = -1;

const state = {
  text: "",
  conditions: new Map(), // name of an attribute -> number of its value
  range: null, // a bar of the histogram
  sort: report.columns.length ? 0 : BY_NAME,
  descending: false,
  shown: [], // indices of the frames that are listed, in their order
};

const searchable = report.names.map((name) => name.toLowerCase());
const someWithout = report.present.some((bits) => bits === 0);
const gallery = find("gallery");

function matches(index) {
  if (someWithout && find("with-images").checked && !hasImages(index)) return false;
  if (state.text && !searchable[index].includes(state.text)) return false;
  for (const condition of report.conditions) {
    const wanted = state.conditions.get(condition.name);
    if (wanted !== undefined && condition.index[index] !== wanted) return false;
  }
  if (!state.range) return true;
  const { column, low, high, last } = state.range;
  const value = column.values[index];
  // The last bin holds its upper limit, too; numbers have two decimals.
  return value !== null && value >= low - 1e-9 && (last ? value <= high + 1e-9 : value < high - 1e-9);
}

// Frames without a number come last, in both orders; equal ones stay in the order of names.
function compare(first, second) {
  const sign = state.descending ? -1 : 1;
  if (state.sort === BY_NAME) return sign * (first - second);
  const values = report.columns[state.sort].values;
  const [a, b] = [values[first], values[second]];
  if (a === null || b === null) return (a === null) - (b === null) || first - second;
  return sign * (a - b) || first - second;
}

function update() {
  state.shown = [...report.names.keys()].filter(matches).sort(compare);
  gallery.replaceChildren();
  if (!state.shown.length) gallery.append(make("li", { className: "empty" }, "No frame fits these filters."));
  addCards();
  const total = report.names.length;
  const number = state.shown.length;
  find("count").textContent = number === total ? formatCount(total, "frame") : `${number.toLocaleString("en")} of ${formatCount(total, "frame")}`;
  find("range").hidden = !state.range;
  find("range").textContent = state.range ? `${state.range.text} ✕` : "";
  find("reset").hidden = number === total;
  find("order").textContent = state.descending ? "↓ high first" : "↑ low first";
  if (state.sort === BY_NAME) find("order").textContent = state.descending ? "↓ Z to A" : "↑ A to Z";
  for (const button of document.querySelectorAll("[data-condition]")) {
    const condition = report.conditions.find((each) => each.name === button.dataset.condition);
    const chosen = state.conditions.get(condition.name);
    button.setAttribute("aria-pressed", String(chosen !== undefined && condition.values[chosen] === button.dataset.value));
  }
}

function addCards() {
  const start = gallery.querySelectorAll(".card").length;
  const added = state.shown.slice(start, start + CARDS_AT_ONCE);
  gallery.append(...added.map((index) => make("li", {}, makeCard(index))));
}

// The numbers of a frame that matter most: the first quantity, and what it is sorted by.
function listNumbers(index) {
  const first = report.columns[0];
  const sorted = report.columns[state.sort] ?? first;
  const columns = report.columns.filter((column) => column.quantity === first?.quantity);
  if (sorted && sorted.quantity !== first.quantity) columns.push(sorted);
  return columns.map((column) => ({ column, text: formatNumber(column.values[index]) }));
}

function describeFrame(index) {
  const numbers = listNumbers(index).map(({ column, text }) => `${column.label} ${text}`);
  return [report.names[index], ...numbers].join(", ");
}

function makeNumber({ column, text }, first) {
  const several = report.results.length > 1;
  const label = column.quantity === first.quantity ? [] : [`${column.quantity === "difference" ? `${column.result} \u2212 A` : column.quantity} `];
  const letter = several && column.quantity !== "difference" ? [makeLetter(column.result)] : [];
  return make("span", { title: column.label }, ...letter, ...label, make("b", {}, text));
}

function makeCard(index) {
  const picture = hasImages(index)
    ? make("img", { loading: "lazy", decoding: "async", alt: `${report.thumbnail} of ${describeFrame(index)}`, width: 320, height: 180, src: getImage(index, "thumbnail") })
    : make("span", { className: "no-image" }, "no images in this report");
  const numbers = listNumbers(index).map((each) => makeNumber(each, report.columns[0]));
  const card = make(
    "button",
    { type: "button", className: "card", disabled: !hasImages(index), title: report.names[index] },
    picture,
    make("span", { className: "text" }, make("span", { className: "name" }, report.names[index]), make("span", { className: "numbers" }, ...numbers)),
  );
  card.dataset.index = index;
  return card;
}

function showAll() {
  state.text = find("search").value = "";
  state.conditions.clear();
  state.range = null;
  find("with-images").checked = false;
  for (const select of document.querySelectorAll("#condition-filters select")) select.value = "";
  refresh();
}

function refresh() {
  update();
  drawHistogram(find("quantity").value, state.range, chooseRange);
}

function chooseRange(range) {
  const same = state.range?.column === range.column && state.range.low === range.low;
  state.range = same ? null : range;
  refresh();
}

function chooseCondition(name, number) {
  if (number === undefined) state.conditions.delete(name);
  else state.conditions.set(name, number);
  find("condition-filters").querySelector(`select[data-name="${CSS.escape(name)}"]`).value = number ?? "";
  update();
}

function sortBy(column) {
  state.sort = column;
  state.descending = report.columns[column]?.order === "descending";
  update();
}

// Arrow keys move between cards as they are laid out.
function moveFocus(event) {
  const cards = [...gallery.querySelectorAll(".card")];
  const current = cards.indexOf(document.activeElement);
  if (current < 0) return;
  const perRow = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[event.key];
  if (!step) return;
  event.preventDefault();
  cards[Math.min(cards.length - 1, Math.max(0, current + step))].focus();
}

for (const condition of report.conditions) {
  const select = make("select", {}, make("option", { value: "" }, "all"));
  select.dataset.name = condition.name;
  condition.values.forEach((value, number) => select.append(make("option", { value: number }, value)));
  select.addEventListener("change", () => chooseCondition(condition.name, select.value === "" ? undefined : Number(select.value)));
  find("condition-filters").append(make("label", {}, `${condition.name} `, select));
}
report.columns.forEach((column, number) => {
  const label = report.results.length > 1 ? column.label : column.label.replace(/ A$/, "");
  find("sort").append(make("option", { value: number }, label));
});
find("sort").append(make("option", { value: BY_NAME }, "name"));
for (const quantity of quantities) find("quantity").append(make("option", { value: quantity }, quantity));
find("with-images-label").hidden = !someWithout;
find("gallery-legend").append(...makeLegend([report.thumbnail === "Errors" ? "errors" : "mask"]));

find("search").addEventListener("input", (event) => {
  state.text = event.target.value.trim().toLowerCase();
  update();
});
find("controls").addEventListener("submit", (event) => event.preventDefault());
find("sort").addEventListener("change", (event) => sortBy(Number(event.target.value)));
find("order").addEventListener("click", () => {
  state.descending = !state.descending;
  update();
});
find("with-images").addEventListener("change", update);
find("quantity").addEventListener("change", refresh);
find("range").addEventListener("click", () => chooseRange(state.range));
find("reset").addEventListener("click", showAll);
gallery.addEventListener("keydown", moveFocus);
gallery.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (card && !card.disabled) openViewer(Number(card.dataset.index));
});
for (const button of document.querySelectorAll("[data-condition]")) {
  button.addEventListener("click", () => {
    const condition = report.conditions.find((each) => each.name === button.dataset.condition);
    const number = condition.values.indexOf(button.dataset.value);
    chooseCondition(condition.name, state.conditions.get(condition.name) === number ? undefined : number);
    find("frames").scrollIntoView();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || find("viewer").open || event.target.matches("input, select")) return;
  event.preventDefault();
  find("search").focus();
});
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) addCards();
}, { rootMargin: "800px" }).observe(find("more"));
