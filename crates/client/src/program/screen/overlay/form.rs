//! Forms that ask for a name or a password.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use switchboard_client::conversations::Secret;
use switchboard_protocol::Username;
use switchboard_protocol::version2::SECRET_MAX_BYTES;
use zeroize::Zeroizing;

use super::{LineInput, Outcome};

/// Asks for the name of a guest, or of an account to log in to.
#[derive(Debug)]
pub(crate) struct NameForm {
    pub(crate) input: LineInput,
    /// Why the name is asked for, or why the last one is not valid.
    pub(crate) message: Option<String>,
}

impl NameForm {
    pub(super) fn new(name: &str, message: Option<String>) -> Self {
        Self { input: LineInput::new(name), message }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        if !matches!(key.code, KeyCode::Enter | KeyCode::Tab) {
            self.input.key(key);
            return Outcome::Stays;
        }
        match Username::new(self.input.text().trim()) {
            Ok(name) if key.code == KeyCode::Tab => Outcome::AskPassword { name: name.as_str().to_owned() },
            Ok(name) => Outcome::Rename { name: name.as_str().to_owned() },
            Err(error) => {
                self.message = Some(error.to_string());
                Outcome::Stays
            }
        }
    }

    pub(super) fn paste(&mut self, line: &str) {
        self.input.paste(line);
    }
}

/// Asks for a password. The screen shows a mark for each character.
pub(crate) struct PasswordForm {
    pub(crate) purpose: PasswordPurpose,
    text: Zeroizing<String>,
    pub(crate) message: Option<String>,
}

/// What a password is for.
pub(crate) enum PasswordPurpose {
    LogIn {
        name: String,
    },
    /// A new account. The password is asked for twice.
    Claim {
        first: Option<Zeroizing<String>>,
    },
}

impl fmt::Debug for PasswordForm {
    /// Writes no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordForm").finish_non_exhaustive()
    }
}

impl PasswordForm {
    pub(super) fn new(purpose: PasswordPurpose, message: Option<String>) -> Self {
        // Enough memory for the longest password: a growing text would leave copies.
        let text = Zeroizing::new(String::with_capacity(SECRET_MAX_BYTES));
        Self { purpose, text, message }
    }

    /// The number of characters so far.
    pub(crate) fn n_chars(&self) -> usize {
        self.text.chars().count()
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.text.clear(),
            KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => self.push(c),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Enter => return self.enter(),
            _ => {}
        }
        Outcome::Stays
    }

    pub(super) fn paste(&mut self, line: &str) {
        line.chars().filter(|c| !c.is_control()).for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        if self.text.len() + c.len_utf8() <= SECRET_MAX_BYTES {
            self.text.push(c);
        }
    }

    fn enter(&mut self) -> Outcome {
        if self.text.trim().is_empty() {
            self.message = Some("The password is empty. Escape closes this form.".to_owned());
            return Outcome::Stays;
        }
        if self.text.ends_with(char::is_whitespace) {
            self.message = Some("A password cannot end with a space.".to_owned());
            return Outcome::Stays;
        }
        match &mut self.purpose {
            PasswordPurpose::LogIn { name } => Outcome::LogIn { name: name.clone(), password: Secret::new(&self.text) },
            PasswordPurpose::Claim { first: Some(first) } => {
                if *first == self.text {
                    return Outcome::Claim { password: Secret::new(&self.text) };
                }
                self.message = Some("The two passwords are different. Type the first one again.".to_owned());
                self.purpose = PasswordPurpose::Claim { first: None };
                self.text.clear();
                Outcome::Stays
            }
            PasswordPurpose::Claim { first } => {
                *first = Some(self.text.clone());
                self.message = None;
                self.text.clear();
                Outcome::Stays
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(form: &mut PasswordForm, text: &str) -> Outcome {
        for c in text.chars() {
            form.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
        form.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))
    }

    #[test]
    fn a_new_password_is_asked_for_twice() {
        let mut form = PasswordForm::new(PasswordPurpose::Claim { first: None }, None);
        assert!(matches!(type_in(&mut form, "open sesame"), Outcome::Stays));
        assert!(matches!(type_in(&mut form, "open sesam"), Outcome::Stays));
        assert!(form.message.as_deref().is_some_and(|message| message.contains("different")));
        assert!(matches!(type_in(&mut form, "open sesame"), Outcome::Stays));
        let Outcome::Claim { password } = type_in(&mut form, "open sesame") else { panic!("both are equal") };
        assert_eq!(password.expose(), "open sesame");
    }

    #[test]
    fn a_password_is_not_in_the_debug_output() {
        let mut form = PasswordForm::new(PasswordPurpose::LogIn { name: "Noy".to_owned() }, None);
        form.paste("hunter2");
        assert_eq!(form.n_chars(), 7);
        assert!(!format!("{form:?}").contains("hunter2"));
    }

    #[test]
    fn a_name_is_checked_before_it_is_sent() {
        let mut form = NameForm::new("", None);
        form.paste("two words");
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert!(matches!(form.key(enter), Outcome::Stays));
        assert!(form.message.is_some());
        form.input = LineInput::new("Noy");
        assert!(matches!(form.key(enter), Outcome::Rename { name } if name == "Noy"));
        let tab = KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE);
        assert!(matches!(form.key(tab), Outcome::AskPassword { name } if name == "Noy"));
    }
}
