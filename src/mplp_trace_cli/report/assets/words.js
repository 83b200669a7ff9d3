// Numbers and texts as people read them.

const STEPS = [[86_400_000, 'd', 3_600_000, 'h'], [3_600_000, 'h', 60_000, 'm'], [60_000, 'm', 1_000, 's']];
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** `0.2ms`, `38ms`, `2.35s`, `1m 02s`, `3h 05m`, `2d 04h`: as the command line has them. */
function humane(ms) {
  if (ms < 0) return `-${humane(-ms)}`;
  if (ms >= 10_000_000 * 86_400_000) return `${Number((ms / 86_400_000).toPrecision(3))}d`;
  if (ms >= 59_995) {
    const [size, unit, part, partUnit] = STEPS.find((step) => ms >= step[0] - step[2] / 2);
    const parts = Math.round(ms / part), per = size / part;
    const whole = Math.floor(parts / per).toLocaleString('en');
    return `${whole}${unit} ${String(parts % per).padStart(2, '0')}${partUnit}`;
  }
  if (ms >= 999.5) return `${(ms / 1_000).toFixed(2)}s`;
  return ms >= 10 ? `${ms.toFixed(0)}ms` : `${Number(ms.toPrecision(3))}ms`;
}

/** An instant on the axis, as exact as the steps between its ticks; both in microseconds. */
function tickText(us, step) {
  const fixed = (value, unit) => (value / unit).toFixed(Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)));
  if (us === 0) return '0';
  if (us < 1e3) return `${fixed(us, 1)}µs`;
  if (us < 1e6) return `${fixed(us, 1e3)}ms`;
  if (us < 60e6) return `${fixed(us, 1e6)}s`;
  const parts = [];
  let rest = us;
  for (const [size, unit] of [[86_400e6, 'd'], [3_600e6, 'h'], [60e6, 'm']]) {
    const count = Math.floor(rest / size);
    if (count) parts.push(count.toLocaleString('en') + unit);
    rest -= count * size;
  }
  const seconds = fixed(rest, 1e6);
  if (Number(seconds)) parts.push(`${seconds}s`);
  return parts.join(' ');
}

/** A round step, in microseconds, that is no smaller than `least`. */
function roundStep(least) {
  const sizes = least < 1e6
    ? [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(least)))
    : [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200].map((n) => n * 1e6);
  const day = 86_400e6, power = 10 ** Math.max(0, Math.floor(Math.log10(least / day)));
  return [...sizes, ...[1, 2, 5, 10].map((n) => n * power * day)].find((size) => size >= least);
}

/** The text with what hides or turns text written out, as `\x1b`; line breaks stay. */
function visible(text) {
  return text.replace(UNSAFE, (mark) => {
    const code = mark.charCodeAt(0);
    if (mark === '\r') return '\\r';
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The same JSON with a member a line; no token of it is touched: `1.10` stays `1.10`. */
function prettyJson(text) {
  const out = [];
  let depth = 0, before = '';
  const turn = () => out.push('\n', '  '.repeat(depth));
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    const closes = token === '}' || token === ']';
    const opened = before === '{' || before === '[';
    if (closes) depth -= 1;
    if (closes ? !opened : opened || before === ',') turn();
    out.push(token === ':' ? ': ' : token);
    if (token === '{' || token === '[') depth += 1;
    before = token;
  }
  return out.join('');
}

/** An element with attributes and children; a text among them stays a text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
