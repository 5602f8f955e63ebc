//! Hyper-parameters into a struct, beside the weights.
//! `cargo run --example hyper_parameters`
#![allow(clippy::print_stdout, reason = "an example prints")]

use serde::Deserialize;
use torch_checkpoint::{Error, LoadOptions};

/// The part of the checkpoint that is wanted. Fields that are not named, weights among them, are not read.
#[derive(Debug, Deserialize)]
struct Run {
    epoch: u32,
    best_metric: f64,
    args: Args,
}

/// An `argparse.Namespace` when it was saved.
#[derive(Debug, Deserialize)]
struct Args {
    lr: f64,
    batch_size: usize,
    resume: Option<String>,
    milestones: Vec<u32>,
}

fn main() -> Result<(), Error> {
    let path = "fixtures/zip/torch-2.15/training_checkpoint.pt";
    let weights = LoadOptions::new().map_location("cpu").key("model").load_state_dict(path)?;
    let run: Run = weights.checkpoint().deserialize("")?;
    println!("epoch {}, best metric {}", run.epoch, run.best_metric);
    let Args { lr, batch_size, resume, milestones } = run.args;
    println!("lr {lr}, batch size {batch_size}, milestones {milestones:?}, resumed from {resume:?}");
    println!("{} tensors", weights.len());
    Ok(())
}
