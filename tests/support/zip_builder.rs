//! Writes zip archives byte for byte as torch does (caffe2/serialize/inline_container.cc and its miniz), and lies in any
//! field on request. Only for tests; it shares no code with the reader.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::arithmetic_side_effects)]

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

/// torch's flags: data descriptor and UTF-8; an empty record has no descriptor.
pub const FLAGS: u16 = 0x0808;
pub const FLAGS_EMPTY: u16 = 0x0800;
pub const ENCRYPTED: u16 = 1;

/// An archive of `torch.save` under the root `archive`: `version`, `byteorder` and the like included.
pub fn torch_archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    torch_builder("archive", pickle, storages).build()
}

/// The same, still open to changes. Records in the order of torch 2.15.
pub fn torch_builder(root: &str, pickle: &[u8], storages: &[(&str, &[u8])]) -> ZipBuilder {
    let path = |name: &str| if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") };
    let mut builder = ZipBuilder::new()
        .with(Record::new(path("data.pkl"), pickle))
        .with(Record::new(path(".format_version"), b"1"))
        .with(Record::new(path(".storage_alignment"), b"64"))
        .with(Record::new(path("byteorder"), b"little"));
    for (key, bytes) in storages {
        builder = builder.with(Record::new(path(&format!("data/{key}")), *bytes));
    }
    builder
        .with(Record::new(path("version"), b"3\n"))
        .with(Record::new(path(".data/serialization_id"), b"0123456789012345678901234567890123456789"))
}

/// A record's data.
#[derive(Clone)]
pub enum Data {
    Bytes(Vec<u8>),
    /// That many zeros, left as a hole in the file, then the bytes. Its checksum is recorded as 0 ("none").
    Sparse(u64, Vec<u8>),
}

impl Data {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Sparse(zeros, tail) => zeros + tail.len() as u64,
        }
    }

    fn crc(&self) -> u32 {
        match self {
            Self::Bytes(bytes) => crc32fast::hash(bytes),
            Self::Sparse(..) => 0,
        }
    }
}

/// What one of a record's two headers says instead of the truth.
#[derive(Clone, Default)]
pub struct Header {
    pub name: Option<Vec<u8>>,
    pub flags: Option<u16>,
    pub method: Option<u16>,
    pub crc: Option<u32>,
    pub packed_len: Option<u32>,
    pub len: Option<u32>,
    /// The central header's 32-bit offset of the local header.
    pub offset: Option<u32>,
    /// The whole extra field, in the local header instead of the padding.
    pub extra: Option<Vec<u8>>,
    pub comment: Vec<u8>,
}

#[derive(Clone)]
pub struct Record {
    pub name: Vec<u8>,
    pub data: Data,
    pub deflate: bool,
    pub local: Header,
    pub central: Header,
    /// How many central headers it gets: 0 hides it, 2 lists it twice.
    pub listed: usize,
    /// `false`: it gets central headers, but no bytes of its own (set `central.offset`).
    pub written: bool,
    /// Bytes put between this record's end and the next one's header.
    pub gap: Vec<u8>,
}

impl Record {
    pub fn new(name: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        Self::of(name, Data::Bytes(data.into()))
    }

    pub fn of(name: impl Into<Vec<u8>>, data: Data) -> Self {
        Self {
            name: name.into(),
            data,
            deflate: false,
            local: Header::default(),
            central: Header::default(),
            listed: 1,
            written: true,
            gap: Vec::new(),
        }
    }

    /// Compressed with deflate.
    pub fn deflated(mut self) -> Self {
        self.deflate = true;
        self
    }

    /// The same lie in both headers.
    pub fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    pub fn local(mut self, change: impl FnOnce(&mut Header)) -> Self {
        change(&mut self.local);
        self
    }

    pub fn central(mut self, change: impl FnOnce(&mut Header)) -> Self {
        change(&mut self.central);
        self
    }
}

/// What the end records say instead of the truth; `None` is the truth.
#[derive(Clone, Default)]
pub struct End {
    pub disk: Option<u16>,
    pub records: Option<u16>,
    pub directory_len: Option<u32>,
    pub directory_start: Option<u32>,
    pub comment_len: Option<u16>,
    pub records64: Option<u64>,
    pub directory_len64: Option<u64>,
    pub directory_start64: Option<u64>,
    pub locator: Option<u64>,
}

#[derive(Clone)]
pub struct ZipBuilder {
    pub records: Vec<Record>,
    /// Each record's data start at a multiple of this; 0 for no padding field at all.
    pub alignment: u64,
    /// Whether to write the zip64 end record and its locator, as torch always does.
    pub zip64_end: bool,
    /// `false`: sizes and checksums stand in the local headers, as other zip programs write them.
    pub descriptors: bool,
    /// The central directory lists the records in reverse order.
    pub reversed: bool,
    pub end: End,
    pub comment: Vec<u8>,
    /// Bytes in front that no offset counts.
    pub leading: Vec<u8>,
    pub trailing: Vec<u8>,
}

impl Default for ZipBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ZipBuilder {
    /// torch's own layout, without records.
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            alignment: 64,
            zip64_end: true,
            descriptors: true,
            reversed: false,
            end: End::default(),
            comment: Vec::new(),
            leading: Vec::new(),
            trailing: Vec::new(),
        }
    }

    /// As Python's `zipfile` and Info-ZIP write archives: no padding, no descriptors, zip64 only where needed.
    pub fn plain(mut self) -> Self {
        self.alignment = 0;
        self.descriptors = false;
        self.zip64_end = false;
        self
    }

    pub fn with(mut self, record: Record) -> Self {
        self.records.push(record);
        self
    }

    /// Changes the record of this name.
    pub fn change(mut self, name: &str, change: impl FnOnce(&mut Record)) -> Self {
        let found = self.records.iter_mut().find(|record| record.name == name.as_bytes());
        change(found.expect("a record to change"));
        self
    }

    pub fn change_all(mut self, change: impl Fn(&mut Record)) -> Self {
        self.records.iter_mut().for_each(change);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.records.retain(|record| record.name != name.as_bytes());
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        self.write_to(&mut out).expect("writing to memory");
        out.into_inner()
    }

    /// Writes the archive at the current position, which becomes its offset 0 (behind `leading`).
    pub fn write_to<W: Write + Seek>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(&self.leading)?;
        let base = out.stream_position()?;
        let mut directory = Vec::new();
        let mut listed = 0_u64;
        for record in &self.records {
            let header = self.write_record(record, base, out)?;
            for _ in 0..record.listed {
                directory.push(header.clone());
                listed += 1;
            }
        }
        if self.reversed {
            directory.reverse();
        }
        let directory_start = out.stream_position()? - base;
        for header in &directory {
            out.write_all(header)?;
        }
        let directory_len = out.stream_position()? - base - directory_start;
        self.write_end(listed, directory_start, directory_len, out)?;
        out.write_all(&self.trailing)
    }

    /// Writes local header, data and descriptor; gives the central header.
    fn write_record<W: Write + Seek>(&self, record: &Record, base: u64, out: &mut W) -> io::Result<Vec<u8>> {
        let offset = out.stream_position()? - base;
        let len = record.data.len();
        let packed = match (&record.data, record.deflate) {
            (Data::Bytes(bytes), true) => Data::Bytes(deflate(bytes)),
            (data, _) => data.clone(),
        };
        let packed_len = packed.len();
        let crc = record.data.crc();
        let method = if record.deflate { 8 } else { 0 };
        let descriptor = self.descriptors && packed_len > 0;
        let flags = if descriptor { FLAGS } else { FLAGS_EMPTY };
        let big = len >= 0xffff_ffff || packed_len >= 0xffff_ffff;
        let far = offset >= 0xffff_ffff;

        if record.written {
            let lies = &record.local;
            let name = lies.name.as_ref().unwrap_or(&record.name);
            let extra =
                lies.extra.clone().unwrap_or_else(|| self.local_extra(offset, name.len(), len, packed_len, big, far));
            let truth = |value: u64| match (self.descriptors, u32::try_from(value)) {
                (true, _) => 0,
                (false, Ok(value)) => value,
                (false, Err(_)) => u32::MAX,
            };
            out.write_all(b"PK\x03\x04")?;
            out.write_all(&[0, 0])?;
            out.write_all(&lies.flags.unwrap_or(flags).to_le_bytes())?;
            out.write_all(&lies.method.unwrap_or(method).to_le_bytes())?;
            out.write_all(&[0; 4])?;
            out.write_all(&lies.crc.unwrap_or(if self.descriptors { 0 } else { crc }).to_le_bytes())?;
            out.write_all(&lies.packed_len.unwrap_or(truth(packed_len)).to_le_bytes())?;
            out.write_all(&lies.len.unwrap_or(truth(len)).to_le_bytes())?;
            out.write_all(&(name.len() as u16).to_le_bytes())?;
            out.write_all(&(extra.len() as u16).to_le_bytes())?;
            out.write_all(name)?;
            out.write_all(&extra)?;
            match &packed {
                Data::Bytes(bytes) => out.write_all(bytes)?,
                Data::Sparse(zeros, tail) => {
                    out.seek(SeekFrom::Current(i64::try_from(*zeros).expect("a file size")))?;
                    out.write_all(tail)?;
                }
            }
            if descriptor {
                out.write_all(b"PK\x07\x08")?;
                out.write_all(&crc.to_le_bytes())?;
                if big || far {
                    out.write_all(&packed_len.to_le_bytes())?;
                    out.write_all(&len.to_le_bytes())?;
                } else {
                    out.write_all(&(packed_len as u32).to_le_bytes())?;
                    out.write_all(&(len as u32).to_le_bytes())?;
                }
            }
            out.write_all(&record.gap)?;
        }

        let lies = &record.central;
        let name = lies.name.as_ref().unwrap_or(&record.name);
        let mut extra = Vec::new();
        if big {
            extra.extend_from_slice(&len.to_le_bytes());
            extra.extend_from_slice(&packed_len.to_le_bytes());
        }
        if far {
            extra.extend_from_slice(&offset.to_le_bytes());
        }
        if !extra.is_empty() {
            extra = [&[1, 0], &(extra.len() as u16).to_le_bytes(), extra.as_slice()].concat();
        }
        let extra = lies.extra.as_ref().unwrap_or(&extra);
        let size = |value: u64| if big { u32::MAX } else { value as u32 };
        let mut header = b"PK\x01\x02\0\0\0\0".to_vec();
        header.extend_from_slice(&lies.flags.unwrap_or(flags).to_le_bytes());
        header.extend_from_slice(&lies.method.unwrap_or(method).to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&lies.crc.unwrap_or(crc).to_le_bytes());
        header.extend_from_slice(&lies.packed_len.unwrap_or(size(packed_len)).to_le_bytes());
        header.extend_from_slice(&lies.len.unwrap_or(size(len)).to_le_bytes());
        header.extend_from_slice(&(name.len() as u16).to_le_bytes());
        header.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        header.extend_from_slice(&(lies.comment.len() as u16).to_le_bytes());
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&lies.offset.unwrap_or(if far { u32::MAX } else { offset as u32 }).to_le_bytes());
        header.extend_from_slice(name);
        header.extend_from_slice(extra);
        header.extend_from_slice(&lies.comment);
        Ok(header)
    }

    /// The zip64 sizes of a large record, then the field `FB` that pads the data start to the alignment.
    fn local_extra(&self, offset: u64, name_len: usize, len: u64, packed_len: u64, big: bool, far: bool) -> Vec<u8> {
        let mut sizes = Vec::new();
        if big {
            sizes.extend_from_slice(&len.to_le_bytes());
            sizes.extend_from_slice(&packed_len.to_le_bytes());
        }
        if far && self.descriptors {
            sizes.extend_from_slice(&offset.to_le_bytes());
        }
        let mut extra = Vec::new();
        if !sizes.is_empty() {
            extra = [&[1, 0], &(sizes.len() as u16).to_le_bytes(), sizes.as_slice()].concat();
        }
        if self.alignment > 0 {
            let start = offset + 30 + name_len as u64 + extra.len() as u64 + 4;
            let padding = (self.alignment - start % self.alignment) % self.alignment;
            extra.extend_from_slice(b"FB");
            extra.extend_from_slice(&(padding as u16).to_le_bytes());
            extra.resize(extra.len() + padding as usize, b'Z');
        }
        extra
    }

    fn write_end<W: Write>(
        &self,
        records: u64,
        directory_start: u64,
        directory_len: u64,
        out: &mut W,
    ) -> io::Result<()> {
        let lies = &self.end;
        let saturated = records > 0xffff || directory_start > 0xffff_fffe || directory_len > 0xffff_fffe;
        if self.zip64_end || saturated {
            out.write_all(b"PK\x06\x06")?;
            out.write_all(&44_u64.to_le_bytes())?;
            out.write_all(&0x031e_u16.to_le_bytes())?;
            out.write_all(&45_u16.to_le_bytes())?;
            out.write_all(&[0; 8])?;
            let records = lies.records64.unwrap_or(records);
            out.write_all(&records.to_le_bytes())?;
            out.write_all(&records.to_le_bytes())?;
            out.write_all(&lies.directory_len64.unwrap_or(directory_len).to_le_bytes())?;
            out.write_all(&lies.directory_start64.unwrap_or(directory_start).to_le_bytes())?;
            out.write_all(b"PK\x06\x07\0\0\0\0")?;
            out.write_all(&lies.locator.unwrap_or(directory_start + directory_len).to_le_bytes())?;
            out.write_all(&1_u32.to_le_bytes())?;
        }
        let disk = lies.disk.unwrap_or(0);
        let records = lies.records.unwrap_or(records.min(0xffff) as u16);
        out.write_all(b"PK\x05\x06")?;
        out.write_all(&disk.to_le_bytes())?;
        out.write_all(&disk.to_le_bytes())?;
        out.write_all(&records.to_le_bytes())?;
        out.write_all(&records.to_le_bytes())?;
        out.write_all(&lies.directory_len.unwrap_or(directory_len.min(0xffff_ffff) as u32).to_le_bytes())?;
        out.write_all(&lies.directory_start.unwrap_or(directory_start.min(0xffff_ffff) as u32).to_le_bytes())?;
        out.write_all(&lies.comment_len.unwrap_or(self.comment.len() as u16).to_le_bytes())?;
        out.write_all(&self.comment)
    }
}

/// Raw deflate.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::DeflateEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut packed).expect("memory");
    packed
}
