//! Flows that have something to send without a row, by the time at which it is due.
//!
//! Nearly all of them wait to acknowledge, and nearly always a row comes first, which puts that off. So only what is due soon
//! is kept in order. What is due later lies in slots of a millisecond (a calendar queue), and is asked once more when its
//! slot has come: moving it on costs two lines, and not a way through all that wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When something is due, in nanoseconds, and the number of the flow.
pub(super) type Entry = (i64, u32);

/// A slot has 2²⁰ ns.
const SLOT_BITS: u32 = 20;

/// Slots to come: 67 ms, longer than anything waits.
const SLOTS: u8 = 64;

#[derive(Debug)]
pub(super) struct Queue {
    /// What is due before the first of the slots.
    near: BinaryHeap<Reverse<Entry>>,
    /// The slots from `first` on, each at its number modulo their count.
    far: [Vec<Entry>; SLOTS as usize],
    /// The first slot to come, counted from time zero.
    first: i64,
    /// How many are in slots.
    n_far: usize,
    /// An empty slot, for its room.
    spare: Vec<Entry>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            near: BinaryHeap::new(),
            far: std::array::from_fn(|_| Vec::new()),
            first: 0,
            n_far: 0,
            spare: Vec::new(),
        }
    }
}

impl Queue {
    pub(super) fn push(&mut self, entry: Entry) {
        let slot = entry.0 >> SLOT_BITS;
        if self.n_far == 0 && slot - self.first >= i64::from(SLOTS) {
            // There is nothing in the slots between.
            self.first = slot;
        }
        if slot < self.first {
            self.near.push(Reverse(entry));
        } else {
            // What is still further away is looked at with the last of them, and goes on from there.
            self.slot(slot.min(self.first + i64::from(SLOTS) - 1)).push(entry);
            self.n_far += 1;
        }
    }

    /// What is due first, if that is before `time`. Before anything leaves its slot, `put_off` says when it is due by now if
    /// that is later.
    pub(super) fn first_before(&mut self, time: i64, put_off: impl FnMut(Entry) -> Option<i64>) -> Option<Entry> {
        self.bring_near(time, put_off);
        self.near.peek().map(|Reverse(entry)| *entry).filter(|(due, _)| *due < time)
    }

    /// Takes out what is due first of what has left its slot.
    pub(super) fn pop(&mut self) {
        self.near.pop();
    }

    /// Nothing is due before.
    pub(super) fn next_due(&self) -> i64 {
        let near = self.near.peek().map_or(i64::MAX, |Reverse((due, _))| *due);
        if self.n_far == 0 { near } else { near.min(self.first << SLOT_BITS) }
    }

    /// Empties the slots that begin before `time`.
    fn bring_near(&mut self, time: i64, mut put_off: impl FnMut(Entry) -> Option<i64>) {
        while self.n_far > 0 && self.first << SLOT_BITS < time {
            let spare = std::mem::take(&mut self.spare);
            let mut slot = std::mem::replace(self.slot(self.first), spare);
            self.n_far -= slot.len();
            self.first += 1;
            for (due, flow) in slot.drain(..) {
                let due = put_off((due, flow)).unwrap_or(due);
                self.push((due, flow));
            }
            self.spare = slot;
        }
        if self.n_far == 0 {
            self.first = self.first.max(time >> SLOT_BITS);
        }
    }

    fn slot(&mut self, number: i64) -> &mut Vec<Entry> {
        let index = usize::try_from(number.rem_euclid(SLOTS.into())).unwrap_or_default();
        &mut self.far[index]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: i64 = 1_000_000;

    /// What a flow does next: wait for so long, after so long.
    fn waits() -> impl Strategy<Value = Vec<(i64, i64)>> {
        let pause = prop_oneof![4 => 0..MILLISECOND, 1 => 0..500 * MILLISECOND, 1 => 0..100_000_000 * MILLISECOND];
        let wait = prop_oneof![1 => 0..100_000_i64, 4 => 0..44 * MILLISECOND, 1 => 0..1_000 * MILLISECOND];
        prop::collection::vec((pause, wait), 1..200)
    }

    proptest! {
        /// Held against a set that is in order, of which what is put off is taken at once.
        #[test]
        fn what_is_due_comes_in_its_order_however_far_away_it_was(waits in waits(), later in waits()) {
            let (mut queue, mut model, mut now) = (Queue::default(), BTreeSet::new(), 1_700_000_000_000 * MILLISECOND);
            // When each flow is due by now: what stands in the queue under another time has yet to be moved.
            let mut dues = Vec::new();
            let fire = |queue: &mut Queue, dues: &[i64], model: &mut BTreeSet<_>, now| -> Result<(), TestCaseError> {
                loop {
                    let put_off = |(due, flow): Entry| Some(dues[flow as usize]).filter(|now_due| *now_due > due);
                    let Some((due, flow)) = queue.first_before(now, put_off) else { break };
                    queue.pop();
                    if dues[flow as usize] == due {
                        prop_assert_eq!(model.pop_first(), Some((due, flow)));
                    } else {
                        // It left its slot before it was put off: its owner puts it into the queue again.
                        queue.push((dues[flow as usize], flow));
                    }
                }
                prop_assert!(model.first().is_none_or(|(due, _)| *due >= now));
                Ok(())
            };
            for (flow, ((pause, wait), (_, more))) in (0_u32..).zip(waits.into_iter().zip(later.into_iter().cycle())) {
                queue.push((now + wait, flow));
                model.insert((now + wait, flow));
                dues.push(now + wait);
                if let Some(before) = flow.checked_sub(3).filter(|before| model.remove(&(dues[*before as usize], *before))) {
                    dues[before as usize] += more;
                    model.insert((dues[before as usize], before));
                }
                now += pause;
                prop_assert!(queue.next_due() <= model.first().map_or(i64::MAX, |(due, _)| *due));
                fire(&mut queue, &dues, &mut model, now)?;
            }
            fire(&mut queue, &dues, &mut model, i64::MAX)?;
            prop_assert!(model.is_empty());
        }
    }

    #[test]
    fn what_is_put_off_before_its_slot_comes_is_due_later() {
        let mut queue = Queue::default();
        queue.push((5 * MILLISECOND, 7));
        queue.push((6 * MILLISECOND, 8));
        let put_off = |(due, flow)| (flow == 7 && due < 40 * MILLISECOND).then_some(45 * MILLISECOND);
        assert_eq!(queue.first_before(20 * MILLISECOND, put_off), Some((6 * MILLISECOND, 8)));
        queue.pop();
        assert_eq!(queue.first_before(45 * MILLISECOND, put_off), None);
        assert_eq!(queue.first_before(45 * MILLISECOND + 1, put_off), Some((45 * MILLISECOND, 7)));
    }
}
