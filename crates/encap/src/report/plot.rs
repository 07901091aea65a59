//! A plot: two axes with their units, a grid, a legend, and marks.

use maud::{Markup, html};

use super::axis::{Axis, Px};
use super::svg_color::SvgColor;

/// Width of a drawing, in pixels.
pub const WIDTH: i64 = 720;
/// Left and right edge of the plot area, in pixels.
pub const ACROSS: (i64, i64) = (LEFT as i64, RIGHT as i64);
/// Columns of the plot area, one for each pixel. Marks of one column are merged.
pub const COLUMNS: usize = (RIGHT - LEFT) as usize;
const LEFT: u16 = 72;
const RIGHT: u16 = 702;
/// Top edge of the plot area, in pixels. The legend is above it.
pub const TOP: i64 = 34;
/// Height below the plot area, for tick labels and the axis title, in pixels.
const BELOW: i64 = 46;
/// Width of a wide letter, in pixels.
const LETTER: i64 = 7;
/// Width of a legend entry without its letters: the mark and the gaps, in pixels.
const LEGEND_MARK: i64 = 34;

/// Axes, title and legend of a plot.
#[derive(Debug)]
pub struct Plot<'a> {
    /// Title, in a few words.
    pub title: &'a str,
    /// Text alternative for readers who do not see the drawing.
    pub description: &'a str,
    /// Title and axis of the horizontal direction.
    pub across: (&'a str, &'a Axis),
    /// Titles and axes of the vertical direction, from top to bottom.
    pub up: &'a [(&'a str, &'a Axis)],
    /// Bottom edge of the plot area, in pixels.
    pub bottom: i64,
    /// Legend: each kind of mark, drawn around (0, 0) within 16 pixels, and its meaning.
    pub legend: &'a [(Markup, String)],
}

impl Plot<'_> {
    /// Draws the plot with `marks` in the plot area.
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
                    // Two axes that share their origin show its label once.
                    @let ticks = &axis.ticks()[usize::from(i > 0)..];
                    (SvgColor::Grid.group(&html! {
                        @for tick in ticks {
                            line x1=(ACROSS.0) y1=(tick.at) x2=(ACROSS.1) y2=(tick.at) stroke="currentColor" {}
                        }
                    }))
                    (SvgColor::Faint.group(&html! {
                        @for tick in ticks {
                            // 4 pixels below the tick, so that the digits are centred on it.
                            text x=(ACROSS.0 - 6) y=(Px(tick.at.0 + 40)) text-anchor="end" fill="currentColor" {
                                (tick.label)
                            }
                        }
                        (vertical_title(name, axis))
                    }))
                }
                (SvgColor::Faint.group(&html! {
                    line x1=(ACROSS.0) y1=(bottom) x2=(ACROSS.1) y2=(bottom) stroke="currentColor" {}
                    @for tick in across.ticks() {
                        line x1=(tick.at) y1=(bottom) x2=(tick.at) y2=(bottom + 5) stroke="currentColor" {}
                        text x=(tick.at) y=(bottom + 18) text-anchor="middle" fill="currentColor" { (tick.label) }
                    }
                    text x=(middle) y=(bottom + 38) text-anchor="middle" fill="currentColor" {
                        (axis_title(across_name, across))
                    }
                }))
                (marks)
            },
        )
    }

    fn legend(&self) -> Markup {
        let mut x = ACROSS.0;
        let places = self.legend.iter().map(|(mark, words)| {
            let at = x;
            x += LEGEND_MARK + LETTER * i64::try_from(words.chars().count()).unwrap_or_default();
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

/// An SVG, `height` pixels high, with a title and `description` as its text alternative.
pub(super) fn drawing(title: &str, description: &str, height: i64, inside: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img"
            viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH)
            height=(height) font-family="system-ui, sans-serif" font-size="12" fill="none" {
            title { (title) }
            desc { (description) }
            (inside)
        }
    }
}

/// The title of an axis with its unit.
fn axis_title(name: &str, axis: &Axis) -> String {
    axis.unit().map_or_else(|| name.to_owned(), |unit| format!("{name}, {unit}"))
}

/// The title of a vertical axis, rotated.
fn vertical_title(name: &str, axis: &Axis) -> Markup {
    let ticks = axis.ticks();
    let ends = ticks.first().zip(ticks.last());
    let middle = ends.map_or(Px(0), |(first, last)| Px(i64::midpoint(first.at.0, last.at.0)));
    html! {
        text transform={ "translate(14 " (middle) ") rotate(-90)" } text-anchor="middle" fill="currentColor" {
            (axis_title(name, axis))
        }
    }
}
