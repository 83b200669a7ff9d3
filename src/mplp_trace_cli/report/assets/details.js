// An event in full: on the card beside the pointer, and in the panel.

const CARD_CHARACTERS = 1_200;

/** The parts that tell an event; `most` cuts long texts. */
function detailsOf(event, most = Infinity) {
  const cut = (text) => (text.length > most ? `${text.slice(0, most)}…` : text);
  const offset = (us) => `${us < 0 ? '−' : '+'}${humane(Math.abs(us) / 1_000)}`;
  const facts = [
    [event.took === null ? 'At' : 'Starts', offset(event.start)],
    ['Duration', event.took === null ? null : humane(event.took)],
    [event.took === null ? 'Time' : 'Ended', event.stamp],
    ['Source', event.source],
    ['Event', event.id],
    ['Parent', event.parentId],
  ];
  const list = element('dl', {class: 'facts'});
  for (const [name, value] of facts) {
    if (value !== null) list.append(element('div', {}, element('dt', {}, name), element('dd', {}, visible(cut(value)))));
  }
  const parts = [
    element('h3', {}, visible(cut(event.type)), ' ', element('span', {class: `badge ${event.word}`}, event.word)),
    event.message === null ? null : element('p', {class: 'message'}, visible(cut(event.message))),
    list,
    event.data === '{}' ? null : element('pre', {class: 'data', 'aria-label': 'Data'}, cut(prettyJson(event.data))),
  ];
  return parts.filter(Boolean);
}

/** Fills the panel; its data can be looked at as it was recorded, too. */
function fillPanel(panel, event) {
  panel.replaceChildren(...detailsOf(event));
  const shown = panel.querySelector('.data');
  if (!shown) return;
  shown.tabIndex = 0;
  const turn = element('button', {type: 'button', class: 'turn', 'aria-pressed': 'false'}, 'As recorded');
  turn.addEventListener('click', () => {
    const exact = turn.getAttribute('aria-pressed') === 'false';
    turn.setAttribute('aria-pressed', String(exact));
    shown.textContent = exact ? event.data : prettyJson(event.data);
  });
  const box = element('div', {class: 'box'});
  shown.replaceWith(box);
  box.append(turn, shown);
}

/** Puts the card beside the pointer, inside the window. */
function placeCard(card, event, x, y) {
  if (card.dataset.at !== String(event.at) || card.hidden) {
    card.replaceChildren(...detailsOf(event, CARD_CHARACTERS));
    card.dataset.at = event.at;
    card.hidden = false;
  }
  const {width, height} = card.getBoundingClientRect();
  const left = x + 18 + width > innerWidth ? Math.max(8, x - width - 12) : x + 18;
  const top = y + 18 + height > innerHeight ? Math.max(8, Math.min(y - 12, innerHeight - 8) - height) : y + 18;
  card.style.transform = `translate(${left}px, ${top}px)`;
}
