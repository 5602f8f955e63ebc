//! What stands in the tensors: numbers that are distributed, and so compress, about as trained weights.

use half::{bf16, f16};

use crate::files::weights::{Element, View};

pub struct Numbers {
    bytes: Vec<u8>,
}

impl Numbers {
    /// Storages begin at different ones of so many places, so that neighbours are not equal.
    const PLACES: usize = 61;
    const STEP: usize = 64;

    /// Enough for the longest of these storages.
    pub fn for_views(views: &[View]) -> Self {
        let element = views.first().map_or(Element::F32, |view| view.element);
        let len = views.iter().map(View::storage_nbytes).max().unwrap_or(0) + Self::PLACES * Self::STEP;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut bytes = Vec::with_capacity(len + 4);
        while bytes.len() < len {
            let weight = random.weight();
            match element {
                Element::F32 => bytes.extend(weight.to_le_bytes()),
                Element::F16 => bytes.extend(f16::from_f32(weight).to_le_bytes()),
                Element::Bf16 => bytes.extend(bf16::from_f32(weight).to_le_bytes()),
                // Any but the largest exponents, which NaN is among.
                Element::F8 => bytes.push((random.0 >> 32) as u8 & 0xbf),
            }
        }
        Self { bytes }
    }

    /// The bytes of a view's storage.
    pub fn storage(&self, view: &View) -> &[u8] {
        let start = view.key % Self::PLACES * Self::STEP;
        &self.bytes[start..start + view.storage_nbytes()]
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    /// The sum of four uniform numbers is nearly normal. The standard deviation is 0.02.
    fn weight(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let sum: i32 = (0..4).map(|n| i32::from((self.0 >> (16 * n)) as u16)).sum();
        (sum - 2 * 65_535) as f32 * (0.02 / 37_837.0)
    }
}
