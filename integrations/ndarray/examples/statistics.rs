//! Mean and standard deviation of every floating-point tensor of a checkpoint:
//! `cargo run --release --example statistics -- model.pt`.

use std::error::Error;

use torch_checkpoint_ndarray::TensorExt;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give a checkpoint")?;
    let weights = torch_checkpoint::load_state_dict(path, "cpu")?;
    for (name, tensor) in weights.iter().filter(|(_, tensor)| tensor.dtype().is_floating_point()) {
        let values = tensor.cast_array::<f64>()?;
        let mean = values.mean().unwrap_or(f64::NAN);
        println!("{name:40} {:?} mean {mean:+.4e}, std {:.4e}", values.shape(), values.std(0.0));
    }
    Ok(())
}
