//! Which connection a row belongs to.
//!
//! One for each pair of apps and transport, as long as ports do not say otherwise: a row whose ports differ from those
//! that a connection is known to have is on another one. Rows asked in the same order get the same answers.

// Its hash takes a fraction of the standard one's time, and each row asks.
use hashbrown::HashMap;

use crate::rows::{App, RowRef, Transport};

/// Connections that are told apart.
pub(crate) const FLOWS_MAX: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Matcher {
    numbers: HashMap<App, u32>,
    apps: Vec<App>,
    indices: HashMap<Pair, u32>,
    pairs: Vec<OfPair>,
    /// For each pair the flow that a row was on last: apart, since each row asks for this alone.
    latest: Vec<Option<u32>>,
    exact: HashMap<(u32, [u16; 2]), u32>,
    /// The pair of each flow, and its ports as far as they are known: the lower app's first.
    flows: Vec<(Pair, [Option<u16>; 2])>,
}

/// Two apps, the one that appeared first before the other, and what is between them.
pub(crate) type Pair = ([u32; 2], Transport);

/// From one app of a pair to the other.
#[derive(Clone, Copy, Debug)]
struct Route {
    /// The index of the pair.
    index: u32,
    /// Which of the two apps sends.
    sender: u32,
}

#[derive(Debug)]
struct OfPair {
    pair: Pair,
    flows: Vec<u32>,
    /// Those of which a port is not known.
    partial: Vec<u32>,
}

/// The place of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowMatch {
    pub(crate) flow: u32,
    /// Which of the two apps sends.
    pub(crate) sender: usize,
    /// No row before it is on this flow.
    pub(crate) is_new: bool,
}

impl Matcher {
    /// Where `row` belongs; `None` if that would be one connection too many.
    pub(crate) fn place(&mut self, row: &RowRef<'_>, transport: Transport) -> Option<FlowMatch> {
        let Route { index, sender } = self.way(row, transport);
        let sender = sender as usize;
        let mut ports = [row.source_port, row.destination_port];
        if sender == 1 {
            ports.reverse();
        }
        if let Some(flow) = self.find(index, ports) {
            self.learn(index, flow, ports);
            return Some(FlowMatch { flow, sender, is_new: false });
        }
        if self.flows.len() >= FLOWS_MAX {
            return None;
        }
        let flow = u32::try_from(self.flows.len()).ok()?;
        let of_pair = &mut self.pairs[index as usize];
        self.flows.push((of_pair.pair, [None; 2]));
        of_pair.flows.push(flow);
        of_pair.partial.push(flow);
        self.learn(index, flow, ports);
        Some(FlowMatch { flow, sender, is_new: true })
    }

    /// The pair that a flow is between.
    pub(crate) fn pair(&self, flow: u32) -> Pair {
        self.flows[flow as usize].0
    }

    /// The apps, in the order in which they appeared, and the ports of each flow.
    pub(crate) fn into_parts(self) -> (Vec<App>, Vec<[Option<u16>; 2]>) {
        (self.apps, self.flows.into_iter().map(|(_, ports)| ports).collect())
    }

    fn way(&mut self, row: &RowRef<'_>, transport: Transport) -> Route {
        let (from, to) = (self.number(row.source), self.number(row.destination));
        let pair = ([from.min(to), from.max(to)], transport);
        let index = *self.indices.entry(pair).or_insert_with(|| {
            self.pairs.push(OfPair { pair, flows: Vec::new(), partial: Vec::new() });
            self.latest.push(None);
            // Rows tell fewer than 2³² pairs apart.
            u32::try_from(self.pairs.len() - 1).unwrap_or(u32::MAX)
        });
        Route { index, sender: u32::from(from > to) }
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

    fn find(&self, index: u32, ports: [Option<u16>; 2]) -> Option<u32> {
        let of_pair = &self.pairs[index as usize];
        let agrees = |flow: &u32| {
            let (_, known) = self.flows[*flow as usize];
            known.iter().zip(ports).all(|(known, given)| known.is_none() || given.is_none() || *known == given)
        };
        match ports {
            [Some(a), Some(b)] => {
                let exact = self.exact.get(&(index, [a, b])).copied();
                exact.or_else(|| of_pair.partial.iter().rev().copied().find(agrees))
            }
            _ => {
                self.latest[index as usize].filter(agrees).or_else(|| of_pair.flows.iter().rev().copied().find(agrees))
            }
        }
    }

    fn learn(&mut self, index: u32, flow: u32, ports: [Option<u16>; 2]) {
        let (_, known) = &mut self.flows[flow as usize];
        let was_partial = known.contains(&None);
        for (known, given) in known.iter_mut().zip(ports) {
            *known = known.or(given);
        }
        self.latest[index as usize] = Some(flow);
        let of_pair = &mut self.pairs[index as usize];
        if let (true, [Some(a), Some(b)]) = (was_partial, *known) {
            self.exact.insert((index, [a, b]), flow);
            of_pair.partial.retain(|partial| *partial != flow);
        }
    }
}
