/**
 * Search in one conversation, or in all.
 */
import { encode, parseRecord } from '../protocol.js';
import { errorSentence } from '../error_sentences.js';
import { openDialog } from './dialog.js';
import { element, nameElement } from './element.js';
import { plainNodes } from './message.js';
import { fullTime, timeOf } from './times.js';

/**
 * @param {import('../client.js').Client} client
 * @param {string} target The present conversation.
 * @param {(target: string, seq: number) => void} choose
 */
export function open(client, target, choose) {
  const list = element('ul', {});
  const state = element('p', { class: 'hint', role: 'status' });
  const field = element('input', { type: 'search', 'aria-label': 'Words', placeholder: 'Words', dir: 'auto', autocomplete: 'off', maxlength: '200' });
  const all = element('input', { type: 'checkbox', id: 'search-all' });
  const everywhere = !client.isGuest && element('div', { class: 'row' }, all, element('label', { for: 'search-all', text: 'in all conversations' }));
  const run = async (event) => {
    event.preventDefault();
    if (field.value.trim() === '') return;
    state.textContent = 'Searching…';
    try {
      const line = encode({ verb: 'SEARCH', words: [all.checked ? '*' : target], text: field.value.trim() });
      const answer = await client.sendRaw(line);
      const records = answer.list.map(parseRecord).filter(Boolean);
      list.replaceChildren(...records.map((record) => row(record, choose)));
      state.textContent = `${records.length} found${answer.line.tags.more ? '; older messages were not searched' : ''}.`;
    } catch (error) {
      state.textContent = error.code ? errorSentence(error.code) : 'There is no connection now.';
    }
  };
  const form = element('form', { submit: run, role: 'search' }, element('div', { class: 'row' }, field, element('button', { class: 'primary', text: 'Search' })), everywhere);
  openDialog(`Search in ${target}`, form, state, list);
  field.focus();
}

function row(record, choose) {
  const open = () => choose(record.target, record.seq);
  return element(
    'li',
    {},
    element(
      'button',
      { type: 'button', click: open },
      nameElement(record.author),
      element('span', { class: 'hint' }, element('bdi', { text: record.target }), ` · ${fullTime(timeOf(record.at))}`),
      element('bdi', {}, ...plainNodes(record.text)),
    ),
  );
}
