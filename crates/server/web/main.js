/**
 * The page: makes the client and the views, and passes changes from one to the other.
 */
import { Client } from './client.js';
import { lineOfCommand } from './commands.js';
import { errorSentence } from './error_sentences.js';
import { sentenceOfEnd } from './membership.js';
import { Notifications } from './notifications.js';
import { addressOf, targetInAddress } from './place.js';
import { isRoom } from './protocol.js';
import { Disconnected } from './requests.js';
import { SettingsStore } from './settings.js';
import { openStorage } from './storage.js';
import { isMentioned } from './text.js';
import { WireLog } from './wire_log.js';
import { Announcer } from './view/announcer.js';
import { Composer } from './view/composer.js';
import { ConversationView } from './view/conversation_view.js';
import { closeDialog, prepareDialog } from './view/dialog.js';
import { byId, oncePerFrame } from './view/element.js';
import { Entry } from './view/entry.js';
import { Invitations } from './view/invitations.js';
import { People } from './view/people.js';
import { Sidebar } from './view/sidebar.js';

/** The room of somebody who comes without a link. */
const DEFAULT_ROOM = '#lobby';

/** Commands whose answer is a list: the lines of the connection show it. */
const LISTS = new Set(['RAW', 'MEMBERS', 'READERS', 'SEARCH', 'HISTORY', 'WHO', 'ROOMS', 'DEVICES', 'WIRE']);

class Page {
  constructor() {
    const storage = openStorage();
    const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
    this.client = new Client(address, storage);
    this.settings = new SettingsStore(storage.local);
    this.notifications = new Notifications(storage.local);
    this.wireLog = new WireLog();
    this.announcer = new Announcer();
    this.invitations = new Invitations((target) => this.go(target, true));
    this.current = null;
    this.entry = new Entry(this.client);
    this.view = new ConversationView(this.client, {
      onName: (name) => this.go(name),
      notify: (text) => this.announcer.show(text),
      failed: (error) => this.failed(error),
      openWire: (item, entry) => this.#dialog('wire', this.client, item, entry),
    });
    this.composer = new Composer(this.client, { say: (texts) => this.#say(texts), command: (text) => this.#take(text) });
    this.sidebar = new Sidebar(this.client, (item) => this.open(item), (target) => this.composer.hasDraft(target));
    this.people = new People(this.client, (name) => this.go(name));
    this.refresh = oncePerFrame(() => this.#refresh());
    prepareDialog();
    this.#listenToClient();
    this.#listenToState();
    this.#listenToUser();
    this.#begin();
  }

  /** A guest whose tab was loaded again comes back by its name, and an account by its token. Others type a name. */
  #begin() {
    const guest = this.client.accounts.guest;
    const isReload = performance.getEntriesByType('navigation')[0]?.type === 'reload';
    if (guest && isReload) this.client.enterAsGuest(guest);
    else if (this.client.accounts.account) this.client.enterWithToken();
    else this.#showState();
  }

  // -- Changes of the client -----------------------------------------------------------------------------------------

  #listenToClient() {
    const { client } = this;
    client.on('state', () => this.#showState());
    client.on('reset', () => {
      this.entry.explain('');
      this.#showNothing();
      this.#listenToState();
    });
    client.on('taken', () => this.composer.show(this.composer.target));
    client.on('ended', (conversation, record) => this.announcer.show(sentenceOfEnd(conversation, record)));
    client.on('online', ({ isFirst }) => (isFirst ? this.#arrive() : this.refresh()));
    client.on('refused', (code, identity) => code !== 'DISPLACED' && this.entry.refuse(code, identity));
    client.on('outbox', this.refresh);
    client.on('notice', (text) => this.announcer.show(text));
    client.on('line', (raw) => this.wireLog.add(raw, false));
    client.on('sent', (raw) => this.wireLog.add(raw, true));
  }

  /** The parts that a new user gets anew. */
  #listenToState() {
    const { conversations, presence, chats } = this.client;
    conversations.on('list', this.refresh);
    conversations.on('changed', this.refresh);
    conversations.on('record', (conversation, record) => this.#heard(conversation, record));
    conversations.on('news', (conversation) => this.#news(conversation));
    conversations.on('stray', (record) => record.verb === 'INVITED' && this.#invited(record));
    presence.on('changed', () => this.people.refresh());
    chats.on('message', (chat, message) => this.#heardInChat(chat, message));
    chats.on('changed', this.refresh);
  }

  #showState() {
    const { state } = this.client;
    const isOut = state === 'out' || (state !== 'elsewhere' && !this.client.wasOnline && this.client.isGuest);
    this.entry.show(isOut, targetInAddress());
    if (isOut && state === 'offline') this.entry.explain('The server cannot be reached now: trying again.');
    byId('guest-enter').disabled = isOut && state === 'connecting';
    byId('elsewhere').hidden = state !== 'elsewhere';
    byId('app').hidden = isOut || state === 'elsewhere';
    this.refresh();
  }

  /** The first login: the room of the link, or the conversation of the last visit. */
  #arrive() {
    this.#showState();
    byId('app').dataset.pane = 'list';
    const last = this.client.outbox.storage.get(`last/${this.client.outbox.owner}`, '');
    const [first] = this.client.conversations.all();
    this.go(targetInAddress() || last || first?.target || DEFAULT_ROOM);
  }

  #refresh() {
    if (byId('app').hidden) return;
    const { conversations, chats } = this.client;
    const unread = conversations.unread + chats.all().reduce((sum, chat) => sum + chat.unread, 0);
    this.notifications.count(unread, this.current ? titleOf(this.current) : '');
    this.sidebar.refresh(this.current);
    this.view.refresh();
  }

  #heard(conversation, record) {
    if (conversation === this.current) this.view.refresh();
    if (['JOINED', 'LEFT', 'KICKED', 'BANNED', 'SET'].includes(record.verb) && conversation === this.current) this.people.ask();
    if (record.verb !== 'FROM' || !conversation.isLive || record.author === this.client.name) return;
    if (conversation === this.current) this.announcer.speak(`${record.author}: ${record.text}`);
    if (!conversation.isRoom || isMentioned(this.client.name, record.text)) this.#notify(conversation, record.author, record.text);
  }

  #news(conversation) {
    if (conversation.isRoom) return;
    this.announcer.speak(`New messages from ${conversation.target}`);
    this.#notify(conversation, conversation.target, 'New messages');
  }

  #invited({ author, target }) {
    this.announcer.show(`${author} invites you to ${target}.`);
    this.invitations.add(author, target);
  }

  #heardInChat(chat, { author, text, isOwn, isNote }) {
    if (isOwn) return;
    this.announcer.speak(isNote ? text : `${author}: ${text}`);
    if (!isNote) this.#notify(chat, author, text);
  }

  #notify(item, author, text) {
    const title = item.isRoom ? `${author} in ${item.target}` : author;
    this.notifications.show(title, text, () => this.open(item));
  }

  // -- Where the user goes -------------------------------------------------------------------------------------------

  /** Opens a room or the conversation with a person, known or not. Joins also a known one if `isJoin`. */
  async go(target, isJoin = false) {
    closeDialog();
    const known = this.client.conversations.find(target) ?? this.client.chats.find(target);
    if (known && !isJoin) return this.open(known);
    try {
      this.open(isRoom(target) || !this.client.isGuest ? await this.#join(target) : await this.client.chats.connect(target));
    } catch (error) {
      this.failed(error);
      if (!this.current && target !== DEFAULT_ROOM && this.client.state === 'online') this.go(DEFAULT_ROOM);
    }
    return undefined;
  }

  /** A conversation with a guest is a private chat, also for an account. */
  async #join(target) {
    try {
      return await this.client.join(target);
    } catch (error) {
      if (error.code === 'USER_NOT_FOUND' && this.client.presence.isHere(target)) return this.client.chats.connect(target);
      throw error;
    }
  }

  /** Shows a conversation or a private chat. */
  open(item) {
    const title = titleOf(item);
    this.current = item;
    byId('app').dataset.pane = 'conversation';
    if (item.target) {
      this.client.show(item).catch((error) => this.failed(error));
      this.client.outbox.storage.set(`last/${this.client.outbox.owner}`, title);
    }
    if (targetInAddress() !== title) history.pushState(null, '', addressOf(title));
    this.view.show(item);
    this.composer.show(title);
    this.people.show(item);
    this.#showButtons();
    if (matchMedia('(min-width: 701px)').matches) this.composer.focus();
    this.refresh();
  }

  /** No conversation is on the screen: nobody is logged in, or the last one was left. */
  #showNothing() {
    this.current = null;
    byId('app').dataset.pane = 'list';
    this.view.clear();
    this.composer.show('');
    this.people.show(null);
    this.sidebar.refresh(null);
    this.invitations.clear();
    this.notifications.count(0, '');
    this.#showButtons();
  }

  #showButtons() {
    const isConversation = Boolean(this.current?.target);
    for (const button of ['link-open', 'people-toggle']) byId(button).hidden = !isConversation;
    byId('search-open').hidden = !isConversation || !this.client.offers('search');
  }

  failed(error) {
    if (error instanceof Disconnected) this.announcer.show('There is no connection now.');
    else if (error.code) this.announcer.show(errorSentence(error.code));
    else throw error;
  }

  // -- What the user does --------------------------------------------------------------------------------------------

  #say(texts) {
    const item = this.current;
    if (!item) return false;
    this.view.list.follows = true;
    if (item.target) return texts.every((text) => this.client.say(item, text));
    this.#sayInChat(item, texts);
    return true;
  }

  /** Sends the texts one after the other. Those that cannot be sent are the draft of this chat again. */
  async #sayInChat(chat, texts) {
    const unsent = [...texts];
    try {
      for (; unsent.length > 0; unsent.shift()) await this.client.chats.say(chat, unsent[0]);
    } catch (error) {
      this.composer.putBack(chat.name, unsent.join('\n'));
      this.failed(error);
    }
  }

  /** Takes a command from the composer. Returns whether there is such a command. */
  #take(text) {
    const here = this.current?.target ?? '';
    const command = lineOfCommand(text, here);
    if (command) this.#command(command, here);
    else this.announcer.show('There is no such command. Two slashes begin a message with one.');
    return command !== null;
  }

  async #command({ verb, line }, here) {
    const [, target] = line.split(' ');
    if (verb === 'JOIN' && target) return this.go(target, true);
    if (verb === 'LEAVE' && target) return this.#leave(target);
    if (LISTS.has(verb)) this.#openWireLog();
    if (line.trim() === '') return undefined;
    try {
      const { line: answer } = await this.client.sendRaw(line);
      if (!LISTS.has(verb)) this.announcer.show(answer.raw);
    } catch (error) {
      if (error instanceof Disconnected && here !== '') this.composer.putBack(here, `/raw ${line}`);
      if (!LISTS.has(verb) || error instanceof Disconnected) this.failed(error);
    }
    return undefined;
  }

  /** Leaves a room. If it is on the screen, another conversation takes its place, or none. */
  async #leave(target) {
    const conversation = this.client.conversations.find(target);
    if (!conversation) return this.failed({ code: 'NOT_A_MEMBER' });
    const next = this.sidebar.neighbour(1, false);
    try {
      await this.client.leave(conversation);
    } catch (error) {
      return this.failed(error);
    }
    if (conversation !== this.current) return undefined;
    return next && next !== conversation ? this.open(next) : this.#showNothing();
  }

  #listenToUser() {
    const { client } = this;
    byId('me').addEventListener('click', () => this.#dialog('settings', client, this.settings, this.notifications));
    byId('help-open').addEventListener('click', () => this.#help());
    byId('rooms-open').addEventListener('click', () => this.#dialog('rooms', client, (target) => this.go(target)));
    byId('search-open').addEventListener('click', () => this.#search());
    byId('link-open').addEventListener('click', () => this.#dialog('link', this.current?.target ?? ''));
    byId('use-here').addEventListener('click', () => this.client.enterWithToken({ steal: true }));
    byId('leave-elsewhere').addEventListener('click', () => this.client.signOut());
    byId('back').addEventListener('click', () => {
      byId('app').dataset.pane = 'list';
      this.sidebar.focusCurrent();
    });
    document.addEventListener('keydown', (event) => this.#key(event));
    window.addEventListener('popstate', () => this.#followAddress());
    window.addEventListener('online', () => this.client.connection.wake());
    document.addEventListener('visibilitychange', () => !document.hidden && this.client.connection.wake());
    window.addEventListener('storage', ({ key }) => key === 'switchboard/account' && this.#accountChanged());
  }

  /** Opens a dialog. Its module is loaded when it is first needed. */
  async #dialog(name, ...values) {
    try {
      const { open } = await import(`./view/${name}_dialog.js`);
      open(...values);
    } catch {
      this.announcer.show('There is no connection now.');
    }
  }

  #help() {
    this.#dialog('help', { openWireLog: () => this.#openWireLog() });
  }

  #search() {
    if (this.current?.target && this.client.offers('search')) this.#dialog('search', this.client, this.current.target, (target, seq) => this.#jump(target, seq));
  }

  #openWireLog() {
    return this.#dialog('wire_log', this.client, this.wireLog);
  }

  #followAddress() {
    const target = targetInAddress();
    if (target !== '' && this.client.state === 'online' && (!this.current || titleOf(this.current) !== target)) this.go(target);
  }

  /** Another tab has logged out. */
  #accountChanged() {
    const { client } = this;
    if (!client.accounts.account && (client.identity?.kind === 'account' || client.state === 'elsewhere')) client.signOut();
  }

  async #jump(target, seq) {
    closeDialog();
    const conversation = this.client.conversations.find(target);
    if (!conversation) return;
    if (conversation !== this.current) this.open(conversation);
    try {
      // Only an open conversation knows how far it goes.
      await this.client.show(conversation);
      if (conversation === this.current) await this.view.jumpTo(seq);
    } catch (error) {
      this.failed(error);
    }
  }

  #key(event) {
    if (byId('app').hidden) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === 'F1') this.#help();
    else if (isCommand && event.key.toLowerCase() === 'k') this.#find();
    else if (isCommand && event.key.toLowerCase() === 'f' && !event.shiftKey) this.#search();
    else if (event.altKey && step) this.#step(step, event.shiftKey);
    else if (event.key === 'Escape' && !byId('dialog').open && !byId('menu').matches(':popover-open')) this.composer.focus();
    else return;
    event.preventDefault();
  }

  #find() {
    byId('app').dataset.pane = 'list';
    byId('filter').focus();
  }

  #step(step, unreadOnly) {
    const next = this.sidebar.neighbour(step, unreadOnly);
    if (next) this.open(next);
  }
}

function titleOf(item) {
  return item.target ?? item.name;
}

new Page();
