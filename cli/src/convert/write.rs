//! Writes files beside those that they will replace.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use tempfile::{Builder, NamedTempFile, TempPath};

use super::args::Convert;
use super::place::Place;
use super::plan::{Plan, Planned};
use super::progress::Progress;
use super::{bare, failed, header, pieces, refused};
use crate::failure::Failure;
use crate::remedies::said;
use crate::text::{clean, size};

/// Bytes that are collected of small tensors before they are written.
const COLLECTED: usize = 1 << 20;

/// One file that was written.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Places in the plan, in the order of the data.
    pub(super) tensors: Vec<usize>,
}

/// Writes the tensors of a plan. Nothing has its name before everything is on the disk. Gives the files, and the index if
/// there are several.
pub(super) fn all(args: &Convert, plan: &mut Plan, place: &Place) -> Result<(Vec<Written>, Option<PathBuf>), Failure> {
    let files = plan.files(args.max_shard_size);
    let planned = |file: &Vec<usize>| {
        let tensors = file.iter().filter_map(|&place| plan.tensors.get(place));
        header::bytes(&plan.metadata, tensors)
    };
    let headers: Vec<Vec<u8>> = files.iter().map(planned).collect::<Result<_, _>>().map_err(|e| of_input(args, e))?;
    let lengths = headers.iter().map(|header| u64::try_from(header.len()).unwrap_or(u64::MAX));
    let total = lengths.fold(plan.nbytes(), u64::saturating_add);

    let made = place.make_folder()?;
    enough_space(place.folder(), total)?;
    let output = args.output.file_name().unwrap_or(args.output.as_os_str()).to_string_lossy();
    let output = clean(&output);
    let progress = Progress::new(&args.output, total)?;
    let (mut written, mut finished) = (Vec::new(), Vec::new());
    let number = files.len();
    for (n, (tensors, header)) in files.into_iter().zip(headers).enumerate() {
        let path = place.file(n, number);
        if number > 1 {
            progress.doing(format!("{output} {} of {number}", n.saturating_add(1)));
        }
        let file = temporary(&path)?;
        let bytes = fill(args, plan, &tensors, &header, file.as_file(), &path, &progress)?;
        progress.doing(format!("{output} (flushing)"));
        finished.push((closed(file, &path)?, path.clone()));
        written.push(Written { path, bytes, tensors });
    }
    let index = (number > 1).then(|| place.index());
    if let Some(path) = &index {
        let mut file = temporary(path)?;
        let text = index_of(plan, &written).map_err(|error| bare(format!("the index is no JSON: {error}")))?;
        file.write_all(&text).map_err(|e| failed("write", path, &e))?;
        finished.push((closed(file, path)?, path.clone()));
    }
    place.put(finished)?;
    drop(made);
    Ok((written, index))
}

/// Writes one file; gives its length.
fn fill(
    args: &Convert,
    plan: &mut Plan,
    tensors: &[usize],
    header: &[u8],
    file: &File,
    path: &Path,
    progress: &Progress,
) -> Result<u64, Failure> {
    let mut out = BufWriter::with_capacity(COLLECTED, file);
    let mut length = 0_u64;
    let mut put = |bytes: &[u8]| {
        out.write_all(bytes).map_err(|e| failed("write", path, &e))?;
        length = length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        progress.add(bytes.len())
    };
    put(header)?;
    for planned in tensors {
        let Some(planned) = plan.tensors.get_mut(*planned) else { continue };
        let Planned { from, form, tensor, .. } = planned;
        let Some(tensor) = tensor.take() else { continue };
        let located =
            |error: &torch_checkpoint::Error| refused(args, &format!("tensor `{}`: {}", clean(from), said(error)));
        pieces::each(&tensor, form, &located, &mut put)?;
    }
    out.flush().map_err(|e| failed("write", path, &e))?;
    Ok(length)
}

/// A file that goes unless it is given its name, beside where that will be. Its permissions are those of any new file.
fn temporary(path: &Path) -> Result<NamedTempFile, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    let permissions = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    builder.tempfile_in(folder).map_err(|e| failed("write", path, &e))
}

/// All of the file is on the disk, and it is closed: there may be more shards than open files.
fn closed(file: NamedTempFile, path: &Path) -> Result<TempPath, Failure> {
    file.as_file().sync_all().map_err(|e| failed("write", path, &e))?;
    Ok(file.into_temp_path())
}

fn enough_space(folder: &Path, needed: u64) -> Result<(), Failure> {
    // Some file systems cannot tell; then writing will.
    let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
    if needed <= free {
        return Ok(());
    }
    let folder = folder.to_string_lossy();
    Err(bare(format!("{}: there are {} free, but {} are needed", clean(&folder), size(free), size(needed))))
}

fn of_input(args: &Convert, failure: Failure) -> Failure {
    match failure {
        Failure::Message(message) => refused(args, &message),
        other => other,
    }
}

/// The index, in the form of Hugging Face's; the tensors are in the order of the checkpoint.
fn index_of(plan: &Plan, written: &[Written]) -> serde_json::Result<Vec<u8>> {
    let mut files: Vec<(usize, String)> = Vec::with_capacity(plan.tensors.len());
    for file in written {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        files.extend(file.tensors.iter().map(|&place| (place, name.clone().into_owned())));
    }
    files.sort_unstable();
    let weight_map = Ordered(files.iter().filter_map(|(place, file)| {
        let planned = plan.tensors.get(*place)?;
        Some((planned.name.as_str(), file.as_str()))
    }));
    let mut text = serde_json::to_vec_pretty(&Index { metadata: Total { total_size: plan.nbytes() }, weight_map })?;
    text.push(b'\n');
    Ok(text)
}

#[derive(Serialize)]
struct Index<M> {
    metadata: Total,
    weight_map: M,
}

#[derive(Serialize)]
struct Total {
    total_size: u64,
}

/// A mapping in the order in which its entries come.
pub(super) struct Ordered<I>(pub(super) I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Ordered<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.clone() {
            map.serialize_entry(&key, &value)?;
        }
        map.end()
    }
}
