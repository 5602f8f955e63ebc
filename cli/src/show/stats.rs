//! What the numbers of a tensor are like.

use serde::Serialize;
use torch_checkpoint::{Error, Tensor};

use crate::number::Number;
use crate::pieces::{self, Numbers};
use crate::work::on_all_cores;

/// Bars of a histogram.
pub(crate) const BINS: usize = 12;

/// Statistics of a tensor's numbers; of complex ones, of their absolute values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Stats {
    /// How many numbers there are.
    pub(crate) count: u64,
    pub(crate) nan: u64,
    /// Infinite ones, of either sign.
    pub(crate) inf: u64,
    pub(crate) zeros: u64,
    /// The smallest of the finite ones, as everything below; nothing if there are none.
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    pub(crate) mean: Option<Number>,
    /// With n - 1, as `torch.std`; nothing for a single number.
    pub(crate) std: Option<Number>,
    /// How many lie in each of the bins of one width from `min` to `max`, as `torch.histc` counts.
    pub(crate) histogram: Option<[u64; BINS]>,
}

/// The statistics of a tensor; `None` if it has no data or its bits are no numbers.
pub(crate) fn of(tensor: &Tensor) -> Result<Option<Stats>, Error> {
    if !pieces::has_numbers(tensor) {
        return Ok(None);
    }
    let whole = !tensor.dtype().is_floating_point() && !tensor.dtype().is_complex() && tensor.quantization().is_none();
    let mut sums = Sums::default();
    let mut all = Vec::new();
    for part in pieces::plain(tensor)? {
        let parts = pieces::pieces(&part)?;
        for piece in on_all_cores(&parts, part.nbytes(), |piece| reals(piece).map(|reals| Sums::of(&reals))) {
            sums.add(&piece?);
        }
        all.push((part.nbytes(), parts));
    }
    let range = sums.least.zip(sums.greatest).map(|(least, greatest)| Range { least, greatest });
    let histogram = range.map(|range| histogram(&all, range)).transpose()?;
    let number = |value: f64| if whole { Number::Int(value as i128) } else { Number::Float(value) };
    let exact = |integer: Option<i128>, value: Option<f64>| integer.map(Number::Int).or(value.map(number));
    let degrees = sums.finite.checked_sub(1).filter(|&degrees| degrees > 0);
    Ok(Some(Stats {
        count: sums.count,
        nan: sums.nan,
        inf: sums.inf,
        zeros: sums.zeros,
        min: exact(sums.least_integer, sums.least),
        max: exact(sums.greatest_integer, sums.greatest),
        mean: (sums.finite > 0).then_some(Number::Float(sums.mean)),
        std: degrees.map(|degrees| Number::Float((sums.squares / degrees as f64).sqrt())),
        histogram,
    }))
}

/// What is counted of a piece: its numbers, and the ends of the integers that `f64` may round.
struct Reals {
    numbers: Vec<f64>,
    ends: Option<(i128, i128)>,
}

fn reals(piece: &Tensor) -> Result<Reals, Error> {
    Ok(match pieces::read(piece)? {
        Numbers::Real(numbers) => Reals { numbers, ends: None },
        Numbers::Integer(integers) => Reals {
            ends: integers.iter().min().copied().zip(integers.iter().max().copied()),
            numbers: integers.into_iter().map(|integer| integer as f64).collect(),
        },
        Numbers::Complex(numbers) => {
            // An infinite part makes the absolute value infinite; here NaN counts more.
            let size = |re: f64, im: f64| if re.is_nan() || im.is_nan() { f64::NAN } else { re.hypot(im) };
            Reals { numbers: numbers.into_iter().map(|z| size(z.re, z.im)).collect(), ends: None }
        }
    })
}

/// Sums that can be added up.
#[derive(Clone, Debug, Default)]
struct Sums {
    count: u64,
    nan: u64,
    inf: u64,
    zeros: u64,
    finite: u64,
    least: Option<f64>,
    greatest: Option<f64>,
    least_integer: Option<i128>,
    greatest_integer: Option<i128>,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
}

impl Sums {
    fn of(reals: &Reals) -> Self {
        let mut sums = Self::default();
        let (mut sum, mut least, mut greatest) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        for &number in &reals.numbers {
            sums.count = sums.count.saturating_add(1);
            if number.is_finite() {
                sums.finite = sums.finite.saturating_add(1);
                sums.zeros = sums.zeros.saturating_add(u64::from(number == 0.0));
                sum += number;
                least = number.min(least);
                greatest = number.max(greatest);
            } else if number.is_nan() {
                sums.nan = sums.nan.saturating_add(1);
            } else {
                sums.inf = sums.inf.saturating_add(1);
            }
        }
        if sums.finite > 0 {
            sums.mean = sum / sums.finite as f64;
            let distances = reals.numbers.iter().filter(|number| number.is_finite()).map(|number| number - sums.mean);
            sums.squares = distances.map(|distance| distance * distance).sum();
            (sums.least, sums.greatest) = (Some(least), Some(greatest));
        }
        (sums.least_integer, sums.greatest_integer) = reals.ends.unzip();
        sums
    }

    /// Adds those of more numbers. Means and squares by Chan, Golub and LeVeque, "Updating formulae and a pairwise
    /// algorithm for computing sample variances" (1979), which does not subtract large sums from each other.
    fn add(&mut self, more: &Self) {
        let (own, its) = (self.finite as f64, more.finite as f64);
        if self.finite == 0 {
            (self.mean, self.squares) = (more.mean, more.squares);
        } else if more.finite > 0 {
            let all = own + its;
            let distance = more.mean - self.mean;
            self.mean += distance * its / all;
            self.squares += more.squares + distance * distance * own * its / all;
        }
        self.count = self.count.saturating_add(more.count);
        self.nan = self.nan.saturating_add(more.nan);
        self.inf = self.inf.saturating_add(more.inf);
        self.zeros = self.zeros.saturating_add(more.zeros);
        self.finite = self.finite.saturating_add(more.finite);
        let of = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| a.into_iter().chain(b).reduce(pick);
        self.least = of(self.least, more.least, f64::min);
        self.greatest = of(self.greatest, more.greatest, f64::max);
        self.least_integer = self.least_integer.into_iter().chain(more.least_integer).min();
        self.greatest_integer = self.greatest_integer.into_iter().chain(more.greatest_integer).max();
    }
}

/// The finite numbers' ends.
#[derive(Clone, Copy, Debug)]
struct Range {
    least: f64,
    greatest: f64,
}

impl Range {
    /// The bin of a number. If all numbers are one, that is the bin in the middle.
    fn bin(self, number: f64) -> usize {
        let bins = BINS as f64;
        let (distance, range) = (number - self.least, self.greatest - self.least);
        let place = if range == 0.0 {
            bins / 2.0
        } else if (range * bins).is_finite() {
            distance * bins / range
        } else {
            (number / 2.0 - self.least / 2.0) / (self.greatest / 2.0 - self.least / 2.0) * bins
        };
        // Rounded towards zero; the last bin has its upper end.
        (place as usize).min(BINS - 1)
    }
}

/// Reads everything again, now that the range is known.
fn histogram(all: &[(usize, Vec<Tensor>)], range: Range) -> Result<[u64; BINS], Error> {
    let mut sum = [0_u64; BINS];
    for (bytes, pieces) in all {
        let counted = on_all_cores(pieces, *bytes, |piece| {
            let mut bins = [0_u64; BINS];
            for &number in reals(piece)?.numbers.iter().filter(|number| number.is_finite()) {
                if let Some(bin) = bins.get_mut(range.bin(number)) {
                    *bin = bin.saturating_add(1);
                }
            }
            Ok::<_, Error>(bins)
        });
        for bins in counted {
            for (sum, bin) in sum.iter_mut().zip(bins?) {
                *sum = sum.saturating_add(bin);
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_whole() {
        let numbers: Vec<f64> = (0..1000).map(|n| f64::from(n) * 0.25 - 3.0).collect();
        let whole = Sums::of(&Reals { numbers: numbers.clone(), ends: None });
        let mut sum = Sums::default();
        for piece in numbers.chunks(37) {
            sum.add(&Sums::of(&Reals { numbers: piece.to_vec(), ends: None }));
        }
        assert_eq!((sum.count, sum.zeros, sum.least, sum.greatest), (1000, 1, Some(-3.0), Some(246.75)));
        assert!((sum.mean - whole.mean).abs() < 1e-9 && (sum.squares / whole.squares - 1.0).abs() < 1e-12);
        assert!((sum.mean - 121.875).abs() < 1e-9);
    }

    #[test]
    fn bins_hold_the_largest_and_the_widest_range() {
        let unit = Range { least: 0.0, greatest: 12.0 };
        assert_eq!([0.0, 0.9, 1.0, 11.9, 12.0].map(|number| unit.bin(number)), [0, 0, 1, 11, 11]);
        let all = Range { least: f64::MIN, greatest: f64::MAX };
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|number| all.bin(number)), [0, 6, 11]);
        assert_eq!(Range { least: 3.0, greatest: 3.0 }.bin(3.0), 6);
    }
}
