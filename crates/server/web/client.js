/**
 * The client without its views: connects, logs in, resumes, and offers the page's actions. docs/protocol.md §16.8 gives
 * the order of the steps after a loss.
 *
 * Events: `state` (see `state`), `refused` (the code that ended a login), `notice` (a sentence for the user), `line` and
 * `sent` (each line of the wire), `outbox` (a message has changed), `online` (after each login), `reset` (another user),
 * `taken` (the same user: another window may have changed the unsent messages and drafts), `ended` (a conversation that
 * the user may not read any more, and the record that says so).
 */
import { AccountStore } from './account_store.js';
import { Chats } from './chats.js';
import { Connection } from './connection.js';
import { Conversations } from './conversations.js';
import { DeviceLock } from './device_lock.js';
import { Emitter } from './emitter.js';
import { errorSentence } from './error_sentences.js';
import { endOfView } from './membership.js';
import { Outbox } from './outbox.js';
import { adoptFormer, forgetTexts, guestOwner, moveDrafts, ownerOf } from './owner.js';
import { Presence } from './presence.js';
import { Reader } from './reader.js';
import { FINAL_ERRORS, Disconnected, Requests } from './requests.js';
import { Sender } from './sender.js';
import { encode, fold, isRoom, parseLine } from './protocol.js';
import { logIn } from './session.js';

/** After these errors a client does not connect again by itself (§16.8). */
const NO_RETURN = new Set(['DISPLACED', 'REVOKED', 'KICKED', 'BANNED']);

/** Time in which the server may still hold a guest's name for the lost connection, in milliseconds. */
const NAME_PATIENCE = 90_000;

export class Client extends Emitter {
  /** @param {string} url @param {ReturnType<typeof import('./storage.js').openStorage>} storage */
  constructor(url, storage) {
    super();
    this.storage = storage;
    this.accounts = new AccountStore(storage);
    this.connection = new Connection(url);
    /** @type {?import('./session.js').Identity} */
    this.identity = null;
    this.greeting = null;
    /**
     * `out` (nobody is logged in), `connecting`, `online`, `offline` (it will connect again), `elsewhere` (another tab or
     * window has the device).
     */
    this.state = 'out';
    this.nameLostAt = 0;
    this.lock = new DeviceLock(() => this.#leave('elsewhere'));
    this.#reset();
    this.#listen();
  }

  /** Forgets everything that belonged to the last user. */
  #reset() {
    this.requests = new Requests((line) => this.connection.send(line));
    this.conversations = new Conversations();
    this.reader = new Reader(this.requests, this.conversations);
    this.presence = new Presence(this.requests);
    this.chats = new Chats(this.requests);
    this.outbox = new Outbox(this.storage.tab, 'nobody', false);
    this.sender = new Sender(this.requests, this.outbox, this.conversations);
    this.conversations.on('record', (conversation, record) => {
      this.#confirm(conversation, record);
      this.#followMembership(conversation, record);
    });
    this.conversations.on('past', (conversation, record) => this.#confirm(conversation, record));
    this.conversations.on('confirmed', ({ isRoom: isOfMany, target }) => isOfMany || this.sender.send(target));
    this.conversations.on('live', (conversation) => this.#beginMarker(conversation));
    this.conversations.on('closed', (conversation) => this.#ended(conversation, null));
    /** The room that this user leaves now. */
    this.leaving = null;
    this.wasOnline = false;
  }

  #listen() {
    this.connection.on('open', () => this.#begin());
    this.connection.on('line', (raw) => this.#receive(raw));
    this.connection.on('sent', (raw) => this.emit('sent', raw));
    this.connection.on('closed', () => this.#lost());
    this.connection.on('silence', () => this.requests.send('PING').catch(() => {}));
  }

  get isGuest() {
    return this.identity?.kind === 'guest';
  }

  get name() {
    return this.greeting?.name ?? this.identity?.name ?? '';
  }

  /** Whether the server has a capability, such as `search`. */
  offers(capability) {
    return this.greeting?.capabilities.has(capability) ?? false;
  }

  // -- Who this is ---------------------------------------------------------------------------------------------------

  /** Takes a name without an account. */
  enterAsGuest(name) {
    this.#become({ kind: 'guest', name }, guestOwner(name));
  }

  /** Logs in with a password. The server gives this browser a token in its place. */
  enterWithPassword(name, secret) {
    return this.#enterAccount({ kind: 'account', name, device: this.accounts.deviceFor(name), proof: 'password', secret });
  }

  /** Logs in with the token of this browser. Another tab may have the device: then `steal` takes it over. */
  enterWithToken({ steal = false } = {}) {
    const { account } = this.accounts;
    if (!account) return this.#leave('out');
    return this.#enterAccount({ kind: 'account', name: account.name, device: account.device, proof: 'token', secret: account.token }, steal);
  }

  async #enterAccount(identity, steal = false) {
    const owner = ownerOf(identity.name, identity.device);
    if (await this.lock.acquire(owner, { steal })) this.#become(identity, owner);
    else this.#leave('elsewhere');
  }

  #become(identity, owner) {
    const isNumbered = identity.kind === 'account';
    const isSame = this.identity !== null && this.outbox.owner === owner && this.outbox.isNumbered === isNumbered;
    if (!isSame) this.#reset();
    this.identity = identity;
    this.#own(owner, isNumbered);
    adoptFormer(this.outbox, this.storage);
    this.emit(isSame ? 'taken' : 'reset');
    this.#setState('connecting');
    this.connection.start();
  }

  /** The outbox is that of this user from now on, as the storage has it: another window may have changed it. */
  #own(owner, isNumbered) {
    this.outbox = new Outbox(isNumbered ? this.storage.local : this.storage.tab, owner, isNumbered);
    this.sender = Object.assign(new Sender(this.requests, this.outbox, this.conversations), { isOnline: this.sender.isOnline });
    this.outbox.on('changed', () => this.emit('outbox'));
  }

  /**
   * Ends the session, and forgets the user's texts. An account's token is replaced by one that nobody knows, so the stored
   * one is worthless. The answer is of no use: the line leaves before the connection ends.
   */
  signOut() {
    const { identity } = this;
    const account = identity?.kind === 'account' ? identity : this.accounts.account;
    this.outbox.release();
    if (this.isGuest) {
      forgetTexts(this.storage.tab, guestOwner(identity.name));
      this.accounts.forgetGuest();
    } else if (account) {
      forgetTexts(this.storage.local, ownerOf(account.name, account.device));
      this.accounts.forget(account.name);
    }
    if (identity?.kind === 'account' && this.state === 'online') this.requests.send('TOKEN').catch(() => {});
    this.#leave('out');
  }

  /** Makes the guest's name an account, whose device `main` is this browser. */
  async claim(secret) {
    // Messages wait until they can have numbers: those before are answered before the claim.
    this.sender.isOnline = false;
    try {
      const { line } = await this.requests.send(encode({ verb: 'CLAIM', words: ['password'], text: secret }));
      await this.#becomeAccount(line.words[0], secret);
    } finally {
      this.sender.isOnline = this.state === 'online';
      this.sender.sendAll();
      this.emit('state');
    }
  }

  async #becomeAccount(name, secret) {
    const [owner, guest] = [ownerOf(name, 'main'), this.outbox];
    await this.lock.acquire(owner);
    this.identity = { kind: 'account', name, device: 'main', proof: 'password', secret };
    this.#own(owner, true);
    this.outbox.adopt(guest, () => ({}));
    moveDrafts(guest.storage, guest.owner, this.storage.local, owner);
    await this.#takeToken();
    // The rooms that the guest had open are those of the account.
    this.#joinAll();
    await this.requests.send('CONVERSATIONS').catch(() => {});
  }

  /** For a guest, JOIN makes a room anew that the server has forgotten. */
  #joinAll() {
    for (const { target } of this.reader.wanted) this.requests.send(encode({ verb: 'JOIN', words: [target] })).catch(() => {});
  }

  async #takeToken() {
    const { line } = await this.requests.send('TOKEN');
    const { name, device } = this.identity;
    this.identity = { kind: 'account', name, device, proof: 'token', secret: line.words[0] };
    this.accounts.keepAccount(name, device, line.words[0]);
  }

  // -- A connection begins and ends ----------------------------------------------------------------------------------

  async #begin() {
    this.#setState('connecting');
    try {
      this.greeting = await logIn(this.requests, this.identity);
      await this.#resume();
    } catch (error) {
      if (!(error instanceof Disconnected)) this.#loginRefused(error.code ?? String(error));
    }
  }

  /** The steps of §16.8, without waiting for answers. */
  async #resume() {
    const isAccount = this.identity.kind === 'account';
    this.nameLostAt = 0;
    this.sender.isOnline = true;
    if (isAccount) this.sender.sendAll();
    const listed = isAccount ? this.requests.send('CONVERSATIONS') : Promise.resolve();
    // It is awaited below. An error before it is reported first.
    listed.catch(() => {});
    if (!isAccount) this.#joinAll();
    this.reader.resume();
    this.presence.start().catch(() => {});
    this.#setState('online');
    if (isAccount && this.identity.proof === 'password') await this.#takeToken();
    if (!isAccount) this.accounts.keepGuest(this.name);
    await listed;
    for (const target of this.outbox.targets()) this.conversations.ensure(target);
    for (const target of this.sender.unconfirmed()) this.#confirmTarget(target);
    for (const conversation of this.conversations.all()) this.#storeMarker(conversation);
    const isFirst = !this.wasOnline;
    this.wasOnline = true;
    this.emit('online', { isFirst });
    if (!isAccount) this.sender.sendAll();
  }

  /** A direct conversation without a record is not listed. Opening it gives its epoch, for which its messages wait. */
  async #confirmTarget(target) {
    try {
      await this.reader.open(this.conversations.ensure(target));
    } catch (error) {
      if (error.code && error.code !== 'UNAVAILABLE') this.sender.refuse(target, error.code);
    }
  }

  #loginRefused(code) {
    const { identity } = this;
    const isLastName = code === 'NAME_TAKEN' && this.isGuest && this.wasOnline;
    if (isLastName) this.nameLostAt ||= Date.now();
    const mayPass = isLastName ? Date.now() - this.nameLostAt < NAME_PATIENCE : code === 'UNAVAILABLE' || code === 'STORE_FULL';
    if (mayPass) {
      // The server still holds the name for the lost connection, or cannot read its accounts now.
      this.connection.restart();
      return;
    }
    if (code === 'LOGIN_FAILED' && identity?.proof === 'token') this.accounts.forgetToken(identity.secret);
    this.#leave('out');
    this.emit('refused', code, identity);
  }

  #lost() {
    this.requests.abandon();
    this.conversations.disconnected();
    this.sender.isOnline = false;
    this.outbox.disconnected();
    this.chats.disconnected();
    if (this.state === 'online' || this.state === 'connecting') this.#setState('offline');
  }

  /** Stops without coming back. Another window may have the device from now on, so this one writes nothing more. */
  #leave(state) {
    if (state === 'elsewhere') this.outbox.release();
    this.state = state;
    this.connection.stop();
    if (state === 'out') {
      this.lock.release();
      [this.identity, this.greeting] = [null, null];
      this.#reset();
      this.emit('reset');
    }
    this.emit('state');
  }

  #setState(state) {
    this.state = state;
    this.emit('state');
  }

  // -- Lines ---------------------------------------------------------------------------------------------------------

  #receive(raw) {
    this.emit('line', raw);
    const line = parseLine(raw);
    const isAnswer = this.requests.receive(line);
    this.conversations.receive(line, isAnswer);
    this.presence.receive(line);
    this.chats.receive(line);
    if (line.verb === 'ERROR' && !isAnswer) this.#unasked(line.words[0], line.words.slice(1).join(' '));
    if (line.verb === 'NOTICE') this.emit('notice', `The server: ${line.rest}`);
  }

  #unasked(code, detail) {
    if (NO_RETURN.has(code)) {
      const { identity } = this;
      if (code === 'REVOKED') {
        this.accounts.forgetDevice(this.name);
        this.accounts.forget(this.name);
      }
      this.#leave(code === 'DISPLACED' ? 'elsewhere' : 'out');
      if (detail) this.emit('notice', `The operator: ${detail}`);
      this.emit('refused', code, identity);
    } else if (!FINAL_ERRORS.has(code)) {
      this.emit('notice', errorSentence(code));
    }
  }

  /** The record of an own message: the outbox need not hold it any more. */
  #confirm(conversation, record) {
    if (record.verb !== 'FROM') return;
    const isOwn = this.isGuest ? record.by === null && record.author === this.name : record.n !== null;
    if (!isOwn) return;
    const isIt = (message) =>
      this.isGuest ? message.wasSent && message.text === record.text && record.seq > message.after : message.order === record.n;
    const messages = this.outbox.of(conversation.target).filter(isIt);
    const message = messages.find(({ state }) => state === 'sent') ?? messages[0];
    if (message) this.outbox.confirm(message, record.seq);
  }

  /** A record may end the own view of a room. During a replay, the server says so with CLOSE_OK. */
  #followMembership(conversation, record) {
    const end = conversation.isLive ? endOfView(record, this.name, this.isGuest) : null;
    if (end === null) return;
    conversation.isLive = false;
    if (end !== 'closed') return this.#ended(conversation, record);
    conversation.isOpen = false;
    return this.reader.open(conversation).catch((error) => error.code && this.#ended(conversation, record));
  }

  #ended(conversation, record) {
    this.reader.unwant(conversation);
    this.conversations.emit('changed', conversation);
    if (conversation !== this.leaving) this.emit('ended', conversation, record);
  }

  /** A guest has no marker on the server: it begins at the end of a conversation. */
  #beginMarker(conversation) {
    if (this.isGuest && conversation.read === 0) conversation.read = conversation.last;
  }

  // -- Actions -------------------------------------------------------------------------------------------------------

  /** Joins a room and opens it, or opens a direct conversation. Rejects with the server's refusal. */
  async join(target) {
    const known = this.conversations.find(target);
    const conversation = known ?? this.conversations.ensure(target);
    const joined = isRoom(target) ? this.ask({ verb: 'JOIN', words: [target] }) : Promise.resolve();
    const opened = this.reader.want(conversation, this.isGuest);
    opened.catch(() => {});
    try {
      await joined.catch((error) => {
        // A room that only its members may join can still be readable.
        if (error.code !== 'NOT_ALLOWED' && error.code !== 'NOT_LOGGED_IN') throw error;
      });
      await opened;
    } catch (error) {
      if (!known) {
        this.reader.unwant(conversation);
        this.conversations.remove(conversation);
      }
      throw error;
    }
    return conversation;
  }

  /** Opens a known conversation. */
  async show(conversation) {
    if (conversation.isRoom && conversation.topic === null && this.state === 'online') this.#learnTopic(conversation).catch(() => {});
    if (this.state === 'online') await this.reader.want(conversation, this.isGuest);
    else if (!this.reader.wanted.includes(conversation)) this.reader.wanted.push(conversation);
  }

  /** Only ROOMS gives the topic of a room whose record is far back. It gives those of all rooms, so one question is enough. */
  async #learnTopic(room) {
    const { list } = await this.ask({ verb: 'ROOMS' });
    for (const { words: [target, , ...topic] } of list) {
      const conversation = this.conversations.find(target);
      if (conversation) conversation.topic ??= topic.join(' ');
    }
    room.topic ??= '';
    this.conversations.emit('list');
  }

  /** Leaves a room, or closes a direct conversation. */
  async leave(conversation) {
    this.leaving = conversation;
    try {
      if (conversation.isRoom && !this.isGuest) await this.ask({ verb: 'LEAVE', words: [conversation.target] });
    } finally {
      this.leaving = null;
    }
    this.reader.unwant(conversation);
    this.conversations.remove(conversation);
  }

  /** Writes a message into the outbox, and sends it when the server can be reached. */
  say(conversation, text) {
    const message = this.outbox.add(conversation.target, conversation.epoch, text);
    if (!message) this.emit('notice', 'Too many messages wait to be sent: this one was not accepted.');
    // The record of a message comes in an open conversation only.
    if (!conversation.isOpen && this.state === 'online') this.reader.want(conversation, this.isGuest).catch(() => {});
    this.sender.send(conversation.target);
    return message !== null;
  }

  /** Sends a refused or unsure message once more. */
  sayAgain(message) {
    const renewed = this.outbox.renumber(message);
    const epoch = this.conversations.find(renewed.target)?.epoch ?? '';
    this.outbox.update(renewed, { epoch });
    this.sender.send(renewed.target);
  }

  /** Moves the read marker. A guest's marker exists only in this page. */
  markRead(conversation) {
    if (conversation.read >= conversation.last) return;
    const seq = conversation.last;
    conversation.read = seq;
    this.conversations.emit('list');
    this.#storeMarker(conversation);
  }

  /** Sends the marker, if the server has a lower one. A lost one is sent again after the next login. */
  #storeMarker({ target, read, readStored }) {
    if (!this.isGuest && read > readStored) this.ask({ verb: 'READ', words: [target, read] }).catch(() => {});
  }

  /** Sends a request and returns its answer. */
  ask(request) {
    return this.requests.send(encode(request));
  }

  /** Sends a line that the user has typed. */
  sendRaw(line) {
    return this.requests.send(line);
  }
}
