//! The minimum, the median and the maximum of a few measurements.

use serde::Serialize;

/// A summary of several measurements of the same command.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Summarizes the measurements. Returns `None` if nothing was measured.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            *sorted.get(middle)?
        } else {
            f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?)
        };
        Some(Self { min, median, max })
    }

    /// The ratio of the medians. Returns `None` if the other median is zero.
    pub(crate) fn ratio(&self, other: &Self) -> Option<f64> {
        (other.median > 0.0).then(|| self.median / other.median)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Summary;

    fn summary(values: &[f64]) -> (f64, f64, f64) {
        let Summary { min, median, max } = Summary::of(values.iter().copied()).unwrap();
        (min, median, max)
    }

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(summary(&[3.0, 1.0, 2.0]), (1.0, 2.0, 3.0));
        assert_eq!(summary(&[7.0]), (7.0, 7.0, 7.0));
        // A single slow run moves the maximum only.
        assert_eq!(summary(&[1.0, 1.0, 100.0, 1.0, 1.0]), (1.0, 1.0, 100.0));
    }

    #[test]
    fn of_an_even_number_it_lies_between_the_two_middle_ones() {
        assert_eq!(summary(&[4.0, 1.0, 3.0, 10.0]), (1.0, 3.5, 10.0));
    }

    #[test]
    fn nothing_measured_is_no_summary() {
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn ratios_compare_medians() {
        let of = |values: &[f64]| Summary::of(values.iter().copied()).unwrap();
        assert_eq!(of(&[1.0, 2.0, 9.0]).ratio(&of(&[4.0])), Some(0.5));
        assert_eq!(of(&[1.0]).ratio(&of(&[0.0])), None);
    }
}
