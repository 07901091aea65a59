/**
 * The name or account of this browser. A tab is a guest by itself; an account belongs to the browser, with a token in
 * place of the password.
 */
import { fold } from './protocol.js';
import { newDeviceName } from './session.js';

export class AccountStore {
  /** @param {{ local: import('./storage.js').Storage, tab: import('./storage.js').Storage }} storage */
  constructor(storage) {
    this.storage = storage;
  }

  /** The account with its device and token, if this browser is logged in. */
  get account() {
    const account = this.storage.local.get('account');
    return typeof account?.token === 'string' ? account : null;
  }

  /** The name that this tab had as a guest before it was loaded again. */
  get guest() {
    return this.storage.tab.get('guest');
  }

  /** The name that a guest chose last in this browser. */
  get lastName() {
    return this.storage.local.get('last-name', '');
  }

  /** The device that this browser is for an account. It stays after a log-out: its message numbers go on. */
  deviceFor(name) {
    const key = `device/${fold(name)}`;
    const device = this.storage.local.get(key) ?? newDeviceName();
    this.storage.local.set(key, device);
    return device;
  }

  keepGuest(name) {
    this.storage.tab.set('guest', name);
    this.storage.local.set('last-name', name);
  }

  keepAccount(name, device, token) {
    this.storage.local.set(`device/${fold(name)}`, device);
    this.storage.local.set('account', { name, device, token });
    this.storage.tab.remove('guest');
  }

  /** This browser is not logged in to an account any more. It may be logged in to another one. */
  forget(name) {
    if (this.account && fold(this.account.name) === fold(name)) this.storage.local.remove('account');
  }

  /** The server takes this token no more. Another tab may have got a new one meanwhile. */
  forgetToken(token) {
    if (this.account?.token === token) this.storage.local.remove('account');
  }

  forgetGuest() {
    this.storage.tab.remove('guest');
  }

  /** The device was removed from the account: its name and its numbers end. */
  forgetDevice(name) {
    this.storage.local.remove(`device/${fold(name)}`);
  }
}
