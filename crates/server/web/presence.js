/**
 * The names that are connected, by WHO and WATCH, and the members of rooms, by MEMBERS (docs/protocol.md §15.3, §15.5).
 *
 * Events: `changed`.
 */
import { Emitter } from './emitter.js';
import { encode, fold } from './protocol.js';

export class Presence extends Emitter {
  /** @param {import('./requests.js').Requests} requests */
  constructor(requests) {
    super();
    this.requests = requests;
    /** @type {Map<string, string>} Connected names by their folded form. */
    this.names = new Map();
    /** @type {Map<string, { name: string, standing: string }[]>} Members by folded room. */
    this.rooms = new Map();
  }

  /** Asks once for all names. WATCH keeps the list true. */
  async start() {
    const watch = this.requests.send('WATCH').catch(() => {});
    const { line } = await this.requests.send('WHO');
    this.names = new Map(line.rest.split(',').filter(Boolean).map((name) => [fold(name), name]));
    await watch;
    this.emit('changed');
  }

  /** Handles CAME and GONE. */
  receive({ verb, rest }) {
    if (verb === 'CAME') this.names.set(fold(rest), rest);
    else if (verb === 'GONE') this.names.delete(fold(rest));
    else return;
    this.emit('changed');
  }

  isHere(name) {
    return this.names.has(fold(name));
  }

  membersOf(target) {
    return this.rooms.get(fold(target)) ?? [];
  }

  /** Asks for the members of a conversation. */
  async refresh(target) {
    const { list } = await this.requests.send(encode({ verb: 'MEMBERS', words: [target] }));
    const members = list.map(({ words: [, name, standing] }) => ({ name, standing }));
    this.rooms.set(fold(target), members);
    this.emit('changed');
  }
}
