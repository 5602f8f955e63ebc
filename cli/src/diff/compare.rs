//! How far apart the numbers of two tensors are.

use torch_checkpoint::{Complex, Device, Error, Tensor};

use crate::pieces::{self, Numbers};
use crate::work::on_all_cores;

/// Which checkpoint an error is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

/// The data of two tensors beside each other.
#[derive(Debug)]
pub(super) enum Data {
    Compared(Values),
    /// The shapes, or those of the components of a nested tensor, are not the same.
    OtherShapes,
    /// One of them is on `meta`: it has no data.
    OneSided,
    /// Neither has data.
    None,
    /// Bits of two dtypes, of which at least one has no numbers.
    NotComparable,
}

/// How the elements compare. NaN equals NaN; what is NaN on one side only counts as differing, and has no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Values {
    pub(super) count: u64,
    /// Those that differ by more than the tolerance.
    pub(super) differing: u64,
    /// Those that are NaN on one side only.
    pub(super) nan: u64,
    pub(super) largest: f64,
    sum: f64,
    /// Whether the elements have no differences, because they are bits and not numbers.
    pub(super) bits: bool,
}

impl Values {
    /// The mean of the differences of all elements.
    pub(super) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    fn add(&mut self, more: &Self) {
        self.count = self.count.saturating_add(more.count);
        self.differing = self.differing.saturating_add(more.differing);
        self.nan = self.nan.saturating_add(more.nan);
        self.largest = self.largest.max(more.largest);
        self.sum += more.sum;
        self.bits |= more.bits;
    }

    fn pair(&mut self, difference: Difference, tolerance: f64) {
        self.count = self.count.saturating_add(1);
        let differs = match difference {
            Difference::Of(difference) => {
                self.largest = self.largest.max(difference);
                self.sum += difference;
                difference > tolerance
            }
            Difference::Nan => {
                self.nan = self.nan.saturating_add(1);
                true
            }
        };
        self.differing = self.differing.saturating_add(u64::from(differs));
    }
}

/// Compares what two tensors hold.
pub(super) fn data(a: &Tensor, b: &Tensor, tolerance: f64) -> Result<Data, (Side, Error)> {
    match (*a.device() == Device::Meta, *b.device() == Device::Meta) {
        (true, true) => return Ok(Data::None),
        (true, false) | (false, true) => return Ok(Data::OneSided),
        (false, false) => {}
    }
    if a.shape() != b.shape() {
        return Ok(Data::OtherShapes);
    }
    let numbers = pieces::has_numbers(a) && pieces::has_numbers(b);
    if !numbers && a.dtype() != b.dtype() {
        return Ok(Data::NotComparable);
    }
    let in_a = |error| (Side::A, error);
    let in_b = |error| (Side::B, error);
    let (plain_a, plain_b) = (pieces::plain(a).map_err(in_a)?, pieces::plain(b).map_err(in_b)?);
    let shapes = |parts: &[Tensor]| parts.iter().map(|part| part.shape().to_vec()).collect::<Vec<_>>();
    if shapes(&plain_a) != shapes(&plain_b) {
        return Ok(Data::OtherShapes);
    }
    let mut values = Values { bits: !numbers, ..Values::default() };
    for (a, b) in plain_a.iter().zip(&plain_b) {
        let bytes = a.nbytes().saturating_add(b.nbytes());
        let pieces = pieces::pieces(a).map_err(in_a)?.into_iter().zip(pieces::pieces(b).map_err(in_b)?);
        let pieces: Vec<(Tensor, Tensor)> = pieces.collect();
        for piece in on_all_cores(&pieces, bytes, |(a, b)| piece(a, b, numbers, tolerance)) {
            values.add(&piece?);
        }
    }
    Ok(Data::Compared(values))
}

fn piece(a: &Tensor, b: &Tensor, numbers: bool, tolerance: f64) -> Result<Values, (Side, Error)> {
    let mut values = Values::default();
    let in_a = |error| (Side::A, error);
    let in_b = |error| (Side::B, error);
    if a.dtype() == b.dtype() {
        let (stored_a, stored_b) = (a.bytes().map_err(in_a)?, b.bytes().map_err(in_b)?);
        let size = a.dtype().itemsize().max(1);
        if stored_a == stored_b {
            values.count = u64::try_from(stored_a.len() / size).unwrap_or(u64::MAX);
            return Ok(values);
        }
        if !numbers {
            for (a, b) in stored_a.chunks(size).zip(stored_b.chunks(size)) {
                values.count = values.count.saturating_add(1);
                values.differing = values.differing.saturating_add(u64::from(a != b));
            }
            return Ok(values);
        }
    }
    let (a, b) = (pieces::read(a).map_err(in_a)?, pieces::read(b).map_err(in_b)?);
    match (a, b) {
        (Numbers::Real(a), Numbers::Real(b)) => each(&mut values, &a, &b, tolerance, |a, b| reals(*a, *b)),
        (Numbers::Integer(a), Numbers::Integer(b)) => {
            each(&mut values, &a, &b, tolerance, |a, b| Difference::Of(a.abs_diff(*b) as f64));
        }
        (Numbers::Integer(a), Numbers::Real(b)) => each(&mut values, &a, &b, tolerance, |a, b| mixed(*a, *b)),
        (Numbers::Real(a), Numbers::Integer(b)) => each(&mut values, &a, &b, tolerance, |a, b| mixed(*b, *a)),
        (a, b) => each(&mut values, &complex(a), &complex(b), tolerance, complexes),
    }
    Ok(values)
}

/// How far two numbers are apart.
enum Difference {
    Of(f64),
    /// One of them is NaN, the other is not.
    Nan,
}

fn each<A, B>(values: &mut Values, a: &[A], b: &[B], tolerance: f64, difference: impl Fn(&A, &B) -> Difference) {
    for (a, b) in a.iter().zip(b) {
        values.pair(difference(a, b), tolerance);
    }
}

fn reals(a: f64, b: f64) -> Difference {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Difference::Of(0.0),
        (true, false) | (false, true) => Difference::Nan,
        // Infinities that are equal have no difference that arithmetic knows.
        (false, false) if a == b => Difference::Of(0.0),
        (false, false) => Difference::Of((a - b).abs()),
    }
}

/// An integer that `f64` may not hold, and another number.
fn mixed(integer: i128, real: f64) -> Difference {
    // Beyond that, no integer of 64 bits is near.
    let whole = real.fract() == 0.0 && real.abs() < 1e30;
    if whole { Difference::Of(integer.abs_diff(real as i128) as f64) } else { reals(integer as f64, real) }
}

fn complexes(a: &Complex<f64>, b: &Complex<f64>) -> Difference {
    match (reals(a.re, b.re), reals(a.im, b.im)) {
        (Difference::Of(re), Difference::Of(im)) => Difference::Of(re.hypot(im)),
        _ => Difference::Nan,
    }
}

fn complex(numbers: Numbers) -> Vec<Complex<f64>> {
    match numbers {
        Numbers::Complex(numbers) => numbers,
        Numbers::Real(numbers) => numbers.into_iter().map(|re| Complex::new(re, 0.0)).collect(),
        Numbers::Integer(numbers) => numbers.into_iter().map(|re| Complex::new(re as f64, 0.0)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(difference: Difference) -> Option<f64> {
        match difference {
            Difference::Of(difference) => Some(difference),
            Difference::Nan => None,
        }
    }

    #[test]
    fn nan_and_infinities_equal_themselves() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let pairs = [(nan, nan), (nan, 1.0), (1.0, nan), (inf, inf), (inf, -inf), (-inf, 1.0), (0.0, -0.0), (1.0, 3.5)];
        let expected = [Some(0.0), None, None, Some(0.0), Some(inf), Some(inf), Some(0.0), Some(2.5)];
        assert_eq!(pairs.map(|(a, b)| of(reals(a, b))), expected);
    }

    #[test]
    fn integers_are_compared_without_rounding() {
        let large = i128::from(i64::MAX);
        assert_eq!(of(mixed(large - 1, 2_f64.powi(63))), Some(2.0));
        assert_eq!(of(mixed(3, 2.5)), Some(0.5));
        assert_eq!(of(mixed(3, f64::NAN)), None);
        assert_eq!(of(mixed(3, f64::INFINITY)), Some(f64::INFINITY));
    }

    #[test]
    fn what_is_nan_on_one_side_differs_at_any_tolerance() {
        let mut values = Values::default();
        for difference in [Difference::Of(0.25), Difference::Nan, Difference::Of(0.75), Difference::Of(0.0)] {
            values.pair(difference, 0.5);
        }
        assert_eq!((values.count, values.differing, values.nan, values.largest), (4, 2, 1, 0.75));
        assert_eq!(values.mean(), 0.25);
    }
}
