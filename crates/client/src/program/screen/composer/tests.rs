use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

/// Presses the keys of a script: a character types itself, and `<C-a>`, `<A-b>` or `<Left>` name a key.
fn press(composer: &mut Composer, script: &str) {
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|after| after.split_once('>'));
        let key = if let Some((name, after)) = named {
            rest = after;
            named_key(name)
        } else {
            rest = &rest[c.len_utf8()..];
            KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
        };
        composer.key(key, 80);
    }
}

fn named_key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("C", name)) => (KeyModifiers::CONTROL, name),
        Some(("A", name)) => (KeyModifiers::ALT, name),
        Some(("S", name)) => (KeyModifiers::SHIFT, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "BS" => KeyCode::Backspace,
        "Del" => KeyCode::Delete,
        "Enter" => KeyCode::Enter,
        _ => KeyCode::Char(name.chars().next().expect("the name of a key")),
    };
    KeyEvent::new(code, modifiers)
}

/// The text of a draft with `|` at the cursor.
fn with_cursor(composer: &Composer) -> String {
    let (before, after) = composer.text().split_at(composer.cursor());
    format!("{before}|{after}")
}

#[test]
fn keys_edit_the_draft() {
    let cases = [
        ("hello", "hello|"),
        ("hello<C-a>X", "X|hello"),
        ("hello<Home>X<End>Y", "XhelloY|"),
        ("hello<C-b><C-b>X<C-f>Y", "helXlY|o"),
        ("hello<Left><Right><Left>X", "hellX|o"),
        ("hello<BS><C-h>", "hel|"),
        ("hello<C-a><C-d><Del>", "|llo"),
        // A cluster is one step and one Backspace.
        ("a👩‍👩‍👧<BS>b", "ab|"),
        ("🇮🇱🇺🇸<Left>|", "🇮🇱||🇺🇸"),
        ("e\u{301}x<Left><BS>", "|x"),
        // A mark that is typed before another mark joins its cluster: the cursor goes behind it.
        ("\u{301}<C-a>e", "e\u{301}|"),
        // Words.
        ("one two<A-b>|", "one ||two"),
        ("one two<C-a><A-f>|", "one|| two"),
        ("one two<C-Left><C-Left><C-Right>|", "one|| two"),
        ("a.b/c d<C-w>", "a.b/c |"),
        ("a.b/c d  <C-w>", "a.b/c |"),
        ("one two<A-BS>", "one |"),
        ("one two<C-a><A-d>", "| two"),
        ("שלום עולם<A-b>|", "שלום ||עולם"),
        // Lines.
        ("one<C-j>two<C-a>|", "one\n||two"),
        ("one<A-Enter>two<S-Enter>", "one\ntwo\n|"),
        ("one<Enter>", "one|"),
        ("one<C-j>two<C-u>", "one\n|"),
        ("one<C-j>two<C-u><C-u>", "one|"),
        ("one<C-j>two<Up><Home><C-k>", "|\ntwo"),
        ("one<C-j>two<Up><Home><C-k><C-k>", "|two"),
        ("one<C-j>two<C-Home>|", "||one\ntwo"),
        // Rows.
        ("long line<C-j>x<C-j>third line<Up><Up>|", "long line||\nx\nthird line"),
        ("one<C-j>two<Up><Up>|", "one||\ntwo"),
        // Cut and insert.
        ("one two<C-w><C-y><C-y>", "one twotwo|"),
        ("one two<C-w><C-w>x<C-y>", "xone two|"),
        ("one two<C-a><A-d><A-d><C-y>", "one two|"),
        ("ab<C-t>", "ba|"),
        ("abc<Left><C-t>", "acb|"),
        ("a<C-t>", "a|"),
        ("a<C-j>b<C-a><C-t>", "a\n|b"),
        // Undo.
        ("one two<C-_>", "one |"),
        ("one two<C-_><C-7>", "|"),
        ("one two<C-w><C-u><C-/><C-/>", "one two|"),
        ("<C-_>", "|"),
        // In Hebrew, the next character is on the left.
        ("שלום<C-a><Left>|", "ש||לום"),
        ("שלום<C-a><C-f>|", "ש||לום"),
    ];
    for (script, expected) in cases {
        let mut composer = Composer::default();
        press(&mut composer, script);
        assert_eq!(with_cursor(&composer), expected, "{script:?}");
    }
}
