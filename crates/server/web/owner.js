/**
 * The texts that a browser keeps for a user: unsent messages, drafts, and the last conversation. An account's are in the
 * storage of the browser, under the account and its device; a guest's are in that of the tab.
 */
import { Outbox } from './outbox.js';
import { fold } from './protocol.js';

/** The key of an account and its device, or of a guest (`guestOwner`). */
export function ownerOf(name, device) {
  return `${encodeURIComponent(fold(name))}/${encodeURIComponent(fold(device))}`;
}

export function guestOwner(name) {
  return ownerOf('guest', name);
}

/**
 * Takes over unsent messages that would have no owner any more: those of a device that was removed from the account, and
 * those that this tab's user has written as a guest of another name. The user decides about both.
 * @param {Outbox} outbox The present one.
 * @param {{ local: import('./storage.js').Storage, tab: import('./storage.js').Storage }} storage
 */
export function adoptFormer(outbox, { local, tab }) {
  const { owner, isNumbered } = outbox;
  const devices = isNumbered ? ownersIn(local, owner.slice(0, owner.indexOf('/') + 1)) : [];
  for (const former of devices.filter((device) => device !== owner)) {
    outbox.adopt(new Outbox(local, former, true), ({ state, wasSent }) => (state === 'waiting' && wasSent ? { state: 'unsure' } : {}));
  }
  for (const former of ownersIn(tab, 'guest/').filter((guest) => isNumbered || guest !== owner)) {
    outbox.adopt(new Outbox(tab, former, false), ({ state }) => (state === 'waiting' ? { state: 'refused', code: 'OTHER_NAME' } : {}));
  }
}

/** The guest is an account now: its drafts go with it. */
export function moveDrafts(from, former, to, owner) {
  for (const key of from.keys(`draft/${former}/`)) {
    to.set(key.replace(`draft/${former}/`, `draft/${owner}/`), from.get(key));
    from.remove(key);
  }
}

/** Removes the texts. The numbers of the device go on. */
export function forgetTexts(storage, owner) {
  storage.remove(`last/${owner}`);
  for (const kind of ['outbox', 'draft']) storage.removeAll(`${kind}/${owner}/`);
}

/** The owners of unsent messages whose keys begin with `start`. */
function ownersIn(storage, start) {
  const owners = storage.keys(`outbox/${start}`).map((key) => key.slice('outbox/'.length, key.lastIndexOf('/')));
  return [...new Set(owners)];
}
