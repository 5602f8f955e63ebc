//! Keys of mappings: of their own type, and as text where the type asks for text.

use serde::de::{Deserializer, Visitor};

use super::{Failure, Reader};
use crate::value::key_text;
use crate::value::plain::{Plain, Prefer, plain};

pub(super) struct KeyReader<'s, 'de>(pub(super) Reader<'s, 'de>);

macro_rules! own_type {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Failure> {
            self.0.$method($($name,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyReader<'_, 'de> {
    type Error = Failure;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match plain(self.0.value, Prefer::Scalar) {
            Plain::Bool(_) | Plain::Int(_) | Plain::BigInt(_) | Plain::Float(_) => {
                visitor.visit_string(key_text(self.0.value.program(), self.0.value.node()).into_owned())
            }
            _ => self.0.deserialize_str(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    /// The name of a field. A key that is not text names none: as a number it would mean the field of that position.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0.value.as_str() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_string(key_text(self.0.value.program(), self.0.value.node()).into_owned()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.value.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    own_type! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_bytes() deserialize_byte_buf() deserialize_unit()
        deserialize_seq() deserialize_map() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}
