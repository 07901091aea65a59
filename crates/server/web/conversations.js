/**
 * The conversations of this user: targets, epochs, positions, read markers, and their timelines (docs/protocol.md §14.1).
 *
 * Events: `list` (the list or an unread count has changed), `record` (a conversation and its new record), `past` (a
 * conversation and an older record), `changed` (a conversation was reset, redacted, opened or closed), `confirmed` (the
 * server has named a conversation and its epoch), `live` (a conversation), `closed` (one that the server has closed by
 * itself), `news` (there are records in one that is not open), `stray` (a record of one that is not open).
 */
import { Emitter } from './emitter.js';
import { fold, isRoom, parseNumber, parseRecord } from './protocol.js';
import { Timeline, gapEntry, recordEntry } from './timeline.js';

/** A conversation as this page knows it. */
export class Conversation {
  constructor(target) {
    this.target = target;
    this.epoch = '';
    this.first = 1;
    this.last = 0;
    /** The read marker: the server keeps that of an account, the page that of a guest. */
    this.read = 0;
    /** The marker that the server has, as far as it has said so. */
    this.readStored = 0;
    /** Whether the server has named its epoch since the login. */
    this.isConfirmed = false;
    this.isOpen = false;
    /** Whether the replay after OPEN is over. */
    this.isLive = false;
    /** Whether its numbers began anew, because the server has lost the former ones. */
    this.isRenewed = false;
    /** The topic of a room, or null if it is not known yet. */
    this.topic = null;
    /** The number of the record at the top of the reader's screen, or infinity at the end. Records far from it may be dropped. */
    this.place = Infinity;
    this.timeline = new Timeline();
  }

  get isRoom() {
    return isRoom(this.target);
  }

  get unread() {
    return Math.max(0, this.last - Math.max(this.read, this.first - 1));
  }

  /** The position from which OPEN continues (§14.1), if there is one. */
  get position() {
    return this.epoch !== '' && this.timeline.last > 0 ? { epoch: this.epoch, seq: this.timeline.last } : null;
  }
}

export class Conversations extends Emitter {
  constructor() {
    super();
    /** @type {Map<string, Conversation>} By folded target. */
    this.byKey = new Map();
    /** @type {?Conversation[]} The list in order, until a conversation comes or goes. */
    this.sorted = null;
  }

  /** @returns {Conversation|undefined} */
  find(target) {
    return this.byKey.get(fold(target));
  }

  /** The conversation with this target, made if need be. */
  ensure(target) {
    const known = this.find(target);
    if (known) return known;
    const conversation = new Conversation(target);
    this.byKey.set(fold(target), conversation);
    this.sorted = null;
    this.emit('list');
    return conversation;
  }

  remove(conversation) {
    if (this.find(conversation.target) === conversation) this.byKey.delete(fold(conversation.target));
    this.sorted = null;
    this.emit('list');
  }

  /** All conversations: rooms by name, then people by name. */
  all() {
    const order = (one, other) => one.isRoom === other.isRoom ? collator.compare(one.target, other.target) : other.isRoom - one.isRoom;
    this.sorted ??= [...this.byKey.values()].sort(order);
    return this.sorted;
  }

  /** Sum of unread records. */
  get unread() {
    return [...this.byKey.values()].reduce((sum, conversation) => sum + conversation.unread, 0);
  }

  /** The connection has ended: nothing is open any more. */
  disconnected() {
    for (const conversation of this.byKey.values()) Object.assign(conversation, { isConfirmed: false, isOpen: false, isLive: false });
  }

  /**
   * Handles a line that concerns a conversation, whether it was asked for or not (§13.8).
   * @param {import('./protocol.js').Line} line
   * @param {boolean} [isAnswer] Whether it answers a request.
   */
  receive(line, isAnswer = false) {
    const record = parseRecord(line);
    if (record) return record.isPast ? undefined : this.#record(record);
    const handler = LINE_HANDLERS[line.verb];
    return handler && line.words.length > 0 ? handler(this, line.words, line.tags, isAnswer) : undefined;
  }

  #record(record) {
    const conversation = this.find(record.target);
    // INVITED also comes from a room that is not open (§15.3): it does not change the position there.
    if (!conversation?.isOpen) return void this.emit('stray', record);
    conversation.last = Math.max(conversation.last, record.seq);
    this.#applyEffects(conversation, record);
    // A replay can fill a hole: the page may have jumped ahead of it.
    if (record.seq >= conversation.timeline.first) conversation.timeline.add([recordEntry(record)]);
    conversation.timeline.trim(conversation.place);
    this.emit('record', conversation, record);
    this.emit('list');
  }

  /** A page of older records is in the timeline now. */
  page(conversation, entries) {
    for (const { record } of entries) if (record) this.emit('past', conversation, record);
    this.emit('changed', conversation);
  }

  #applyEffects(conversation, record) {
    if (record.verb === 'TOPIC') conversation.topic = record.text;
    if (record.verb !== 'REDACTED') return;
    const number = parseNumber(record.text);
    if (number === null) conversation.timeline.redactAuthor(record);
    else conversation.timeline.redact(number, record.seq);
    this.emit('changed', conversation);
  }

  /** A conversation has this epoch now. With another epoch, its numbers and its records are those of another log. */
  setEpoch(conversation, epoch) {
    if (conversation.epoch !== '' && conversation.epoch !== epoch) {
      const lost = conversation.timeline.entries.length > 0;
      Object.assign(conversation, { timeline: new Timeline(), read: 0, readStored: 0, first: 1, last: 0, topic: null, isRenewed: lost });
      this.emit('changed', conversation);
    }
    conversation.epoch = epoch;
  }

  /**
   * The conversation that a line names, with its epoch. A direct conversation keeps its epoch when its target changes, as
   * it does when the other account is deleted.
   */
  named(target, epoch) {
    const known = this.find(target);
    if (!isRoom(target) && known?.epoch !== epoch) {
      const moved = [...this.byKey.values()].find((conversation) => conversation.epoch === epoch && !conversation.isRoom);
      if (moved) return this.#rename(moved, target);
    }
    const conversation = this.ensure(target);
    this.setEpoch(conversation, epoch);
    conversation.target = target;
    return conversation;
  }

  #rename(conversation, target) {
    this.byKey.delete(fold(conversation.target));
    conversation.target = target;
    this.byKey.set(fold(target), conversation);
    this.sorted = null;
    this.emit('changed', conversation);
    return conversation;
  }
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The lines that concern a conversation, besides records. */
const LINE_HANDLERS = {
  CONVERSATION(conversations, [target, epoch, ...numbers], _tags, isAnswer) {
    const [first, last, read] = numbers.map((word) => parseNumber(word) ?? 0);
    const conversation = conversations.named(target, epoch);
    // The first list after a login has no news. A line that nobody asked for may bring a new conversation.
    const isNews = last > conversation.last && (conversation.last > 0 || !isAnswer);
    Object.assign(conversation, { first, last, read: Math.max(read, conversation.read), readStored: read, isConfirmed: true });
    conversations.emit('list');
    conversations.emit('confirmed', conversation);
    if (isNews) conversations.emit('news', conversation);
  },
  OPEN_OK(conversations, [target, epoch, ...numbers]) {
    const [first, last] = numbers.map((word) => parseNumber(word) ?? 0);
    const conversation = conversations.named(target, epoch);
    Object.assign(conversation, { first, last: Math.max(last, conversation.last), isConfirmed: true, isOpen: true, isLive: false });
    conversations.emit('changed', conversation);
    conversations.emit('confirmed', conversation);
  },
  LIVE(conversations, [target, last]) {
    const conversation = conversations.find(target);
    if (!conversation) return;
    conversation.last = Math.max(conversation.last, parseNumber(last) ?? 0);
    conversation.isLive = true;
    conversations.emit('changed', conversation);
    conversations.emit('live', conversation);
  },
  CLOSE_OK(conversations, [target], _tags, isAnswer) {
    const conversation = conversations.find(target);
    if (!conversation) return;
    Object.assign(conversation, { isOpen: false, isLive: false });
    conversations.emit('changed', conversation);
    if (!isAnswer) conversations.emit('closed', conversation);
  },
  GAP(conversations, [target, from, to, reason], tags) {
    const conversation = conversations.find(target);
    const [first, last] = [parseNumber(from) ?? 0, parseNumber(to) ?? 0];
    if (!conversation || tags.past === '1') return;
    if (first === 0) {
      // The position is lost (§16.2): OPEN_OK has given the new epoch, and HISTORY gives the records.
      conversation.timeline = new Timeline();
      conversation.isRenewed = true;
    } else {
      conversation.timeline.add([gapEntry(first, last, reason)]);
    }
    conversations.emit('changed', conversation);
  },
  READ: readMarker,
  READ_OK: readMarker,
};

function readMarker(conversations, [target, seq]) {
  const conversation = conversations.find(target);
  if (!conversation) return;
  conversation.readStored = Math.max(conversation.readStored, parseNumber(seq) ?? 0);
  conversation.read = Math.max(conversation.read, conversation.readStored);
  conversations.emit('list');
}
