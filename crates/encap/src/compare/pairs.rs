//! Pairs conversations by their payload, because addresses and ports differ between the two recordings.

use super::{RecordedConversation, Recording};

/// The recording of a conversation without a counterpart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Made,
    Captured,
}

/// The paired conversations, and the unpaired ones.
type Pairs<'a> = (Vec<(&'a RecordedConversation, &'a RecordedConversation)>, Vec<(Source, &'a RecordedConversation)>);

/// Pairs conversations of the same transport. First it pairs those with the same payload in both directions, then the
/// others by their order.
pub(super) fn pair<'a>(made: &'a Recording, captured: &'a Recording) -> Pairs<'a> {
    let mut unpaired_captured: Vec<Option<&RecordedConversation>> = captured.conversations().iter().map(Some).collect();
    let mut found: Vec<Option<&RecordedConversation>> = vec![None; made.conversations().len()];
    let has_same_payload =
        |a: &RecordedConversation, b: &RecordedConversation| a.transport() == b.transport() && a.has_same_data(b);
    let has_same_transport = |a: &RecordedConversation, b: &RecordedConversation| a.transport() == b.transport();
    for matches in
        [&has_same_payload as &dyn Fn(&RecordedConversation, &RecordedConversation) -> bool, &has_same_transport]
    {
        for (made, found) in made.conversations().iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let is_counterpart = |captured: &&RecordedConversation| matches(made, captured);
            let counterpart = unpaired_captured.iter_mut().find(|slot| slot.as_ref().is_some_and(is_counterpart));
            *found = counterpart.and_then(Option::take);
        }
    }
    let (mut pairs, mut unpaired) = (Vec::new(), Vec::new());
    for (made, found) in made.conversations().iter().zip(found) {
        match found {
            Some(captured) => pairs.push((made, captured)),
            None => unpaired.push((Source::Made, made)),
        }
    }
    unpaired.extend(unpaired_captured.into_iter().flatten().map(|captured| (Source::Captured, captured)));
    (pairs, unpaired)
}
