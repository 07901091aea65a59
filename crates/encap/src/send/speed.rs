//! The speed at which rows are played. It is an integer, so that times are exact.

use std::str::FromStr;
use std::time::Duration;

/// The speed relative to the times of the rows: 2 sends the rows twice as fast.
///
/// ```
/// use std::time::Duration;
/// use switchboard_encap::send::Speed;
///
/// let speed: Speed = "2.5".parse()?;
/// assert_eq!(speed.scale(Duration::from_secs(5)), Duration::from_secs(2));
/// assert_eq!("max".parse::<Speed>()?.scale(Duration::from_secs(5)), Duration::ZERO);
/// # Ok::<(), switchboard_encap::send::SpeedError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speed {
    /// The factor in thousandths, at least 1.
    Thousandths(u64),
    /// As fast as possible, without waits between rows.
    Max,
}

/// The text is not a valid speed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the speed must be a factor, such as 2 (twice as fast) or 0.5 (half as fast), from 0.001 to 1000000, or max")]
pub struct SpeedError;

impl Speed {
    /// The wait between two rows at this speed. `interval` is the time between the rows in the file.
    #[must_use]
    pub fn scale(self, interval: Duration) -> Duration {
        match self {
            Self::Thousandths(thousandths) => {
                let nanos = interval.as_nanos() * 1000 / u128::from(thousandths.max(1));
                u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
            }
            Self::Max => Duration::ZERO,
        }
    }
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits =
            |part: &str, max_len| (1..=max_len).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        // The maximum has seven digits before the point; thousandths have three digits after it.
        if !is_digits(whole, 7) || !is_digits(fraction, 3) {
            return Err(SpeedError);
        }
        let thousandths: u64 = format!("{whole}{fraction:0<3}").parse().map_err(|_| SpeedError)?;
        if (1..=1_000_000_000).contains(&thousandths) { Ok(Self::Thousandths(thousandths)) } else { Err(SpeedError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_parse_to_thousandths() {
        for (given, expected) in [
            ("1", Ok(Speed::Thousandths(1000))),
            ("0.5", Ok(Speed::Thousandths(500))),
            ("0.001", Ok(Speed::Thousandths(1))),
            ("1000000", Ok(Speed::Thousandths(1_000_000_000))),
            ("max", Ok(Speed::Max)),
            ("0", Err(SpeedError)),
            ("0.0", Err(SpeedError)),
            ("1000001", Err(SpeedError)),
            ("-1", Err(SpeedError)),
            ("1e3", Err(SpeedError)),
            (".5", Err(SpeedError)),
            ("0.0001", Err(SpeedError)),
            ("inf", Err(SpeedError)),
            ("", Err(SpeedError)),
        ] {
            assert_eq!(given.parse(), expected, "given {given:?}");
        }
        assert_eq!(Speed::Thousandths(1).scale(Duration::MAX), Duration::MAX);
    }
}
