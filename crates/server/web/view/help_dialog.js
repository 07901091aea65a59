/**
 * Help: the keys, and the writing of messages.
 */
import { openDialog } from './dialog.js';
import { element } from './element.js';

const KEYS = [
  ['Enter', 'send the message'],
  ['Shift Enter', 'a new line: each line becomes a message'],
  ['Ctrl K', 'find a conversation'],
  ['Alt ↑, Alt ↓', 'the conversation before, after'],
  ['Alt Shift ↑, Alt Shift ↓', 'the same, among those with unread messages'],
  ['Ctrl F', 'search in this conversation'],
  ['Shift Tab, then ↑ ↓', 'from message to message; Enter opens the menu of one'],
  ['End', 'in the messages: to the newest'],
  ['Esc', 'close; back to the text'],
  ['F1', 'this help'],
];

const WRITING = [
  ['`code`', 'code within a line'],
  ['four spaces', 'at the beginning of a line: a line of code'],
  ['```', 'alone in a line, before and after a block of code'],
  ['/', 'a command; /raw sends any line of the protocol'],
  ['//', 'a message that begins with a slash'],
];

/** @param {{ openWireLog: () => void }} actions */
export function open({ openWireLog }) {
  const list = (pairs) => element('table', {}, element('tbody', {}, ...pairs.map(([key, text]) => element('tr', {}, element('td', {}, element('kbd', { text: key })), element('td', { text })))));
  openDialog(
    'Help',
    element('h3', { text: 'Keys' }),
    list(KEYS),
    element('h3', { text: 'Writing' }),
    list(WRITING),
    element('h3', { text: 'The wire' }),
    element('p', { text: 'This page speaks lines that anybody can type in nc. The menu of each message shows the line that carried it.' }),
    element('button', { type: 'button', text: 'Show the lines of this connection', click: openWireLog }),
  );
}
