//! Safetensors files that several ranks wrote, each with its parts of the tensors, and with their places in them
//! (`torch.distributed.checkpoint.HuggingFaceStorageWriter` with `save_distributed`). There is no metadata file.

use hashbrown::HashMap;

use super::gathering::Gathering;
use super::{Assembly, Opening, distributed, safetensors};
use crate::container::safetensors::{Header, read, sharding_info};
use crate::container::{Kind, begins_as};
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::NodeId;
use crate::source::Folder;
use crate::torch::{ASSEMBLED, OWN};

/// In the metadata of each file.
const SHARDING_INFO: &str = "DCP_SHARDING_INFO";

/// A tensor, as far as the files so far know it.
struct Whole {
    name: NodeId,
    dtype: &'static str,
    /// As far as the chunks reach.
    size: Vec<i64>,
    /// Offsets, sizes and node of each.
    chunks: Vec<(Vec<i64>, Vec<i64>, NodeId)>,
}

/// Puts the files of a folder together, if they are such; each tensor at the place where the first file has it.
pub(super) fn assemble(folder: &Folder, opening: Opening<'_>) -> Result<Option<Assembly>, Error> {
    let files = rank_files(folder, opening)?;
    if files.is_empty() {
        return Ok(None);
    }
    let mut gathering = Gathering::new(opening);
    let mut wholes: Vec<Whole> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let (mut consumed, mut count) = (0_u64, 0_u64);
    for (file, info, header, len) in files {
        consumed = consumed.saturating_add(len);
        let offsets = sharding_info(&info).map_err(|e| e.in_record(SHARDING_INFO).inside(&file))?;
        let mut offsets: HashMap<String, Vec<u64>> = offsets.into_iter().collect();
        count = count.saturating_add(u64::try_from(header.tensors.len()).unwrap_or(u64::MAX));
        Limits::check("chunks", count, opening.limits.chunks)?;
        let nodes = safetensors::add(&mut gathering, header.blobs, &header.tensors, &file)?;
        for (entry, (name, node)) in header.tensors.into_iter().zip(nodes) {
            let located = |error: Error| error.in_tensor(&entry.name).inside(&file);
            let Some(offsets) = offsets.remove(&entry.name) else {
                return Err(located(Error::malformed(format!("`{SHARDING_INFO}` does not say where it begins"))));
            };
            let reaches = offsets.iter().zip(&entry.shape);
            let reaches = reaches.map(|(&offset, &size)| i64::try_from(offset).ok()?.checked_add(size));
            let reaches = reaches.collect::<Option<Vec<_>>>().filter(|_| offsets.len() == entry.shape.len());
            let Some(reaches) = reaches else {
                return Err(located(Error::malformed(format!(
                    "it begins at {offsets:?}, which does not suit its shape {:?}",
                    entry.shape
                ))));
            };
            let number = *numbers.entry_ref(&*entry.name).or_insert_with(|| {
                wholes.push(Whole { name, dtype: entry.dtype, size: reaches.clone(), chunks: Vec::new() });
                wholes.len().saturating_sub(1)
            });
            let Some(whole) = wholes.get_mut(number) else { continue };
            if whole.size.len() != reaches.len() {
                return Err(located(Error::malformed("it has another number of dimensions than in other files")));
            }
            whole.size.iter_mut().zip(reaches).for_each(|(size, reach)| *size = (*size).max(reach));
            // It fitted before.
            let offsets = offsets.iter().map(|&offset| i64::try_from(offset).unwrap_or(i64::MAX)).collect();
            whole.chunks.push((offsets, entry.shape, node));
        }
        if let Some(name) = offsets.keys().min() {
            return Err(Error::malformed(format!("`{SHARDING_INFO}` has it, but the file does not"))
                .in_tensor(name)
                .inside(&file));
        }
    }
    let composer = &mut gathering.composer;
    composer.begin_part("the files together");
    let function = composer.made_global(OWN, ASSEMBLED)?;
    let mut entries = Vec::with_capacity(wholes.len());
    for whole in wholes {
        let chunks = whole.chunks.iter().map(|(offsets, sizes, node)| (&**offsets, &**sizes, *node));
        let node = distributed::assembled(composer, function, whole.dtype, &whole.size, false, chunks)?;
        entries.push((whole.name, node));
    }
    let root = composer.dict(&entries)?;
    Ok(Some(gathering.finish(root, Format::Distributed, 0, consumed)))
}

/// A file's name, its sharding information, header and length.
type RankFile = (String, String, Header, u64);

/// The safetensors files of the folder, if any of them says that its tensors are parts of larger ones. Then all have to.
fn rank_files(folder: &Folder, opening: Opening<'_>) -> Result<Vec<RankFile>, Error> {
    let (mut ranks, mut others) = (Vec::new(), Vec::new());
    for name in folder.files().filter(|name| name.ends_with(".safetensors")) {
        if !matches!(folder.head(name, 1024), Ok((head, len)) if begins_as(&head, len) == Some(Kind::Safetensors)) {
            others.push(name);
            continue;
        }
        let source = folder.open(name)?;
        let mut header = read(&source, opening.limits).map_err(|e| e.inside(name))?;
        let info = header.metadata.iter_mut().find(|(key, _)| key == SHARDING_INFO);
        match info.map(|(_, info)| std::mem::take(info)) {
            Some(info) => ranks.push((name.to_owned(), info, header, source.len())),
            None => others.push(name),
        }
    }
    match (ranks.first(), others.first()) {
        (Some((rank, ..)), Some(other)) => Err(Error::malformed(format!(
            "`{}` says where in larger tensors its own belong (`{SHARDING_INFO}`), but `{}` does not: the folder holds more than one checkpoint, or a damaged one",
            Shown(rank),
            Shown(other)
        ))),
        _ => Ok(ranks),
    }
}
