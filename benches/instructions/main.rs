//! The works whose instructions `benches/instructions.sh` counts.
//!
//! `instructions names` lists them, `instructions make FOLDER` writes their files, and `instructions WORK FOLDER` does one,
//! of which what [`measured`] calls is counted: neither the preparation nor what is freed afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the crate is a bench")]
#![allow(clippy::print_stdout, reason = "the script reads the names")]

#[path = "../parts/files.rs"]
mod files;
#[path = "../parts/memo.rs"]
mod memo;
#[path = "../../tests/support/legacy_builder.rs"]
mod legacy_builder;
#[path = "../../tests/support/pickle_builder.rs"]
mod pickle_builder;
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;

use torch_checkpoint::{LoadOptions, StateDict, load_state_dict};

const MANY: usize = 50_000;
const NUMEL: usize = 4 << 20;

/// What is left to do when a work is prepared. It keeps its result, which is freed with it.
type Prepared = Box<dyn FnMut()>;

struct Work {
    name: &'static str,
    file: fn() -> Vec<u8>,
    prepare: fn(&Path) -> Prepared,
}

const WORKS: &[Work] = &[
    Work { name: "open and list 50,000 tensors", file: || files::many(MANY), prepare: open_and_list },
    Work {
        name: "open and list the 15,000 tensors of a training checkpoint",
        file: || files::training(5_000),
        prepare: open_and_list_all,
    },
    Work { name: "4,096 views to owned memory", file: || files::views(4096), prepare: own },
    Work { name: "transposed to contiguous", file: || square(&[1, 2048]), prepare: own },
    Work { name: "f16 to f32", file: || line("float16", 2), prepare: to_f32 },
    Work { name: "bf16 to f32", file: || line("bfloat16", 2), prepare: to_f32 },
    Work { name: "f8 to f32", file: || line("float8_e4m3fn", 1), prepare: to_f32 },
    Work { name: "look up 50,000 names, the table included", file: || files::many(MANY), prepare: look_up },
    Work { name: "deserialise 5,000 rows", file: || files::training(5_000), prepare: deserialise },
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["names"] => WORKS.iter().for_each(|work| println!("{}", work.name)),
        ["make", folder] => {
            for work in WORKS {
                std::fs::write(Path::new(folder).join(work.name), (work.file)())?;
            }
        }
        [name, folder] => {
            let work = WORKS.iter().find(|work| work.name == name).ok_or_else(|| format!("no work `{name}`"))?;
            let mut prepared = (work.prepare)(&Path::new(folder).join(name));
            measured(&mut prepared);
        }
        _ => return Err("usage: instructions names | make FOLDER | WORK FOLDER".into()),
    }
    Ok(())
}

/// What the script tells callgrind to count.
#[inline(never)]
fn measured(work: &mut Prepared) {
    black_box(work)();
    // Else the call would be a jump, which nobody returns from.
    black_box(());
}

fn square(stride: &[i64]) -> Vec<u8> {
    files::one("float32", &files::numbers(NUMEL * 4), &[2048, 2048], stride)
}

fn line(dtype: &str, itemsize: usize) -> Vec<u8> {
    files::one(dtype, &files::numbers(NUMEL * itemsize), &[NUMEL.try_into().unwrap()], &[1])
}

fn load(path: &Path) -> StateDict {
    load_state_dict(path, "cpu").unwrap()
}

fn list(weights: &StateDict) {
    for (name, tensor) in weights {
        black_box((name, tensor.dtype(), tensor.shape()));
    }
}

fn open_and_list(path: &Path) -> Prepared {
    let (path, mut opened) = (path.to_owned(), None);
    Box::new(move || list(opened.insert(load(&path))))
}

fn open_and_list_all(path: &Path) -> Prepared {
    let (path, mut opened) = (path.to_owned(), None);
    Box::new(move || {
        let checkpoint = LoadOptions::new().map_location("cpu").open(&path).unwrap();
        let tensors = checkpoint.tensors().unwrap();
        for entry in &tensors {
            black_box((entry.path(), entry.tensor().dtype(), entry.tensor().shape()));
        }
        opened = Some((checkpoint, tensors));
    })
}

fn own(path: &Path) -> Prepared {
    let (weights, mut owned) = (load(path), Vec::new());
    Box::new(move || owned.extend(weights.values().map(|tensor| tensor.to_vec::<f32>().unwrap())))
}

fn to_f32(path: &Path) -> Prepared {
    let weights = load(path);
    let mut into = vec![1_f32; NUMEL];
    Box::new(move || weights["weight"].cast_into(&mut into).unwrap())
}

fn look_up(path: &Path) -> Prepared {
    let weights = load(path);
    let names: Vec<String> = (0..MANY).map(files::name).collect();
    Box::new(move || {
        for name in &names {
            black_box(weights.get(name).unwrap());
        }
    })
}

fn deserialise(path: &Path) -> Prepared {
    let (checkpoint, mut rows) = (LoadOptions::new().open(path).unwrap(), Vec::new());
    Box::new(move || rows = checkpoint.deserialize::<Vec<files::Row>>("history").unwrap())
}
