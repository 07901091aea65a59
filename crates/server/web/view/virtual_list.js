/**
 * A scrolled list of any length with few elements: those near the reader. Two spacers stand for the others.
 *
 * Heights are not known before a row is drawn, so the spacers are estimates. After each change, the row at the top of the
 * screen (the anchor) is put back where it was, so the text does not jump.
 *
 * The rows on the screen are drawn at once. Those beyond it follow, some in each frame, so that no frame takes long.
 */
import { arrange, element, oncePerFrame } from './element.js';

/** Height of a row with one line, in pixels. */
const ROW_HEIGHT_MIN = 22;
/** Distance from the edge of the drawn rows at which others are drawn, in pixels. */
const MARGIN = 300;
/** Rows above the screen, and rows below it, that are drawn in the end. */
const ROWS_BEYOND = Math.ceil((2 * MARGIN) / ROW_HEIGHT_MIN);
/** New rows above the screen, and new rows below it, that are drawn in one frame. */
const ROWS_OF_FRAME = 7;
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
  /**
   * @param {HTMLElement} scroller
   * @param {boolean} beginsAtEnd Whether the reader begins at the end, and follows new items there.
   * @param {{ nearStart: () => void, scrolled: () => void }} callbacks
   */
  constructor(scroller, beginsAtEnd, callbacks = { nearStart: () => {}, scrolled: () => {} }) {
    Object.assign(this, { scroller, beginsAtEnd, callbacks });
    this.above = element('div', { class: 'spacer' });
    this.below = element('div', { class: 'spacer' });
    this.scroller.replaceChildren(this.above, this.below);
    /** @type {?Source} */
    this.source = null;
    /** @type {Map<string|number, { row: HTMLElement, signature: string }>} */
    this.rows = new Map();
    /** The drawn rows: those from `start` to before `end`. */
    [this.start, this.end] = [0, 0];
    this.rowHeight = 32;
    this.follows = beginsAtEnd;
    this.drawBeyond = oncePerFrame(() => this.update(ROWS_OF_FRAME));
    this.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.update()).observe(this.scroller);
  }

  /** Shows another list. */
  show(source) {
    this.source = source;
    for (const { row } of this.rows.values()) row.remove();
    this.rows.clear();
    this.follows = this.beginsAtEnd;
    this.update();
  }

  /** The items have changed. Draws `rowsBeyond` new rows, at most, above the screen, and as many below it. */
  update(rowsBeyond = 0) {
    if (!this.source) return;
    if (this.follows) {
      this.#draw(this.source.length, null, rowsBeyond);
      this.#toEnd();
    } else {
      this.#drawHere(rowsBeyond);
    }
    this.#checkStart();
  }

  /** Brings an item to the middle of the screen. Returns its row. */
  scrollTo(key) {
    this.follows = false;
    this.#draw(this.source.find(key) - Math.ceil(this.#rowsOfScreen / 2), null);
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

  /** The key of the item at the top of the screen. */
  get key() {
    return this.#anchor()?.key;
  }

  get isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return this.end === (this.source?.length ?? 0) && scrollHeight - scrollTop - clientHeight < END_SLACK;
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Rows that fill the screen even if each has one line. */
  get #rowsOfScreen() {
    return Math.ceil(this.scroller.clientHeight / ROW_HEIGHT_MIN);
  }

  #scrolled() {
    if (!this.source) return;
    this.follows = this.beginsAtEnd && this.isAtEnd;
    const { scrollTop, clientHeight } = this.scroller;
    const lacksAbove = this.start > 0 && scrollTop - MARGIN < this.above.offsetHeight;
    const lacksBelow = this.end < this.source.length && scrollTop + clientHeight + MARGIN > this.below.offsetTop;
    if (lacksAbove || lacksBelow) this.#drawHere(0);
    this.#checkStart();
    this.callbacks.scrolled();
  }

  /** Draws the rows around the present place: that of a visible row, or an estimate within a spacer. */
  #drawHere(rowsBeyond) {
    if (this.source.length === 0) return this.#draw(0, null, rowsBeyond);
    const anchor = this.#anchor() ?? this.#estimate();
    const rowsBefore = Math.ceil(Math.max(0, anchor.offset) / ROW_HEIGHT_MIN);
    return this.#draw(this.source.find(anchor.key) - rowsBefore, anchor, rowsBeyond);
  }

  #checkStart() {
    const { scrollTop, clientHeight } = this.scroller;
    if (this.start === 0 && scrollTop < MARGIN && clientHeight > 0) this.callbacks.nearStart();
  }

  /** The first visible row: its key, and its distance from the top of the screen. */
  #anchor() {
    const { scrollTop, clientHeight } = this.scroller;
    // At the beginning of a list that is read from there, new items come into view.
    if (scrollTop === 0 && !this.beginsAtEnd) return null;
    for (const [key, { row }] of this.rows) {
      const offset = row.offsetTop - scrollTop;
      if (offset >= clientHeight) return null;
      if (offset + row.offsetHeight > 0) return { key, offset };
    }
    return null;
  }

  /** The item that is probably at the top of the screen, where no row is drawn. */
  #estimate() {
    const { scrollTop } = this.scroller;
    const bottom = this.below.offsetTop;
    const index = scrollTop < bottom ? scrollTop / this.rowHeight : this.end + (scrollTop - bottom) / this.rowHeight;
    const item = this.source.at(Math.max(0, Math.min(this.source.length - 1, Math.floor(index))));
    return { key: this.source.keyOf(item), offset: 0 };
  }

  /** Draws the rows from `top`, which fill the screen, and some beyond them. Puts the anchor back in its place. */
  #draw(top, anchor, rowsBeyond = 0) {
    const { source } = this;
    this.#choose(top, rowsBeyond);
    const former = this.rows;
    this.rows = new Map();
    for (let at = this.start; at < this.end; at += 1) this.#keep(former, source.at(at), at > 0 ? source.at(at - 1) : null);
    const focused = [...former].find(([, { row }]) => row.contains(document.activeElement))?.[0];
    arrange(this.scroller, [this.above, ...[...this.rows.values()].map(({ row }) => row), this.below]);
    if (focused !== undefined) this.#focus(focused);
    this.#setSpacers();
    const row = anchor && this.rows.get(anchor.key)?.row;
    if (row) this.scroller.scrollTop += row.offsetTop - this.scroller.scrollTop - anchor.offset;
  }

  /** Chooses the rows of this frame, and asks for another frame if more are to come. */
  #choose(wantedTop, rowsBeyond) {
    const { length } = this.source;
    const top = Math.max(0, Math.min(wantedTop, length - this.#rowsOfScreen));
    const bottom = Math.min(length, top + this.#rowsOfScreen);
    const [first, last] = [Math.max(0, top - ROWS_BEYOND), Math.min(length, bottom + ROWS_BEYOND)];
    [this.start, this.end] = [top, bottom];
    for (let drawn = 0; this.start > first; this.start -= 1) {
      if (!this.#isDrawn(this.start - 1) && (drawn += 1) > rowsBeyond) break;
    }
    for (let drawn = 0; this.end < last; this.end += 1) {
      if (!this.#isDrawn(this.end) && (drawn += 1) > rowsBeyond) break;
    }
    if (this.start > first || this.end < last) this.drawBeyond();
  }

  #isDrawn(index) {
    return this.rows.has(this.source.keyOf(this.source.at(index)));
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

  /** The row with the focus was drawn again, or has left: the new row or the list takes the focus over. */
  #focus(key) {
    const target = this.rows.get(key)?.row.querySelector('button, [tabindex]') ?? this.scroller;
    target.focus({ preventScroll: true });
  }

  #setSpacers() {
    const count = this.rows.size;
    const height = this.below.offsetTop - this.above.offsetHeight;
    if (count > 20) this.rowHeight = Math.max(8, height / count);
    this.above.style.height = `${Math.round(this.start * this.rowHeight)}px`;
    this.below.style.height = `${Math.round((this.source.length - this.end) * this.rowHeight)}px`;
  }
}
