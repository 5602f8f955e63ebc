//! Elements in any order of strides, brought into row-major order.
//!
//! The result comes in runs: a place in the result and the bytes that belong there. What lies in a row in the storage is
//! handed on as it lies; the rest goes through a tile that stays in the nearest cache. Elements are byte arrays of one of
//! five sizes, so no alignment is needed, and no place is computed by division.

use super::geometry::Geometry;

/// The bytes of a tile.
const TILE_BYTES: usize = 16 << 10;
/// The columns of a tile, unless the result's rows are shorter.
const TILE_COLUMNS: usize = 64;
/// Rows of the result that are no longer than this are not worth a call each.
const SHORT_BYTES: usize = 32;

/// One dimension of the result: its size, and what a step along it means in the storage and in the result.
#[derive(Clone, Copy)]
struct Dim {
    size: usize,
    stride: usize,
    step: usize,
}

/// Calls `sink` with the bytes of elements that follow one another in the result, and the place there of the first of
/// them, until all of the result was covered.
///
/// `None` if the geometry reaches beyond the stored bytes, or there are no elements of `itemsize` bytes.
pub(super) fn runs(
    stored: &[u8],
    itemsize: usize,
    geometry: &Geometry,
    sink: &mut dyn FnMut(usize, &[u8]),
) -> Option<()> {
    match itemsize {
        1 => runs_of::<1>(stored, geometry, sink),
        2 => runs_of::<2>(stored, geometry, sink),
        4 => runs_of::<4>(stored, geometry, sink),
        8 => runs_of::<8>(stored, geometry, sink),
        16 => runs_of::<16>(stored, geometry, sink),
        _ => None,
    }
}

fn runs_of<const N: usize>(stored: &[u8], geometry: &Geometry, sink: &mut dyn FnMut(usize, &[u8])) -> Option<()> {
    if geometry.numel() == 0 {
        return Some(());
    }
    let elements = stored.as_chunks::<N>().0;
    let mut step = 1;
    let mut dims: Vec<Dim> = geometry
        .collapsed()
        .into_iter()
        .rev()
        .map(|(size, stride)| {
            let dim = Dim { size, stride, step };
            step = step.wrapping_mul(size);
            dim
        })
        .collect();
    dims.reverse();
    let start = geometry.offset();
    let Some(inner) = dims.pop() else {
        sink(0, elements.get(start)?);
        return Some(());
    };
    // The dimension along which the storage is read in order, or nearly so, makes the rows of tiles. Rows of a few bytes
    // go through tiles in any case, to become longer runs.
    let rows = dims
        .iter()
        .enumerate()
        .filter(|(_, dim)| (1..inner.stride).contains(&dim.stride))
        .min_by_key(|(_, dim)| dim.stride)
        .map(|(n, _)| n)
        .or_else(|| if inner.size.saturating_mul(N) <= SHORT_BYTES { dims.len().checked_sub(1) } else { None });
    match (rows, inner.stride) {
        (Some(n), _) => {
            let rows = dims.remove(n);
            tiles(elements, &dims, rows, inner, start, sink)
        }
        (None, 0) => repeated(elements, &dims, inner, start, sink),
        (None, 1) => each(&dims, start, &mut |from, to| {
            sink(to, elements.get(from..)?.get(..inner.size)?.as_flattened());
            Some(())
        }),
        (None, _) => spread(elements, &dims, inner, start, sink),
    }
}

/// Calls `visit` with the place in the storage and in the result of every combination of indices, in the result's order.
fn each(dims: &[Dim], start: usize, visit: &mut dyn FnMut(usize, usize) -> Option<()>) -> Option<()> {
    let mut counted: Vec<(Dim, usize)> = dims.iter().map(|&dim| (dim, 0)).collect();
    let (mut from, mut to) = (start, 0_usize);
    loop {
        visit(from, to)?;
        let mut ended = true;
        for (dim, count) in counted.iter_mut().rev() {
            *count = count.wrapping_add(1);
            from = from.wrapping_add(dim.stride);
            to = to.wrapping_add(dim.step);
            if *count < dim.size {
                ended = false;
                break;
            }
            *count = 0;
            from = from.wrapping_sub(dim.size.wrapping_mul(dim.stride));
            to = to.wrapping_sub(dim.size.wrapping_mul(dim.step));
        }
        if ended {
            return Some(());
        }
    }
}

/// One element over and over (an expanded dimension).
fn repeated<const N: usize>(
    elements: &[[u8; N]],
    outer: &[Dim],
    inner: Dim,
    start: usize,
    sink: &mut dyn FnMut(usize, &[u8]),
) -> Option<()> {
    let mut tile = vec![[0; N]; inner.size.min(TILE_BYTES / N)];
    each(outer, start, &mut |from, to| {
        tile.fill(*elements.get(from)?);
        for column in (0..inner.size).step_by(tile.len()) {
            let len = tile.len().min(inner.size.wrapping_sub(column));
            sink(to.wrapping_add(column), tile.get(..len)?.as_flattened());
        }
        Some(())
    })
}

/// Elements at a distance, with nothing between them that is read nearby.
fn spread<const N: usize>(
    elements: &[[u8; N]],
    outer: &[Dim],
    inner: Dim,
    start: usize,
    sink: &mut dyn FnMut(usize, &[u8]),
) -> Option<()> {
    let mut tile = vec![[0; N]; inner.size.min(TILE_BYTES / N)];
    each(outer, start, &mut |from, to| {
        for column in (0..inner.size).step_by(tile.len()) {
            let len = tile.len().min(inner.size.wrapping_sub(column));
            let tile = tile.get_mut(..len)?;
            let source = elements.get(from.wrapping_add(column.wrapping_mul(inner.stride))..)?;
            read(source, inner.stride, tile, 1, len)?;
            sink(to.wrapping_add(column), tile.as_flattened());
        }
        Some(())
    })
}

/// Transposes by tiles: each column of a tile is read along `rows`, each row of it is a run of the result.
fn tiles<const N: usize>(
    elements: &[[u8; N]],
    outer: &[Dim],
    rows: Dim,
    inner: Dim,
    start: usize,
    sink: &mut dyn FnMut(usize, &[u8]),
) -> Option<()> {
    let mut tile = vec![[0; N]; TILE_BYTES / N];
    let width = inner.size.min(TILE_COLUMNS);
    // Whole rows that follow one another in the result are one run.
    let joined = width == inner.size && rows.step == inner.size;
    let height = rows.size.min(tile.len() / width);
    each(outer, start, &mut |from, to| {
        for row in (0..rows.size).step_by(height) {
            let height = height.min(rows.size.wrapping_sub(row));
            for column in (0..inner.size).step_by(width) {
                let columns = width.min(inner.size.wrapping_sub(column));
                let from = from.wrapping_add(row.wrapping_mul(rows.stride));
                let source = elements.get(from.wrapping_add(column.wrapping_mul(inner.stride))..)?;
                let mut n = 0;
                // By eight columns where the storage is read in order: a third faster than column by column.
                while rows.stride == 1 && columns.wrapping_sub(n) >= 8 {
                    let source = source.get(n.wrapping_mul(inner.stride)..)?;
                    read_eight(source, inner.stride, &mut tile, width, n, height)?;
                    n = n.wrapping_add(8);
                }
                for n in n..columns {
                    let source = source.get(n.wrapping_mul(inner.stride)..)?;
                    read(source, rows.stride, tile.get_mut(n..)?, width, height)?;
                }
                let to = to.wrapping_add(row.wrapping_mul(rows.step)).wrapping_add(column);
                if joined {
                    sink(to, tile.get(..height.wrapping_mul(width))?.as_flattened());
                    continue;
                }
                for (n, line) in tile.chunks_exact(width).take(height).enumerate() {
                    sink(to.wrapping_add(n.wrapping_mul(rows.step)), line.get(..columns)?.as_flattened());
                }
            }
        }
        Some(())
    })
}

/// Copies `len` elements, each `stride` after the one before, to places that are `step` apart.
fn read<const N: usize>(
    source: &[[u8; N]],
    stride: usize,
    into: &mut [[u8; N]],
    step: usize,
    len: usize,
) -> Option<()> {
    if stride == 1 {
        into.iter_mut().step_by(step).zip(source.get(..len)?).for_each(|(into, element)| *into = *element);
    } else {
        let mut place = 0_usize;
        for into in into.iter_mut().step_by(step).take(len) {
            *into = *source.get(place)?;
            place = place.wrapping_add(stride);
        }
    }
    Some(())
}

/// Copies eight columns of `len` elements, which begin `stride` apart, to columns `n` to `n + 7` of a tile.
fn read_eight<const N: usize>(
    source: &[[u8; N]],
    stride: usize,
    tile: &mut [[u8; N]],
    width: usize,
    n: usize,
    len: usize,
) -> Option<()> {
    let column = |k: usize| source.get(k.wrapping_mul(stride)..)?.get(..len);
    let left = column(0)?.iter().zip(column(1)?).zip(column(2)?).zip(column(3)?);
    let right = column(4)?.iter().zip(column(5)?).zip(column(6)?).zip(column(7)?);
    for ((line, (((a, b), c), d)), (((e, f), g), h)) in tile.chunks_exact_mut(width).zip(left).zip(right) {
        *line.get_mut(n..)?.first_chunk_mut()? = [*a, *b, *c, *d, *e, *f, *g, *h];
    }
    Some(())
}
