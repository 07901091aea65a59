/**
 * The field in which a message is written: drafts, commands after a slash, and the limit of a text.
 */
import { completions, isCommand } from '../commands.js';
import { fold, messagesOf, TEXT_BYTES_MAX, utf8Length } from '../protocol.js';
import { byId, element } from './element.js';

/** Messages that one text may become without a question. */
const MESSAGES_MAX = 100;

export class Composer {
  /**
   * @param {import('../client.js').Client} client
   * @param {{ say: (texts: string[]) => boolean, command: (text: string) => boolean }} actions Each returns whether it
   * has taken the text.
   */
  constructor(client, actions) {
    Object.assign(this, { client, actions });
    this.target = '';
    this.field = byId('text');
    this.hint = byId('text-hint');
    this.options = byId('completions');
    this.chosen = 0;
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener('input', () => this.#changed());
    this.field.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Shows the draft of a conversation. */
  show(target) {
    this.target = target;
    this.field.value = this.#drafts.get(this.#draftKey(target), '');
    this.field.placeholder = `Message ${target}`;
    this.field.disabled = target === '';
    this.#changed();
  }

  /** Texts that could not be sent are a draft again, before the one that was begun meanwhile. */
  putBack(target, text) {
    const draft = [text, this.#drafts.get(this.#draftKey(target), '')].filter(Boolean).join('\n');
    this.#drafts.set(this.#draftKey(target), draft);
    if (target === this.target) this.show(target);
  }

  hasDraft(target) {
    return this.#drafts.get(this.#draftKey(target), '') !== '';
  }

  focus() {
    this.field.focus();
  }

  /** Drafts are kept as long as the user's messages: in the browser for an account, in the tab for a guest. */
  get #drafts() {
    return this.client.outbox.storage;
  }

  #draftKey(target) {
    return `draft/${this.client.outbox.owner}/${fold(target)}`;
  }

  submit() {
    const text = this.field.value;
    if (isCommand(text)) {
      if (this.actions.command(text)) this.#clear();
      return;
    }
    const messages = messagesOf(text.startsWith('//') ? text.slice(1) : text);
    if (messages.length === 0 || this.#problem(messages) !== '') return;
    if (this.actions.say(messages)) this.#clear();
  }

  #clear() {
    this.field.value = '';
    this.#changed();
  }

  #changed() {
    const text = this.field.value;
    if (this.target !== '' && text === '') this.#drafts.remove(this.#draftKey(this.target));
    else if (this.target !== '') this.#drafts.set(this.#draftKey(this.target), text);
    this.hint.textContent = isCommand(text) ? '' : this.#problem(messagesOf(text)) || lengthHint(messagesOf(text));
    this.#complete();
  }

  #problem(messages) {
    if (messages.length > MESSAGES_MAX) return `These are ${messages.length} lines, and each becomes a message: send at most ${MESSAGES_MAX}.`;
    const longest = Math.max(0, ...messages.map(utf8Length));
    return longest > TEXT_BYTES_MAX ? `A line has ${longest} bytes: send at most ${TEXT_BYTES_MAX} in one.` : '';
  }

  #key(event) {
    if (event.isComposing) return;
    const isListed = !this.options.hidden;
    if (isListed && ['ArrowDown', 'ArrowUp', 'Tab', 'Escape'].includes(event.key)) {
      event.preventDefault();
      if (event.key === 'Tab') this.#take();
      else if (event.key === 'Escape') this.options.hidden = true;
      else this.#choose(this.chosen + (event.key === 'ArrowDown' ? 1 : -1));
    } else if (event.key === 'Enter' && !event.shiftKey && !event.altKey && !isFenceOpen(this.field.value)) {
      event.preventDefault();
      if (isListed && completions(this.field.value).length > 0 && !isWhole(this.field.value)) this.#take();
      else this.submit();
    }
  }

  #complete() {
    const found = completions(this.field.value);
    this.options.hidden = found.length === 0;
    this.options.replaceChildren(
      ...found.map(({ verb, form, about }, index) =>
        element(
          'div',
          { role: 'option', id: `completion-${index}`, mousedown: (event) => this.#click(event, index) },
          element('code', { text: `/${verb.toLowerCase()} ${form}` }),
          element('span', { class: 'faint', text: about }),
        ),
      ),
    );
    this.#choose(0);
  }

  #click(event, index) {
    event.preventDefault();
    this.#choose(index);
    this.#take();
  }

  #choose(index) {
    const options = [...this.options.children];
    this.chosen = options.length === 0 ? 0 : (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute('aria-selected', String(at === this.chosen)));
    if (options.length === 0) return this.field.removeAttribute('aria-activedescendant');
    this.field.setAttribute('aria-activedescendant', options[this.chosen].id);
    options[this.chosen].scrollIntoView({ block: 'nearest' });
  }

  #take() {
    const command = completions(this.field.value)[this.chosen];
    if (!command) return;
    this.field.value = `/${command.verb.toLowerCase()}${command.form === '' ? '' : ' '}`;
    this.#changed();
    this.options.hidden = true;
  }
}

/** Whether a block of code has begun and not ended: Enter then begins a new line. */
function isFenceOpen(text) {
  return text.split('\n').filter((line) => line.trim().startsWith('```')).length % 2 === 1 && !/```.+```/.test(text);
}

/** Whether the text is a complete verb without arguments, such as `/who`. */
function isWhole(text) {
  return completions(text).some(({ verb, form }) => form === '' && `/${verb}` === text.toUpperCase());
}

function lengthHint(messages) {
  if (messages.length > 1) return `${messages.length} lines: each becomes a message.`;
  const bytes = messages.length === 1 ? utf8Length(messages[0]) : 0;
  return bytes > TEXT_BYTES_MAX * 0.8 ? `${TEXT_BYTES_MAX - bytes} bytes left` : '';
}
