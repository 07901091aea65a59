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
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(40);

/// After how many turns answers wait so for the first time.
pub(crate) const TALK: u16 = 64;

/// After so many wrong guesses, the next takes no more talk than this one.
const DOUBLINGS_MAX: u8 = 9;

/// What decides on it. There is one for each session, so it is small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyDelay {
    /// Turns that were taken since something was written.
    turns: u8,
    /// How many guesses were wrong.
    wrong: u8,
    /// Turns that were taken since the last wrong guess, or since the start.
    talk: u16,
}

impl ReplyDelay {
    /// Of a session that was just opened: its welcome waits for a look, too. Whoever speaks at once gets both in one.
    pub(crate) const fn welcome() -> Self {
        Self { turns: 1, wrong: 0, talk: 0 }
    }

    /// How many turns they wait for.
    pub(crate) const fn turns(self) -> u8 {
        self.turns
    }

    /// Whether they wait for a look.
    pub(crate) const fn wait_for_a_look(self) -> bool {
        0 < self.turns && self.turns < TURNS_MAX
    }

    /// Whether they wait for longer, after a look that found nothing.
    pub(crate) fn wait_for_more(self) -> bool {
        self.talk >= TALK << self.wrong.min(DOUBLINGS_MAX)
    }

    /// Notes a turn.
    pub(crate) const fn after_turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
        self.talk = self.talk.saturating_add(1);
    }

    /// Notes that they leave.
    pub(crate) const fn leave(&mut self) {
        self.turns = 0;
    }

    /// Notes that nothing came for as long as they waited.
    pub(crate) const fn waited_in_vain(&mut self) {
        self.wrong = self.wrong.saturating_add(1);
        self.talk = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many turns a session takes until its answers wait.
    fn talk_until_they_wait(answers: &mut ReplyDelay) -> Option<u32> {
        let mut turns = 0;
        while !answers.wait_for_more() {
            answers.after_turn();
            turns += 1;
            if turns > 1 << 17 {
                return None;
            }
        }
        Some(turns)
    }

    #[test]
    fn each_wrong_guess_doubles_the_talk_before_the_next_one_up_to_a_bound() {
        let mut answers = ReplyDelay::welcome();
        let talk = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 32768, 32768];
        for turns in talk {
            assert_eq!(talk_until_they_wait(&mut answers), Some(turns));
            answers.waited_in_vain();
        }
    }
}
