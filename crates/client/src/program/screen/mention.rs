//! Whether a text names a user.

use super::conversation_id::is_same_name;

/// Whether `text` has `name` as a whole word, in any spelling.
pub(crate) fn is_mentioned(name: &str, text: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    // Names hold letters, digits, '_', '-' and '.'. A dot or hyphen at the end of a word belongs to the sentence.
    let is_name_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.split(|c: char| !is_name_part(c))
        .filter(|word| !word.is_empty())
        .any(|word| is_same_name(word, name) || is_same_name(word.trim_matches(['.', '-']), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_as_a_whole_word_only() {
        for text in ["Noy: hi", "hi noy", "(NOY)", "noy.", "ask @Noy!", "Noy"] {
            assert!(is_mentioned("Noy", text), "{text}");
        }
        for text in ["annoy", "Noy2", "Noy_b", "", "no y"] {
            assert!(!is_mentioned("Noy", text), "{text}");
        }
        assert!(is_mentioned("נוי", "שלום נוי!"));
        assert!(is_mentioned("el.ias", "hi el.ias."));
        assert!(!is_mentioned("", "hi"));
    }
}
