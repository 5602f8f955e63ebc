//! numpy's scalars and arrays, as numpy pickles them: `numpy._core.multiarray.scalar(dtype, bytes)`, `_reconstruct` with a
//! state, and at protocol 5 `numpy._core.numeric._frombuffer` (numpy `core/src/multiarray/methods.c`, `scalartypes.c.src`).

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::borrow::Cow;

use super::globals::renamed;
use super::program::Program;
use super::text::ascii_or_text;
use super::values::Meant;
use crate::pickle::graph::{Node, NodeId, Object};
use crate::tensor::DType;

/// numpy's own bound (`NPY_MAXDIMS` since 2.0).
const MAX_DIMENSIONS: usize = 64;

/// One element, widened without loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i128),
    Float(f64),
    Complex(f64, f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// An element type that has a value outside numpy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    /// numpy's letter: `b i u f c U S`.
    kind: u8,
    /// Bytes of one element.
    size: usize,
    big_endian: bool,
}

/// An array whose elements all lie in its bytes.
#[derive(Debug)]
pub(crate) struct Array<'p> {
    item: Item,
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    data: Cow<'p, [u8]>,
}

impl Array<'_> {
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How far apart, in elements, neighbours along a dimension are.
    pub(crate) fn stride(&self, dimension: usize) -> usize {
        self.strides.get(dimension).copied().unwrap_or(0)
    }

    /// torch's dtype for the elements, if it has one.
    pub(super) fn dtype(&self) -> Option<DType> {
        Some(match (self.item.kind, self.item.size) {
            (b'b', 1) => DType::Bool,
            (b'i', 1) => DType::Int8,
            (b'i', 2) => DType::Int16,
            (b'i', 4) => DType::Int32,
            (b'i', 8) => DType::Int64,
            (b'u', 1) => DType::UInt8,
            (b'u', 2) => DType::UInt16,
            (b'u', 4) => DType::UInt32,
            (b'u', 8) => DType::UInt64,
            (b'f', 2) => DType::Float16,
            (b'f', 4) => DType::Float32,
            (b'f', 8) => DType::Float64,
            (b'c', 8) => DType::Complex64,
            (b'c', 16) => DType::Complex128,
            _ => return None,
        })
    }

    /// The bytes in native order, laid out as in the array.
    pub(super) fn native_bytes(&self) -> Vec<u8> {
        let mut bytes = self.data.to_vec();
        if self.item.big_endian != cfg!(target_endian = "big") {
            // The halves of a complex number are swapped each for itself.
            let unit = if self.item.kind == b'c' { self.item.size / 2 } else { self.item.size };
            bytes.chunks_exact_mut(unit.max(1)).for_each(<[u8]>::reverse);
        }
        bytes
    }

    /// The element at an offset counted in elements.
    pub(crate) fn element(&self, offset: usize) -> Option<Scalar> {
        let start = offset.checked_mul(self.item.size)?;
        self.item.read(self.data.get(start..start.checked_add(self.item.size)?)?)
    }
}

impl Item {
    /// `f8`, `<f8`, `U3`; a text has four bytes a character.
    fn parse(text: &str, order: Option<&str>) -> Option<Self> {
        let (own_order, text) = match text.as_bytes().first()? {
            b'<' | b'>' | b'|' | b'=' => (text.get(..1), text.get(1..)?),
            _ => (None, text),
        };
        let kind = *text.as_bytes().first()?;
        let size: usize = text.get(1..)?.parse().ok()?;
        let size = match (kind, size) {
            (b'b', 1) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'f', 2 | 4 | 8) | (b'c', 8 | 16) | (b'S', _) => size,
            (b'U', _) => size.checked_mul(4)?,
            _ => return None,
        };
        Some(Self { kind, size, big_endian: order.or(own_order) == Some(">") })
    }

    fn read(self, bytes: &[u8]) -> Option<Scalar> {
        if bytes.len() != self.size {
            return None;
        }
        let (first, second) = bytes.split_at_checked(self.size / 2)?;
        Some(match self.kind {
            b'b' => Scalar::Bool(bytes != [0]),
            b'i' => Scalar::Int(self.signed(bytes)?.into()),
            b'u' => Scalar::Int(u64::from_le_bytes(self.word(bytes)?).into()),
            b'f' => Scalar::Float(self.float(bytes)?),
            b'c' => Scalar::Complex(self.float(first)?, self.float(second)?),
            // Both are padded with zeros at the end, which numpy does not count.
            b'S' => {
                let len = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last.saturating_add(1));
                Scalar::Bytes(bytes.get(..len)?.to_vec())
            }
            b'U' => {
                let points = bytes.chunks_exact(4).map(|unit| {
                    let [a, b, c, d, ..] = self.word(unit)?;
                    char::from_u32(u32::from_le_bytes([a, b, c, d]))
                });
                let text: String = points.collect::<Option<_>>()?;
                Scalar::Text(text.trim_end_matches('\0').to_owned())
            }
            _ => return None,
        })
    }

    /// Up to eight bytes, least significant first, the rest zero.
    fn word(self, bytes: &[u8]) -> Option<[u8; 8]> {
        let mut word = [0; 8];
        word.get_mut(..bytes.len())?.copy_from_slice(bytes);
        if self.big_endian {
            word.get_mut(..bytes.len())?.reverse();
        }
        Some(word)
    }

    fn signed(self, bytes: &[u8]) -> Option<i64> {
        let word = self.word(bytes)?;
        let [a, b, c, d, ..] = word;
        Some(match bytes.len() {
            1 => i8::from_le_bytes([a]).into(),
            2 => i16::from_le_bytes([a, b]).into(),
            4 => i32::from_le_bytes([a, b, c, d]).into(),
            _ => i64::from_le_bytes(word),
        })
    }

    fn float(self, bytes: &[u8]) -> Option<f64> {
        let word = self.word(bytes)?;
        let [a, b, c, d, ..] = word;
        Some(match bytes.len() {
            2 => half::f16::from_le_bytes([a, b]).to_f64(),
            4 => f32::from_le_bytes([a, b, c, d]).into(),
            _ => f64::from_le_bytes(word),
        })
    }
}

impl Program {
    /// The value of a numpy scalar; `None` for anything else, and for element types without a value here (long double,
    /// dates, structures).
    pub(crate) fn numpy_scalar(&self, node: NodeId) -> Option<Scalar> {
        let (object, args) = self.numpy_call(node, &[("numpy._core.multiarray", "scalar")])?;
        let (&[dtype, data], []) = (args, object.states) else { return None };
        self.numpy_dtype(dtype)?.read(&self.data_bytes(data)?)
    }

    /// A numpy array of numbers or text; `None` for anything else, arrays of objects among it.
    pub(crate) fn numpy_array(&self, node: NodeId) -> Option<Array<'_>> {
        let names = [("numpy._core.multiarray", "_reconstruct"), ("numpy._core.numeric", "_frombuffer")];
        let (object, args) = self.numpy_call(node, &names)?;
        let mut axes: Option<&[NodeId]> = None;
        let (data, dtype, shape, column_major) = match (object.states, args) {
            // BUILD (version, shape, dtype, is_fortran, data)
            (&[state], _) => match self.graph().node(state) {
                Node::Tuple(&[_version, shape, dtype, fortran, data]) => match self.graph().node(fortran) {
                    Node::Bool(fortran) => (data, dtype, shape, fortran),
                    Node::Int(fortran) => (data, dtype, shape, fortran != 0),
                    _ => return None,
                },
                _ => return None,
            },
            ([], &[buffer, dtype, shape, order, ref more @ ..]) => match (ascii_or_text(self.graph(), order)?, more) {
                ("C", _) => (buffer, dtype, shape, false),
                ("F", _) => (buffer, dtype, shape, true),
                // Row-major, then transposed (`numpy/_core/numeric.py`, `_frombuffer`).
                ("K", &[order]) => {
                    let Node::Tuple(order) = self.graph().node(order) else { return None };
                    axes = Some(order);
                    (buffer, dtype, shape, false)
                }
                _ => return None,
            },
            _ => return None,
        };
        let item = self.numpy_dtype(dtype)?;
        let Node::Tuple(sizes) = self.graph().node(shape) else { return None };
        if sizes.len() > MAX_DIMENSIONS {
            return None;
        }
        let size = |&size: &NodeId| match self.graph().node(size) {
            Node::Int(size) => usize::try_from(size).ok(),
            _ => None,
        };
        let shape: Vec<usize> = sizes.iter().map(size).collect::<Option<_>>()?;
        let mut strides = vec![0; shape.len()];
        let mut elements = 1_usize;
        let mut stride = |(stride, &size): (&mut usize, &usize)| {
            *stride = elements;
            elements = elements.checked_mul(size)?;
            Some(())
        };
        let dimensions = strides.iter_mut().zip(&shape);
        let fits = if column_major {
            dimensions.map(&mut stride).all(|fits| fits.is_some())
        } else {
            dimensions.rev().map(&mut stride).all(|fits| fits.is_some())
        };
        let data = self.data_bytes(data)?;
        if !fits || elements.checked_mul(item.size) != Some(data.len()) {
            return None;
        }
        let Some(axes) = axes else { return Some(Array { item, shape, strides, data }) };
        let axes: Vec<usize> = axes.iter().map(size).collect::<Option<_>>()?;
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.len()) {
            return None;
        }
        let shape = axes.iter().map(|&axis| shape.get(axis).copied()).collect::<Option<_>>()?;
        let strides = axes.iter().map(|&axis| strides.get(axis).copied()).collect::<Option<_>>()?;
        Some(Array { item, shape, strides, data })
    }

    /// An object that one of these functions made, and its arguments.
    fn numpy_call(&self, node: NodeId, names: &[(&str, &str)]) -> Option<(Object<'_>, &[NodeId])> {
        let Node::Object(object) = self.graph().node(node) else { return None };
        let Node::Global(id) = self.graph().node(object.callable) else { return None };
        let (module, name) = self.graph().global(id);
        if !module.starts_with("numpy") || !names.contains(&renamed(module, name)) {
            return None;
        }
        match self.graph().node(object.args) {
            Node::Tuple(args) => Some((object, args)),
            _ => None,
        }
    }

    /// `numpy.dtype(text, False, True)` with the state `(version, order, subdtype, names, fields, …)`.
    fn numpy_dtype(&self, node: NodeId) -> Option<Item> {
        let (object, args) = self.numpy_call(node, &[("numpy", "dtype")])?;
        let order = match object.states {
            [] => None,
            &[state] => match self.graph().node(state) {
                Node::Tuple(&[_version, order, NodeId::NONE, NodeId::NONE, ..]) => {
                    Some(ascii_or_text(self.graph(), order)?)
                }
                _ => return None,
            },
            _ => return None,
        };
        Item::parse(ascii_or_text(self.graph(), *args.first()?)?, order)
    }

    fn data_bytes(&self, node: NodeId) -> Option<Cow<'_, [u8]>> {
        match self.meant(node) {
            Meant::Bytes(bytes) | Meant::ByteArray(bytes) => Some(bytes),
            Meant::PyString(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dtype: &str, bytes: &[u8]) -> Option<Scalar> {
        Item::parse(dtype, None)?.read(bytes)
    }

    #[test]
    fn every_kind_reads_in_both_byte_orders() {
        for (dtype, little, value) in [
            ("b1", &[0][..], Scalar::Bool(false)),
            ("b1", &[2], Scalar::Bool(true)),
            ("i1", &[0xff], Scalar::Int(-1)),
            ("i2", &[0xfe, 0xff], Scalar::Int(-2)),
            ("i4", &[1, 0, 0, 0x80], Scalar::Int(-2_147_483_647)),
            ("i8", &[0, 0, 0, 0, 0, 0, 0, 0x80], Scalar::Int(i64::MIN.into())),
            ("u1", &[0xff], Scalar::Int(255)),
            ("u2", &[0xfe, 0xff], Scalar::Int(65534)),
            ("u4", &[0xff; 4], Scalar::Int(u32::MAX.into())),
            ("u8", &[0xff; 8], Scalar::Int(u64::MAX.into())),
            ("f2", &[0, 0x3e], Scalar::Float(1.5)),
            ("f4", &[0, 0, 0xc0, 0xbf], Scalar::Float(-1.5)),
            ("f8", &[0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f], Scalar::Float(0.1)),
        ] {
            let big: Vec<u8> = little.iter().rev().copied().collect();
            assert_eq!(read(dtype, little), Some(value.clone()), "{dtype}");
            assert_eq!(read(&format!("<{dtype}"), little), Some(value.clone()), "{dtype}");
            assert_eq!(read(&format!(">{dtype}"), &big), Some(value), "{dtype}");
        }
    }

    #[test]
    fn complex_text_and_bytes() {
        assert_eq!(read("c8", &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]), Some(Scalar::Complex(1.0, -2.0)));
        assert_eq!(read("U3", b"a\0\0\0\xfc\0\0\0\0\0\0\0"), Some(Scalar::Text("aü".into())));
        assert_eq!(read(">U1", b"\0\0\0a"), Some(Scalar::Text("a".into())));
        assert_eq!(read("S4", b"a\0b\0"), Some(Scalar::Bytes(b"a\0b".into())));
        assert_eq!(read("U0", b""), Some(Scalar::Text(String::new())));
    }

    #[test]
    fn what_has_no_value_or_another_length_is_none() {
        for (dtype, bytes) in [
            ("f16", &[0; 16][..]),
            ("f8", &[0; 7]),
            ("i3", &[0; 3]),
            ("M8", &[0; 8]),
            ("V2", &[0; 2]),
            ("O8", &[0; 8]),
            ("U1", &[0, 0xd8, 0, 0]),
            ("U18446744073709551615", &[]),
            ("", &[]),
            ("<", &[]),
            ("é8", &[]),
        ] {
            assert_eq!(read(dtype, bytes), None, "{dtype}");
        }
    }
}
