/**
 * The way in: a name, or an account.
 */
import { errorSentence, loginSentence } from '../error_sentences.js';
import { isSecure } from '../session.js';
import { isRoom, isWord } from '../protocol.js';
import { byId } from './element.js';

export class Entry {
  /** @param {import('../client.js').Client} client */
  constructor(client) {
    this.client = client;
    this.reason = byId('entry-reason');
    byId('guest-form').addEventListener('submit', (event) => this.#enterAsGuest(event));
    byId('account-form').addEventListener('submit', (event) => this.#enterWithPassword(event));
    byId('guest-name').value = client.accounts.lastName;
  }

  /** Shows or hides the forms. While the server decides, they cannot be sent again. */
  show(isShown, room) {
    const wasHidden = byId('entry').hidden;
    byId('entry').hidden = !isShown;
    if (!isShown || !wasHidden) return;
    byId('guest-enter').textContent = isRoom(room) ? `Enter ${room}` : 'Enter';
    byId('guest-name').focus();
  }

  /** Says why a login was refused. */
  refuse(code, identity) {
    const name = identity?.name ?? '';
    this.explain(code === 'NAME_TAKEN' ? `${name}: ${errorSentence(code)} If it is your account, log in below.` : loginSentence(code, identity?.proof === 'token'));
    const isAccount = identity?.kind === 'account';
    byId('account-entry').open ||= isAccount;
    if (isAccount) byId('account-name').value = name;
    const field = isAccount ? byId('account-password') : byId('guest-name');
    field.focus();
    if (field.id === 'guest-name') field.select();
  }

  /** Shows a sentence above the forms. */
  explain(text) {
    this.reason.textContent = text;
    this.reason.hidden = text === '';
  }

  #enterAsGuest(event) {
    event.preventDefault();
    const name = byId('guest-name').value.trim();
    if (!isWord(name)) return this.explain(errorSentence('INVALID_NAME'));
    this.explain('');
    this.client.enterAsGuest(name);
  }

  #enterWithPassword(event) {
    event.preventDefault();
    const [name, password] = [byId('account-name').value.trim(), byId('account-password').value];
    if (!isSecure()) return this.explain(errorSentence('NOT_SECURE'));
    if (!isWord(name)) return this.explain(errorSentence('INVALID_NAME'));
    this.explain('');
    byId('account-password').value = '';
    this.client.enterWithPassword(name, password);
  }
}
