/**
 * A WebSocket that comes back: one line a frame, a beat while nothing else comes, and growing pauses between attempts.
 *
 * Events: `open`, `line` (the text of a frame), `sent` (a line that left), `silence` (the server should be asked for a
 * line), `closed`.
 */
import { Emitter } from './emitter.js';

/** First and longest pause before another attempt, in milliseconds. */
const PAUSE_MIN = 500;
const PAUSE_MAX = 20_000;
/** Silence after which the page asks whether the server is still there, and the time that it has to answer. */
const SILENCE_MAX = 25_000;
const ANSWER_MAX = 10_000;
/** A connection that lasted this long was good: the next pause is the first one again. */
const GOOD_AFTER = 5_000;

/** A random part keeps many pages from coming back in the same moment after a restart of the server. */
export function pauseBefore(attempt, random = Math.random()) {
  const longest = Math.min(PAUSE_MAX, PAUSE_MIN * 2 ** Math.min(attempt, 16));
  return Math.round(longest * (0.5 + random / 2));
}

export class Connection extends Emitter {
  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    this.attempt = 0;
    this.socket = null;
    this.timers = { retry: 0, silence: 0 };
    /** When the server was heard last. */
    this.heardAt = 0;
    this.isWanted = false;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Connects now, and again after each loss, until `stop`. */
  start() {
    this.isWanted = true;
    clearTimeout(this.timers.retry);
    if (!this.socket) this.#connect();
  }

  stop() {
    this.isWanted = false;
    clearTimeout(this.timers.retry);
    this.socket?.close();
    this.#lost(this.socket);
  }

  /** The network may be back, or the machine was asleep: tries now, or checks the connection. */
  wake() {
    if (!this.isWanted) return;
    if (this.isOpen) this.#ask();
    else if (!this.socket) this.start();
  }

  /** Ends this connection and begins another one after a pause. */
  restart() {
    this.socket?.close();
    this.#lost(this.socket);
  }

  /**
   * Sends a line. Returns whether there is a connection.
   * @param {string} line
   */
  send(line) {
    if (!this.isOpen) return false;
    this.socket.send(line);
    this.emit('sent', line);
    return true;
  }

  #connect() {
    const socket = new WebSocket(this.url);
    const opened = performance.now();
    this.socket = socket;
    this.timers.silence = setTimeout(() => this.restart(), ANSWER_MAX);
    socket.onopen = () => {
      this.heardAt = performance.now();
      this.#watch();
      this.emit('open');
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket || typeof data !== 'string') return;
      this.heardAt = performance.now();
      if (this.heardAt - opened > GOOD_AFTER) this.attempt = 0;
      this.emit('line', data);
    };
    socket.onclose = () => this.#lost(socket);
  }

  /** A socket that does not answer may take minutes to close, so it is left at once. */
  #lost(socket) {
    if (!socket || socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.timers.silence);
    this.emit('closed');
    if (!this.isWanted || this.socket) return;
    this.timers.retry = setTimeout(() => this.#connect(), pauseBefore(this.attempt));
    this.attempt += 1;
  }

  /** Asks when the server has been silent for long enough. One timer serves any number of lines. */
  #watch() {
    clearTimeout(this.timers.silence);
    const rest = SILENCE_MAX - (performance.now() - this.heardAt);
    if (rest <= 0) this.#ask();
    else this.timers.silence = setTimeout(() => this.#watch(), rest);
  }

  /** Asks for a sign of life. Any line is one. */
  #ask() {
    clearTimeout(this.timers.silence);
    const askedAt = performance.now();
    this.emit('silence');
    this.timers.silence = setTimeout(() => (this.heardAt >= askedAt ? this.#watch() : this.restart()), ANSWER_MAX);
  }
}
