/**
 * The link that lets a colleague in, as a text and as a QR code.
 */
import { isRoom } from '../protocol.js';
import { openDialog } from './dialog.js';
import { element } from './element.js';

/** Opens the dialog for a room, or for the server if the conversation is no room. */
export async function open(target) {
  const room = isRoom(target) ? target : '';
  const about = await fetch('about.json').then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));
  const link = pageLink(about, room);
  const query = room === '' ? '' : `?room=${encodeURIComponent(room.slice(1))}`;
  const isHereOnly = /^(localhost|127\.|\[::1\])/.test(new URL(link).hostname);
  openDialog(
    room === '' ? 'Link to this server' : `Link to ${room}`,
    element('p', { text: 'With this link, a colleague types a name, and is in.' }),
    linkRow(link),
    isHereOnly && element('p', { class: 'hint', text: 'This address works on this machine only. Open the page by the address of the machine to share it.' }),
    element('img', { class: 'qr', src: `join.svg${query}`, alt: `QR code of ${link}`, width: '200', height: '200' }),
    about.link && element('h3', { text: 'With the program switchboard' }),
    about.link && linkRow(about.link),
    about.fingerprint && element('h3', { text: 'Fingerprint of the certificate (SHA-256)' }),
    about.fingerprint && element('p', { class: 'mono', dir: 'ltr', text: about.fingerprint }),
  );
}

/** The address of this page with the room. The server may know an address that others can reach. */
function pageLink(about, room) {
  const base = typeof about.page === 'string' && /^https?:\/\//.test(about.page) ? about.page : location.origin + location.pathname;
  return `${base.replace(/#.*$/, '')}${room === '' ? '' : `#${encodeURIComponent(room.slice(1))}`}`;
}

function linkRow(link) {
  const field = element('input', { class: 'mono', readonly: true, dir: 'ltr', 'aria-label': 'Link', value: link });
  const button = element('button', { type: 'button', text: 'Copy', click: () => copy(field, button) });
  return element('div', { class: 'row' }, field, button);
}

/** Pages without encryption may not write to the clipboard: then the link is selected. */
async function copy(field, button) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl C';
  }
}
