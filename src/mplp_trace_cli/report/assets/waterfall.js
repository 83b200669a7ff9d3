// The waterfall: only the rows in sight are elements, whatever their number.

const SPARE_ROWS = 10;
const LEAST_SPAN_US = 10;
const MOST_INDENT = 12;
const LETTER_PX = 7;
const SIGNS = ['·', '', '▲', '✕', '✖'];

class Waterfall {
  constructor(events, found) {
    this.events = events;
    this.found = found;
    this.active = -1;
    this.view = [0, events.span];
    this.drawn = new Map();
    this.holder = element('div', {class: 'holder', role: 'presentation'});
    found.rows.append(this.holder);
    found.rows.addEventListener('scroll', () => this.#later(), {passive: true});
    new ResizeObserver(() => this.redraw()).observe(found.rows);
    addEventListener('beforeprint', () => this.#drawRows([0, this.events.rows.length])); // paper does not scroll
    addEventListener('afterprint', () => this.#drawRows());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#drawOverview());
  }

  // -- rows --

  /** Draws everything anew: after a fold, a search, a change of size. */
  redraw() {
    const {rows} = this.found;
    this.height = parseFloat(getComputedStyle(rows).getPropertyValue('--row'));
    this.found.waterfall.style.setProperty('--gutter', `${rows.offsetWidth - rows.clientWidth}px`);
    this.holder.style.height = `${this.events.rows.length * this.height}px`;
    this.#drawOverview();
    this.#drawRange();
  }

  #drawRange() {
    const {brush} = this.found;
    brush.style.left = `${(this.view[0] / this.events.span) * 100}%`;
    brush.style.width = `${((this.view[1] - this.view[0]) / this.events.span) * 100}%`;
    brush.hidden = this.isWhole;
    this.#drawAxis();
    this.#drawRowsAnew();
  }

  #drawRowsAnew() {
    this.drawn.clear();
    this.#drawRows();
  }

  #later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.#drawRows();
    });
  }

  #inView() {
    const {scrollTop, clientHeight} = this.found.rows;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - SPARE_ROWS);
    return [first, Math.min(this.events.rows.length, Math.ceil((scrollTop + clientHeight) / this.height) + SPARE_ROWS)];
  }

  #drawRows([first, last] = this.#inView()) {
    const drawn = new Map();
    for (let row = first; row < last; row += 1) drawn.set(row, this.drawn.get(row) ?? this.#row(row));
    this.drawn = drawn;
    const wanted = [...drawn.values()];
    if (wanted.length !== this.holder.childElementCount || wanted.some((one, at) => one !== this.holder.children[at])) {
      this.holder.replaceChildren(...wanted);
    }
  }

  #row(row) {
    const event = this.events.all[this.events.rows[row]];
    const isActive = event.at === this.active;
    const made = element('div', {
      class: `row ${event.word}${isActive ? ' active' : ''}${this.#matchClass(event)}`,
      id: `event-${event.at}`,
      role: 'treeitem',
      'data-at': event.at,
      'aria-level': event.depth + 1,
      'aria-posinset': event.place,
      'aria-setsize': event.brothers,
      'aria-selected': isActive,
      'aria-expanded': event.below ? !this.events.folded.has(event.at) : null,
      'aria-label': this.#spoken(event),
    }, this.#label(event), this.#track(event));
    made.style.top = `${row * this.height}px`;
    return made;
  }

  #matchClass(event) {
    if (!this.events.pattern) return '';
    return this.events.isHit.has(event.at) ? ' hit' : ' miss';
  }

  #spoken(event) {
    const took = event.took === null ? '' : `, took ${humane(event.took)}`;
    const message = event.message ? `: ${visible(event.message)}` : '';
    return `${event.word}, ${visible(event.type)}${message}, at ${humane(event.end / 1_000)}${took}`;
  }

  #label(event) {
    const folded = this.events.folded.has(event.at);
    const twisty = element('span', {class: 'twisty', 'aria-hidden': 'true'}, event.below ? (folded ? '▸' : '▾') : '');
    const sign = element('span', {class: 'sign', 'aria-hidden': 'true'}, SIGNS[event.level]);
    const type = element('span', {class: 'type'}, ...this.#marked(event.type));
    const label = element('div', {class: 'label'}, twisty, sign, type);
    if (event.level !== 1) label.append(element('span', {class: `badge ${event.word}`}, event.word));
    if (folded) label.append(element('span', {class: 'below'}, `+${event.below.toLocaleString('en')}`));
    if (event.message) label.append(element('span', {class: 'said'}, ...this.#marked(event.message)));
    label.style.setProperty('--depth', Math.min(event.depth, MOST_INDENT));
    if (event.depth > MOST_INDENT) twisty.before(element('span', {class: 'deep'}, `…${event.depth}`));
    return label;
  }

  /** The text with what matches the search marked. */
  #marked(text) {
    const shown = visible(text).replace(/\s+/g, ' ');
    if (!this.events.pattern) return [shown];
    const parts = [];
    let from = 0;
    for (const match of shown.matchAll(this.events.pattern)) {
      parts.push(shown.slice(from, match.index), element('mark', {}, match[0]));
      from = match.index + match[0].length;
    }
    return [...parts, shown.slice(from)];
  }

  #track(event) {
    const [from, to] = this.view;
    const place = (us) => ((us - from) / (to - from)) * 100;
    const track = element('div', {class: 'track', 'aria-hidden': 'true'});
    const first = place(Math.max(0, event.start)), last = place(event.end);
    if (last < 0 || first > 100) {
      track.append(element('span', {class: last < 0 ? 'before' : 'after'}, last < 0 ? '‹' : '›'));
      return track;
    }
    const left = Math.max(0, first), right = Math.min(100, last);
    const bar = element('span', {class: `bar${event.took ? '' : ' moment'}${event.start < 0 ? ' cut' : ''}`});
    bar.style.left = `${left}%`;
    if (event.took) bar.style.width = `${right - left}%`;
    track.append(bar);
    if (event.took !== null) track.append(this.#took(event, left, right));
    return track;
  }

  #took(event, left, right) {
    const took = element('span', {class: 'took'}, humane(event.took));
    if (right < 82) took.style.left = `${right}%`;
    else if (left > 18) took.style.right = `${100 - left}%`;
    else took.classList.add('inside');
    return took;
  }

  // -- axis and overview --

  #drawAxis() {
    const [from, to] = this.view;
    const width = this.found.axis.clientWidth || 600;
    const letters = tickText(to, roundStep((to - from) / 10)).length;
    const step = roundStep(((to - from) * (44 + letters * LETTER_PX)) / width);
    const ticks = [], lines = [];
    for (let count = Math.ceil(from / step); count * step <= to; count += 1) {
      const place = `${((count * step - from) / (to - from)) * 100}%`;
      const text = tickText(count * step, step);
      const tick = element('span', {}, text);
      const line = element('i', {});
      tick.style.left = line.style.left = place;
      if (((to - count * step) / (to - from)) * width < text.length * LETTER_PX) tick.classList.add('last');
      ticks.push(tick);
      lines.push(line);
    }
    this.found.axis.replaceChildren(...ticks);
    this.found.grid.replaceChildren(...lines);
    const whole = humane(this.events.span / 1_000), exact = roundStep((to - from) / 100);
    const [first, last] = [from, to].map((us) => tickText(Math.round(us / exact) * exact, exact));
    this.found.range.textContent = this.isWhole ? whole : `${first} – ${last} of ${whole}`;
  }

  /** All events in a few pixels: a line each where there is room, brighter ones for errors on top. */
  #drawOverview() {
    const {canvas} = this.found;
    const {width, height} = canvas.parentElement.getBoundingClientRect();
    const scale = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const pen = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    const colours = this.events.levels.map((word) => style.getPropertyValue(`--${word}`));
    const count = this.events.rows.length;
    const thick = Math.max(scale, Math.min(3 * scale, canvas.height / count - scale));
    for (const isLate of [false, true]) {
      this.events.rows.forEach((at, row) => {
        const event = this.events.all[at];
        if (event.level >= 2 !== isLate) return;
        const x = (Math.max(0, event.start) / this.events.span) * canvas.width;
        const end = (event.end / this.events.span) * canvas.width;
        pen.fillStyle = colours[event.level];
        const least = (isLate ? 3 : 2) * scale;
        pen.fillRect(Math.min(x, canvas.width - least), (row / count) * (canvas.height - thick), Math.max(least, end - x), thick);
      });
    }
  }

  // -- the range --

  get isWhole() {
    return this.view[0] === 0 && this.view[1] === this.events.span;
  }

  /** Shows the range from one instant to another, moved and widened to what there is. */
  zoomTo(from, to) {
    const span = Math.min(this.events.span, Math.max(LEAST_SPAN_US, to - from));
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(0, middle - span / 2), this.events.span - span);
    this.view = [start, start + span];
    this.#drawRange();
  }

  /** Zooms by a factor, keeping the instant at a share of the width where it is: the active event's, else the middle. */
  zoomBy(factor, share = this.#activeShare()) {
    const [from, to] = this.view;
    const span = Math.min(this.events.span, Math.max(LEAST_SPAN_US, (to - from) * factor));
    const start = from + (to - from) * share - span * share;
    this.zoomTo(start, start + span);
  }

  #activeShare() {
    const [from, to] = this.view;
    const share = this.active < 0 ? 0.5 : (this.events.all[this.active].end - from) / (to - from);
    return share >= 0 && share <= 1 ? share : 0.5;
  }

  /** Moves the range by a share of its width. */
  pan(share) {
    const [from, to] = this.view;
    const way = Math.min(Math.max((to - from) * share, -from), this.events.span - to);
    this.zoomTo(from + way, to + way);
  }

  reset() {
    this.zoomTo(0, this.events.span);
  }

  zoomToEvent(at) {
    const event = this.events.all[at];
    const start = Math.max(0, event.start), room = Math.max((event.end - start) * 0.1, this.events.span / 200);
    this.zoomTo(start - room, event.end + room);
  }

  // -- the active event --

  /** Makes an event the active one and brings its row, and its bar, into sight. */
  activate(at) {
    this.active = at;
    if (!this.events.rowOf.has(at)) {
      this.events.uncover(at);
      this.redraw();
    }
    const event = this.events.all[at];
    if (event.end < this.view[0] || event.start > this.view[1]) this.zoomTo(0, this.events.span);
    const {rows} = this.found;
    const row = this.events.rowOf.get(at), above = row * this.height - rows.scrollTop;
    if (above < -this.height || above > rows.clientHeight) rows.scrollTop += above - rows.clientHeight / 2;
    this.#drawRowsAnew();
    this.drawn.get(row).scrollIntoView({block: 'nearest'});
    rows.setAttribute('aria-activedescendant', `event-${at}`);
  }

  /** The event so many rows away from the active one. */
  neighbour(rows) {
    const row = this.active < 0 ? -1 : this.events.rowOf.get(this.active) ?? -1;
    return this.events.rows[Math.min(Math.max(0, row + rows), this.events.rows.length - 1)];
  }

  get pageRows() {
    return Math.max(1, Math.floor(this.found.rows.clientHeight / this.height) - 1);
  }
}
