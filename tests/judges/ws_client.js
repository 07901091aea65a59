// The npm package `ws` as a client of a Switchboard server. Usage: ws_client.js URL [CA FILE].
'use strict';

const assert = require('assert');
const fs = require('fs');
const WebSocket = require('ws');

const [url, caFile] = process.argv.slice(2);
const options = caFile ? { ca: fs.readFileSync(caFile) } : {};

/** Opens a WebSocket. Its `next` returns the next message, or the code of the Close. */
function open(more = {}) {
  const socket = new WebSocket(url, { ...options, ...more });
  const [received, waiting] = [[], []];
  const push = (item) => (waiting.length > 0 ? waiting.shift()(item) : received.push(item));
  socket.on('message', (data, isBinary) => push(isBinary ? 'binary' : data.toString()));
  socket.on('close', (code) => push(code));
  socket.next = () => new Promise((resolve) => (received.length > 0 ? resolve(received.shift()) : waiting.push(resolve)));
  return new Promise((resolve, reject) => socket.on('open', () => resolve(socket)).on('error', reject));
}

async function main() {
  const socket = await open();
  assert.strictEqual(socket.extensions, '', 'no extension is agreed on');
  assert.strictEqual(await socket.next(), 'WELCOME');
  socket.send('REGISTER ', { fin: false });
  socket.ping('between fragments');
  const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(data.toString())));
  socket.send('', { fin: false });
  socket.send('Node', { fin: true });
  assert.strictEqual(await socket.next(), 'REGISTER_OK Node');
  assert.strictEqual(await pong, 'between fragments');
  for (let count = 0; count < 100; count += 1) socket.send('PING');
  for (let count = 0; count < 100; count += 1) assert.strictEqual(await socket.next(), 'PONG');
  socket.close(3000, 'done');
  assert.strictEqual(await socket.next(), 3000);

  for (const [message, code] of [[Buffer.from('PING'), 1003], ['x'.repeat(65537), 1009], ['MSG a\nQUIT', 1008]]) {
    const refused = await open();
    assert.strictEqual(await refused.next(), 'WELCOME');
    refused.send(message);
    assert.strictEqual(await refused.next(), code);
  }
  await assert.rejects(open({ origin: 'http://evil.example' }), /403/);
  await assert.rejects(open({ headers: { Host: 'evil.example' } }), /421/);
  console.log('judged by ws', require('ws/package.json').version);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
