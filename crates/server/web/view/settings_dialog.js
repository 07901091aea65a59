/**
 * The user: theme, notifications, account, devices, and the way out.
 */
import { errorSentence, loginSentence } from '../error_sentences.js';
import { isSecure } from '../session.js';
import { closeDialog, openDialog } from './dialog.js';
import { element } from './element.js';

/**
 * @param {import('../client.js').Client} client
 * @param {import('../settings.js').SettingsStore} settings
 * @param {import('../notifications.js').Notifications} notifications
 */
export function open(client, settings, notifications) {
  const devices = element('div', {});
  openDialog(
    client.name,
    themeChoice(settings),
    notificationChoice(notifications),
    element('h3', { text: 'Account' }),
    client.isGuest ? claimForm(client) : element('p', { text: 'Your name is an account. This browser is one of its devices:' }),
    devices,
    client.outbox.messages.length > 0 && element('p', { class: 'hint', text: 'Some messages are not sent. If you go now, they are lost.' }),
    element('button', { type: 'button', text: client.isGuest ? 'Leave' : 'Log out and forget this browser', click: () => signOut(client) }),
  );
  if (!client.isGuest) showDevices(client, devices);
}

function themeChoice(settings) {
  const names = { auto: 'as the system', light: 'light', dark: 'dark' };
  const options = Object.entries(names).map(([value, text]) => element('option', { value, text, selected: value === settings.theme }));
  const select = element('select', { id: 'theme', change: () => (settings.theme = select.value) }, ...options);
  return element('div', { class: 'row' }, element('label', { for: 'theme', text: 'Colours' }), select);
}

function notificationChoice(notifications) {
  if (!notifications.isPossible) {
    return element('p', { class: 'hint', text: 'Notifications need a page over https: here, only the title counts unread messages.' });
  }
  const state = element('span', { class: 'hint', role: 'status' });
  const box = element('input', { type: 'checkbox', id: 'notify', checked: notifications.isOn, change: async () => {
    const isOn = await notifications.turn(box.checked);
    state.textContent = box.checked && !isOn ? 'The browser does not allow it.' : '';
    box.checked = isOn;
  } });
  return element('div', { class: 'row' }, box, element('label', { for: 'notify', text: 'Notify me of direct messages, and of my name in the rooms that I opened last' }), state);
}

function claimForm(client) {
  if (!isSecure()) return element('p', { class: 'hint', text: errorSentence('NOT_SECURE') });
  const state = element('p', { class: 'hint', role: 'status', text: 'With a password, your name stays yours, and messages to you are kept while you are away.' });
  const name = element('input', { class: 'visually-hidden', autocomplete: 'username', value: client.name, tabindex: '-1', 'aria-hidden': 'true', readonly: true });
  const field = element('input', { type: 'password', 'aria-label': 'Password', placeholder: 'Password', autocomplete: 'new-password', maxlength: '1024', required: true });
  const claim = async (event) => {
    event.preventDefault();
    try {
      await client.claim(field.value);
      closeDialog();
    } catch (error) {
      state.textContent = error.code ? loginSentence(error.code) : 'There is no connection now.';
    }
  };
  return element('form', { submit: claim }, state, name, element('div', { class: 'row' }, field, element('button', { class: 'primary', text: 'Make it an account' })));
}

async function showDevices(client, place) {
  const { list } = await client.ask({ verb: 'DEVICES' }).catch(() => ({ list: [] }));
  const rows = list.map(({ words: [device, ...flags] }) => {
    const isThis = flags.includes('this');
    const revoke = async () => {
      await client.ask({ verb: 'REVOKE', words: [device] }).catch(() => {});
      showDevices(client, place);
    };
    return element('tr', {}, element('td', { text: device }), element('td', { class: 'faint', text: isThis ? 'this browser' : flags.join(', ') }), element('td', {}, !isThis && element('button', { type: 'button', text: 'Remove', click: revoke })));
  });
  place.replaceChildren(element('table', {}, element('tbody', {}, ...rows)));
}

function signOut(client) {
  closeDialog();
  client.signOut();
}
