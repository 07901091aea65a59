/**
 * Opens conversations, resumes them at their positions, and loads pages of history: docs/protocol.md §15.5 and §16.2.
 */
import { AFTER_LAST, PAGE_RECORDS_MAX, encode, parseNumber, parseRecord } from './protocol.js';
import { Disconnected } from './requests.js';
import { gapEntry, pageEntries, recordEntry } from './timeline.js';

/** Records that a replay may bring after a loss. Of more, the page loads the newest and shows a hole before them. */
const REPLAY_MAX = 512;
/** Records of the first page. */
const FIRST_PAGE = 100;
/** Conversations that stay open after the user has left them, for an account. */
const OPEN_MAX = 8;
/** Pause before the newest page is asked for again, if the server could not read it, in milliseconds. */
const PAGE_PAUSE = 2_000;

export class Reader {
  /**
   * @param {import('./requests.js').Requests} requests
   * @param {import('./conversations.js').Conversations} conversations
   */
  constructor(requests, conversations) {
    this.requests = requests;
    this.conversations = conversations;
    /** @type {import('./conversations.js').Conversation[]} Wanted open, the latest last. */
    this.wanted = [];
    /** @type {Map<object, Promise<void>>} The OPEN of a conversation that has no answer yet. */
    this.opening = new Map();
    /** @type {Map<string, Promise<void>>} The pages that have no answer yet. */
    this.loading = new Map();
    conversations.on('live', (conversation) => this.#afterLive(conversation));
  }

  /**
   * Opens a conversation and keeps it open. An account hears of news in other conversations by CONVERSATION, so only a
   * few stay open; a guest hears only of those that are open.
   */
  want(conversation, isGuest) {
    this.forget(conversation);
    this.wanted.push(conversation);
    while (!isGuest && this.wanted.length > OPEN_MAX) this.#close(this.wanted.shift());
    return conversation.isOpen ? Promise.resolve() : this.open(conversation);
  }

  /** Closes a conversation. */
  unwant(conversation) {
    this.forget(conversation);
    if (conversation.isOpen) this.#close(conversation);
  }

  /** The server has closed a conversation: it is not opened again after a loss. */
  forget(conversation) {
    this.wanted = this.wanted.filter((other) => other !== conversation);
  }

  #close(conversation) {
    conversation.isOpen = false;
    this.#ask({ verb: 'CLOSE', words: [conversation.target] });
  }

  /** Opens all wanted conversations again after a loss, the one on the screen first. */
  resume() {
    for (const conversation of [...this.wanted].reverse()) this.open(conversation).catch(() => {});
  }

  /** OPEN, with the position if there is one. Rejects if the server refuses. */
  open(conversation) {
    if (!this.opening.has(conversation)) {
      this.opening.set(conversation, this.#open(conversation).finally(() => this.opening.delete(conversation)));
    }
    return this.opening.get(conversation);
  }

  async #open(conversation) {
    const { target, position } = conversation;
    const words = position ? [target, position.epoch, position.seq] : [target];
    const { line } = await this.requests.send(encode({ verb: 'OPEN', words }));
    const [, epoch, , last] = line.words;
    if (!position || position.epoch !== epoch || parseNumber(last) - position.seq <= REPLAY_MAX) return;
    this.#close(conversation);
    conversation.timeline.expect(parseNumber(last));
    await this.requests.send(encode({ verb: 'OPEN', words: [target] }));
  }

  /** The replay is over. If it brought nothing because there was no position, the newest page comes now. */
  #afterLive(conversation) {
    if (conversation.last > 0 && conversation.timeline.lacksEnd) this.#loadNewest(conversation);
  }

  async #loadNewest(conversation) {
    try {
      await this.#load(conversation, AFTER_LAST, FIRST_PAGE);
    } catch (error) {
      if (error.code !== 'UNAVAILABLE') return;
      setTimeout(() => conversation.isLive && this.#afterLive(conversation), PAGE_PAUSE);
    }
  }

  /** Loads the page before the first known record. */
  loadOlder(conversation) {
    const { timeline } = conversation;
    if (timeline.isComplete || timeline.first <= 1) return Promise.resolve();
    return this.#load(conversation, timeline.first, PAGE_RECORDS_MAX);
  }

  /** Loads a page at the end of a hole, or at its beginning. */
  fillHole(conversation, hole, fromStart = false) {
    const size = hole.to - hole.from + 1;
    const before = fromStart ? Math.min(hole.to + 1, hole.from + PAGE_RECORDS_MAX) : hole.to + 1;
    return this.#load(conversation, before, Math.min(PAGE_RECORDS_MAX, size));
  }

  /** Loads the records around a number, for a jump to it. */
  loadAround(conversation, seq) {
    if (conversation.timeline.record(seq)) return Promise.resolve();
    return this.#load(conversation, Math.min(seq + FIRST_PAGE / 2, conversation.last + 1), FIRST_PAGE);
  }

  /** One HISTORY. The same page is not asked for twice at a time. */
  #load(conversation, before, count) {
    const key = `${before} ${count} ${conversation.epoch} ${conversation.target}`;
    if (!this.loading.has(key)) {
      const loaded = this.#history(conversation, before, count).finally(() => this.loading.delete(key));
      this.loading.set(key, loaded);
    }
    return this.loading.get(key);
  }

  async #history(conversation, before, count) {
    const { target, timeline } = conversation;
    const request = encode({ verb: 'HISTORY', words: [target, before, count] });
    const answer = await this.requests.send(request).catch((error) => {
      if (error instanceof Disconnected) return null;
      throw error;
    });
    // A new epoch has come meanwhile: these numbers are of no use any more.
    if (!answer || timeline !== conversation.timeline) return;
    const isEnd = before === AFTER_LAST;
    const entries = pageEntries(answer.list.map(entryOf).filter(Boolean), isEnd ? Infinity : before);
    const isEmpty = parseNumber(answer.line.words[1]) === 0;
    timeline.add(isEmpty && !isEnd ? [gapEntry(1, before - 1, 'EXPIRED')] : entries);
    if (isEmpty || entries[0]?.from === 1) timeline.complete();
    timeline.expect(conversation.last);
    timeline.trim(conversation.place);
    this.conversations.page(conversation, entries);
  }

  #ask(request) {
    this.requests.send(encode(request)).catch(() => {});
  }
}

/** The entry of a line that answers HISTORY. */
function entryOf(line) {
  const record = parseRecord(line);
  if (record) return recordEntry(record);
  const [from, to] = [parseNumber(line.words[1]), parseNumber(line.words[2])];
  return line.verb === 'GAP' && from ? gapEntry(from, to, line.words[3]) : null;
}
