/**
 * Speaks new messages to screen readers, and shows short notices. The log itself is silent, so that neither history nor
 * scrolling is read aloud.
 */
import { byId } from './element.js';

/** Time that a notice stays, in milliseconds. */
const NOTICE_TIME = 6_000;
/** Messages that are spoken at once, at most. Of more, only their number is. */
const SPOKEN_MAX = 3;
/** Characters of a message that are spoken, at most. */
const SPOKEN_LENGTH = 300;

export class Announcer {
  constructor() {
    this.region = byId('announcer');
    this.notice = byId('notice');
    this.waiting = [];
    this.timers = { speak: 0, notice: 0 };
  }

  /** Speaks a message. Messages that come together are spoken together. */
  speak(text) {
    this.waiting.push(text.slice(0, SPOKEN_LENGTH));
    this.timers.speak ||= setTimeout(() => this.#speakAll(), 400);
  }

  #speakAll() {
    this.timers.speak = 0;
    const messages = this.waiting.splice(0);
    this.region.textContent = messages.length > SPOKEN_MAX ? `${messages.length} new messages` : messages.join('\n');
  }

  /** Shows a sentence for some seconds. */
  show(text) {
    this.notice.textContent = text;
    this.notice.hidden = false;
    clearTimeout(this.timers.notice);
    this.timers.notice = setTimeout(() => (this.notice.hidden = true), NOTICE_TIME);
  }
}
