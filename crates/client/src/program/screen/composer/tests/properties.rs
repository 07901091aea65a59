use proptest::prelude::*;
use unicode_segmentation::GraphemeCursor;

use super::super::super::text::text_of_all_kinds;
use super::*;

/// Something that happens to a draft.
#[derive(Clone, Debug)]
enum Action {
    Key(KeyEvent, u16),
    Paste(String),
    Set(String, Origin),
    Complete(usize, String),
}

fn action() -> impl Strategy<Value = Action> {
    let code = prop_oneof![
        6 => any::<char>().prop_map(KeyCode::Char),
        6 => prop::char::ranges(vec!['a'..='z', 'א'..='ת', '_'..='_', '\u{300}'..='\u{310}', '👧'..='👩'].into())
            .prop_map(KeyCode::Char),
        2 => prop::sample::select(vec![' ', '\u{200d}', '🇮', '🇱', '/', '7']).prop_map(KeyCode::Char),
        8 => prop::sample::select(vec![
            KeyCode::Left, KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::Home, KeyCode::End, KeyCode::Backspace,
            KeyCode::Delete, KeyCode::Enter, KeyCode::Tab, KeyCode::Esc,
        ]),
    ];
    let modifiers = prop_oneof![
        3 => Just(KeyModifiers::NONE),
        1 => any::<u8>().prop_map(KeyModifiers::from_bits_truncate),
        2 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::ALT),
    ];
    prop_oneof![
        12 => (code, modifiers, 0_u16..20).prop_map(|(code, modifiers, width)| {
            Action::Key(KeyEvent::new(code, modifiers), width)
        }),
        2 => text_of_all_kinds().prop_map(Action::Paste),
        1 => (text_of_all_kinds(), prop::sample::select(vec![Origin::Typed, Origin::Pasted]))
            .prop_map(|(text, origin)| Action::Set(text, origin)),
        1 => (0_usize..9, text_of_all_kinds()).prop_map(|(bytes, text)| Action::Complete(bytes, text)),
    ]
}

fn act(composer: &mut Composer, action: Action) {
    match action {
        Action::Key(key, width) => {
            composer.key(key, width);
        }
        Action::Paste(text) => assert_eq!(composer.paste(&text), Inserted::Whole),
        Action::Set(text, origin) => assert_eq!(composer.set(&text, origin), Inserted::Whole),
        Action::Complete(bytes, text) => assert_eq!(composer.replace_before_cursor(bytes, &text), Inserted::Whole),
    }
}

proptest! {
    // A case is many edits.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_cursor_is_always_between_clusters(actions in prop::collection::vec(action(), 0..60)) {
        let mut composer = Composer::default();
        for action in actions {
            act(&mut composer, action.clone());
            let text = composer.text();
            let is_boundary = GraphemeCursor::new(composer.cursor(), text.len(), true).is_boundary(text, 0);
            prop_assert_eq!(is_boundary, Ok(true), "after {:?}: {:?}", action, with_cursor(&composer));
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "after {:?}: {:?}", action, text);
        }
    }

    /// Undo leads back to the first text, and to its marks of pasted parts.
    #[test]
    fn undo_leads_back(start in text_of_all_kinds(), actions in prop::collection::vec(action(), 0..60)) {
        let mut composer = Composer::default();
        assert_eq!(composer.paste(&start), Inserted::Whole);
        composer.undo = UndoLog::default();
        let first = composer.text.clone();
        for action in actions {
            act(&mut composer, action);
        }
        for _ in 0..200 {
            composer.key(named_key("C-_"), 80);
        }
        prop_assert_eq!(composer.text, first);
    }

}

proptest! {
    /// One step undoes one edit.
    #[test]
    fn a_step_undoes_one_edit(actions in prop::collection::vec(action(), 0..40), paste in "[a-zא-ת\u{301}👩\u{200d} \n]{1,9}") {
        let mut composer = Composer::default();
        for action in actions {
            act(&mut composer, action);
        }
        let before = (composer.text.clone(), composer.cursor());
        assert_eq!(composer.paste(&paste), Inserted::Whole);
        composer.key(named_key("C-_"), 80);
        prop_assert_eq!((composer.text.clone(), composer.cursor()), before);
    }

    /// The marks are those of a list of characters, each with its origin.
    #[test]
    fn marks_are_those_of_a_list_of_characters(
        edits in prop::collection::vec((0_usize..30, 0_usize..6, "[ab]{0,4}", any::<bool>()), 0..20),
    ) {
        let mut text = MarkedText::default();
        let mut list: Vec<(char, bool)> = Vec::new();
        for (at, length, with, is_pasted) in edits {
            let start = at.min(list.len());
            let end = (start + length).min(list.len());
            let origin = if is_pasted { Origin::Pasted } else { Origin::Typed };
            let removed = text.replace(start..end, &MarkedText::new(with.clone(), origin));
            let removed_list: Vec<_> = list.splice(start..end, with.chars().map(|c| (c, is_pasted))).collect();
            prop_assert_eq!(removed, marked(&removed_list));
            prop_assert_eq!(&text, &marked(&list));
        }
    }
}

/// The text of a list of characters, built one by one.
fn marked(list: &[(char, bool)]) -> MarkedText {
    let mut text = MarkedText::default();
    for &(c, is_pasted) in list {
        let end = text.text().len();
        let origin = if is_pasted { Origin::Pasted } else { Origin::Typed };
        text.replace(end..end, &MarkedText::new(c.to_string(), origin));
    }
    text
}
