/**
 * The lines of the connection as they come and go, and a field to type one.
 */
import { openDialog } from './dialog.js';
import { byId, element } from './element.js';

/** Lines in the dialog, at most. */
const SHOWN_MAX = 300;

/** @param {import('../client.js').Client} client @param {import('../wire_log.js').WireLog} wireLog */
export function open(client, wireLog) {
  const lines = element('div', { class: 'wire-log mono', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': 'Lines of the connection', dir: 'ltr' });
  const field = element('input', { class: 'mono', 'aria-label': 'Line', placeholder: 'A line of the protocol, such as WHO', dir: 'auto', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' });
  const form = element('form', { submit: (event) => send(event, client, field) }, element('div', { class: 'row' }, field, element('button', { class: 'primary', text: 'Send' })));
  openDialog('Lines of this connection', element('p', { class: 'hint', text: '> is sent by this page, < by the server. The same lines can be typed in nc.' }), lines, form);
  const add = (line) => {
    lines.append(element('div', { class: line.isSent ? 'faint' : '', text: `${line.isSent ? '>' : '<'} ${line.text}` }));
    if (lines.childElementCount > SHOWN_MAX) lines.firstElementChild.remove();
    lines.scrollTop = lines.scrollHeight;
  };
  wireLog.lines.forEach(add);
  wireLog.onLine = add;
  byId('dialog').addEventListener('close', () => (wireLog.onLine = null), { once: true });
  field.focus();
}

function send(event, client, field) {
  event.preventDefault();
  const line = field.value;
  if (line.trim() === '') return;
  field.value = '';
  // The log shows the answer, also if it is an error.
  client.sendRaw(line).catch(() => {});
}
