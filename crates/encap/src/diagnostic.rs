//! Diagnostics: a problem of some kind, at a place, seen one or more times.
//!
//! Each area of the lab has an enum of [`Kind`]s with the texts, and a small type for its places: a line of a CSV, a
//! byte of a file, a field of a segment. All areas share [`Diagnostic`] and the bounded list [`Diagnostics`].

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// The effect of a problem.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input is used as given; the diagnostic is for information.
    Note,
    /// The input is used, but is probably not as intended.
    Warning,
    /// The input cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The problems of one area. `Display` gives the text without the place.
pub trait Kind: fmt::Display + Sized {
    /// Where the area finds its problems.
    type Place: Clone + fmt::Debug + Eq;

    /// Whether JSON has the count.
    const SERIALIZES_COUNT: bool = false;

    /// Whether [`Kind::merges`] can be true. If not, a list is not searched.
    const MERGES: bool = true;

    /// The effect of the problem.
    fn severity(&self) -> Severity {
        Severity::Warning
    }

    /// Whether a list counts `other` into `listed`. By default each diagnostic is listed.
    fn merges(listed: &Diagnostic<Self>, other: &Diagnostic<Self>) -> bool {
        let _ = (listed, other);
        false
    }

    /// Counts `other` into `listed`. By default the first place is kept.
    fn merge(listed: &mut Diagnostic<Self>, other: Diagnostic<Self>) {
        listed.count += other.count;
    }

    /// Writes the count after the text, if it is more than 1.
    fn fmt_count(count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " ({count} times)")
    }

    /// Whether a full list takes this one, too.
    fn is_always_listed(&self) -> bool {
        false
    }
}

/// A problem at its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(bound = "K: Serialize, K::Place: Serialize")]
pub struct Diagnostic<K: Kind> {
    /// The place; the first one if there are several.
    #[serde(flatten)]
    pub place: K::Place,
    /// The number of occurrences, from 1.
    #[serde(skip_serializing_if = "is_count_left_out::<K>")]
    pub count: u64,
    /// The problem.
    #[serde(flatten)]
    pub kind: K,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_count_left_out<K: Kind>(_: &u64) -> bool {
    !K::SERIALIZES_COUNT
}

impl<K: Kind> Diagnostic<K> {
    /// A diagnostic that occurred once.
    pub const fn new(place: K::Place, kind: K) -> Self {
        Self { place, count: 1, kind }
    }

    /// The effect of the problem.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// The text without the place: `an empty message is sent as an empty datagram (3 times)`.
    pub fn text(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            write!(f, "{}", self.kind)?;
            if self.count > 1 { K::fmt_count(self.count, f) } else { Ok(()) }
        })
    }
}

/// `PLACE: TEXT`, with the count if it is more than 1.
impl<K: Kind<Place: fmt::Display>> fmt::Display for Diagnostic<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text())
    }
}

impl<K: Kind<Place: fmt::Display> + fmt::Debug> Error for Diagnostic<K> {}

/// The first `MAX` diagnostics that do not merge, in the order of their first occurrence, and the number of the others.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent, bound = "K: Serialize, K::Place: Serialize")]
pub struct Diagnostics<K: Kind, const MAX: usize> {
    list: Vec<Diagnostic<K>>,
    /// The index of the last one added or counted: often the next one merges with it.
    #[serde(skip)]
    latest: usize,
    #[serde(skip)]
    left_out: u64,
}

impl<K: Kind, const MAX: usize> Default for Diagnostics<K, MAX> {
    fn default() -> Self {
        Self { list: Vec::new(), latest: 0, left_out: 0 }
    }
}

impl<K: Kind, const MAX: usize> Diagnostics<K, MAX> {
    /// The listed diagnostics.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic<K>] {
        &self.list
    }

    /// The number of occurrences that found no room in the list.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Counts an occurrence without listing it.
    pub const fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Lists a diagnostic, or counts it.
    #[inline]
    pub fn add(&mut self, place: K::Place, kind: K) {
        let diagnostic = Diagnostic::new(place, kind);
        match self.list.get_mut(self.latest) {
            Some(latest) if K::merges(latest, &diagnostic) => K::merge(latest, diagnostic),
            _ => self.add_other(diagnostic),
        }
    }

    /// Adds a diagnostic that does not merge with the latest one.
    fn add_other(&mut self, diagnostic: Diagnostic<K>) {
        let mergeable = if K::MERGES { &self.list[..] } else { &[] };
        if let Some(at) = mergeable.iter().position(|listed| K::merges(listed, &diagnostic)) {
            self.latest = at;
            K::merge(&mut self.list[at], diagnostic);
        } else if self.list.len() < MAX || diagnostic.kind.is_always_listed() {
            self.latest = self.list.len();
            self.list.push(diagnostic);
        } else {
            self.left_out += diagnostic.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
    struct At {
        at: u32,
    }

    impl fmt::Display for At {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "byte {}", self.at)
        }
    }

    /// Numbers merge if their last digits are equal; 99 is always listed.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
    #[error("number {number}")]
    struct Number {
        number: u32,
    }

    impl Kind for Number {
        type Place = At;
        const SERIALIZES_COUNT: bool = true;

        fn merges(listed: &Diagnostic<Self>, other: &Diagnostic<Self>) -> bool {
            listed.kind.number % 10 == other.kind.number % 10
        }

        fn is_always_listed(&self) -> bool {
            self.number == 99
        }
    }

    fn diagnostics(numbers: &[u32]) -> Diagnostics<Number, 3> {
        let mut diagnostics = Diagnostics::default();
        for (at, &number) in (0..).zip(numbers) {
            diagnostics.add(At { at }, Number { number });
        }
        diagnostics
    }

    #[test]
    fn list_merges_keeps_first_ones_and_counts_the_rest() {
        let diagnostics = diagnostics(&[1, 1, 2, 11, 3, 4, 4, 12, 99, 5, 2]);
        let listed: Vec<_> = diagnostics.list().iter().map(ToString::to_string).collect();
        let expected =
            ["byte 0: number 1 (3 times)", "byte 2: number 2 (3 times)", "byte 4: number 3", "byte 8: number 99"];
        assert_eq!((listed.as_slice(), diagnostics.left_out()), (&expected.map(str::to_owned)[..], 3));
    }

    #[test]
    fn json_has_the_keys_of_place_and_kind() {
        let json = serde_json::to_string(&diagnostics(&[7, 7])).unwrap();
        assert_eq!(json, r#"[{"at":0,"count":2,"number":7}]"#);
    }
}
