//! Serializes values to JSON that is safe for a terminal.

use std::fmt::Write as _;

use serde::Serialize;
use switchboard_protocol::sanitize_with;

/// Serializes `value` as one line of JSON. Every display control becomes a `\uXXXX` escape: a JSON parser restores the
/// character, and a terminal does not execute it.
///
/// # Panics
///
/// If `value` has no JSON form, such as a map with keys other than strings.
#[must_use]
pub(crate) fn to_json_line(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).expect("the value has a JSON form");
    // JSON has display controls only inside strings, where `\uXXXX` is valid.
    sanitize_with(&plain, |c, out| {
        for code_unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{code_unit:04x}");
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
    fn display_controls_that_serde_json_keeps_are_escaped() {
        assert_eq!(
            to_json_line(&"a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é"),
            r#""a\u001b\u007f\u009b\u202e\udb40\udc41é""#
        );
    }

    proptest! {
        #[test]
        fn strings_round_trip_without_display_controls(text in any::<String>()) {
            let text = text + "\u{202e}\u{7f}";
            prop_assert!(!to_json_line(&text).chars().any(is_display_control));
            prop_assert_eq!(serde_json::from_str::<String>(&to_json_line(&text)).expect("it is JSON"), text);
        }
    }
}
