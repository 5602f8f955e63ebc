//! Any checkpoint as a safetensors file: `cargo run --release --example convert -- model.pt model.safetensors [first|clone]`.

use std::error::Error;
use std::time::Instant;

use torch_checkpoint_safetensors::{Ties, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (from, to, ties) = match &arguments[..] {
        [from, to] => (from, to, Ties::Error),
        [from, to, ties] if ties == "first" => (from, to, Ties::First),
        [from, to, ties] if ties == "clone" => (from, to, Ties::Clone),
        _ => return Err("give a checkpoint, the file to write, and perhaps `first` or `clone` for tied weights".into()),
    };
    let start = Instant::now();
    let weights = torch_checkpoint::load_state_dict(from, "cpu")?;
    let (count, bytes) = (weights.len(), weights.values().map(|tensor| tensor.nbytes() as u64).sum::<u64>());
    Writer::new().ties(ties).save(weights, to)?;
    println!("{count} tensors of {bytes} bytes in {:.2} s: {to}", start.elapsed().as_secs_f64());
    Ok(())
}
