/**
 * The latest lines of the connection, for people who want to see them. Secrets are left out.
 */
import { withoutSecrets } from './protocol.js';

/** Lines that are kept, at most. */
const LINES_MAX = 300;
/** Characters of a line that are kept, at most. */
const LINE_LENGTH_MAX = 5_000;

export class WireLog {
  constructor() {
    /** @type {{ isSent: boolean, text: string, at: Date }[]} The oldest first. */
    this.lines = [];
    this.onLine = null;
  }

  /** @param {string} raw @param {boolean} isSent */
  add(raw, isSent) {
    const line = { isSent, text: withoutSecrets(raw).slice(0, LINE_LENGTH_MAX), at: new Date() };
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
    this.onLine?.(line);
  }
}
