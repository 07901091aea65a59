/**
 * Sends the messages of the outbox in order, and handles the answers: docs/protocol.md §16.4 and §16.6.
 */
import { encode, fold } from './protocol.js';
import { Disconnected } from './requests.js';

/** Pause before a message is sent again that the server could not store, in milliseconds. */
const STORE_PAUSE = 2_000;

/** The outcome is unknown, or the server has no room now: the same message goes out again with the same number. */
const TRANSIENT = new Set(['UNAVAILABLE', 'STORE_FULL']);

/** A direct conversation of this name is another one than that in which the message was written. */
export const OTHER_CONVERSATION = 'OTHER_CONVERSATION';

export class Sender {
  /**
   * @param {import('./requests.js').Requests} requests
   * @param {import('./outbox.js').Outbox} outbox
   * @param {import('./conversations.js').Conversations} conversations
   */
  constructor(requests, outbox, conversations) {
    this.requests = requests;
    this.outbox = outbox;
    this.conversations = conversations;
    this.isNumbered = false;
    this.isOnline = false;
    this.paused = new Set();
  }

  /** Sends everything that waits. */
  sendAll() {
    for (const target of this.outbox.targets()) this.send(target);
  }

  /** Sends the messages of a conversation that may leave now. */
  send(target) {
    if (!this.isOnline || this.paused.has(fold(target))) return;
    for (const message of this.outbox.ready(target)) this.#sendOne(message);
  }

  async #sendOne(message) {
    const conversation = this.conversations.find(message.target);
    if (conversation && !conversation.isRoom && isOther(conversation.epoch, message.epoch)) {
      this.outbox.update(message, { state: 'refused', code: OTHER_CONVERSATION });
      return;
    }
    const wasSent = message.wasSent;
    const after = conversation?.timeline.last ?? 0;
    this.outbox.update(message, { state: 'sent', wasSent: true, after });
    try {
      await this.requests.send(this.lineOf(message));
      this.outbox.remove(message);
    } catch (error) {
      if (!(error instanceof Disconnected)) this.#refused(message, wasSent, error.code);
    }
    this.send(message.target);
  }

  /** The line that carries a message. */
  lineOf({ target, text, order }) {
    return encode({ verb: 'SAY', words: [target], text, n: this.isNumbered ? order : undefined });
  }

  #refused(message, wasSent, code) {
    if (TRANSIENT.has(code)) {
      this.outbox.update(message, { state: 'waiting' });
      this.#pause(message.target);
    } else if (code === 'STALE' && wasSent && !this.#mayHaveExpired(message)) {
      this.outbox.renumber(message);
    } else {
      this.outbox.update(message, { state: 'refused', code });
    }
  }

  /** A conversation that drops old records may have dropped this one, too: only its author can decide (§16.4). */
  #mayHaveExpired(message) {
    return (this.conversations.find(message.target)?.first ?? 1) > 1;
  }

  #pause(target) {
    const key = fold(target);
    if (this.paused.has(key)) return;
    this.paused.add(key);
    setTimeout(() => {
      this.paused.delete(key);
      this.send(target);
    }, STORE_PAUSE);
  }
}

function isOther(epoch, expected) {
  return epoch !== '' && expected !== '' && epoch !== expected;
}
