/**
 * A scrolled list of any length with few elements: those near the reader. Two spacers stand for the others.
 *
 * Heights are not known before a row is drawn, so the spacers are estimates. After each change, the row at the top of the
 * screen (the anchor) is put back where it was, so the text does not jump.
 */
import { element } from './element.js';

/** Height of a row with one line, in pixels. */
const ROW_HEIGHT_MIN = 22;
/** Distance from the edge of the drawn rows at which others are drawn, in pixels. */
const MARGIN = 300;
/** Drawn rows above and below the screen. A row takes up to a millisecond, so more of them would make scrolling stutter. */
const ROWS_BEYOND = Math.ceil((2 * MARGIN) / ROW_HEIGHT_MIN);
/** Distance from the end at which the list follows new rows, in pixels. */
const END_SLACK = 40;

/**
 * @typedef {object} Source The items of a list.
 * @property {number} length
 * @property {(index: number) => unknown} at
 * @property {(item: unknown) => string|number} keyOf Stays the same while the list changes around the item.
 * @property {(key: string|number) => number} find The index of a key, or that of its successor.
 * @property {(item: unknown, previous: unknown) => string} signature Changes when the item must be drawn again.
 * @property {(item: unknown, previous: unknown) => HTMLElement} draw
 */

export class VirtualList {
  /** @param {HTMLElement} scroller @param {{ nearStart: () => void, scrolled: () => void }} callbacks */
  constructor(scroller, callbacks) {
    this.scroller = scroller;
    this.callbacks = callbacks;
    this.above = element('div', { class: 'spacer' });
    this.below = element('div', { class: 'spacer' });
    this.scroller.replaceChildren(this.above, this.below);
    /** @type {?Source} */
    this.source = null;
    /** @type {Map<string|number, { row: HTMLElement, signature: string }>} */
    this.rows = new Map();
    [this.start, this.end] = [0, 0];
    this.rowHeight = 32;
    this.follows = true;
    this.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.update()).observe(this.scroller);
  }

  /** Shows another list from its end, or from an item. */
  show(source, key = null) {
    this.source = source;
    for (const { row } of this.rows.values()) row.remove();
    this.rows.clear();
    this.follows = key === null;
    if (key === null) this.update();
    else this.scrollTo(key);
  }

  /** The items have changed. */
  update() {
    if (!this.source) return;
    const anchor = this.follows ? null : this.#anchor();
    const length = this.source.length;
    let start = Math.max(0, length - this.#rowsMax);
    if (anchor) start = Math.min(start, Math.max(0, this.source.find(anchor.key) - anchor.place));
    this.#draw(start, anchor);
    if (this.follows) this.#toEnd();
    this.#checkStart();
  }

  /** Brings an item to the middle of the screen. Returns its row. */
  scrollTo(key) {
    this.follows = false;
    const index = this.source.find(key);
    this.#draw(this.#startFor(index), null);
    const row = this.rows.get(key)?.row;
    row?.scrollIntoView({ block: 'center' });
    this.#scrolled();
    return row;
  }

  /** Goes to the newest item, and follows it. */
  scrollToEnd() {
    this.follows = true;
    this.update();
  }

  get isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return this.end === (this.source?.length ?? 0) && scrollHeight - scrollTop - clientHeight < END_SLACK;
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Rows in the page, at most: they fill the screen even if each has one line. */
  get #rowsMax() {
    return Math.ceil(this.scroller.clientHeight / ROW_HEIGHT_MIN) + 2 * ROWS_BEYOND;
  }

  /** The first drawn row, if that of `index` is at the top of the screen. */
  #startFor(index) {
    return Math.max(0, Math.min(index - ROWS_BEYOND, this.source.length - this.#rowsMax));
  }

  #scrolled() {
    if (!this.source) return;
    this.follows = this.isAtEnd;
    const { scrollTop, clientHeight } = this.scroller;
    const top = this.above.offsetHeight;
    const bottom = this.below.offsetTop;
    const lacksAbove = this.start > 0 && scrollTop - MARGIN < top;
    const lacksBelow = this.end < this.source.length && scrollTop + clientHeight + MARGIN > bottom;
    if (lacksAbove || lacksBelow) this.#move(top, bottom);
    this.#checkStart();
    this.callbacks.scrolled();
  }

  /** Draws the rows around the present place: that of a visible row, or an estimate within a spacer. */
  #move(top, bottom) {
    const anchor = this.#anchor();
    if (anchor) return this.#draw(this.#startFor(this.start + anchor.place), anchor);
    const { scrollTop } = this.scroller;
    const index = scrollTop < top ? Math.floor(scrollTop / this.rowHeight) : this.end + Math.floor((scrollTop - bottom) / this.rowHeight);
    const clamped = Math.max(0, Math.min(this.source.length - 1, index));
    this.#draw(this.#startFor(clamped), { key: this.source.keyOf(this.source.at(clamped)), offset: 0 });
  }

  #checkStart() {
    const { scrollTop, clientHeight } = this.scroller;
    if (this.start === 0 && scrollTop < MARGIN && clientHeight > 0) this.callbacks.nearStart();
  }

  /** The first visible row: its key, its place among the drawn rows, and its distance from the top of the screen. */
  #anchor() {
    const { scrollTop, clientHeight } = this.scroller;
    let place = 0;
    for (const [key, { row }] of this.rows) {
      const offset = row.offsetTop - scrollTop;
      if (offset >= clientHeight) return null;
      if (offset + row.offsetHeight > 0) return { key, place, offset };
      place += 1;
    }
    return null;
  }

  /** Draws the rows from `start`, and puts the anchor back in its place. */
  #draw(start, anchor) {
    const { source } = this;
    this.start = start;
    this.end = Math.min(source.length, start + this.#rowsMax);
    const former = this.rows;
    this.rows = new Map();
    for (let index = start; index < this.end; index += 1) this.#keep(former, source.at(index), index > 0 ? source.at(index - 1) : null);
    this.#removeAll(former);
    let next = this.above.nextSibling;
    for (const { row } of this.rows.values()) {
      if (row === next) next = row.nextSibling;
      else this.scroller.insertBefore(row, next);
    }
    this.#setSpacers();
    const row = anchor && this.rows.get(anchor.key)?.row;
    if (row) this.scroller.scrollTop += row.offsetTop - this.scroller.scrollTop - anchor.offset;
  }

  /** Takes the row of an item from the former ones, or draws it. */
  #keep(former, item, previous) {
    const key = this.source.keyOf(item);
    const signature = this.source.signature(item, previous);
    const known = former.get(key);
    if (known?.signature === signature) {
      former.delete(key);
      this.rows.set(key, known);
    } else {
      this.rows.set(key, { row: this.source.draw(item, previous), signature });
    }
  }

  /** A removed row may have the focus: the list takes it over. */
  #removeAll(former) {
    for (const { row } of former.values()) {
      if (row.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      row.remove();
    }
  }

  #setSpacers() {
    const count = this.rows.size;
    const height = this.below.offsetTop - this.above.offsetHeight;
    if (count > 20) this.rowHeight = Math.max(8, height / count);
    this.above.style.height = `${Math.round(this.start * this.rowHeight)}px`;
    this.below.style.height = `${Math.round((this.source.length - this.end) * this.rowHeight)}px`;
  }
}
