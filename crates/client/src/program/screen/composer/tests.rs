mod properties;

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

#[test]
fn keys_that_the_draft_does_not_use_are_left_to_the_chat() {
    let mut composer = Composer::default();
    for name in ["Enter", "C-d", "C-c", "C-l", "Up", "Down", "A-x", "C-Up"] {
        assert!(!composer.key(named_key(name), 80), "{name}");
    }
    for code in [KeyCode::Tab, KeyCode::Esc, KeyCode::PageUp, KeyCode::F(1)] {
        assert!(!composer.key(code.into(), 80), "{code}");
    }
    let mut release = named_key("x");
    release.kind = KeyEventKind::Release;
    assert!(!composer.key(release, 80));
    assert!(!composer.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::SUPER), 80));
    assert!(composer.is_empty());

    press(&mut composer, "text");
    for name in ["C-d", "C-k", "Del"] {
        assert!(composer.key(named_key(name), 80), "{name}");
    }
    assert_eq!(composer.text(), "text");
    // Windows reports AltGr and Q as Ctrl, Alt and the character.
    composer.key(KeyEvent::new(KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT), 80);
    assert_eq!(composer.text(), "text@");
}

#[test]
fn up_and_down_go_through_rows_and_keep_the_column() {
    let mut composer = Composer::default();
    press(&mut composer, "one two three four");
    // Rows of 9 cells: "one two ", "three", "four".
    let keys = [("Up", "one two thre|e four"), ("Up", "one |two three four"), ("Down", "one two thre|e four")];
    for (name, expected) in keys {
        assert!(composer.key(named_key(name), 10));
        assert_eq!(with_cursor(&composer), expected, "after {name}");
    }
    assert!(composer.key(named_key("Down"), 10));
    assert!(!composer.key(named_key("Down"), 10));
}

#[test]
fn pasted_text_is_cleaned() {
    let cases = [
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("a\tb\tc\n\td", "a   b   c\n    d"),
        ("\u{1b}[31mred\u{7f}\u{9b}\0", r"\u{1b}[31mred\u{7f}\u{9b}\u{0}"),
        ("a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f", "a\nb\nc\nd\ne\nf"),
        // Text of people stays as it is.
        ("👩\u{200d}👧 \u{200f}שלום e\u{301}", "👩\u{200d}👧 \u{200f}שלום e\u{301}"),
    ];
    for (pasted, expected) in cases {
        let mut composer = Composer::default();
        assert_eq!(composer.paste(pasted), Inserted::Whole);
        assert_eq!(composer.text(), expected, "{pasted:?}");
    }
}

#[test]
fn a_draft_is_bounded() {
    let mut composer = Composer::default();
    let long = "é".repeat(TEXT_MAX_BYTES);
    assert_eq!(composer.paste("x"), Inserted::Whole);
    assert_eq!(composer.paste(&long), Inserted::Truncated);
    // One byte is left, which is too little for another character.
    assert_eq!(composer.text().len(), TEXT_MAX_BYTES - 1);
    press(&mut composer, "ééa");
    assert_eq!(composer.text().len(), TEXT_MAX_BYTES);
    press(&mut composer, "<C-j>b");
    assert_eq!(composer.paste("c"), Inserted::Truncated);
    assert_eq!(composer.text().len(), TEXT_MAX_BYTES);
    press(&mut composer, "<C-u><C-y><C-y>");
    assert_eq!(composer.text().len(), TEXT_MAX_BYTES);
    assert_eq!(composer.set("short", Origin::Typed), Inserted::Whole);
    assert_eq!(composer.text(), "short");
}

/// The actions of a user, and whether the text can be a command.
#[test]
fn a_text_with_a_pasted_first_word_is_never_a_command() {
    type Steps = &'static [Step];
    enum Step {
        Keys(&'static str),
        Paste(&'static str),
    }
    use Step::{Keys, Paste};
    let cases: [(Steps, &str, bool); 17] = [
        (&[Keys("/quit")], "/quit", false),
        (&[Paste("/quit")], "/quit", true),
        (&[Keys("/qu"), Paste("it")], "/quit", true),
        (&[Keys(" "), Paste("/quit")], " /quit", true),
        (&[Keys("/"), Paste("quit now")], "/quit now", true),
        (&[Paste("/"), Keys("quit")], "/quit", true),
        (&[Paste(" "), Keys("/quit")], " /quit", true),
        (&[Keys("/msg "), Paste("Noy hi")], "/msg Noy hi", false),
        (&[Keys("/msg"), Paste(" Noy hi")], "/msg Noy hi", false),
        // The typed words are gone.
        (&[Keys("hi "), Paste("/quit"), Keys("<C-a><Del><Del><Del>")], "/quit", true),
        (&[Keys("a"), Paste("/quit"), Keys("<C-a><C-d>")], "/quit", true),
        // The pasted words are gone.
        (&[Paste("x"), Keys("<BS>/quit")], "/quit", false),
        (&[Paste("x"), Keys("/quit<C-a><C-d>")], "/quit", false),
        // Cut text and undone edits keep their marks.
        (&[Paste("/quit"), Keys("<C-u><C-y>")], "/quit", true),
        (&[Paste("/quit"), Keys("<C-u><C-_>")], "/quit", true),
        (&[Keys("/quit<C-u><C-y>")], "/quit", false),
        (&[Keys("/"), Paste("tiuq"), Keys("<C-a><C-f><C-f><C-t><C-t><C-t>")], "/iuqt", true),
    ];
    for (number, (steps, text, is_pasted)) in cases.into_iter().enumerate() {
        let mut composer = Composer::default();
        for step in steps {
            match step {
                Keys(script) => press(&mut composer, script),
                Paste(text) => assert_eq!(composer.paste(text), Inserted::Whole),
            }
        }
        assert_eq!((composer.text(), composer.is_pasted_start()), (text, is_pasted), "case {number}");
    }
}

#[test]
fn completion_replaces_the_word_before_the_cursor() {
    let mut composer = Composer::default();
    press(&mut composer, "hi @no, bye<A-b><Left><Left>");
    assert_eq!(composer.word_before_cursor(), "@no");
    assert_eq!(composer.replace_before_cursor("@no".len(), "@Noy"), Inserted::Whole);
    assert_eq!(with_cursor(&composer), "hi @Noy|, bye");
    assert!(!composer.is_pasted_start());
    press(&mut composer, "<C-_>");
    assert_eq!(with_cursor(&composer), "hi @no|, bye");
    press(&mut composer, "<C-a>");
    assert_eq!(composer.word_before_cursor(), "");
}

#[test]
fn taken_text_leaves_an_empty_draft_and_nothing_to_undo() {
    let mut composer = Composer::default();
    press(&mut composer, "one two<C-w>");
    assert_eq!(composer.take(), "one ");
    assert!(composer.is_empty());
    press(&mut composer, "<C-_>");
    assert_eq!(with_cursor(&composer), "|");
    press(&mut composer, "<C-y>");
    assert_eq!(with_cursor(&composer), "two|");
}
