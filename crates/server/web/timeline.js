/**
 * The known records of one conversation, in the order of their numbers, without a silent hole (docs/protocol.md §16.2).
 *
 * The entries cover each number from the first known one to the last: a record, a gap of the server, or a hole, which is
 * a range that the page has not loaded.
 */

import { fold } from './protocol.js';

/** Entries of one conversation in memory, at most. Beyond it, those that are farthest from the reader become a hole. */
export const ENTRIES_MAX = 120_000;

/**
 * @typedef {object} Entry
 * @property {'record'|'gap'|'hole'} kind
 * @property {number} from The first number.
 * @property {number} to The last number.
 * @property {import('./protocol.js').ChatRecord} [record]
 * @property {string} [reason] Of a gap: EXPIRED, LOST, HIDDEN, or one of a later server.
 */

/** @returns {Entry} */
export function recordEntry(record) {
  return { kind: 'record', from: record.seq, to: record.seq, record };
}

/** @returns {Entry} */
export function gapEntry(from, to, reason) {
  return { kind: 'gap', from, to, reason };
}

/** @returns {Entry} */
function holeEntry(from, to) {
  return { kind: 'hole', from, to };
}

export class Timeline {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
    /** Whether the server has no records before the first entry. */
    this.isComplete = false;
  }

  get first() {
    return this.entries.length > 0 ? this.entries[0].from : 0;
  }

  /** The last known number, or 0. */
  get last() {
    return this.entries.at(-1)?.to ?? 0;
  }

  /** Whether the newest record is not known. */
  get lacksEnd() {
    return this.entries.length === 0 || this.entries.at(-1).kind === 'hole';
  }

  /** Index of the first entry that ends at `seq` or after it. */
  indexOf(seq) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].to < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The record of this number, if it is known. */
  record(seq) {
    const entry = this.entries[this.indexOf(seq)];
    return entry && entry.from <= seq ? entry.record : undefined;
  }

  /** Adds entries that follow one another without a hole, such as a record that has just come, or a page of HISTORY. */
  add(entries) {
    if (entries.length === 0) return;
    if (this.entries.length === 0) {
      this.entries = entries;
      return;
    }
    this.#addAfter(clip(entries, this.last + 1, Infinity));
    this.#addWithin(entries);
    this.#addBefore(clip(entries, 0, this.first - 1));
  }

  #addAfter(entries) {
    if (entries.length === 0) return;
    if (entries[0].from > this.last + 1) this.entries.push(holeEntry(this.last + 1, entries[0].from - 1));
    this.entries.push(...entries);
  }

  #addBefore(entries) {
    if (entries.length === 0) return;
    const end = entries.at(-1).to;
    const hole = end < this.first - 1 ? [holeEntry(end + 1, this.first - 1)] : [];
    this.entries = [...entries, ...hole, ...this.entries];
  }

  /** Puts entries in the place of the holes that they cover. */
  #addWithin(entries) {
    const [from, to] = [entries[0].from, entries.at(-1).to];
    for (let at = this.indexOf(from); at < this.entries.length && this.entries[at].from <= to; at += 1) {
      const hole = this.entries[at];
      if (hole.kind !== 'hole') continue;
      const inside = clip(entries, hole.from, hole.to);
      if (inside.length === 0) continue;
      const before = hole.from < inside[0].from ? [holeEntry(hole.from, inside[0].from - 1)] : [];
      const after = inside.at(-1).to < hole.to ? [holeEntry(inside.at(-1).to + 1, hole.to)] : [];
      const replacement = [...before, ...inside, ...after];
      this.entries.splice(at, 1, ...replacement);
      at += replacement.length - 1;
    }
  }

  /** Says that the server has nothing before the first known record. */
  complete() {
    this.isComplete = true;
  }

  /** Says that numbers up to `last` exist, of which the page knows nothing yet. */
  expect(last) {
    if (this.entries.length > 0 && last > this.last) this.entries.push(holeEntry(this.last + 1, last));
  }

  /** Empties a record (§13.6). Returns whether it is known. */
  redact(seq, redactedBy) {
    const record = this.record(seq);
    if (!record) return false;
    Object.assign(record, { text: '', redactedBy, raw: '' });
    return true;
  }

  /**
   * Empties all earlier messages of the author that a REDACTED names (§15.4): an account's id after `@`, or a name. A name
   * means its present account, and guests in this spelling if a moderator has sent the request. Others can redact only
   * themselves.
   */
  redactAuthor(redaction) {
    const { seq, text: name } = redaction;
    const isOwn = fold(redaction.author) === fold(name);
    const by = name.startsWith('@') ? name.slice(1) : isOwn ? redaction.by : this.#accountOf(name, seq);
    for (const { record } of this.entries) {
      if (record?.verb !== 'FROM' || record.seq > seq) continue;
      if (record.by === null ? !isOwn && record.author === name : record.by === by) this.redact(record.seq, seq);
    }
  }

  /** The account that has written under a name last, before a record. */
  #accountOf(name, seq) {
    const isIt = ({ record }) => record && record.seq < seq && record.by !== null && fold(record.author) === fold(name);
    return this.entries.findLast(isIt)?.record.by ?? '';
  }

  /** Drops entries that are far from `seq`, if there are too many. */
  trim(seq) {
    if (this.entries.length <= ENTRIES_MAX) return;
    const spare = this.entries.length - ENTRIES_MAX + ENTRIES_MAX / 8;
    if (this.indexOf(seq) > this.entries.length / 2) {
      this.entries.splice(0, spare);
      this.isComplete = false;
    } else {
      const dropped = this.entries.splice(-spare, spare);
      this.entries.push(holeEntry(dropped[0].from, dropped.at(-1).to));
    }
  }
}

/** The parts of entries between two numbers. */
function clip(entries, from, to) {
  const inside = entries.filter((entry) => entry.from <= to && entry.to >= from);
  return inside.map((entry) =>
    entry.from >= from && entry.to <= to ? entry : { ...entry, from: Math.max(entry.from, from), to: Math.min(entry.to, to) },
  );
}

/**
 * The entries of a page of HISTORY. It leaves out expired records without a GAP, so the numbers between two of its
 * entries, and those below `before`, are gaps.
 * @param {Entry[]} found Records and gaps of the answer, in order.
 * @param {number} before The number that HISTORY named, or Infinity.
 */
export function pageEntries(found, before) {
  const entries = [];
  for (const entry of found) {
    const expected = entries.length > 0 ? entries.at(-1).to + 1 : entry.from;
    if (entry.from > expected) entries.push(gapEntry(expected, entry.from - 1, 'EXPIRED'));
    if (entry.from >= expected) entries.push(entry);
  }
  const next = entries.length > 0 ? entries.at(-1).to + 1 : before;
  if (next < before && before !== Infinity) entries.push(gapEntry(next, before - 1, 'EXPIRED'));
  return entries;
}
