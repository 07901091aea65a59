//! The median of the rounds.

/// The middle figure, or the mean of the middle two. `None` without figures.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let upper = *figures.get(figures.len() / 2)?;
    Some(if figures.len() % 2 == 1 { upper } else { f64::midpoint(figures[figures.len() / 2 - 1], upper) })
}
