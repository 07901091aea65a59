//! Which connection a row belongs to.
//!
//! One for each pair of apps and transport, as long as ports do not say otherwise: a row whose ports differ from those
//! that a connection is known to have is on another one. Rows asked in the same order get the same answers.

use std::hash::BuildHasher as _;
use std::sync::Arc;

// Its hash takes a fraction of the standard one's time, and each row asks.
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::rows::{App, RowRef, Transport};

/// Connections that are told apart.
pub(crate) const FLOWS_MAX: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Matcher {
    numbers: HashMap<App, u32>,
    apps: Vec<App>,
    ways: Ways,
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

/// The ways that rows go, by the two names of a row. A reader shares names among its rows, so where those of a matcher come
/// again, their addresses tell without a look at the text.
///
/// Each row asks. Conversations mostly go on as they went on before, so the way after the last one is tried first; and what
/// is looked through else is short: a table of numbers alone.
#[derive(Debug, Default)]
struct Ways {
    known: Vec<KnownWay>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The number of the way that was asked for last.
    latest: u32,
}

#[derive(Debug)]
struct KnownWay {
    key: WayKey,
    way: Way,
    /// The number of the way that was asked for after it when that was last seen.
    next: u32,
}

/// The addresses of two names, and what is between them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct WayKey {
    source: usize,
    destination: usize,
    transport: Transport,
}

/// From one app of a pair to the other.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// The index of the pair.
    index: u32,
    /// Which of the two apps sends.
    sender: u32,
}

impl WayKey {
    #[inline]
    fn new(source: &Arc<str>, destination: &Arc<str>, transport: Transport) -> Self {
        let [source, destination] = [source, destination].map(|name| Arc::as_ptr(name).addr());
        Self { source, destination, transport }
    }
}

impl Ways {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "each row asks")]
    fn get(&mut self, key: WayKey) -> Option<Way> {
        let next = self.known.get(self.latest as usize)?.next;
        let known = &self.known[next as usize];
        if known.key == key {
            self.latest = next;
            return Some(known.way);
        }
        let WayKey { source, destination, transport } = key;
        self.find(source, destination, transport)
    }

    #[cold]
    fn find(&mut self, source: usize, destination: usize, transport: Transport) -> Option<Way> {
        let key = WayKey { source, destination, transport };
        let hash = self.hasher.hash_one(key);
        let number = *self.numbers.find(hash, |number| self.known[*number as usize].key == key)?;
        self.known[self.latest as usize].next = number;
        self.latest = number;
        Some(self.known[number as usize].way)
    }

    /// Adds what is not there yet.
    fn insert(&mut self, key: WayKey, way: Way) {
        // There are fewer than 2³² pairs.
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        if let Some(latest) = self.known.get_mut(self.latest as usize) {
            latest.next = number;
        }
        self.latest = number;
        self.known.push(KnownWay { key, way, next: number });
        let Self { known, numbers, hasher, .. } = self;
        let hash = |number: &u32| hasher.hash_one(known[*number as usize].key);
        numbers.insert_unique(hash(&number), number, hash);
    }
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
pub(crate) struct Place {
    pub(crate) flow: u32,
    /// Which of the two apps sends.
    pub(crate) sender: usize,
    /// No row before it is on this flow.
    pub(crate) is_new: bool,
}

impl Matcher {
    /// Where `row` belongs; `None` if that would be one connection too many.
    pub(crate) fn place(&mut self, row: &RowRef<'_>, transport: Transport) -> Option<Place> {
        let Way { index, sender } = self.way(row, transport);
        let sender = sender as usize;
        let mut ports = [row.source_port, row.destination_port];
        if sender == 1 {
            ports.reverse();
        }
        if let Some(flow) = self.find(index, ports) {
            self.learn(index, flow, ports);
            return Some(Place { flow, sender, is_new: false });
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
        Some(Place { flow, sender, is_new: true })
    }

    /// The pair that a flow is between.
    pub(crate) fn pair(&self, flow: u32) -> Pair {
        self.flows[flow as usize].0
    }

    /// The apps, in the order in which they appeared, and the ports of each flow.
    pub(crate) fn into_parts(self) -> (Vec<App>, Vec<[Option<u16>; 2]>) {
        (self.apps, self.flows.into_iter().map(|(_, ports)| ports).collect())
    }

    fn way(&mut self, row: &RowRef<'_>, transport: Transport) -> Way {
        let known = match (row.source, row.destination) {
            (App::Name(source), App::Name(destination)) => self.ways.get(WayKey::new(source, destination, transport)),
            _ => None,
        };
        known.unwrap_or_else(|| self.new_way(row, transport))
    }

    /// The way of a row by its apps, known by their names from now on if they are names.
    #[cold]
    fn new_way(&mut self, row: &RowRef<'_>, transport: Transport) -> Way {
        let (from, to) = (self.number(row.source), self.number(row.destination));
        let pair = ([from.min(to), from.max(to)], transport);
        let index = *self.indices.entry(pair).or_insert_with(|| {
            self.pairs.push(OfPair { pair, flows: Vec::new(), partial: Vec::new() });
            self.latest.push(None);
            // Rows tell fewer than 2³² pairs apart.
            u32::try_from(self.pairs.len() - 1).unwrap_or(u32::MAX)
        });
        let way = Way { index, sender: u32::from(from > to) };
        // A name that is not kept in `apps` may go, and another come to stand at its address.
        let is_kept = |number: u32, name: &Arc<str>| matches!(&self.apps[number as usize], App::Name(kept) if Arc::ptr_eq(kept, name));
        if let (App::Name(source), App::Name(destination)) = (row.source, row.destination)
            && is_kept(from, source)
            && is_kept(to, destination)
        {
            self.ways.insert(WayKey::new(source, destination, transport), way);
        }
        way
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
