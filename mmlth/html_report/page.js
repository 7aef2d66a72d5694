// Draws the charts of the page, and what its buttons do.
'use strict';
const specs = JSON.parse(document.getElementById('specs').textContent);
const palettes = JSON.parse(document.getElementById('palettes').textContent);
const root = document.documentElement;
const views = new Map(); // number of the figure -> Vega view
const hidden = specs.map(() => []); // names that each legend has switched off

function config(isDark, forFile) {
  const [ink, soft, line] = isDark ? ['#e6e9ee', '#a4aeba', '#2e353f'] : ['#1b1f24', '#56606b', '#e4e7eb'];
  return {
    background: forFile ? '#ffffff' : 'transparent',
    font: 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
    view: { stroke: null },
    range: { category: isDark ? palettes.dark : palettes.light },
    axis: {
      labelColor: soft, titleColor: ink, gridColor: line, domainColor: soft, tickColor: soft,
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, titlePadding: 8,
    },
    axisY: { domain: false, ticks: false, labelPadding: 6, tickCount: 6 },
    axisX: { tickCount: 6 },
    legend: { disable: !forFile, orient: 'bottom', columns: 3, labelLimit: 240 },
  };
}

// The spec of a figure, without the lines that its legend has switched off.
function specOf(number) {
  const params = specs[number].params.map((param) =>
    param.name === 'hidden' ? { ...param, value: hidden[number] } : param);
  return { ...specs[number], params };
}

async function draw(figure) {
  const number = Number(figure.dataset.figure);
  const { view } = await vegaEmbed(figure.querySelector('.chart'), specOf(number), {
    actions: false, defaultStyle: false, renderer: 'svg', mode: 'vega-lite',
    config: config(root.classList.contains('dark'), false),
    tooltip: { disableDefaultStyle: true },
  });
  views.get(number)?.finalize();
  views.set(number, view);
  figure.dataset.drawn = 'yes';
}

async function drawAll() {
  for (const figure of document.querySelectorAll('figure[data-figure]')) await draw(figure);
}

function toggle(button, number) {
  const name = button.dataset.toggles;
  const isShown = button.getAttribute('aria-pressed') === 'true';
  button.setAttribute('aria-pressed', String(!isShown));
  hidden[number] = isShown ? [...hidden[number], name] : hidden[number].filter((each) => each !== name);
  views.get(number).signal('hidden', hidden[number]).runAsync();
}

// Factor 0 shows all again.
function zoom(view, factor) {
  for (const { field, channel } of view.signal('zoom_tuple_fields')) {
    const [low, high] = view.scale(channel).domain();
    const middle = (low + high) / 2;
    const half = (high - low) / 2 * factor;
    view.signal(`zoom_${field}`, factor ? [middle - half, middle + half] : null);
  }
  view.runAsync();
}

// The file holds the whole figure, with its legend, in light colours.
async function save(number, name, format) {
  const spec = { ...specOf(number), width: 560 };
  delete spec.autosize;
  const { view } = await vegaEmbed(document.createElement('div'), spec, {
    actions: false, defaultStyle: false, mode: 'vega-lite', config: config(false, true),
  });
  const link = document.createElement('a');
  link.href = await view.toImageURL(format, format === 'png' ? 3 : 1);
  link.download = `${name}.${format}`;
  link.click();
  view.finalize();
}

function setTheme(isDark) {
  root.classList.toggle('dark', isDark);
  document.getElementById('theme').textContent = isDark ? 'Light' : 'Dark';
  return drawAll();
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.id === 'theme') { setTheme(!root.classList.contains('dark')); return; }
  const figure = button.closest('figure[data-figure]');
  const number = Number(figure.dataset.figure);
  if (!views.has(number)) return;
  if ('toggles' in button.dataset) toggle(button, number);
  if ('zoom' in button.dataset) zoom(views.get(number), Number(button.dataset.zoom));
  if ('save' in button.dataset) save(number, figure.dataset.name, button.dataset.save);
});

const wide = window.matchMedia('(min-width: 1000px)');
const fold = () => { document.querySelector('nav details').open = wide.matches; };
wide.addEventListener('change', fold);
fold();
const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');
prefersDark.addEventListener('change', () => setTheme(prefersDark.matches));
setTheme(prefersDark.matches).then(() => { root.dataset.ready = 'yes'; });
