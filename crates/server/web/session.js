/**
 * The lines that begin a connection: version, then name or account (docs/protocol.md §13.1, §15.2).
 */
import { encode } from './protocol.js';

/**
 * @typedef {{ kind: 'guest', name: string }
 *   | { kind: 'account', name: string, device: string, proof: 'password'|'token', secret: string }} Identity
 */

/**
 * @typedef {object} Greeting
 * @property {string} name The name in the spelling of the server.
 * @property {string} server
 * @property {Set<string>} capabilities
 */

/**
 * Asks for version 2 and takes the name. Both requests leave at once, so a guest is in after one round trip.
 * @param {import('./requests.js').Requests} requests
 * @param {Identity} identity
 * @returns {Promise<Greeting>}
 */
export async function logIn(requests, identity) {
  const [hello, login] = await Promise.all([requests.send('HELLO 2'), requests.send(loginLine(identity))]);
  const [, server, ...capabilities] = hello.line.words;
  return { name: login.line.words[0], server: server ?? '', capabilities: new Set(capabilities) };
}

function loginLine(identity) {
  if (identity.kind === 'guest') return encode({ verb: 'REGISTER', words: [identity.name] });
  const { name, device, proof, secret } = identity;
  return encode({ verb: 'LOGIN', words: [name, device, proof], text: secret });
}

/** Whether passwords and tokens may travel to this page's server: over TLS, or to this machine (§18). */
export function isSecure({ protocol, hostname } = location) {
  return protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/** A name for this browser among the devices of an account. */
export function newDeviceName() {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return `web-${[...bytes].map((byte) => letters[byte % letters.length]).join('')}`;
}
