//! Distributed checkpoints whose metadata lie: chunks, places, paths.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::folder::Folder;
use torch_checkpoint_fuzz::lies::{number, rarely, value};
use torch_checkpoint_fuzz::pickle_builder::*;
use torch_checkpoint_fuzz::zip_builder::torch_archive;
use torch_checkpoint_fuzz::{options, read};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(folder) = folder(&mut Unstructured::new(bytes)) {
        read(options().open(folder.path()));
    }
});

const MODULE: &str = "torch.distributed.checkpoint.metadata";
const FILES: [&str; 2] = ["__0_0.distcp", "__1_0.distcp"];
const NAMES: [&str; 4] = ["model.weight", "model.bias", "epoch", "optim.0.exp_avg"];

/// A data file and what is in it: each chunk a checkpoint.
#[derive(Default)]
struct Data {
    files: [Vec<u8>; 2],
    places: Vec<(Code, Code)>,
}

fn folder(u: &mut Unstructured<'_>) -> Result<Folder> {
    let mut data = Data::default();
    let (mut entries, mut paths) = (Vec::new(), Vec::new());
    for name in NAMES.iter().take(u.int_in_range(1..=4)?) {
        let described = if *name == "epoch" { data.object(u, name)? } else { data.tensor(u, name)? };
        entries.push((text(name), if rarely(u)? { value(u, 2)? } else { described }));
        let path = name.split('.').map(|piece| if piece == "0" { int(0) } else { text(piece) });
        paths.push((text(name), if rarely(u)? { value(u, 2)? } else { tuple(path) }));
    }
    if rarely(u)? {
        data.places.pop();
    }
    let member = |u: &mut Unstructured<'_>, right: Code| if rarely(u)? { value(u, 2) } else { Ok(right) };
    let entries = member(u, dict_of(entries))?;
    let paths = member(u, dict_of(paths))?;
    let places = member(u, dict_of(data.places))?;
    let state = [("state_dict_metadata", entries), ("planner_data", paths), ("storage_data", places)];
    let metadata = pickle(&object(MODULE, "Metadata", dict(state.into_iter().chain([("version", text("1.0.0"))]))));
    let mut folder = Folder::new().with(".metadata", &metadata);
    for (name, mut data) in FILES.into_iter().zip(data.files) {
        if rarely(u)? {
            data.truncate(u.int_in_range(0..=data.len())?);
        }
        folder = folder.with(name, &data);
    }
    Ok(folder)
}

impl Data {
    /// Writes a part and says where it is.
    fn add(&mut self, u: &mut Unstructured<'_>, name: &str, offset: Option<Code>, part: &[u8]) -> Result<()> {
        let file = usize::from(u.ratio(1, 3)?);
        let start = self.files[file].len() as i64;
        self.files[file].extend(part);
        let lie = |u: &mut Unstructured<'_>, truth: i64| if rarely(u)? { number(u) } else { Ok(truth) };
        let path =
            if rarely(u)? { u.choose_iter(["../x", "/dev/null", ".metadata", "absent", ""])? } else { FILES[file] };
        let info = [
            ("relative_path", text(path)),
            ("offset", int(lie(u, start)?)),
            ("length", int(lie(u, part.len() as i64)?)),
        ];
        let info = object("torch.distributed.checkpoint.filesystem", "_StorageInfo", dict(info));
        let index = [("fqn", text(name)), ("index", none()), ("offset", offset.unwrap_or_else(none))];
        self.places.push((object(MODULE, "MetadataIndex", dict(index)), info));
        Ok(())
    }

    fn object(&mut self, u: &mut Unstructured<'_>, name: &str) -> Result<Code> {
        let part = torch_archive(&pickle(&value(u, 2)?), &[]);
        self.add(u, name, None, &part)?;
        Ok(object(MODULE, "BytesStorageMetadata", dict([])))
    }

    /// A tensor of two dimensions in chunks of rows.
    fn tensor(&mut self, u: &mut Unstructured<'_>, name: &str) -> Result<Code> {
        let (columns, count) = (u.int_in_range(0..=4)?, u.int_in_range(0..=3)?);
        let mut chunks = Vec::new();
        let mut rows = 0;
        for _ in 0..count {
            let own = u.int_in_range(0..=3)?;
            let (offsets, sizes) = (lying(u, &[rows, 0])?, lying(u, &[own, columns])?);
            let stored = if rarely(u)? { [number(u)?.clamp(0, 9), columns] } else { [own, columns] };
            let data = vec![1; usize::try_from(stored[0] * stored[1] * 4).unwrap_or(0)];
            let class = u.choose_iter(["FloatStorage", "FloatStorage", "IntStorage"])?;
            let tensor = TensorCall::new(&StorageId::new(class, "0", stored[0] * stored[1]), &stored);
            let part = torch_archive(&pickle(&tensor.code()), &[("0", &data)]);
            self.add(u, name, Some(offsets.clone()), &part)?;
            chunks.push(object(MODULE, "ChunkStorageMetadata", dict([("offsets", offsets), ("sizes", sizes)])));
            rows += own;
        }
        let dtype = global("torch", u.choose_iter(["float32", "float32", "float16", "nonsense"])?);
        let state = tuple([dtype, none(), bool(u.arbitrary()?), none(), bool(false)]);
        let properties = build([global(MODULE, "TensorProperties"), vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat(), state);
        let state = [("properties", properties), ("size", lying(u, &[rows, columns])?), ("chunks", list(chunks))];
        Ok(object(MODULE, "TensorStorageMetadata", dict(state)))
    }
}

/// A `torch.Size`, rarely of other numbers.
fn lying(u: &mut Unstructured<'_>, truth: &[i64]) -> Result<Code> {
    let mut numbers = truth.to_vec();
    for number_ in &mut numbers {
        if rarely(u)? {
            *number_ = number(u)?;
        }
    }
    if rarely(u)? {
        numbers.push(number(u)?);
    }
    Ok(reduce(global("torch", "Size"), [ints(&numbers)]))
}
