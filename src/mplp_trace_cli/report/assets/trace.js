// What people do on the page of a trace.

const FIRST_ERRORS = 20;
const byId = (id) => document.getElementById(id);

const events = new Events(JSON.parse(byId('data').textContent));
const found = {
  rows: byId('rows'),
  axis: byId('axis'),
  grid: byId('grid'),
  range: byId('range'),
  waterfall: byId('waterfall'),
  canvas: document.querySelector('#overview canvas'),
  brush: document.querySelector('#overview .brush'),
};
const waterfall = new Waterfall(events, found);
const card = byId('card'), details = byId('details');

/** Makes an event the active one and tells it in the panel. */
function choose(at) {
  waterfall.activate(at);
  fillPanel(byId('shown'), events.all[at]);
  document.body.classList.add('chosen');
}

function closeDetails() {
  document.body.classList.remove('chosen');
  found.rows.focus({preventScroll: true});
}

function fold(at, folded) {
  if (!events.all[at].below) return;
  events.fold(at, folded);
  waterfall.redraw();
  if (waterfall.active >= 0 && !events.rowOf.has(waterfall.active)) choose(at);
}

function foldAll(folded) {
  events.foldAll(folded);
  waterfall.redraw();
  let top = waterfall.active;
  while (top >= 0 && !events.rowOf.has(top)) top = events.all[top].parent;
  if (top >= 0) choose(top);
}

// -- errors --

function listErrors() {
  const errors = events.all.filter(({isError}) => isError).sort((a, b) => a.end - b.end || a.at - b.at);
  const list = document.querySelector('#errors ol'), more = document.querySelector('#errors .more');
  let listed = 0;
  const add = (count) => {
    list.append(...errors.slice(listed, listed + count).map(errorItem));
    listed = Math.min(errors.length, listed + count);
    more.hidden = listed === errors.length;
    more.textContent = `Show ${Math.min(200, errors.length - listed).toLocaleString('en')} more of ${errors.length.toLocaleString('en')}`;
  };
  more.addEventListener('click', () => add(200));
  add(FIRST_ERRORS);
  byId('errors').hidden = !errors.length;
}

function errorItem(event) {
  const said = event.message ? element('span', {class: 'said'}, visible(event.message)) : null;
  const button = element('button', {type: 'button', 'data-at': event.at},
    element('span', {class: 'offset'}, `+${humane(event.end / 1_000)}`),
    element('span', {class: `badge ${event.word}`}, event.word),
    element('span', {class: 'type'}, visible(event.type)), said);
  button.addEventListener('click', () => {
    if (events.onlyHits && !events.rowOf.has(event.at)) showOnlyHits(false);
    choose(event.at);
    found.rows.focus({preventScroll: true});
  });
  return element('li', {}, button);
}

// -- search --

const search = byId('search'), matches = byId('matches'), only = byId('only');

function searchNow() {
  events.search(search.value);
  for (const id of ['previous', 'next', 'only']) byId(id).disabled = !events.hits.length;
  tellMatches();
  waterfall.redraw();
}

function tellMatches() {
  const at = events.hits.indexOf(waterfall.active), count = events.hits.length.toLocaleString('en');
  const place = at < 0 ? '' : `${(at + 1).toLocaleString('en')} of `;
  matches.textContent = !events.pattern ? '' : events.hits.length ? `${place}${count}` : 'no match';
}

/** Goes to the next or the previous match, round at the ends. */
function toMatch(way) {
  const {hits} = events;
  if (!hits.length) return;
  const beyond = way > 0 ? hits.find((at) => at > waterfall.active) : hits.findLast((at) => at < waterfall.active);
  choose(beyond ?? hits.at(way > 0 ? 0 : -1));
  tellMatches();
}

function showOnlyHits(wanted) {
  only.checked = events.onlyHits = wanted;
  events.show();
  waterfall.redraw();
}

search.addEventListener('input', searchNow);
search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') toMatch(event.shiftKey ? -1 : 1);
  else if (event.key === 'ArrowDown') found.rows.focus();
  else if (event.key === 'Escape' && search.value) {
    search.value = '';
    showOnlyHits(false);
    searchNow();
  } else return;
  event.preventDefault();
});
only.addEventListener('change', () => showOnlyHits(only.checked));
byId('next').addEventListener('click', () => toMatch(1));
byId('previous').addEventListener('click', () => toMatch(-1));

// -- the keyboard --

const KEYS = {
  ArrowDown: () => choose(waterfall.neighbour(1)),
  ArrowUp: () => choose(waterfall.neighbour(-1)),
  PageDown: () => choose(waterfall.neighbour(waterfall.pageRows)),
  PageUp: () => choose(waterfall.neighbour(-waterfall.pageRows)),
  Home: () => choose(events.rows[0]),
  End: () => choose(events.rows.at(-1)),
  ArrowRight: (event) => {
    if (event.below && events.folded.has(event.at)) fold(event.at, false);
    else if (event.below) choose(waterfall.neighbour(1));
  },
  ArrowLeft: (event) => {
    if (event.below && !events.folded.has(event.at)) fold(event.at, true);
    else if (event.parent >= 0) choose(event.parent);
  },
  Enter: (event) => {
    choose(event.at);
    details.focus();
  },
  ' ': (event) => fold(event.at, !events.folded.has(event.at)),
  n: () => toMatch(1),
  p: () => toMatch(-1),
  z: (event) => waterfall.zoomToEvent(event.at),
  '+': () => waterfall.zoomBy(0.5),
  '=': () => waterfall.zoomBy(0.5),
  '-': () => waterfall.zoomBy(2),
  0: () => waterfall.reset(),
};

found.rows.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.shiftKey && event.key.startsWith('Arrow')) {
    waterfall.pan(event.key === 'ArrowLeft' ? -0.25 : event.key === 'ArrowRight' ? 0.25 : 0);
  } else if (KEYS[event.key]) {
    if (waterfall.active < 0) waterfall.active = events.rows[0];
    KEYS[event.key](events.all[waterfall.active]);
  } else return;
  event.preventDefault();
});
found.rows.addEventListener('focus', () => {
  if (waterfall.active < 0 && found.rows.matches(':focus-visible')) choose(events.rows[0]);
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !event.target.closest('input')) search.focus();
  else if (event.key === 'Escape' && details.contains(document.activeElement)) closeDetails();
  else return;
  event.preventDefault();
});

// -- the pointer --

found.rows.addEventListener('click', (event) => {
  const row = event.target.closest('.row');
  if (!row) return;
  const at = Number(row.dataset.at);
  if (event.target.closest('.twisty')) fold(at, !events.folded.has(at));
  else choose(at);
});
found.rows.addEventListener('dblclick', (event) => {
  const row = event.target.closest('.row');
  if (row && !event.target.closest('.twisty')) waterfall.zoomToEvent(Number(row.dataset.at));
});
found.rows.addEventListener('pointermove', (event) => {
  const row = event.target.closest('.row');
  if (row && event.pointerType === 'mouse' && !event.buttons) {
    placeCard(card, events.all[row.dataset.at], event.clientX, event.clientY);
  } else card.hidden = true;
});
for (const gone of ['pointerleave', 'scroll', 'pointerdown']) {
  found.rows.addEventListener(gone, () => { card.hidden = true; }, {passive: true});
}
byId('close').addEventListener('click', closeDetails);

/** The share of the width of an element at which the pointer is. */
function shareAt(where, event) {
  const {left, width} = where.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - left) / width));
}

/** Dragging over `area` zooms into the range between; `rangeOf` says what its width stands for. */
function dragToZoom(area, plot, rangeOf, accepts) {
  area.addEventListener('pointerdown', (down) => {
    if (down.button || !accepts(down)) return;
    const first = shareAt(plot, down), drag = byId('drag'), {left, width} = plot.getBoundingClientRect();
    const {left: home, top} = found.waterfall.getBoundingClientRect();
    const sides = (event) => [first, shareAt(plot, event)].sort((a, b) => a - b);
    const isClick = ([from, to]) => (to - from) * width < 5;
    const move = (event) => {
      const [from, to] = sides(event);
      drag.hidden = isClick([from, to]);
      drag.style.left = `${left - home + from * width}px`;
      drag.style.width = `${(to - from) * width}px`;
      drag.style.top = `${area.getBoundingClientRect().top - top}px`;
      drag.style.height = `${area.clientHeight}px`;
    };
    const end = (event) => {
      for (const name of ['pointerup', 'pointercancel']) removeEventListener(name, end);
      removeEventListener('pointermove', move);
      drag.hidden = true;
      const [from, to] = sides(event), [start, stop] = rangeOf();
      if (event.type === 'pointercancel' || isClick([from, to])) return;
      waterfall.zoomTo(start + (stop - start) * from, start + (stop - start) * to);
    };
    addEventListener('pointermove', move);
    for (const name of ['pointerup', 'pointercancel']) addEventListener(name, end);
  });
}

const overview = byId('overview');
dragToZoom(overview, overview, () => [0, events.span], () => true);
dragToZoom(found.axis, found.axis, () => waterfall.view, () => true);
dragToZoom(found.rows, found.axis, () => waterfall.view,
  (event) => event.pointerType === 'mouse' && event.target.closest('.track'));
for (const [area, plot] of [[found.rows, found.axis], [found.axis, found.axis], [overview, found.axis]]) {
  area.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    waterfall.zoomBy(2 ** (Math.max(-100, Math.min(100, event.deltaY)) / 200), shareAt(plot, event));
  }, {passive: false});
}

// -- the buttons --

const BUTTONS = {
  in: () => waterfall.zoomBy(0.5),
  out: () => waterfall.zoomBy(2),
  reset: () => waterfall.reset(),
  collapse: () => foldAll(true),
  expand: () => foldAll(false),
};
for (const [id, act] of Object.entries(BUTTONS)) byId(id).addEventListener('click', act);

listErrors();
waterfall.redraw();
