//! A diagnostic is a reported problem: its kind, its place, and the number of its occurrences.
//!
//! Each area of the lab has its own type for the [`Kind`]s of its problems, with their texts, and its own type for
//! their places: a line of a CSV, a byte of a file, a field of a segment. All areas share [`Diagnostic`] and the
//! bounded list [`Diagnostics`].

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// How severe a problem is.
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

/// The kinds of problem in one area. `Display` gives the text of the problem, without its place.
pub trait Kind: fmt::Display + Sized {
    /// The type of a problem's place.
    type Place: Clone + fmt::Debug + Eq;

    /// Whether the JSON of a diagnostic contains its count.
    const SERIALIZES_COUNT: bool = false;

    /// Whether [`Kind::merges`] ever returns true. If not, [`Diagnostics`] does not search its list.
    const MERGES: bool = true;

    /// How severe the problem is. By default, it is a warning.
    fn severity(&self) -> Severity {
        Severity::Warning
    }

    /// Whether `other` is only counted as another occurrence of `listed`. By default, each diagnostic is listed.
    fn merges(listed: &Diagnostic<Self>, other: &Diagnostic<Self>) -> bool {
        let _ = (listed, other);
        false
    }

    /// Adds the occurrences of `other` to `listed`. By default, `listed` keeps its place and its kind.
    fn merge(listed: &mut Diagnostic<Self>, other: Diagnostic<Self>) {
        listed.count += other.count;
    }

    /// Writes the count after the text. It is called only for a count of 2 or more.
    fn fmt_count(count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " ({count} times)")
    }

    /// Whether the problem is listed even if the list is full.
    fn is_always_listed(&self) -> bool {
        false
    }
}

/// A problem at its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(bound = "K: Serialize, K::Place: Serialize")]
pub struct Diagnostic<K: Kind> {
    /// The place; the first one if the problem occurred at several.
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

    /// How severe the problem is.
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

/// A bounded list of diagnostics, in the order of their first occurrence.
///
/// A diagnostic that merges with a listed one only adds to its count. When the list has `MAX` diagnostics, further ones
/// are counted as left out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent, bound = "K: Serialize, K::Place: Serialize")]
pub struct Diagnostics<K: Kind, const MAX: usize> {
    list: Vec<Diagnostic<K>>,
    /// The index of the diagnostic that was added or counted last. The next one often merges with it.
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

    /// Adds a diagnostic: merges it with a listed one, lists it, or counts it as left out.
    #[inline]
    pub fn add(&mut self, place: K::Place, kind: K) {
        let diagnostic = Diagnostic::new(place, kind);
        match self.list.get_mut(self.latest) {
            Some(latest) if K::merges(latest, &diagnostic) => K::merge(latest, diagnostic),
            _ => self.add_unlike_latest(diagnostic),
        }
    }

    /// Adds a diagnostic that does not merge with the latest one.
    fn add_unlike_latest(&mut self, diagnostic: Diagnostic<K>) {
        let candidates = if K::MERGES { &self.list[..] } else { &[] };
        if let Some(index) = candidates.iter().position(|listed| K::merges(listed, &diagnostic)) {
            self.latest = index;
            K::merge(&mut self.list[index], diagnostic);
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
    struct BytePlace {
        byte: u32,
    }

    impl fmt::Display for BytePlace {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "byte {}", self.byte)
        }
    }

    /// A test kind: numbers merge if their last digits are equal, and 99 is always listed.
    #[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
    #[error("number {number}")]
    struct Number {
        number: u32,
    }

    impl Kind for Number {
        type Place = BytePlace;
        const SERIALIZES_COUNT: bool = true;

        fn merges(listed: &Diagnostic<Self>, other: &Diagnostic<Self>) -> bool {
            listed.kind.number % 10 == other.kind.number % 10
        }

        fn is_always_listed(&self) -> bool {
            self.number == 99
        }
    }

    /// A list of at most 3 numbers, each with its index as its place.
    fn diagnostics(numbers: &[u32]) -> Diagnostics<Number, 3> {
        let mut diagnostics = Diagnostics::default();
        for (byte, &number) in (0..).zip(numbers) {
            diagnostics.add(BytePlace { byte }, Number { number });
        }
        diagnostics
    }

    #[test]
    fn full_list_counts_diagnostics_that_do_not_merge() {
        // 4, 4 and 5 are left out: the list is full when they come.
        let diagnostics = diagnostics(&[1, 1, 2, 11, 3, 4, 4, 12, 99, 5, 2]);
        let listed: Vec<_> = diagnostics.list().iter().map(ToString::to_string).collect();
        let expected =
            ["byte 0: number 1 (3 times)", "byte 2: number 2 (3 times)", "byte 4: number 3", "byte 8: number 99"];
        assert_eq!((listed.as_slice(), diagnostics.left_out()), (&expected.map(str::to_owned)[..], 3));
    }

    #[test]
    fn json_has_the_keys_of_place_and_kind_and_the_count() {
        let json = serde_json::to_string(&diagnostics(&[7, 7])).unwrap();
        assert_eq!(json, r#"[{"byte":0,"count":2,"number":7}]"#);
    }
}
