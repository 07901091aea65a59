//! Which conversations belong together: addresses and ports say nothing, what is said does.

use super::{RecordedConversation, Recording};

/// Where a conversation is that is only in one of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Made,
    Captured,
}

/// Conversations that belong together, and those that are left.
type Pairs<'a> = (Vec<(&'a RecordedConversation, &'a RecordedConversation)>, Vec<(Source, &'a RecordedConversation)>);

/// Finds the captured conversation of each synthesised one: first those that carry the same bytes both ways, then the
/// others in their order.
pub(super) fn pair<'a>(made: &'a Recording, captured: &'a Recording) -> Pairs<'a> {
    let mut free: Vec<Option<&RecordedConversation>> = captured.conversations().iter().map(Some).collect();
    let mut found: Vec<Option<&RecordedConversation>> = vec![None; made.conversations().len()];
    let is_same =
        |a: &RecordedConversation, b: &RecordedConversation| a.transport() == b.transport() && a.says_the_same(b);
    let is_alike = |a: &RecordedConversation, b: &RecordedConversation| a.transport() == b.transport();
    for fits in [&is_same as &dyn Fn(&RecordedConversation, &RecordedConversation) -> bool, &is_alike] {
        for (made, found) in made.conversations().iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let next = free.iter_mut().find(|free| free.is_some_and(|free| fits(made, free)));
            *found = next.and_then(Option::take);
        }
    }
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    for (made, found) in made.conversations().iter().zip(found) {
        match found {
            Some(captured) => pairs.push((made, captured)),
            None => left.push((Source::Made, made)),
        }
    }
    left.extend(free.into_iter().flatten().map(|captured| (Source::Captured, captured)));
    (pairs, left)
}
