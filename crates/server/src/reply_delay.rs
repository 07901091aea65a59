//! Decides how long the replies to a session's own commands wait before they are written.
//!
//! A write costs more than all other work for a message. So replies to several turns are written together:
//!
//! 1. After a turn, the connection yields, and then tries to read again. If it reads more commands, it takes another
//!    turn, and the replies keep waiting, for at most [`TURNS_MAX`] turns.
//! 2. If it reads nothing, the replies are written at once. This changes after [`TURNS_BEFORE_DELAY`] turns: then the
//!    server guesses that the client sends more commands without waiting for replies, as most fast clients do. So the
//!    replies wait up to [`DELAY_MAX`] for the next command. If no command arrives in this time, the guess was wrong.
//!    Then the replies are written, and the next guess needs twice as many turns.
//!
//! Messages from peers are not delayed. Neither is `PONG`, because clients measure the round-trip time with it.

use std::time::Duration;

/// Maximum number of turns whose replies are written together.
pub(crate) const TURNS_MAX: u8 = 16;

/// Maximum time that replies wait for the session's next command. Linux delays TCP acknowledgements by the same time. A
/// person does not notice it.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(40);

/// Number of turns before the first guess.
pub(crate) const TURNS_BEFORE_DELAY: u16 = 64;

/// Number of wrong guesses after which the number of turns before the next guess no longer doubles.
const DOUBLINGS_MAX: u8 = 9;

/// The state of one session. It is small, because each session has such a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyDelay {
    /// Turns since the last write.
    unwritten_turns: u8,
    wrong_guesses: u8,
    /// Turns since the last wrong guess, or since the session opened.
    turns_since_wrong_guess: u16,
}

impl ReplyDelay {
    /// The state of a new session. Its `WELCOME` counts as a turn. So if the client sends at once, `WELCOME` and the
    /// first replies leave in one write.
    pub(crate) const fn new() -> Self {
        Self { unwritten_turns: 1, wrong_guesses: 0, turns_since_wrong_guess: 0 }
    }

    /// Turns since the last write.
    pub(crate) const fn unwritten_turns(self) -> u8 {
        self.unwritten_turns
    }

    /// Whether the connection tries to read before it writes.
    pub(crate) const fn should_read_first(self) -> bool {
        0 < self.unwritten_turns && self.unwritten_turns < TURNS_MAX
    }

    /// Whether the replies keep waiting after a read that found no command.
    pub(crate) fn should_delay(self) -> bool {
        self.turns_since_wrong_guess >= TURNS_BEFORE_DELAY << self.wrong_guesses.min(DOUBLINGS_MAX)
    }

    pub(crate) const fn after_turn(&mut self) {
        self.unwritten_turns = self.unwritten_turns.saturating_add(1);
        self.turns_since_wrong_guess = self.turns_since_wrong_guess.saturating_add(1);
    }

    pub(crate) const fn after_write(&mut self) {
        self.unwritten_turns = 0;
    }

    /// Call this when no command arrived within [`DELAY_MAX`].
    pub(crate) const fn after_timeout(&mut self) {
        self.wrong_guesses = self.wrong_guesses.saturating_add(1);
        self.turns_since_wrong_guess = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes turns until replies are delayed, and returns the number of turns. `None`: replies are never delayed again.
    fn turns_until_delay(delay: &mut ReplyDelay) -> Option<u32> {
        let mut turns = 0;
        while !delay.should_delay() {
            delay.after_turn();
            turns += 1;
            // The counter of turns saturates at less than this.
            if turns > 1 << 17 {
                return None;
            }
        }
        Some(turns)
    }

    #[test]
    fn each_wrong_guess_doubles_the_turns_before_the_next_guess_up_to_a_bound() {
        let mut delay = ReplyDelay::new();
        let expected = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 32768, 32768];
        for turns in expected {
            assert_eq!(turns_until_delay(&mut delay), Some(turns));
            delay.after_timeout();
        }
    }
}
