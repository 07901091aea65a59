/**
 * All rooms and all people that are here: one list to find, join or make something.
 */
import { fold, isRoom, isWord } from '../protocol.js';
import { openDialog } from './dialog.js';
import { element, nameElement } from './element.js';
import { plainNodes } from './message.js';

/** Entries in the list, at most. */
const SHOWN_MAX = 200;

/**
 * @param {import('../client.js').Client} client
 * @param {(target: string) => void} choose
 */
export async function open(client, choose) {
  const list = element('ul', {});
  const count = element('p', { class: 'hint', role: 'status' });
  let entries = [];
  const draw = () => {
    const wanted = fold(field.value.trim());
    const found = entries.filter(({ target }) => fold(target).includes(wanted));
    list.replaceChildren(...found.slice(0, SHOWN_MAX).map((entry) => row(entry, choose)));
    count.textContent = found.length > SHOWN_MAX ? `The first ${SHOWN_MAX} of ${found.length}: type to find others.` : `${found.length} found`;
  };
  const field = element('input', { 'aria-label': 'Room or person', placeholder: '#room, or a name', dir: 'auto', autocomplete: 'off', autocapitalize: 'none', maxlength: '64', input: draw });
  const form = element('form', { submit: (event) => submit(event, field, choose) }, element('div', { class: 'row' }, field, element('button', { class: 'primary', text: 'Open' })));
  openDialog('Rooms and people', element('p', { class: 'hint', text: 'A room that does not exist yet is made when you open it.' }), form, count, list);
  field.focus();
  entries = await entriesOf(client).catch(() => []);
  draw();
}

async function entriesOf(client) {
  const { list } = await client.ask({ verb: 'ROOMS' });
  const rooms = list.map(({ words: [target, members, ...topic] }) => ({ target, note: `${members} members`, topic: topic.join(' ') }));
  const people = [...client.presence.names.values()].filter((name) => name !== client.name);
  return [...rooms, ...people.map((target) => ({ target, note: 'is here', topic: '' }))];
}

function row({ target, note, topic }, choose) {
  const text = topic === '' ? note : `${note} · `;
  return element('li', {}, element('button', { type: 'button', click: () => choose(target) }, nameElement(target), element('span', { class: 'hint', text }), topic !== '' && element('bdi', { class: 'hint' }, ...plainNodes(topic))));
}

function submit(event, field, choose) {
  event.preventDefault();
  const target = field.value.trim();
  if (isWord(target) && (!isRoom(target) || target.length > 1)) choose(target);
}
