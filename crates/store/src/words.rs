//! The words of a text, in the form in which the search compares them.
//!
//! A word is a run of letters and digits, in lower case, without accents, Hebrew vowel points and Arabic vowel marks.
//! Scripts without spaces between words (Chinese, Japanese, Thai) have no words that a program finds without a
//! dictionary. There, each character is a word, and the search looks for several of them in a row. Hangul is treated the
//! same way, because particles are written together with their noun.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

/// The version of this form. An index with words of another version is made anew.
pub(crate) const WORDS_VERSION: i64 = 1;

/// The words of `text`, separated by single spaces.
pub(crate) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    if text.is_ascii() {
        for char in text.chars() {
            push(&mut words, char.to_ascii_lowercase());
        }
    } else {
        let plain = text.nfkd().filter(|&char| !is_accent(char)).nfc();
        plain.flat_map(char::to_lowercase).for_each(|char| push(&mut words, char));
    }
    words.truncate(words.trim_end().len());
    words
}

/// What a user searches for: phrases, each of which a record must contain. A phrase is one or more words in a row.
pub(crate) fn phrases(typed: &str) -> Vec<String> {
    typed.split_whitespace().map(words).filter(|phrase| !phrase.is_empty()).collect()
}

/// Whether `words` (of [`words`]) contain all phrases.
pub(crate) fn contain_all(words: &str, phrases: &[String]) -> bool {
    phrases.iter().all(|phrase| {
        words.match_indices(phrase.as_str()).any(|(start, _)| {
            let end = start + phrase.len();
            let begins_a_word = start == 0 || words.as_bytes()[start - 1] == b' ';
            begins_a_word && (end == words.len() || words.as_bytes()[end] == b' ')
        })
    })
}

/// Adds a character to the words: a part of a word, a word of its own, or a separator.
fn push(words: &mut String, char: char) {
    let is_separated = words.is_empty() || words.ends_with(' ');
    if is_word_by_itself(char) {
        if !is_separated {
            words.push(' ');
        }
        words.push(char);
        words.push(' ');
    } else if char.is_alphanumeric() || canonical_combining_class(char) != 0 {
        words.push(char);
    } else if !is_separated {
        words.push(' ');
    }
}

/// Whether a mark only decorates a letter: Latin accents, Hebrew points, Arabic vowels. The marks of the classes up to 9
/// belong to the letter in Indic scripts and in Japanese.
fn is_accent(char: char) -> bool {
    canonical_combining_class(char) > 9
}

/// Whether a character belongs to a script in which the search takes each character as a word.
fn is_word_by_itself(char: char) -> bool {
    let is_in_block = matches!(char,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{1000}'..='\u{109F}' // Myanmar
        | '\u{1780}'..='\u{17FF}' // Khmer
        | '\u{2E80}'..='\u{2FDF}' // radicals
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{3029}'
        | '\u{3041}'..='\u{31FF}' // Hiragana, Katakana, Bopomofo
        | '\u{3400}'..='\u{4DBF}' // Han
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}' // Hangul
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}');
    is_in_block && char.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::{contain_all, phrases, words};

    #[test]
    fn words_have_one_form() {
        for (text, expected) in [
            ("", ""),
            ("Hello, World!  42", "hello world 42"),
            ("Łódź naïve ﬁn", "łodz naive fin"),
            ("שָׁלוֹם עוֹלָם", "שלום עולם"),
            ("בית־ספר צה״ל", "בית ספר צה ל"),
            ("مَرْحَبًا", "مرحبا"),
            ("我在北京。ok", "我 在 北 京 ok"),
            ("東京タワー", "東 京 タ ワ ー"),
            ("ガ ｶﾞ", "ガ ガ"),
            ("안녕", "안 녕"),
            ("हिन्दी", "हिन्दी"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("İstanbul", "istanbul"),
            ("-- … 🎉", ""),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn phrases_are_found_as_whole_words() {
        for (text, typed, is_found) in [
            ("hello world", "WORLD hello", true),
            ("hello world", "wor", false),
            ("hello world", "hello worlds", false),
            ("wor world wor", "wor", true),
            ("שלום לך", "לָךְ", true),
            ("שלום לכם", "לך", false),
            ("我在北京", "北京", true),
            ("京北", "北京", false),
            ("state-of-the-art", "of-the", true),
        ] {
            assert_eq!(contain_all(&words(text), &phrases(typed)), is_found, "{typed} in {text}");
        }
    }
}
