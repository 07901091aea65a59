//! Values as JSON that a terminal can be shown.

use std::fmt::Write as _;

use serde::Serialize;
use switchboard_protocol::sanitize_with;

/// `value` as one line of JSON in which every character for which [`is_display_control`](switchboard_protocol::is_display_control) holds is a `\uXXXX`: a JSON parser gets the text as
/// it was, and a terminal that happens to show it is safe.
///
/// # Panics
///
/// If `value` cannot be JSON (a map whose keys are no strings). The types of this crate and of the protocol can.
#[must_use]
pub(crate) fn to_json_line(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).expect("a value that JSON has a form for");
    // Outside its strings JSON has no such characters, so what is replaced is always inside one.
    sanitize_with(&plain, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
    .into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use switchboard_protocol::is_display_control;

    use super::*;

    #[test]
    fn what_serde_json_leaves_is_escaped() {
        assert_eq!(
            to_json_line(&"a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é"),
            r#""a\u001b\u007f\u009b\u202e\udb40\udc41é""#
        );
    }

    proptest! {
        #[test]
        fn nothing_that_steers_gets_through_and_a_program_reads_it_back(text in any::<String>()) {
            let text = text + "\u{202e}\u{7f}";
            prop_assert!(!to_json_line(&text).chars().any(is_display_control));
            prop_assert_eq!(serde_json::from_str::<String>(&to_json_line(&text)).expect("it is JSON"), text);
        }
    }
}
