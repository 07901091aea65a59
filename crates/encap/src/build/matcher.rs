//! Finds the flow of each row.
//!
//! A pair of apps has one flow for each transport, or more if its rows give different ports. A row belongs to a flow
//! only if no port in the row differs from a port of the flow. The same rows in the same order get the same flows.

// hashbrown's default hasher is faster than the standard one, and each row needs three look-ups.
use hashbrown::HashMap;

use crate::rows::{App, RowRef, Transport};

/// The maximum number of flows in a build.
pub(crate) const FLOWS_MAX: usize = 1 << 16;

/// Two apps by their numbers, the lower one first, and the transport between them.
pub(crate) type Pair = ([u32; 2], Transport);

/// Finds the flow of each row.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// The number of each app, in the order of appearance.
    app_numbers: HashMap<App, u32>,
    /// The apps by their numbers.
    apps: Vec<App>,
    /// The index of each pair in `pairs`.
    pair_indices: HashMap<Pair, usize>,
    pairs: Vec<PairFlows>,
    /// The flows with two known ports. The key is the index of the pair and the two ports.
    by_ports: HashMap<(usize, [u16; 2]), u32>,
    /// The pair of each flow, and the known ports of the pair's apps.
    flows: Vec<(Pair, [Option<u16>; 2])>,
}

/// The flows of one pair.
#[derive(Debug)]
struct PairFlows {
    pair: Pair,
    flows: Vec<u32>,
    /// Those of `flows` with an unknown port.
    partial: Vec<u32>,
    /// The flow of the pair's latest row.
    latest: Option<u32>,
}

/// The pair of a row, and its sender.
#[derive(Clone, Copy, Debug)]
struct RowPair {
    /// The index in [`Matcher::pairs`].
    index: usize,
    /// 0 if the first app of the pair sends the row, 1 if the second app does.
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
    /// Finds the flow of `row`, or adds a flow for it. Returns `None` if there are already [`FLOWS_MAX`] flows.
    pub(crate) fn match_row(&mut self, row: &RowRef<'_>, transport: Transport) -> Option<FlowMatch> {
        let RowPair { index, sender } = self.pair_of_row(row, transport);
        let mut ports = [row.source_port, row.destination_port];
        if sender == 1 {
            ports.reverse();
        }
        if let Some(flow) = self.find_flow(index, ports) {
            self.learn_ports(index, flow, ports);
            return Some(FlowMatch { flow, sender, is_new: false });
        }
        if self.flows.len() >= FLOWS_MAX {
            return None;
        }
        let flow = u32::try_from(self.flows.len()).ok()?;
        let pair_flows = &mut self.pairs[index];
        self.flows.push((pair_flows.pair, [None; 2]));
        pair_flows.flows.push(flow);
        pair_flows.partial.push(flow);
        self.learn_ports(index, flow, ports);
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

    /// The known ports of each flow, in the order of the pair's apps.
    pub(crate) fn ports(&self) -> impl Iterator<Item = [Option<u16>; 2]> {
        self.flows.iter().map(|(_, ports)| *ports)
    }

    /// The pair of a row. Adds the apps and the pair if they are new.
    fn pair_of_row(&mut self, row: &RowRef<'_>, transport: Transport) -> RowPair {
        let (from, to) = (self.app_number(row.source), self.app_number(row.destination));
        let pair = ([from.min(to), from.max(to)], transport);
        let index = *self.pair_indices.entry(pair).or_insert_with(|| {
            self.pairs.push(PairFlows { pair, flows: Vec::new(), partial: Vec::new(), latest: None });
            self.pairs.len() - 1
        });
        RowPair { index, sender: usize::from(from > to) }
    }

    /// The number of an app. Adds the app if it is new.
    fn app_number(&mut self, app: &App) -> u32 {
        if let Some(number) = self.app_numbers.get(app) {
            return *number;
        }
        // The reader of rows accepts fewer than 2¹⁶ apps, so the conversion cannot fail.
        let number = u32::try_from(self.apps.len()).unwrap_or(u32::MAX);
        self.app_numbers.insert(app.clone(), number);
        self.apps.push(app.clone());
        number
    }

    /// A flow of the pair at `index` whose known ports agree with `ports`. With two ports, prefers the flow with
    /// exactly these ports, else the newest. With an unknown port, prefers the flow of the latest row, else the newest.
    fn find_flow(&self, index: usize, ports: [Option<u16>; 2]) -> Option<u32> {
        let PairFlows { flows, partial, latest, .. } = &self.pairs[index];
        let is_compatible = |flow: &u32| {
            let (_, flow_ports) = self.flows[*flow as usize];
            flow_ports.iter().zip(ports).all(|(known, given)| known.is_none() || given.is_none() || *known == given)
        };
        if let [Some(a), Some(b)] = ports {
            let exact = self.by_ports.get(&(index, [a, b])).copied();
            exact.or_else(|| partial.iter().rev().copied().find(is_compatible))
        } else {
            latest.filter(is_compatible).or_else(|| flows.iter().rev().copied().find(is_compatible))
        }
    }

    /// Records that a row with `ports` is on `flow`, which belongs to the pair at `index`.
    fn learn_ports(&mut self, index: usize, flow: u32, ports: [Option<u16>; 2]) {
        let (_, flow_ports) = &mut self.flows[flow as usize];
        let was_partial = flow_ports.contains(&None);
        for (known, given) in flow_ports.iter_mut().zip(ports) {
            *known = known.or(given);
        }
        let pair_flows = &mut self.pairs[index];
        pair_flows.latest = Some(flow);
        if let (true, [Some(a), Some(b)]) = (was_partial, *flow_ports) {
            self.by_ports.insert((index, [a, b]), flow);
            pair_flows.partial.retain(|partial| *partial != flow);
        }
    }
}
