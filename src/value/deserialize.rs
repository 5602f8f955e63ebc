//! Values into the caller's own types: [`Value`] as a serde `Deserializer`.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod access;
mod failure;
mod key;

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::{self, Deserialize, Deserializer, Error as _, Unexpected, Visitor};

use super::Value;
use super::plain::{Plain, Prefer, member_name, plain, py_string_text};
use crate::error::Error;
use access::{ArrayAccess, EntryAccess, EnumReader, Floats, ItemAccess, exhausted};
pub(crate) use failure::Failure;

/// Levels of containers that one reading follows, as in `serde_json`: a level is several frames of the caller's types, and
/// 1,000 of them (the default of [`Limits::nesting`](crate::Limits::nesting)) can overflow the 2 MiB stack of a thread.
const MAX_NESTING: usize = 128;

impl<'a> Value<'a> {
    /// Reads the value into a type of the caller's, as `serde_json` reads JSON.
    ///
    /// | Rust | Python |
    /// | --- | --- |
    /// | struct, map | `dict` and its kin; objects with attributes (`Namespace`, dataclasses, slots), by attribute |
    /// | struct, tuple, sequence | named tuples |
    /// | sequence, tuple | `list`, `tuple`, `set`, `frozenset`, `deque`, `torch.Size`, numpy arrays (nested by dimension), `bytes` |
    /// | integers | `int` in range; numpy integers; never a float or a bool |
    /// | `f32`, `f64` | `float`, numpy floats, and an `int`, rounded as Python's `float(int)` |
    /// | `bool` | `bool` and numpy's |
    /// | `String`, `&str`, `char` | `str` (lone surrogates as U+FFFD), Python 2 byte strings; paths; `torch.dtype` (`float32`), device (`cuda:1`), layout; functions and classes by name |
    /// | bytes | `bytes`, `bytearray`, Python 2 byte strings |
    /// | `Option`, `()` | `None` |
    /// | `(f64, f64)` | `complex` |
    /// | enum | a unit variant from text or a member of a Python enum with that text as value; others from a mapping with one entry, variant to content |
    ///
    /// Members of Python enums and instances of subclasses of `str`, `int` and `float` read as their values. Keys that are
    /// integers, bools or floats read as such, or as text (`"7"`) where the type asks for text. Mappings keep their order.
    ///
    /// What the type does not name is skipped unread, so the weights beside hyper-parameters cost nothing. What the type
    /// does name is never guessed: a tensor, storage, or object without a value of its own is an error.
    ///
    /// # Errors
    /// Of kind [`Caller`](crate::ErrorKind::Caller): the value is of another type, a field is missing, a number does not
    /// fit. The message begins with the dotted path from this value. Of kind [`Limit`](crate::ErrorKind::Limit): more than
    /// 128 levels (or [`Limits::nesting`](crate::Limits::nesting), if that is less), as in a container that holds itself, or
    /// more values than [`Limits::names`](crate::Limits::names), shared ones counted each time.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Args<'a> {
    ///     lr: f32,
    ///     batch_size: usize,
    ///     name: &'a str, // borrowed from the checkpoint
    ///     resume: Option<std::path::PathBuf>,
    ///     milestones: Vec<u32>,
    /// }
    ///
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
    /// let args: Args = checkpoint.root().get("args").unwrap().deserialize()?; // an `argparse.Namespace`
    /// assert_eq!((args.lr, args.batch_size, args.name), (0.01, 48, "run-1"));
    /// assert!(args.resume.is_none() && args.milestones == [5, 10]);
    ///
    /// let error = checkpoint.root().deserialize::<std::collections::HashMap<String, u64>>().unwrap_err();
    /// assert!(error.to_string().starts_with("model: invalid type: map, expected u64"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn deserialize<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        self.read().map_err(Failure::into_error)
    }

    pub(crate) fn read<T: Deserialize<'a>>(self) -> Result<T, Failure> {
        let budget = Budget::of(self);
        T::deserialize(Reader::new(self, &budget))
    }
}

/// What one reading may still cost.
struct Budget {
    left: Cell<usize>,
    allowed: usize,
}

impl Budget {
    fn of(value: Value<'_>) -> Self {
        let allowed = value.program().limits().names;
        Self { left: Cell::new(allowed), allowed }
    }

    fn spend(&self, cost: usize) -> Result<(), Failure> {
        match self.left.get().checked_sub(cost) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Failure::limit(format!(
                "more than {} values, shared ones counted each time; raise `Limits::names` with `LoadOptions::limits` if the file is trusted",
                self.allowed
            ))),
        }
    }
}

/// One value to read.
#[derive(Clone, Copy)]
struct Reader<'s, 'de> {
    value: Value<'de>,
    budget: &'s Budget,
    /// Levels that may still follow.
    levels: usize,
}

impl<'s, 'de> Reader<'s, 'de> {
    fn new(value: Value<'de>, budget: &'s Budget) -> Self {
        Self { value, budget, levels: value.program().limits().nesting.min(MAX_NESTING) }
    }

    fn deeper(self) -> Result<Self, Failure> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(Failure::limit(
                "nested too deeply: more levels than this crate deserialises (at most 128), or a container that holds itself",
            )),
        }
    }

    fn plain(self, prefer: Prefer) -> Result<Plain<'de>, Failure> {
        let plain = plain(self.value, prefer);
        self.budget.spend(plain.weight())?;
        Ok(plain)
    }

    fn visit<V: Visitor<'de>>(self, prefer: Prefer, visitor: V) -> Result<V::Value, Failure> {
        let plain = self.plain(prefer)?;
        self.visit_plain(plain, visitor)
    }

    fn visit_plain<V: Visitor<'de>>(self, plain: Plain<'de>, visitor: V) -> Result<V::Value, Failure> {
        match plain {
            Plain::None => visitor.visit_unit(),
            Plain::Bool(value) => visitor.visit_bool(value),
            Plain::Int(value) => visit_int(value, visitor),
            Plain::BigInt(bytes) => match u128_of(bytes) {
                Some(value) => visitor.visit_u128(value),
                None => {
                    let what = format!("an integer of {} bytes", bytes.len());
                    Err(Failure::invalid_value(Unexpected::Other(&what), &visitor))
                }
            },
            Plain::Float(value) => visitor.visit_f64(value),
            Plain::Complex(re, im) => visitor.visit_seq(Floats::new([re, im])),
            Plain::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Plain::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Plain::PyString(bytes) => match py_string_text(bytes) {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Plain::Bytes(Cow::Borrowed(bytes)) => visitor.visit_borrowed_bytes(bytes),
            Plain::Bytes(Cow::Owned(bytes)) => visitor.visit_byte_buf(bytes),
            Plain::Seq(_, items) => {
                let mut access = ItemAccess::new(self.deeper()?, items);
                let value = visitor.visit_seq(&mut access)?;
                exhausted(access.left(), items.len()).map(|()| value)
            }
            Plain::Map(pairs) => {
                let len = pairs.len();
                let mut access = EntryAccess::new(self.deeper()?, pairs);
                let value = visitor.visit_map(&mut access)?;
                exhausted(access.left(), len).map(|()| value)
            }
            Plain::Array(array) => ArrayAccess::new(&array, self.deeper()?).visit(visitor),
            Plain::Refused(what) => Err(Failure::invalid_type(Unexpected::Other(&what), &visitor)),
        }
    }

    /// `float(value)` as Python has it: the nearest, and an error beyond the largest.
    fn visit_float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.plain(Prefer::Scalar)? {
            #[allow(clippy::cast_precision_loss, reason = "rounds to the nearest, as documented")]
            Plain::Int(value) => visitor.visit_f64(value as f64),
            // The largest f64 has 128 bytes.
            Plain::BigInt(bytes) if bytes.len() <= 129 => {
                let text = num_bigint::BigInt::from_signed_bytes_le(bytes).to_string();
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => visitor.visit_f64(value),
                    _ => self.visit_plain(Plain::BigInt(bytes), visitor),
                }
            }
            plain => self.visit_plain(plain, visitor),
        }
    }
}

fn visit_int<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Failure> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => visitor.visit_i64(value),
        (_, Ok(value)) => visitor.visit_u64(value),
        _ => visitor.visit_i128(value),
    }
}

/// The range between the largest `i128` and the largest `u128`, which takes seventeen bytes in two's complement.
fn u128_of(bytes: &[u8]) -> Option<u128> {
    match bytes.split_last() {
        Some((0, low)) => low.try_into().ok().map(u128::from_le_bytes),
        _ => None,
    }
}

macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.visit(Prefer::Scalar, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Failure;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_unit
    }

    /// serde's own text types would take bytes that happen to be UTF-8; in Python `b"x"` is no `str`.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.plain(Prefer::Scalar)? {
            Plain::Bytes(bytes) => Err(Failure::invalid_type(Unexpected::Bytes(&bytes), &visitor)),
            plain => self.visit_plain(plain, visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit(Prefer::Any, visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit(Prefer::Scalar, visitor)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit(Prefer::Scalar, visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_float(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.plain(Prefer::Scalar)? {
            Plain::PyString(bytes) => visitor.visit_borrowed_bytes(bytes),
            plain => self.visit_plain(plain, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.value.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.visit(Prefer::Scalar, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.plain(Prefer::Seq)? {
            Plain::Bytes(bytes) => {
                let mut items = de::value::SeqDeserializer::new(bytes.iter().copied());
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            plain => self.visit_plain(plain, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit(Prefer::Map, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.visit(Prefer::Map, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let plain = match member_name(self.value) {
            Some(name) => Plain::Text(Cow::Borrowed(name)),
            None => self.plain(Prefer::Any)?,
        };
        match plain {
            Plain::Text(text) => visitor.visit_enum(EnumReader::unit(text)),
            Plain::PyString(bytes) => visitor.visit_enum(EnumReader::unit(py_string_text(bytes))),
            Plain::Map(pairs) if pairs.len() == 1 => {
                let Some((key, content)) = pairs.at(0) else {
                    return Err(Failure::invalid_length(0, &"a mapping with one entry"));
                };
                let key = self.value.at(key);
                let Some(name) = key.to_text() else {
                    return Err(Failure::invalid_type(Unexpected::Other(&key.to_string()), &"the name of a variant"));
                };
                let content = Self { value: self.value.at(content), ..self.deeper()? };
                visitor.visit_enum(EnumReader::with(name, content))
            }
            Plain::Map(pairs) => Err(Failure::invalid_length(
                pairs.len(),
                &"a mapping with one entry, from a variant's name to its content",
            )),
            Plain::Refused(what) => Err(Failure::invalid_type(Unexpected::Other(&what), &visitor)),
            _ => {
                let what = format!("{} `{}`", self.value.type_name(), self.value);
                let expected = "the name of a variant, or a mapping from it to its content (for enums by number see the crate serde_repr)";
                Err(Failure::invalid_type(Unexpected::Other(&what), &expected))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            let budget = Budget::of(self);
            Reader::new(self, &budget).$method($($name,)* visitor).map_err(Failure::into_error)
        }
    )*};
}

/// A value can be given to anything that takes a `Deserializer`; see [`Value::deserialize`] for what becomes what.
impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    forward! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}
