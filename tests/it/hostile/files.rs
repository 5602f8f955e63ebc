//! Every fixture cut off and with one byte changed, whatever its container.

use super::{Effort, damaged, files_below, shown, survives};

/// Cuts and damages each file of a folder; the smallest one at every byte.
fn sweep(folder: &str, effort: Effort) {
    let mut tried = 0;
    for (n, path) in files_below(folder).into_iter().enumerate() {
        let (name, bytes) = (shown(&path), std::fs::read(&path).unwrap());
        let everywhere = n == 0 && bytes.len() < 4096 || effort == Effort::Thorough && bytes.len() < 1500;
        let places = if everywhere { (0..bytes.len()).collect() } else { effort.places(&name, bytes.len()) };
        for (n, place) in places.into_iter().enumerate() {
            survives(|| format!("{name} cut to {place}"), bytes[..place].to_vec(), n % 2 == 0);
            tried += 1;
            for (kind, copy) in damaged(&bytes, place).enumerate() {
                // Each kind of damage in turn, or all of them.
                if everywhere || effort == Effort::Thorough || kind == n % 4 {
                    survives(|| format!("{name} at {place}, damage {kind}"), copy, kind % 2 == 0);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{folder}: only {tried} damaged files");
}

macro_rules! sweeps {
    ($($test:ident $thorough:ident $folder:literal;)*) => { $(
        #[test]
        fn $test() {
            sweep($folder, Effort::Sample);
        }

        #[test]
        #[ignore = "thorough: for a release build"]
        fn $thorough() {
            sweep($folder, Effort::Thorough);
        }
    )* };
}

sweeps! {
    case_111_zip_files_damaged thorough_zip "zip";
    case_111_rewritten_files_damaged thorough_rewritten "rewritten";
    case_111_legacy_streams_damaged thorough_legacy "legacy";
    case_111_tar_files_damaged thorough_tar "tar";
    case_111_pickles_damaged thorough_pickle "pickle";
    case_111_gzip_files_damaged thorough_gzip "gzip";
    case_111_torchscript_archives_damaged thorough_torchscript "torchscript";
    case_111_export_packages_damaged thorough_export "export";
    case_111_packages_damaged thorough_package "package";
    case_111_safetensors_files_damaged thorough_safetensors "safetensors";
    case_111_files_of_shards_damaged thorough_sharded "sharded";
    case_111_files_of_distributed_checkpoints_damaged thorough_distributed "distributed";
    case_111_refused_files_damaged thorough_refused "refused";
}
