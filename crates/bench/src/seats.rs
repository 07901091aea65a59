//! Who sits where: sessions two by two, with names that are theirs alone.

use crate::crowd::Crowd;
use crate::error::Error;
use crate::wire::{Seat, Wire};

/// Gives out names that no other run has, or hardly any.
#[derive(Debug)]
pub(crate) struct Names {
    run: u32,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { run: fastrand::u32(..) }
    }

    /// The name of session `number`.
    pub(crate) fn of(&self, number: usize) -> String {
        format!("b{:08x}-{number}", self.run)
    }
}

/// Opens two sessions for each pair, and joins them: session 2n speaks to session 2n + 1.
pub(crate) fn open_pairs<W: Wire>(crowd: &mut Crowd<'_, W>, pairs: usize, both_ways: bool) -> Result<(), Error> {
    let names = Names::new();
    let seats = (0..2 * pairs).map(|number| Seat {
        name: names.of(number),
        peer: names.of(number ^ 1),
        pair: number / 2,
        speaks: number % 2 == 0 || both_ways,
        listens: number % 2 == 1 || both_ways,
    });
    crowd.open_all(seats, 2 * pairs)?;
    for pair in 0..pairs {
        let listener = crowd.seat(2 * pair + 1).clone();
        let mut awaited = 0;
        crowd.ask(2 * pair, |wire, seat, out| {
            let (speaker, of_listener) = wire.join(seat, &listener, out);
            awaited = of_listener;
            speaker
        });
        crowd.expect(2 * pair + 1, awaited);
    }
    crowd.settle("to be joined")
}
