//! Each rank of a tensor-parallel model reads its own rows of every matrix, and no others.
//! `cargo run --example tensor_parallel`
#![allow(clippy::print_stdout, reason = "an example prints")]

use torch_checkpoint::half::bf16;
use torch_checkpoint::{Error, load_state_dict};

const RANKS: usize = 2;

fn main() -> Result<(), Error> {
    // Of a distributed checkpoint only the files (and parts of them) are touched in which a rank's rows lie.
    let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    for rank in 0..RANKS {
        let mut numbers = 0;
        for (name, tensor) in &weights {
            let [rows, ..] = tensor.shape() else { continue };
            if rows % RANKS != 0 {
                println!("rank {rank}: {name} whole, its {rows} rows do not divide");
                continue;
            }
            let mine: Vec<bf16> = tensor.narrow(0, rank * rows / RANKS, rows / RANKS)?.cast()?;
            numbers += mine.len();
        }
        println!("rank {rank}: {numbers} numbers");
    }
    Ok(())
}
