//! Sequences, mappings, arrays and variants as serde walks them. Every step that fails adds its piece to the path.

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::key::KeyReader;
use super::{Failure, Reader, visit_int};
use crate::torch::numpy::{Array, Scalar};
use crate::value::key_text;
use crate::value::plain::{Items, Pairs};

/// An error if a reader left something over: a tuple that is longer than the type.
pub(super) fn exhausted(left: usize, len: usize) -> Result<(), Failure> {
    if left == 0 {
        return Ok(());
    }
    Err(Failure::invalid_length(len, &&*format!("{} elements", len.saturating_sub(left))))
}

pub(super) struct ItemAccess<'s, 'de> {
    /// Its value is that of the sequence; its levels are those of the items.
    reader: Reader<'s, 'de>,
    items: Items<'de>,
    next: usize,
}

impl<'s, 'de> ItemAccess<'s, 'de> {
    pub(super) fn new(reader: Reader<'s, 'de>, items: Items<'de>) -> Self {
        Self { reader, items, next: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.items.len().saturating_sub(self.next)
    }
}

impl<'de> de::SeqAccess<'de> for ItemAccess<'_, 'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let index = self.next;
        let Some(item) = self.items.at(index) else { return Ok(None) };
        self.next = index.saturating_add(1);
        self.reader.budget.spend(1)?;
        let reader = Reader { value: self.reader.value.at(item), ..self.reader };
        seed.deserialize(reader).map(Some).map_err(|failure| failure.under(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

pub(super) struct EntryAccess<'s, 'de> {
    reader: Reader<'s, 'de>,
    pairs: Pairs<'de>,
    next: usize,
}

impl<'s, 'de> EntryAccess<'s, 'de> {
    pub(super) fn new(reader: Reader<'s, 'de>, pairs: Pairs<'de>) -> Self {
        Self { reader, pairs, next: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.pairs.len().saturating_sub(self.next)
    }
}

impl<'de> de::MapAccess<'de> for EntryAccess<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((key, _)) = self.pairs.at(self.next) else { return Ok(None) };
        self.reader.budget.spend(1)?;
        let reader = Reader { value: self.reader.value.at(key), ..self.reader };
        let read = seed.deserialize(KeyReader(reader));
        read.map(Some).map_err(|failure| failure.under(format!("key `{}`", key_text(reader.value.program(), key))))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some((key, value)) = self.pairs.at(self.next) else {
            return Err(Failure::custom("the type asked for a value before its key"));
        };
        self.next = self.next.saturating_add(1);
        let reader = Reader { value: self.reader.value.at(value), ..self.reader };
        seed.deserialize(reader).map_err(|failure| failure.under(key_text(reader.value.program(), key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

/// The elements of an array from one dimension on; without dimensions left, one element.
#[derive(Clone, Copy)]
pub(super) struct ArrayAccess<'n, 's, 'de> {
    array: &'n Array<'de>,
    reader: Reader<'s, 'de>,
    dimension: usize,
    next: usize,
    /// In elements.
    offset: usize,
}

impl<'n, 's, 'de> ArrayAccess<'n, 's, 'de> {
    pub(super) fn new(array: &'n Array<'de>, reader: Reader<'s, 'de>) -> Self {
        Self { array, reader, dimension: 0, next: 0, offset: 0 }
    }

    fn left(&self) -> usize {
        self.array.shape().get(self.dimension).map_or(0, |size| size.saturating_sub(self.next))
    }

    pub(super) fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(&size) = self.array.shape().get(self.dimension) {
            let value = visitor.visit_seq(&mut self)?;
            return exhausted(self.left(), size).map(|()| value);
        }
        match self.array.element(self.offset) {
            Some(Scalar::Bool(value)) => visitor.visit_bool(value),
            Some(Scalar::Int(value)) => visit_int(value, visitor),
            Some(Scalar::Float(value)) => visitor.visit_f64(value),
            Some(Scalar::Complex(re, im)) => visitor.visit_seq(Floats::new([re, im])),
            Some(Scalar::Text(text)) => visitor.visit_string(text),
            Some(Scalar::Bytes(bytes)) => visitor.visit_byte_buf(bytes),
            None => Err(Failure::invalid_type(Unexpected::Other("a text of numpy that is no Unicode"), &visitor)),
        }
    }
}

impl<'de> de::SeqAccess<'de> for ArrayAccess<'_, '_, 'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        if self.left() == 0 {
            return Ok(None);
        }
        let index = self.next;
        let step = index.saturating_mul(self.array.stride(self.dimension));
        let element = Self {
            dimension: self.dimension.saturating_add(1),
            next: 0,
            offset: self.offset.saturating_add(step),
            ..*self
        };
        self.next = index.saturating_add(1);
        self.reader.budget.spend(1)?;
        seed.deserialize(element).map(Some).map_err(|failure| failure.under(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

impl<'de> Deserializer<'de> for ArrayAccess<'_, '_, 'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// The parts of a complex number.
pub(super) struct Floats(std::array::IntoIter<f64, 2>);

impl Floats {
    pub(super) fn new(parts: [f64; 2]) -> Self {
        Self(parts.into_iter())
    }
}

impl<'de> de::SeqAccess<'de> for Floats {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        use de::IntoDeserializer as _;
        self.0.next().map(|part| seed.deserialize(part.into_deserializer())).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A variant by name, and its content if it has one.
pub(super) struct EnumReader<'s, 'de> {
    name: Cow<'de, str>,
    content: Option<Reader<'s, 'de>>,
}

impl<'s, 'de> EnumReader<'s, 'de> {
    pub(super) fn unit(name: Cow<'de, str>) -> Self {
        Self { name, content: None }
    }

    pub(super) fn with(name: Cow<'de, str>, content: Reader<'s, 'de>) -> Self {
        Self { name, content: Some(content) }
    }
}

impl<'s, 'de> de::EnumAccess<'de> for EnumReader<'s, 'de> {
    type Error = Failure;
    type Variant = VariantReader<'s, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Failure> {
        let name = StrDeserializer::<'_, Failure>::new(&self.name);
        let variant = seed.deserialize(name)?;
        Ok((variant, VariantReader { name: self.name, content: self.content }))
    }
}

pub(super) struct VariantReader<'s, 'de> {
    name: Cow<'de, str>,
    content: Option<Reader<'s, 'de>>,
}

impl<'de> VariantReader<'_, 'de> {
    fn read<T>(
        self,
        expected: &'static str,
        read: impl FnOnce(Reader<'_, 'de>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self.content {
            Some(content) => read(content).map_err(|failure| failure.under(self.name)),
            None => Err(Failure::invalid_type(Unexpected::UnitVariant, &expected)),
        }
    }
}

impl<'de> de::VariantAccess<'de> for VariantReader<'_, 'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        if self.content.is_none() {
            return Ok(());
        }
        self.read("unit variant", |content| de::Deserialize::deserialize(content))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.read("newtype variant", |content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failure> {
        self.read("tuple variant", |content| content.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.read("struct variant", |content| content.deserialize_struct("", fields, visitor))
    }
}
