//! When the answers to a session leave.
//!
//! A write costs more than all else about a message, so the answers to what was read in several turns leave in one. They
//! wait for a look at what the session says next, while others have their turns. Most programs that talk fast go on without
//! their answers, and are not kept waiting by that; so once a session has talked for a while, its answers wait for longer
//! than the look, until it says more. That is a guess. Where nothing comes, it was wrong: the answers leave, and the next
//! guess takes twice as much talk. `PONG` does not wait so, as whoever asks for it may want to know how long it takes.

use std::time::Duration;

/// How many turns of a session its answers may wait for.
pub(crate) const TURNS_MAX: u8 = 16;

/// How long answers may wait for what the session says next: as long as Linux delays an acknowledgment of TCP, and no longer
/// than a person takes for at once.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(40);

/// After how many turns answers wait so for the first time.
pub(crate) const TURNS_BEFORE_DELAY: u16 = 64;

/// After so many wrong guesses, the next takes no more talk than this one.
const DOUBLINGS_MAX: u8 = 9;

/// What decides on it. There is one for each session, so it is small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyDelay {
    /// Turns that were taken since something was written.
    unwritten_turns: u8,
    /// How many guesses were wrong.
    wrong_guesses: u8,
    /// Turns that were taken since the last wrong guess, or since the start.
    turns_since_wrong_guess: u16,
}

impl ReplyDelay {
    /// Of a session that was just opened: its welcome waits for a look, too. Whoever speaks at once gets both in one.
    pub(crate) const fn new() -> Self {
        Self { unwritten_turns: 1, wrong_guesses: 0, turns_since_wrong_guess: 0 }
    }

    /// How many turns they wait for.
    pub(crate) const fn unwritten_turns(self) -> u8 {
        self.unwritten_turns
    }

    /// Whether they wait for a look.
    pub(crate) const fn wait_for_next_read(self) -> bool {
        0 < self.unwritten_turns && self.unwritten_turns < TURNS_MAX
    }

    /// Whether they wait for longer, after a look that found nothing.
    pub(crate) fn may_wait_longer(self) -> bool {
        self.turns_since_wrong_guess >= TURNS_BEFORE_DELAY << self.wrong_guesses.min(DOUBLINGS_MAX)
    }

    /// Notes a turn.
    pub(crate) const fn after_turn(&mut self) {
        self.unwritten_turns = self.unwritten_turns.saturating_add(1);
        self.turns_since_wrong_guess = self.turns_since_wrong_guess.saturating_add(1);
    }

    /// Notes that they leave.
    pub(crate) const fn after_write(&mut self) {
        self.unwritten_turns = 0;
    }

    /// Notes that nothing came for as long as they waited.
    pub(crate) const fn after_timeout(&mut self) {
        self.wrong_guesses = self.wrong_guesses.saturating_add(1);
        self.turns_since_wrong_guess = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many turns a session takes until its answers wait.
    fn turns_until_delay(delay: &mut ReplyDelay) -> Option<u32> {
        let mut turns = 0;
        while !delay.may_wait_longer() {
            delay.after_turn();
            turns += 1;
            if turns > 1 << 17 {
                return None;
            }
        }
        Some(turns)
    }

    #[test]
    fn each_wrong_guess_doubles_the_talk_before_the_next_one_up_to_a_bound() {
        let mut delay = ReplyDelay::new();
        let expected = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 32768, 32768];
        for turns in expected {
            assert_eq!(turns_until_delay(&mut delay), Some(turns));
            delay.after_timeout();
        }
    }
}
