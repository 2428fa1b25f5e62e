// What all scripts use: the data of the page, elements, images, and light or dark.

const report = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

document.title = `${document.querySelector("h1").textContent} \u00b7 bddseg`;

// Names and texts only ever become text nodes and properties, never markup.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const makeLetter = (letter) => make("span", { className: `letter letter-${letter}` }, letter);

// Errors and changes share their colors: a color is listed once, with all its meanings.
function makeLegend(kinds) {
  const meanings = new Map();
  for (const [color, text] of kinds.flatMap((kind) => report.legends[kind] ?? [])) {
    meanings.set(`${color}`, new Set([...(meanings.get(`${color}`) ?? []), text]));
  }
  return [...meanings].map(([color, texts]) => {
    const mark = make("i");
    mark.style.background = `rgb(${color})`;
    return make("span", {}, mark, [...texts].join("; "));
  });
}

function formatNumber(value, decimals = 1) {
  return value === null ? "–" : value.toFixed(decimals).replace("-", "\u2212");
}

const formatCount = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// Images that are part of the page are parsed when they are shown; the last frames are kept.
const parsed = new Map();

function readEmbedded(index) {
  if (!parsed.has(index)) {
    if (parsed.size > 8) parsed.delete(parsed.keys().next().value);
    parsed.set(index, JSON.parse(find(`images-${index}`).textContent));
  }
  return parsed.get(index);
}

function getImage(index, key, suffix = "jpg") {
  if (report.folder === null) return readEmbedded(index)[key];
  const number = String(index).padStart(6, "0");
  return `${report.folder}/${number.slice(0, -3)}/${number}-${key}.${suffix}`;
}

const hasImages = (index) => report.present[index] > 0;
// A frame may have more layers than a bitwise operation has bits.
const hasLayer = (index, bit) => Math.floor(report.present[index] / 2 ** bit) % 2 === 1;

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function storeTheme(theme) {
  document.documentElement.dataset.theme = theme;
  // Browsers can refuse storage to pages without a server.
  try { localStorage.setItem("bddseg-theme", theme); } catch { /* only this page changes */ }
}

try {
  const theme = localStorage.getItem("bddseg-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* as the system */ }

find("theme").addEventListener("click", () => {
  const current = document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light");
  storeTheme(current === "dark" ? "light" : "dark");
});
