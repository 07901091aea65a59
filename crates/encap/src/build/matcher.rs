//! Which connection a row belongs to.
//!
//! One for each pair of apps and transport, as long as ports do not say otherwise: a row whose ports differ from those
//! that a connection is known to have is on another one. Rows asked in the same order get the same answers.

// Its hash takes a fraction of the standard one's time, and each row asks twice for its apps.
use hashbrown::HashMap;

use crate::rows::{App, Row, Transport};

/// Connections that are told apart.
pub(crate) const FLOWS_MAX: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Matcher {
    numbers: HashMap<App, u32>,
    apps: Vec<App>,
    pairs: HashMap<Pair, OfPair>,
    exact: HashMap<(Pair, [u16; 2]), u32>,
    /// The ports of each flow, as far as they are known: the lower app's first.
    ports: Vec<[Option<u16>; 2]>,
}

/// Two apps, the one that appeared first before the other, and what is between them.
pub(crate) type Pair = ([u32; 2], Transport);

#[derive(Debug, Default)]
struct OfPair {
    /// The last one that a row was on.
    latest: u32,
    flows: Vec<u32>,
    /// Those of which a port is not known.
    partial: Vec<u32>,
}

/// The place of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) flow: u32,
    pub(crate) pair: Pair,
    /// Which of the two apps sends.
    pub(crate) sender: usize,
    /// No row before it is on this flow.
    pub(crate) is_new: bool,
}

impl Matcher {
    /// Where `row` belongs; `None` if that would be one connection too many.
    pub(crate) fn place(&mut self, row: &Row, transport: Transport) -> Option<Place> {
        let (from, to) = (self.number(&row.source), self.number(&row.destination));
        let sender = usize::from(from > to);
        let pair = ([from.min(to), from.max(to)], transport);
        let mut ports = [row.source_port, row.destination_port];
        if sender == 1 {
            ports.reverse();
        }
        if let ([None, None], Some(of_pair)) = (ports, self.pairs.get(&pair)) {
            return Some(Place { flow: of_pair.latest, pair, sender, is_new: false });
        }
        if let Some(flow) = self.find(pair, ports) {
            self.learn(pair, flow, ports);
            return Some(Place { flow, pair, sender, is_new: false });
        }
        if self.ports.len() >= FLOWS_MAX {
            return None;
        }
        let flow = u32::try_from(self.ports.len()).ok()?;
        self.ports.push([None; 2]);
        let of_pair = self.pairs.entry(pair).or_default();
        of_pair.flows.push(flow);
        of_pair.partial.push(flow);
        self.learn(pair, flow, ports);
        Some(Place { flow, pair, sender, is_new: true })
    }

    /// The apps, in the order in which they appeared, and the ports of each flow.
    pub(crate) fn into_parts(self) -> (Vec<App>, Vec<[Option<u16>; 2]>) {
        (self.apps, self.ports)
    }

    fn number(&mut self, app: &App) -> u32 {
        if let Some(number) = self.numbers.get(app) {
            return *number;
        }
        // Rows tell fewer than 2¹⁶ apps apart.
        let number = u32::try_from(self.apps.len()).unwrap_or(u32::MAX);
        self.numbers.insert(app.clone(), number);
        self.apps.push(app.clone());
        number
    }

    fn find(&self, pair: Pair, ports: [Option<u16>; 2]) -> Option<u32> {
        let of_pair = self.pairs.get(&pair)?;
        let agrees = |flow: &u32| {
            let known = self.ports[*flow as usize];
            known.iter().zip(ports).all(|(known, given)| known.is_none() || given.is_none() || *known == given)
        };
        match ports {
            [Some(a), Some(b)] => {
                let exact = self.exact.get(&(pair, [a, b])).copied();
                exact.or_else(|| of_pair.partial.iter().rev().copied().find(agrees))
            }
            _ if agrees(&of_pair.latest) => Some(of_pair.latest),
            _ => of_pair.flows.iter().rev().copied().find(agrees),
        }
    }

    fn learn(&mut self, pair: Pair, flow: u32, ports: [Option<u16>; 2]) {
        let known = &mut self.ports[flow as usize];
        let was_partial = known.contains(&None);
        for (known, given) in known.iter_mut().zip(ports) {
            *known = known.or(given);
        }
        let of_pair = self.pairs.entry(pair).or_default();
        of_pair.latest = flow;
        if let (true, [Some(a), Some(b)]) = (was_partial, *known) {
            self.exact.insert((pair, [a, b]), flow);
            of_pair.partial.retain(|partial| *partial != flow);
        }
    }
}
