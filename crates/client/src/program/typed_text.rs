//! Text that the user entered, with the chat for which it was entered.

use super::current_chat::Chat;
use super::user_line::UserLine;

/// A typed line, or a paste of one or more lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TypedText {
    /// The lines, without the last LF.
    pub(crate) text: String,
    /// Whether the text was pasted. A pasted line is always a message, and never a command.
    pub(crate) is_pasted: bool,
    /// The chat that the prompt named when the text began.
    pub(crate) chat: Chat,
}

impl TypedText {
    /// Parses the text. Pasted text is always a message.
    pub(crate) fn parse(&self) -> UserLine<'_> {
        if self.is_pasted {
            UserLine::pasted(&self.text)
        } else {
            UserLine::parse(&self.text, self.chat.peer.is_some())
        }
    }

    /// Whether the text acts on the chat in which it is sent.
    pub(crate) fn depends_on_chat(&self) -> bool {
        self.parse().depends_on_chat()
    }

    /// The number of lines.
    pub(crate) fn n_lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Appends `other` as further lines. The result counts as pasted.
    pub(crate) fn append(&mut self, other: &Self) {
        if self.text.is_empty() {
            self.clone_from(other);
        } else if !other.text.is_empty() {
            self.text.push('\n');
            self.text.push_str(&other.text);
            self.is_pasted = true;
        }
    }
    /// Splits the text behind the last line of `beginning`. The first part is empty if the text does not begin so.
    pub(crate) fn split_behind(self, beginning: &str) -> (Self, Self) {
        let rest = self.text.strip_prefix(beginning).filter(|_| !beginning.is_empty());
        let Some(rest) = rest else { return (Self::default(), self) };
        let end = beginning.len() + rest.find('\n').unwrap_or(rest.len());
        let part = |text: &str| Self { text: text.to_owned(), ..self.clone() };
        (part(&self.text[..end]), part(self.text[end..].trim_start_matches('\n')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_behind_its_beginning() {
        let cases = [
            // The text, its beginning, and the two parts.
            ("draft", "", "", "draft"),
            ("one", "one", "one", ""),
            ("one more", "one", "one more", ""),
            ("one\ndraft", "one", "one", "draft"),
            ("one\ntwo\ndraft", "one\ntwo", "one\ntwo", "draft"),
            ("other", "one", "", "other"),
        ];
        for (text, beginning, first, second) in cases {
            let text = TypedText { text: text.to_owned(), ..TypedText::default() };
            let (a, b) = text.split_behind(beginning);
            assert_eq!((&*a.text, &*b.text), (first, second));
        }
    }
}
