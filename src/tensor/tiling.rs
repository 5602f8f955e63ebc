//! Do the chunks of a tensor cover it, each element once?
//!
//! A box is known by its corners: in the sum over all boxes of their corners, each with the sign (-1)^(upper sides), the
//! inner ones cancel out, and what is left are the corners of the whole exactly if every element is covered once. (The
//! signed corners are the mixed derivative of "how often is this element covered", and determine it.) That takes a sort,
//! where comparing each box with each other takes a square.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::geometry::checked_numel;
use crate::error::Error;

/// Along more dimensions than these no tensor is cut: a mesh of devices has three or four. Each doubles the corners.
const MAX_CUT: usize = 6;

/// A part of a tensor: where it begins, and how far it reaches, along each dimension.
#[derive(Clone, Copy)]
pub(super) struct Extent<'a> {
    pub(super) offsets: &'a [usize],
    pub(super) sizes: &'a [usize],
}

impl Extent<'_> {
    fn numel(&self) -> usize {
        // Within a shape that was checked.
        checked_numel(self.sizes).unwrap_or(usize::MAX)
    }
}

/// Checks that parts lie within a shape, do not overlap, and leave nothing out.
///
/// # Errors
/// Malformed: they do not. Unsupported: the tensor is cut along more dimensions than any is.
pub(super) fn check<'a>(shape: &[usize], parts: impl Iterator<Item = Extent<'a>> + Clone) -> Result<(), Error> {
    for part in parts.clone() {
        let dims = part.offsets.iter().zip(part.sizes).zip(shape);
        let same = part.offsets.len() == shape.len() && part.sizes.len() == shape.len();
        let within = |((&offset, &size), &whole): ((&usize, &usize), &usize)| {
            offset.checked_add(size).is_some_and(|end| end <= whole)
        };
        if !same || !dims.clone().all(within) {
            return Err(Error::malformed(format!(
                "a chunk of sizes {:?} at {:?} does not lie within the tensor of shape {shape:?}",
                part.sizes, part.offsets
            )));
        }
    }
    let whole = checked_numel(shape).unwrap_or(usize::MAX);
    let covered = parts.clone().fold(0_u128, |sum, part| sum.saturating_add(part.numel() as u128));
    if covered < whole as u128 {
        return Err(Error::malformed(format!(
            "the chunks have {covered} of the {whole} elements of shape {shape:?}: the part of some rank is missing"
        )));
    }
    if covered > whole as u128 || !tiles(shape, parts.clone())? {
        return Err(Error::malformed(match overlapping(parts) {
            Some((a, b)) => format!(
                "the chunks at {:?} (sizes {:?}) and at {:?} (sizes {:?}) overlap",
                a.offsets, a.sizes, b.offsets, b.sizes
            ),
            None => format!("the chunks of the tensor of shape {shape:?} overlap"),
        }));
    }
    Ok(())
}

/// Whether parts of as many elements as the whole cover each element once.
fn tiles<'a>(shape: &[usize], parts: impl Iterator<Item = Extent<'a>> + Clone) -> Result<bool, Error> {
    // Only the dimensions that are cut matter.
    let cut = |dim: &usize| {
        let spans = |part: Extent<'_>| part.sizes.get(*dim) == shape.get(*dim);
        !parts.clone().filter(|part| part.numel() > 0).all(spans)
    };
    let cut: Vec<usize> = (0..shape.len()).filter(cut).collect();
    if cut.len() > MAX_CUT {
        return Err(Error::unsupported(format!(
            "a tensor that is cut into chunks along {} dimensions; up to {MAX_CUT} are read",
            cut.len()
        )));
    }
    let (mut added, mut taken) = (Vec::new(), Vec::new());
    let mut corners = |extent: Extent<'_>, negative: bool| {
        for corner in 0..1_u32.wrapping_shl(u32::try_from(cut.len()).unwrap_or(0)) {
            // The place of the corner, counted through: there is one more corner than elements along a dimension.
            let mut place = 0_u128;
            for (n, &dim) in cut.iter().enumerate() {
                let at = |numbers: &[usize]| numbers.get(dim).copied().unwrap_or(0) as u128;
                let upper = corner.wrapping_shr(u32::try_from(n).unwrap_or(0)) & 1 == 1;
                let along = at(extent.offsets).saturating_add(if upper { at(extent.sizes) } else { 0 });
                place = place.saturating_mul(at(shape).saturating_add(1)).saturating_add(along);
            }
            let odd = corner.count_ones() & 1 == 1;
            if odd == negative { added.push(place) } else { taken.push(place) }
        }
    };
    for part in parts.clone().filter(|part| part.numel() > 0) {
        corners(part, false);
    }
    let origin = vec![0; shape.len()];
    if checked_numel(shape) != Some(0) {
        corners(Extent { offsets: &origin, sizes: shape }, true);
    }
    added.sort_unstable();
    taken.sort_unstable();
    Ok(added == taken)
}

/// Two parts with an element in common, for the message: looked for among the first ones only.
fn overlapping<'a>(parts: impl Iterator<Item = Extent<'a>> + Clone) -> Option<(Extent<'a>, Extent<'a>)> {
    const LOOKED_AT: usize = 500;
    let meets = |a: &Extent<'_>, b: &Extent<'_>| {
        let along = |((&a, &a_size), (&b, &b_size)): ((&usize, &usize), (&usize, &usize))| {
            a < b.saturating_add(b_size) && b < a.saturating_add(a_size)
        };
        a.offsets.iter().zip(a.sizes).zip(b.offsets.iter().zip(b.sizes)).all(along)
    };
    let parts = parts.filter(|part| part.numel() > 0).take(LOOKED_AT);
    parts.clone().enumerate().find_map(|(n, a)| parts.clone().take(n).find(|b| meets(&a, b)).map(|b| (b, a)))
}
