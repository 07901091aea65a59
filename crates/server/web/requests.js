/**
 * Finds the request that a line of the server answers: docs/protocol.md §13.8.
 *
 * The server answers each request in order, with one last line after the lines of its list. PING, WHO and WIRE are
 * answered at once, so they have a queue of their own.
 */
import { describeRequest, fold, parseRecord } from './protocol.js';

/** Last lines that are not the verb and `_OK`. */
const LAST_LINES = {
  LOGIN: ['LOGIN_OK', 'CHALLENGE'],
  PROVE: ['LOGIN_OK'],
  SAY: ['SAID'],
  MSG: ['MSG_SENT'],
  READERS: ['READERS'],
  PING: ['PONG'],
  WHO: ['USERS'],
};

/** Lines that belong to a list before the last line. Records with the tag `past` answer HISTORY and SEARCH. */
const LIST_LINES = { DEVICES: 'DEVICE', ROOMS: 'ROOM', CONVERSATIONS: 'CONVERSATION', MEMBERS: 'MEMBER' };

/** Requests that overtake others. With an argument they are errors, which come in their turn. */
const IMMEDIATE = new Set(['PING', 'WHO', 'WIRE']);

/** Errors that end the session answer no request (§6). */
export const FINAL_ERRORS = new Set([
  'WRONG_PROTOCOL', 'REGISTER_TIMEOUT', 'SERVER_FULL', 'TOO_MANY_SESSIONS', 'SERVER_SHUTDOWN', 'KICKED', 'BANNED',
  'DISPLACED', 'REVOKED',
]);

/** A refusal by the server. */
export class RequestError extends Error {
  /** @param {string} code @param {string} raw The line of the server. */
  constructor(code, raw) {
    super(code);
    this.code = code;
    this.raw = raw;
  }
}

/** There is no answer, because the connection has ended or has not begun. */
export class Disconnected extends Error {
  /** @param {boolean} wasSent Whether the request left. */
  constructor(wasSent) {
    super('no connection');
    this.wasSent = wasSent;
  }
}

/**
 * @typedef {object} Answer
 * @property {import('./protocol.js').Line} line The last line.
 * @property {import('./protocol.js').Line[]} list The lines before it.
 */

export class Requests {
  /** @param {(raw: string) => boolean} write Sends a line. Returns whether there is a connection. */
  constructor(write) {
    this.write = write;
    this.ordered = [];
    this.immediate = [];
  }

  /**
   * Sends a line that is not blank.
   * @param {string} raw
   * @returns {Promise<Answer>}
   */
  send(raw) {
    if (!this.write(raw)) return Promise.reject(new Disconnected(false));
    const request = describeRequest(raw);
    const queue = IMMEDIATE.has(request.verb) && !request.hasArguments ? this.immediate : this.ordered;
    return new Promise((resolve, reject) => queue.push({ ...request, list: [], resolve, reject }));
  }

  /**
   * Handles a line. Returns whether it answers a request, or belongs to the list of one.
   * @param {import('./protocol.js').Line} line
   */
  receive(line) {
    if (line.verb === 'ERROR') return this.refuse(line);
    const at = this.immediate.findIndex((request) => endsWith(request, line));
    if (at >= 0) {
      this.immediate.splice(at, 1)[0].resolve({ line, list: [] });
      return true;
    }
    const request = this.ordered[0];
    if (!request) return false;
    if (endsWith(request, line)) {
      this.ordered.shift();
      request.resolve({ line, list: request.list });
      return true;
    }
    if (!belongsToList(request, line)) return false;
    request.list.push(line);
    return true;
  }

  /** An ERROR answers the oldest request, unless it repeats the target or the number of another one. */
  refuse(line) {
    const [code, target] = line.words;
    const request = this.ordered[0];
    if (!request || FINAL_ERRORS.has(code)) return false;
    if (target !== undefined && request.target !== '' && fold(target) !== fold(request.target)) return false;
    if (line.tags.n !== undefined && line.tags.n !== request.n) return false;
    this.ordered.shift();
    request.reject(new RequestError(code, line.raw));
    return true;
  }

  /** Rejects all requests that have no answer, because the connection has ended. */
  abandon() {
    for (const request of [...this.ordered.splice(0), ...this.immediate.splice(0)]) request.reject(new Disconnected(true));
  }
}

function endsWith(request, line) {
  const last = Object.hasOwn(LAST_LINES, request.verb) ? LAST_LINES[request.verb] : [`${request.verb}_OK`];
  if (!last.includes(line.verb)) return false;
  // OPEN_OK and CLOSE_OK also come unasked, so their target counts. An account id is answered with a name.
  if (request.verb !== 'OPEN' && request.verb !== 'CLOSE') return true;
  return request.target.startsWith('@') || fold(line.words[0] ?? '') === fold(request.target);
}

function belongsToList(request, line) {
  if (request.verb === 'HISTORY' || request.verb === 'SEARCH') return line.tags.past === '1';
  return LIST_LINES[request.verb] === line.verb && parseRecord(line) === null;
}
