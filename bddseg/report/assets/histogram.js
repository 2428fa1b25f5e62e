// The distribution of one number over all frames. Each bar is a button that filters by it.

const NUM_BINS = 20;
const quantities = [...new Set(report.columns.map((column) => column.quantity))];

// Round limits around all numbers, so that bins have round widths.
function findLimits(columns) {
  let [low, high] = [Infinity, -Infinity];
  for (const column of columns) {
    for (const value of column.values) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 100];
  const step = high - low > 40 ? 20 : high - low > 8 ? 5 : 1;
  low = Math.floor(low / step) * step;
  return [low, Math.max(Math.ceil(high / step) * step, low + step)];
}

function countBins(values, [low, high]) {
  const counts = new Array(NUM_BINS).fill(0);
  for (const value of values) {
    if (value === null) continue;
    counts[Math.min(NUM_BINS - 1, Math.floor(((value - low) / (high - low)) * NUM_BINS))] += 1;
  }
  return counts;
}

function drawHistogram(quantity, range, onChoose) {
  const columns = report.columns.filter((column) => column.quantity === quantity);
  const limits = findLimits(columns);
  const width = (limits[1] - limits[0]) / NUM_BINS;
  const counts = columns.map((column) => countBins(column.values, limits));
  const most = Math.max(1, ...counts.flat());
  const decimals = width < 0.1 ? 2 : width < 1 ? 1 : 0;
  const bins = Array.from({ length: NUM_BINS }, (_, bin) => {
    const low = limits[0] + bin * width;
    const high = low + width;
    const element = make("div", { className: "bin" });
    columns.forEach((column, number) => {
      const count = counts[number][bin];
      const text = `${column.label}, ${formatNumber(low, decimals)} to ${formatNumber(high, decimals)}: ${formatCount(count, "frame")}`;
      const bar = make("button", { type: "button", className: `letter-${column.result}`, title: text, ariaLabel: text, disabled: !count });
      // A bar of few frames is still seen next to one of thousands.
      bar.style.setProperty("--height", count ? `max(3px, ${(100 * count) / most}%)` : "0%");
      bar.setAttribute("aria-pressed", String(range?.column === column && range.low === low));
      const last = bin === NUM_BINS - 1;
      bar.addEventListener("click", () => onChoose({ column, low, high, last, text: `${column.label}: ${formatNumber(low, decimals)} to ${formatNumber(high, decimals)}` }));
      element.append(bar);
    });
    if (bin % 4 === 0) element.append(make("span", {}, formatNumber(low, decimals)));
    return element;
  });
  find("histogram").replaceChildren(...bins);
  const legend = columns.length > 1 ? columns.map((column) => makeLetter(column.result)) : [];
  find("histogram-legend").replaceChildren(...legend);
}
