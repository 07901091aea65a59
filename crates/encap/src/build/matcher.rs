//! The flow of each row.
//!
//! Each pair of apps has one flow for each transport, and more only if ports differ: a row whose ports contradict those
//! of a flow is on another flow. The same rows in the same order get the same flows.

// Faster to hash than the standard map; each row needs three look-ups.
use hashbrown::HashMap;

use crate::rows::{App, RowRef, Transport};

/// The most flows of a build.
pub(crate) const FLOWS_MAX: usize = 1 << 16;

/// Two apps by their numbers, the lower one first, and the transport between them.
pub(crate) type Pair = ([u32; 2], Transport);

/// Finds the flow of each row.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// The number of each app, in the order of appearance.
    numbers: HashMap<App, u32>,
    apps: Vec<App>,
    indices: HashMap<Pair, usize>,
    pairs: Vec<PairFlows>,
    /// The flow of a pair by both ports.
    by_ports: HashMap<(usize, [u16; 2]), u32>,
    /// The pair of each flow, and the known ports, in the order of the pair.
    flows: Vec<(Pair, [Option<u16>; 2])>,
}

/// The flows of one pair.
#[derive(Debug)]
struct PairFlows {
    pair: Pair,
    flows: Vec<u32>,
    /// The flows with an unknown port.
    partial: Vec<u32>,
    /// The flow of the latest row.
    latest: Option<u32>,
}

/// The sender of a row within its pair.
#[derive(Clone, Copy, Debug)]
struct Route {
    pair: usize,
    /// The index of the sender in the pair.
    sender: usize,
}

/// The flow of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowMatch {
    /// The number of the flow, from 0.
    pub(crate) flow: u32,
    /// The index of the sender among the two ends of the flow.
    pub(crate) sender: usize,
    /// Whether the row is the first of its flow.
    pub(crate) is_new: bool,
}

impl Matcher {
    /// Finds the flow of `row`, or adds one; `None` if there are [`FLOWS_MAX`] already.
    pub(crate) fn match_row(&mut self, row: &RowRef<'_>, transport: Transport) -> Option<FlowMatch> {
        let Route { pair: index, sender } = self.route(row, transport);
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
        let of_pair = &mut self.pairs[index];
        self.flows.push((of_pair.pair, [None; 2]));
        of_pair.flows.push(flow);
        of_pair.partial.push(flow);
        self.learn(index, flow, ports);
        Some(FlowMatch { flow, sender, is_new: true })
    }

    /// The pair of a flow.
    pub(crate) fn pair(&self, flow: u32) -> Pair {
        self.flows[flow as usize].0
    }

    /// The apps by their numbers.
    pub(crate) fn apps(&self) -> &[App] {
        &self.apps
    }

    /// The known ports of each flow, in the order of its pair.
    pub(crate) fn ports(&self) -> impl Iterator<Item = [Option<u16>; 2]> {
        self.flows.iter().map(|(_, ports)| *ports)
    }

    fn route(&mut self, row: &RowRef<'_>, transport: Transport) -> Route {
        let (from, to) = (self.number(row.source), self.number(row.destination));
        let pair = ([from.min(to), from.max(to)], transport);
        let index = *self.indices.entry(pair).or_insert_with(|| {
            self.pairs.push(PairFlows { pair, flows: Vec::new(), partial: Vec::new(), latest: None });
            self.pairs.len() - 1
        });
        Route { pair: index, sender: usize::from(from > to) }
    }

    fn number(&mut self, app: &App) -> u32 {
        if let Some(number) = self.numbers.get(app) {
            return *number;
        }
        // The reader of rows accepts fewer than 2¹⁶ apps.
        let number = u32::try_from(self.apps.len()).unwrap_or(u32::MAX);
        self.numbers.insert(app.clone(), number);
        self.apps.push(app.clone());
        number
    }

    fn find(&self, index: usize, ports: [Option<u16>; 2]) -> Option<u32> {
        let PairFlows { flows, partial, latest, .. } = &self.pairs[index];
        let agrees = |flow: &u32| {
            let (_, known) = self.flows[*flow as usize];
            known.iter().zip(ports).all(|(known, given)| known.is_none() || given.is_none() || *known == given)
        };
        if let [Some(a), Some(b)] = ports {
            let exact = self.by_ports.get(&(index, [a, b])).copied();
            exact.or_else(|| partial.iter().rev().copied().find(agrees))
        } else {
            latest.filter(agrees).or_else(|| flows.iter().rev().copied().find(agrees))
        }
    }

    fn learn(&mut self, index: usize, flow: u32, ports: [Option<u16>; 2]) {
        let (_, known) = &mut self.flows[flow as usize];
        let was_partial = known.contains(&None);
        for (known, given) in known.iter_mut().zip(ports) {
            *known = known.or(given);
        }
        let of_pair = &mut self.pairs[index];
        of_pair.latest = Some(flow);
        if let (true, [Some(a), Some(b)]) = (was_partial, *known) {
            self.by_ports.insert((index, [a, b]), flow);
            of_pair.partial.retain(|partial| *partial != flow);
        }
    }
}
