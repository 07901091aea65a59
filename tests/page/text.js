// The parts of a message text: crates/server/web/text.js.
const { partsOf, isCodeLine, isMentioned } = await import('/text.js');
const shape = (text) => partsOf(text).map(({ kind, text: part }) => `${kind}:${part}`);

check('words', shape('hello there'), ['text:hello there']);
check('an empty text', shape(''), []);
check('a link ends before the punctuation', shape('see https://a.example/x?y=1. Or (http://b.example/(c)), ok'),
  ['text:see ', 'link:https://a.example/x?y=1', 'text:. Or (', 'link:http://b.example/(c)', 'text:), ok']);
check('other schemes are text', shape('javascript:alert(1) data:text/html,x vbscript:x file:///etc ftp://a'), ['text:javascript:alert(1) data:text/html,x vbscript:x file:///etc ftp://a']);
check('no host', shape('https:// http://'), ['text:https:// http://']);
check('a link shows its true host', partsOf('https://аpple.example')[0].href, 'https://xn--pple-43d.example/');
check('a link does not hide an override', shape('https://a.example/\u202egpj.exe'), ['link:https://a.example/', 'control:\u202e', 'text:gpj.exe']);
check('code', shape('run `ls -l` now'), ['text:run ', 'code:ls -l', 'text: now']);
check('a block in a line', shape('```x = `1` ```'), ['block:x = `1` ']);
check('a line of code has no links', shape('    https://a.example'), ['block:https://a.example']);
check('code lines', [isCodeLine('    x'), isCodeLine('\tx'), isCodeLine('   x')], [true, true, false]);
check('an open backtick', shape('5 ` 6'), ['text:5 ` 6']);
check('a name as a whole word', ['is noy here?', 'Noy: hi', 'annoying', 'noy_2', 'שלום, Noy!', 'n.y'].map((text) => isMentioned('Noy', text)), [true, true, false, false, true, false]);
check('a name with signs', [isMentioned('c++', 'is C++ here?'), isMentioned('a.b', 'axb')], [true, false]);
const long = '`'.repeat(3839);
const started = performance.now();
partsOf(long);
partsOf('https://'.repeat(480));
check('hostile texts take no time', performance.now() - started < 100, true);
