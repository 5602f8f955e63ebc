//! Distributed checkpoints, as eight ranks of `torch.distributed.checkpoint` write them: every tensor in chunks of rows,
//! each rank's chunks in a file of its own, each chunk an archive of `torch.save`.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use crate::Result;
use crate::files::numbers::Numbers;
use crate::files::objects::{self, Ids};
use crate::files::pickle::{Protocol, Writer};
use crate::files::weights::View;
use crate::zip_builder::torch_builder;

const RANKS: usize = 8;
const MODULE: &str = "torch.distributed.checkpoint.metadata";

/// Some rows of a tensor, and where they are.
struct Chunk<'a> {
    view: &'a View,
    rank: usize,
    first_row: usize,
    shape: Vec<usize>,
    start: u64,
    len: u64,
}

impl Chunk<'_> {
    fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0; self.shape.len()];
        if let Some(first) = offsets.first_mut() {
            *first = self.first_row;
        }
        offsets
    }
}

pub fn write(views: &[View], numbers: &Numbers, folder: &Path) -> Result {
    fs::create_dir_all(folder)?;
    let mut chunks = Vec::new();
    for rank in 0..RANKS {
        let mut out = BufWriter::new(File::create(folder.join(data_file(rank)))?);
        for view in views {
            // As torch splits: as many rows as rounded up, fewer for the last ranks.
            let rows = view.shape.first().copied().unwrap_or(1);
            let each = rows.div_ceil(RANKS);
            let (first_row, end) = ((rank * each).min(rows), ((rank + 1) * each).min(rows));
            if first_row == end {
                continue;
            }
            let mut shape = view.shape.clone();
            if let Some(rows) = shape.first_mut() {
                *rows = end - first_row;
            }
            let part = View::whole(view.name.clone(), view.element, 0, shape.clone());
            let row_nbytes = view.storage_nbytes() / rows;
            let bytes = &numbers.storage(view)[first_row * row_nbytes..end * row_nbytes];
            let start = out.stream_position()?;
            torch_builder("archive", &objects::bare(&part, Ids::Records), &[("0", bytes)]).write_to(&mut out)?;
            let len = out.stream_position()? - start;
            chunks.push(Chunk { view, rank, first_row, shape, start, len });
        }
        out.flush()?;
    }
    Ok(fs::write(folder.join(".metadata"), metadata(views, &chunks))?)
}

fn data_file(rank: usize) -> String {
    format!("__{rank}_0.distcp")
}

fn metadata(views: &[View], chunks: &[Chunk<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Four);
    let mut tensors = |writer: &mut Writer| {
        writer.dict(views, |writer, view| {
            writer.interned(&view.name);
            let chunks: Vec<&Chunk<'_>> = chunks.iter().filter(|chunk| std::ptr::eq(chunk.view, view)).collect();
            tensor(writer, view, &chunks);
        });
    };
    let mut paths = |writer: &mut Writer| {
        writer.dict(views, |writer, view| {
            writer.interned(&view.name);
            writer.tuple(1, |writer| writer.interned(&view.name));
        });
    };
    let mut places = |writer: &mut Writer| writer.dict(chunks, place);
    writer.object(MODULE, "Metadata", |writer| {
        writer.fields(&mut [
            ("state_dict_metadata", &mut tensors),
            ("planner_data", &mut paths),
            ("storage_data", &mut places),
            ("storage_meta", &mut Writer::none),
            ("version", &mut |writer| writer.interned("1.0.0")),
        ]);
    });
    writer.finish()
}

fn tensor(writer: &mut Writer, view: &View, chunks: &[&Chunk<'_>]) {
    let mut chunks_of = |writer: &mut Writer| {
        writer.list(chunks, |writer, chunk| {
            writer.object(MODULE, "ChunkStorageMetadata", |writer| {
                writer.fields(&mut [
                    ("offsets", &mut |writer| size(writer, &chunk.offsets())),
                    ("sizes", &mut |writer| size(writer, &chunk.shape)),
                ]);
            });
        });
    };
    writer.object(MODULE, "TensorStorageMetadata", |writer| {
        writer.fields(&mut [
            ("properties", &mut |writer| properties(writer, view)),
            ("size", &mut |writer| size(writer, &view.shape)),
            ("chunks", &mut chunks_of),
        ]);
    });
}

fn properties(writer: &mut Writer, view: &View) {
    writer.object(MODULE, "TensorProperties", |writer| {
        writer.tuple(6, |writer| {
            writer.global("torch", view.element.name());
            writer.reduce("torch.serialization", "_get_layout", |writer| {
                writer.tuple(1, |writer| writer.interned("torch.strided"));
            });
            writer.bool(false);
            writer.reduce(MODULE, "_MEM_FORMAT_ENCODING", |writer| writer.ints(&[0]));
            writer.bool(false);
            writer.ints(&view.strides);
        });
    });
}

/// The key of a chunk, and where it is.
fn place(writer: &mut Writer, chunk: &Chunk<'_>) {
    writer.object(MODULE, "MetadataIndex", |writer| {
        writer.fields(&mut [
            ("fqn", &mut |writer| writer.interned(&chunk.view.name)),
            ("index", &mut |writer| writer.int(chunk.rank)),
            ("offset", &mut |writer| size(writer, &chunk.offsets())),
        ]);
    });
    writer.object("torch.distributed.checkpoint.filesystem", "_StorageInfo", |writer| {
        writer.fields(&mut [
            ("relative_path", &mut |writer| writer.interned(&data_file(chunk.rank))),
            ("offset", &mut |writer| writer.int(chunk.start as usize)),
            ("length", &mut |writer| writer.int(chunk.len as usize)),
        ]);
    });
}

fn size(writer: &mut Writer, sizes: &[usize]) {
    writer.reduce("torch", "Size", |writer| writer.tuple(1, |writer| writer.ints(sizes)));
}
