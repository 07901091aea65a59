/**
 * Notifications of the browser, and the count of unread messages in the title. Browsers allow notifications only to pages
 * over https or of this machine.
 */
export class Notifications {
  /** @param {import('./storage.js').Storage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  get isPossible() {
    return globalThis.isSecureContext && 'Notification' in globalThis;
  }

  get isOn() {
    return this.isPossible && Notification.permission === 'granted' && this.storage.get('notify', false);
  }

  /** Turns them on or off. Returns whether they are on: the browser asks the user. */
  async turn(isOn) {
    if (isOn && Notification.permission !== 'granted') await Notification.requestPermission();
    this.storage.set('notify', isOn);
    return this.isOn;
  }

  /** Shows a message, if the user does not see the page. */
  show(title, text, onClick) {
    if (!this.isOn || (!document.hidden && document.hasFocus())) return;
    try {
      const notification = new Notification(title, { body: text.slice(0, 200), tag: title, icon: 'icon.svg' });
      notification.onclick = () => {
        globalThis.focus();
        notification.close();
        onClick();
      };
    } catch {
      // Some phones allow notifications only to installed pages.
    }
  }

  /** The title: unread count, conversation, and page. */
  count(unread, conversation) {
    const count = unread > 0 ? `(${unread > 999 ? '999+' : unread}) ` : '';
    const title = `${count}${conversation === '' ? '' : `${conversation} · `}Switchboard`;
    if (document.title !== title) document.title = title;
  }
}
