//! Compressed rows or columns, of numbers or of blocks, alone or in batches.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::indices::Indices;
use super::{Places, wrong};
use crate::error::Error;
use crate::tensor::{Layout, Tensor};

/// See the module's documentation. With `m` rows of blocks (or columns, if those are compressed):
#[derive(Clone, Debug)]
pub(crate) struct Compressed {
    layout: Layout,
    /// `[batch…, m + 1]`: where in the plain indices each row starts, and at last their number.
    compressed: Tensor,
    /// `[batch…, n]`: the column of each block.
    plain: Tensor,
    /// `[batch…, n, block rows, block columns, dense dimensions…]`; without the block's two if it is one number.
    values: Tensor,
    matrix: Matrix,
}

/// The numbers that the shapes give, each at least 1 where a division asks for it.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    batches: usize,
    nnz: usize,
    rows: usize,
    columns: usize,
    /// Rows and columns of a block.
    block: (usize, usize),
    /// Elements of the dense dimensions.
    inner: usize,
    by_row: bool,
}

impl Matrix {
    /// How many rows of blocks (or columns) are compressed, and how many blocks each can have.
    fn lines(&self) -> (usize, usize) {
        let rows = self.rows.checked_div(self.block.0).unwrap_or(0);
        let columns = self.columns.checked_div(self.block.1).unwrap_or(0);
        if self.by_row { (rows, columns) } else { (columns, rows) }
    }
}

impl Compressed {
    /// The conditions are those of `_validate_sparse_compressed_tensor_args` in `aten/src/ATen/native/sparse` that need no
    /// data.
    pub(super) fn new(
        layout: Layout,
        compressed: Tensor,
        plain: Tensor,
        values: Tensor,
        shape: &[usize],
    ) -> Result<Self, Error> {
        let (by_row, blocked) = match layout {
            Layout::SparseCsr => (true, false),
            Layout::SparseBsr => (true, true),
            Layout::SparseCsc => (false, false),
            Layout::SparseBsc => (false, true),
            _ => return Err(Error::unsupported("there are no compressed rows or columns")),
        };
        let (compressed_name, plain_name) = names(by_row);
        if !Indices::fit(compressed.dtype()) {
            return Err(wrong(compressed_name, &compressed, "int64 or int32"));
        }
        if plain.dtype() != compressed.dtype() {
            return Err(wrong(plain_name, &plain, format_args!("{} as the {compressed_name}", compressed.dtype())));
        }
        let Some((&starts, batch)) = compressed.shape().split_last() else {
            return Err(wrong(compressed_name, &compressed, "at least a vector"));
        };
        let nnz = match plain.shape().split_last() {
            Some((&nnz, rest)) if rest == batch => nnz,
            _ => return Err(wrong(plain_name, &plain, format_args!("a vector for each of the batch {batch:?}"))),
        };
        let (rows, columns, dense) = match shape.strip_prefix(batch) {
            Some(&[rows, columns, ref dense @ ..]) => (rows, columns, dense),
            _ => {
                return Err(Error::malformed(format!(
                    "the size {shape:?} is no matrix for each of the batch {batch:?}"
                )));
            }
        };
        let block = match values.shape().strip_prefix(batch) {
            Some(&[n, height, width, ref rest @ ..]) if blocked && n == nnz && rest == dense => (height, width),
            Some(&[n, ref rest @ ..]) if !blocked && n == nnz && rest == dense => (1, 1),
            _ => {
                let what = if blocked { "blocks" } else { "elements" };
                let should = format!("{nnz} {what} of shape {dense:?} for each of the batch {batch:?}");
                return Err(wrong("values", &values, should));
            }
        };
        let divides = |size: usize, block: usize| block > 0 && size.is_multiple_of(block);
        if !divides(rows, block.0) || !divides(columns, block.1) {
            return Err(Error::malformed(format!("blocks of {block:?} do not divide the size {shape:?}")));
        }
        let product = |sizes: &[usize]| sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size));
        let (batches, inner) = (product(batch), product(dense));
        let matrix = Matrix { batches, nnz, rows, columns, block, inner, by_row };
        let (lines, _) = matrix.lines();
        if lines.checked_add(1) != Some(starts) {
            return Err(wrong(
                compressed_name,
                &compressed,
                format_args!("one more than the {lines} of size {shape:?}"),
            ));
        }
        Ok(Self { layout, compressed, plain, values, matrix })
    }

    pub(in crate::tensor) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn nnz(&self) -> usize {
        self.matrix.nnz
    }

    pub(in crate::tensor) fn values(&self) -> &Tensor {
        &self.values
    }

    pub(in crate::tensor) fn parts(&self) -> [Option<(&'static str, &Tensor)>; 4] {
        let (compressed, plain) = names(self.matrix.by_row);
        [Some((compressed, &self.compressed)), Some((plain, &self.plain)), Some(("values", &self.values)), None]
    }

    /// The same over other parts of the same shapes.
    pub(in crate::tensor) fn map(&self, part: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        Ok(Self {
            compressed: part(&self.compressed)?,
            plain: part(&self.plain)?,
            values: part(&self.values)?,
            ..self.clone()
        })
    }

    pub(super) fn places(&self) -> Result<CompressedPlaces<'_>, Error> {
        Ok(CompressedPlaces {
            compressed: Indices::read(&self.compressed)?,
            plain: Indices::read(&self.plain)?,
            matrix: self.matrix,
        })
    }
}

fn names(by_row: bool) -> (&'static str, &'static str) {
    if by_row { ("crow_indices", "col_indices") } else { ("ccol_indices", "row_indices") }
}

pub(super) struct CompressedPlaces<'t> {
    compressed: Indices<'t>,
    plain: Indices<'t>,
    matrix: Matrix,
}

impl Places for CompressedPlaces<'_> {
    fn check(&self) -> Result<(), Error> {
        let (compressed, plain) = names(self.matrix.by_row);
        let (lines, across) = self.matrix.lines();
        let nnz = self.matrix.nnz;
        let mut position = 0_usize;
        for batch in 0..self.matrix.batches {
            let start = self.compressed.at(position);
            if start != 0 {
                return Err(Error::malformed(format!("`{compressed}` of matrix {batch} start at {start}, not at 0")));
            }
            let mut last = 0;
            for line in 0..lines {
                position = position.saturating_add(1);
                let next = self.compressed.at(position);
                match next.checked_sub(last).map(usize::try_from) {
                    Some(Ok(count)) if count <= across => last = next,
                    Some(Ok(count)) => {
                        return Err(Error::malformed(format!(
                            "`{compressed}` give line {line} of matrix {batch} {count} values, but there is room for {across}"
                        )));
                    }
                    _ => {
                        return Err(Error::malformed(format!(
                            "`{compressed}` of matrix {batch} decrease from {last} to {next} at line {line}"
                        )));
                    }
                }
            }
            if usize::try_from(last).ok() != Some(nnz) {
                return Err(Error::malformed(format!(
                    "`{compressed}` of matrix {batch} end at {last}, but there are {nnz} values"
                )));
            }
            position = position.saturating_add(1);
        }
        for n in 0..self.plain.len() {
            let index = self.plain.at(n);
            if usize::try_from(index).is_ok_and(|index| index < across) {
                continue;
            }
            return Err(Error::malformed(format!("`{plain}` at {n} is {index}, but there are {across}")));
        }
        Ok(())
    }

    fn each(&self, mut run: impl FnMut(usize, usize, usize)) {
        let Matrix { batches, nnz, rows, columns, block: (height, width), inner, by_row } = self.matrix;
        let (lines, _) = self.matrix.lines();
        let len = width.saturating_mul(inner);
        let mut position = 0_usize;
        for batch in 0..batches {
            let (first_row, first_value) = (batch.saturating_mul(rows), batch.saturating_mul(nnz));
            let mut start = 0;
            for line in 0..lines {
                position = position.saturating_add(1);
                let end = self.compressed.checked(position).min(nnz);
                for n in start..end {
                    let value = first_value.saturating_add(n);
                    let across = self.plain.checked(value);
                    let (row, column) = if by_row { (line, across) } else { (across, line) };
                    let row = first_row.saturating_add(row.saturating_mul(height));
                    let column = column.saturating_mul(width);
                    for inside in 0..height {
                        let to = row.saturating_add(inside).saturating_mul(columns).saturating_add(column);
                        let from = value.saturating_mul(height).saturating_add(inside).saturating_mul(len);
                        run(to.saturating_mul(inner), from, len);
                    }
                }
                start = end;
            }
            position = position.saturating_add(1);
        }
    }
}
