//! What a [trace](super::trace::trace) has seen: names, calls and states, and the values that they were given.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::graph::Made;
use super::literal;
use crate::error::Error;

/// A value of the pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item(u32);

impl Item {
    /// A value that is nothing but itself: a number, a truth value, `None`.
    pub(super) const INERT: Self = Self(0);
    /// A value that is passed beside the pickle.
    pub(super) const UNKNOWN: Self = Self(1);
}

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextForm {
    Utf8,
    RawUnicodeEscape,
    Python2,
    Quoted,
}

/// A value as it is kept; places are in the pickle.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored {
    Inert,
    Unknown,
    Text { start: u32, len: u32, form: TextForm },
    Bytes { start: u32, len: u32 },
    Global(u32),
    Group { index: u32, is_dict: bool },
    Call(u32),
    Persistent(Item),
    Extension { code: i32, offset: u32 },
}

/// A value as its reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'t> {
    Inert,
    Unknown,
    /// [`Trace::text`] reads it.
    Text,
    /// [`Trace::bytes`] gives them.
    Bytes,
    Global(&'t Mention),
    /// A tuple, list or set; of a dict the keys and values in turn.
    Group(&'t [Item], IsDict),
    Call(&'t Call),
    /// What an id names outside the pickle.
    Persistent(Item),
    /// A code of `copyreg`'s registry.
    Extension,
}

pub(crate) type IsDict = bool;

/// Names of Python's are far shorter; a longer one is not looked at.
pub(super) const MAX_NAME_LEN: u32 = 1000;

/// A distinct name.
pub(super) type StringId = u32;

/// A name of Python's: what an import gives.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(super) names: Option<(StringId, StringId)>,
    /// Of the opcode that mentions it first.
    pub(crate) offset: u32,
}

/// Something that is called, and what is given to the result.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) made: Made,
    pub(crate) callable: Item,
    pub(crate) args: Item,
    pub(crate) kwargs: Option<Item>,
    /// What was appended to it or set in it.
    pub(crate) given: Vec<Item>,
    pub(crate) offset: u32,
}

/// A state that something is given.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) target: Item,
    pub(crate) state: Item,
    pub(crate) offset: u32,
}

/// Everything that was seen.
#[derive(Debug)]
pub(crate) struct Trace<'p> {
    pickle: &'p [u8],
    pub(super) items: Vec<Stored>,
    pub(super) groups: Vec<Vec<Item>>,
    pub(super) strings: Vec<Box<str>>,
    pub(crate) mentions: Vec<Mention>,
    pub(crate) calls: Vec<Call>,
    pub(crate) builds: Vec<Build>,
    /// The first opcode that torch's `weights_only` unpickler does not read.
    pub(crate) refused_opcode: Option<(usize, &'static str)>,
    /// The bytes that were read.
    pub(crate) consumed: usize,
    /// Why it ended before its STOP.
    pub(crate) error: Option<Error>,
    /// Whether it ended because the bytes did.
    pub(crate) ran_out: bool,
}

impl<'p> Trace<'p> {
    pub(super) fn new(pickle: &'p [u8]) -> Self {
        Self {
            pickle,
            items: vec![Stored::Inert, Stored::Unknown],
            groups: Vec::new(),
            strings: Vec::new(),
            mentions: Vec::new(),
            calls: Vec::new(),
            builds: Vec::new(),
            refused_opcode: None,
            consumed: 0,
            error: None,
            ran_out: false,
        }
    }

    pub(super) fn add(&mut self, stored: Stored) -> Result<Item, Error> {
        let next = u32::try_from(self.items.len());
        let next =
            next.map_err(|_| Error::limit("the pickle describes 2^32 objects, more than this crate addresses"))?;
        self.items.push(stored);
        Ok(Item(next))
    }

    /// Whether a name is one that a program would choose: other bytes may look like a pickle for a while.
    pub(crate) fn is_plausible(&self) -> bool {
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        self.mentions
            .iter()
            .any(|mention| self.names(mention).is_some_and(|(module, name)| plain(module) && plain(name)))
    }

    /// Whether it names and calls nothing, and holds nothing that might.
    pub(crate) fn is_inert(&self) -> bool {
        self.mentions.is_empty()
            && self.calls.is_empty()
            && self.extensions().next().is_none()
            && self.data().next().is_none()
    }

    /// Module and name of a global; `None` if the pickle computes them.
    pub(crate) fn names(&self, mention: &Mention) -> Option<(&str, &str)> {
        let (module, name) = mention.names?;
        Some((self.strings.get(module as usize)?, self.strings.get(name as usize)?))
    }

    pub(crate) fn see(&self, item: Item) -> Seen<'_> {
        let seen = match self.stored(item) {
            Stored::Inert => Some(Seen::Inert),
            Stored::Unknown => Some(Seen::Unknown),
            Stored::Text { .. } => Some(Seen::Text),
            Stored::Bytes { .. } => Some(Seen::Bytes),
            Stored::Global(index) => self.mentions.get(index as usize).map(Seen::Global),
            Stored::Group { index, is_dict } => {
                self.groups.get(index as usize).map(|items| Seen::Group(items, is_dict))
            }
            Stored::Call(index) => self.calls.get(index as usize).map(Seen::Call),
            Stored::Persistent(id) => Some(Seen::Persistent(id)),
            Stored::Extension { .. } => Some(Seen::Extension),
        };
        seen.unwrap_or(Seen::Unknown)
    }

    /// The codes of `copyreg`'s registry, each with the offset of its opcode.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (i32, u32)> {
        self.items.iter().filter_map(|stored| match *stored {
            Stored::Extension { code, offset } => Some((code, offset)),
            _ => None,
        })
    }

    /// The position of a global's mention.
    pub(crate) fn mention_index(&self, item: Item) -> Option<usize> {
        match self.stored(item) {
            Stored::Global(index) => Some(index as usize),
            _ => None,
        }
    }

    /// The byte strings, and the texts that may begin as containers do if their characters are bytes.
    pub(crate) fn data(&self) -> impl Iterator<Item = Item> {
        (0_u32..).zip(&self.items).filter_map(|(index, stored)| {
            let is_data = match *stored {
                Stored::Bytes { .. } => true,
                Stored::Text { start, form, .. } => {
                    let written = self.pickle.get(start as usize..).unwrap_or_default();
                    match form {
                        TextForm::Python2 | TextForm::Quoted => true,
                        TextForm::Utf8 => {
                            matches!(written, [0xc2, 0x80, ..] | [b'P', b'K', 3, 4, ..] | [0x1f, 0xc2, 0x8b, ..])
                        }
                        TextForm::RawUnicodeEscape => matches!(written, [0x80 | b'\\' | b'P' | 0x1f, ..]),
                    }
                }
                _ => false,
            };
            is_data.then_some(Item(index))
        })
    }

    /// Where the bytes of a text or byte string lie in the pickle.
    pub(crate) fn place(&self, item: Item) -> Option<std::ops::Range<usize>> {
        match self.stored(item) {
            Stored::Bytes { start, len } | Stored::Text { start, len, .. } => {
                Some(start as usize..(start as usize).saturating_add(len as usize))
            }
            _ => None,
        }
    }

    /// A text that is written in the pickle, if it is short enough for a name.
    pub(crate) fn text(&self, item: Item) -> Option<String> {
        match self.stored(item) {
            Stored::Text { len, .. } if len > MAX_NAME_LEN => None,
            _ => self.any_text(item),
        }
    }

    fn any_text(&self, item: Item) -> Option<String> {
        let Stored::Text { start, len, form } = self.stored(item) else { return None };
        let written = self.written(start, len)?;
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Some(match form {
            TextForm::Utf8 => lossy(written),
            TextForm::RawUnicodeEscape => lossy(literal::raw_unicode_escape(&written).ok()?),
            TextForm::Python2 => String::from_utf8(written).unwrap_or_else(|e| latin1(e.as_bytes())),
            TextForm::Quoted => {
                String::from_utf8(literal::quoted_string(&written).ok()?).unwrap_or_else(|e| latin1(e.as_bytes()))
            }
        })
    }

    /// The bytes of a byte string, or of a text whose characters are bytes.
    pub(crate) fn bytes(&self, item: Item) -> Option<Vec<u8>> {
        match self.stored(item) {
            Stored::Bytes { start, len } | Stored::Text { start, len, form: TextForm::Python2 } => {
                self.written(start, len)
            }
            Stored::Text { start, len, form: TextForm::Quoted } => {
                literal::quoted_string(&self.written(start, len)?).ok()
            }
            Stored::Text { .. } => self.any_text(item)?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            _ => None,
        }
    }

    /// Whether the bytes are those of the pickle.
    pub(crate) fn is_verbatim(&self, item: Item) -> bool {
        matches!(self.stored(item), Stored::Bytes { .. } | Stored::Text { form: TextForm::Python2, .. })
    }

    /// A copy: the bytes may be a mapped file's.
    fn written(&self, start: u32, len: u32) -> Option<Vec<u8>> {
        self.pickle.get(start as usize..)?.get(..len as usize).map(<[u8]>::to_vec)
    }

    fn stored(&self, item: Item) -> Stored {
        self.items.get(item.0 as usize).copied().unwrap_or(Stored::Unknown)
    }

    pub(super) fn contents_mut(&mut self, item: Item) -> Option<&mut Vec<Item>> {
        match self.stored(item) {
            Stored::Group { index, .. } => self.groups.get_mut(index as usize),
            Stored::Call(index) => self.calls.get_mut(index as usize).map(|call| &mut call.given),
            _ => None,
        }
    }

    pub(super) fn keyword_arguments(&mut self, call: Item, kwargs: Item) {
        if let Stored::Call(index) = self.stored(call)
            && let Some(call) = self.calls.get_mut(index as usize)
        {
            call.kwargs = Some(kwargs);
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
