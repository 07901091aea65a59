//! A plot: two axes with their units, a grid, a legend, and what is drawn in between.

use maud::{Markup, html};

use super::axis::{Axis, Px};
use super::svg_color::SvgColor;

/// The pixels of a drawing from left to right.
pub const WIDTH: i64 = 720;
/// The first and the last pixel of what is plotted, from left to right.
pub const ACROSS: (i64, i64) = (LEFT as i64, RIGHT as i64);
/// Columns that times are gathered in: one for each pixel.
pub const COLUMNS: usize = (RIGHT - LEFT) as usize;
const LEFT: u16 = 72;
const RIGHT: u16 = 702;
/// The pixel where what is plotted begins, from the top: the legend is above it.
pub const TOP: i64 = 34;
/// Pixels below what is plotted, for numbers and words.
const BELOW: i64 = 46;
/// What a letter is wide, as a rule, at most, in pixels.
const LETTER: i64 = 7;

/// What is around a plot.
#[derive(Debug)]
pub struct Plot<'a> {
    /// What it is of, in a few words.
    pub title: &'a str,
    /// What is seen in it, for whoever does not see it.
    pub description: &'a str,
    /// What goes from left to right, and its axis.
    pub across: (&'a str, &'a Axis),
    /// What goes upwards, each with its axis.
    pub up: &'a [(&'a str, &'a Axis)],
    /// Where it ends, in pixels from the top.
    pub bottom: i64,
    /// What each mark stands for. A mark is drawn around (0, 0), in 16 pixels.
    pub legend: &'a [(Markup, String)],
}

impl Plot<'_> {
    /// The drawing, around `marks`.
    #[must_use]
    pub fn svg(&self, marks: &Markup) -> Markup {
        let Self { title, description, bottom, .. } = *self;
        let middle = i64::midpoint(ACROSS.0, ACROSS.1);
        let (across_name, across) = self.across;
        drawing(
            title,
            description,
            bottom + BELOW,
            &html! {
                (self.legend())
                @for (i, (name, axis)) in self.up.iter().enumerate() {
                    // Two axes that begin at one place have that number once.
                    @let ticks = &axis.ticks()[usize::from(i > 0)..];
                    (SvgColor::Grid.group(&html! {
                        @for tick in ticks {
                            line x1=(ACROSS.0) y1=(tick.at) x2=(ACROSS.1) y2=(tick.at) stroke="currentColor" {}
                        }
                    }))
                    (SvgColor::Faint.group(&html! {
                        @for tick in ticks {
                            text x=(ACROSS.0 - 6) y=(Px(tick.at.0 + 40)) text-anchor="end" fill="currentColor" { (tick.label) }
                        }
                        (upright(name, axis))
                    }))
                }
                (SvgColor::Faint.group(&html! {
                    line x1=(ACROSS.0) y1=(bottom) x2=(ACROSS.1) y2=(bottom) stroke="currentColor" {}
                    @for tick in across.ticks() {
                        line x1=(tick.at) y1=(bottom) x2=(tick.at) y2=(bottom + 5) stroke="currentColor" {}
                        text x=(tick.at) y=(bottom + 18) text-anchor="middle" fill="currentColor" { (tick.label) }
                    }
                    text x=(middle) y=(bottom + 38) text-anchor="middle" fill="currentColor" { (named(across_name, across)) }
                }))
                (marks)
            },
        )
    }

    fn legend(&self) -> Markup {
        let mut x = ACROSS.0;
        let places = self.legend.iter().map(|(mark, words)| {
            let at = x;
            x += 34 + LETTER * i64::try_from(words.chars().count()).unwrap_or_default();
            (at, mark, words)
        });
        html! {
            @for (at, mark, words) in places {
                g transform={ "translate(" (at + 8) " 14)" } { (mark) }
                (SvgColor::Text.group(&html! { text x=(at + 20) y="18" fill="currentColor" { (words) } }))
            }
        }
    }
}

/// A drawing of a height, with what it is and what is seen in it.
pub(super) fn drawing(title: &str, description: &str, height: i64, inside: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH)
            height=(height) font-family="system-ui, sans-serif" font-size="12" fill="none" {
            title { (title) }
            desc { (description) }
            (inside)
        }
    }
}

/// What an axis is of, with its unit.
fn named(name: &str, axis: &Axis) -> String {
    axis.unit().map_or_else(|| name.to_owned(), |unit| format!("{name}, {unit}"))
}

/// What an upright axis is of, beside it.
fn upright(name: &str, axis: &Axis) -> Markup {
    let ticks = axis.ticks();
    let ends = ticks.first().zip(ticks.last());
    let middle = ends.map_or(Px(0), |(first, last)| Px(i64::midpoint(first.at.0, last.at.0)));
    html! {
        text transform={ "translate(14 " (middle) ") rotate(-90)" } text-anchor="middle" fill="currentColor" { (named(name, axis)) }
    }
}
