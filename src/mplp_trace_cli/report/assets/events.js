// The events as a tree in rows: which are shown, which match what is searched.

class Events {
  constructor(data) {
    this.levels = data.levels;
    this.span = Math.max(1, data.span);
    const names = ['depth', 'level', 'end', 'took', 'type', 'message', 'source', 'id', 'parentId', 'stamp', 'data'];
    this.all = data.events.map((values, at) => {
      const event = Object.fromEntries(names.map((name, place) => [name, values[place]]));
      event.at = at;
      event.start = event.end - (event.took ?? 0) * 1_000;
      event.word = this.levels[event.level];
      event.isError = event.level >= 3;
      return event;
    });
    this.folded = new Set();
    this.hits = [];
    this.isHit = new Set();
    this.pattern = null;
    this.onlyHits = false;
    this.#place();
    this.show();
  }

  /** Where each event stands in the tree: its parent, how many hang below it, its place among brothers. */
  #place() {
    const way = [];
    const brothers = new Map();
    for (const event of this.all) {
      while (way.length && way.at(-1).depth >= event.depth) way.pop();
      event.parent = way.at(-1)?.at ?? -1;
      for (const above of way) above.below += 1;
      event.below = 0;
      const place = (brothers.get(event.parent) ?? 0) + 1;
      brothers.set(event.parent, place);
      event.place = place;
      way.push(event);
    }
    for (const event of this.all) event.brothers = brothers.get(event.parent);
  }

  /** Works out anew which events have a row. */
  show() {
    const wanted = this.onlyHits && this.pattern ? this.#hitsAndAbove() : null;
    this.rows = [];
    for (let at = 0; at < this.all.length; at += 1) {
      if (wanted && !wanted.has(at)) continue;
      this.rows.push(at);
      if (this.folded.has(at)) at += this.all[at].below;
    }
    this.rowOf = new Map(this.rows.map((at, row) => [at, row]));
  }

  #hitsAndAbove() {
    const wanted = new Set();
    for (const hit of this.hits) {
      for (let at = hit; at >= 0 && !wanted.has(at); at = this.all[at].parent) wanted.add(at);
    }
    return wanted;
  }

  /** Looks for a text, whatever its case, in all that an event says. */
  search(text) {
    const escaped = text.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
    this.pattern = text ? new RegExp(escaped, 'giu') : null;
    this.hits = this.pattern ? this.all.filter((event) => this.#said(event).match(this.pattern)).map(({at}) => at) : [];
    this.isHit = new Set(this.hits);
    this.show();
  }

  #said(event) {
    event.said ??= [event.type, event.message, event.source, event.id, event.word, event.data, unescaped(event.data)]
      .filter(Boolean).join('\n');
    return event.said;
  }

  fold(at, folded) {
    if (folded) this.folded.add(at);
    else this.folded.delete(at);
    this.show();
  }

  foldAll(folded) {
    this.folded = new Set(folded ? this.all.filter(({below}) => below).map(({at}) => at) : []);
    this.show();
  }

  /** Unfolds what hides an event. */
  uncover(at) {
    for (let above = this.all[at].parent; above >= 0; above = this.all[above].parent) this.folded.delete(above);
    this.show();
  }
}

/** What JSON text says where it is written with escapes; empty where it is not. */
function unescaped(json) {
  if (!json.includes('\\u')) return '';
  try {
    return JSON.stringify(JSON.parse(json));
  } catch {
    return '';
  }
}
