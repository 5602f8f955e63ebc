//! What the fuzz targets found, each as small as it could be made.

use torch_checkpoint::{Backing, LoadOptions, ScanOptions};

use crate::support::{TempFile, refusal, says};
use crate::tar_builder::TarBuilder;

/// A mapped pickle was measured and cut before it was decoded, so that a frame that reached beyond it was an error there
/// and nowhere else. (`pickle_machine`)
#[test]
fn a_frame_beyond_the_pickle_is_the_same_error_however_the_file_is_opened() {
    let pickle = b"\x80\x04\x95\x09\0\0\0\0\0\0\0}.and more".to_vec();
    let file = TempFile::with("frame", &pickle);
    let mapped = LoadOptions::new().open(&file.0).unwrap_err();
    let owned = LoadOptions::new().backing(Backing::Owned).open(&file.0).unwrap_err();
    let bytes = refusal(pickle);
    says(&bytes, &["a frame of the pickle reaches 7 bytes beyond its end"]);
    assert_eq!((mapped.message(), mapped.offset()), (bytes.message(), bytes.offset()));
    assert_eq!((owned.message(), owned.offset()), (bytes.message(), bytes.offset()));
}

/// Errors of the crate `tar` quote names as they are: lines, control characters. (`tar_structure`)
#[test]
fn a_name_in_a_damaged_tar_file_cannot_forge_lines() {
    let mut tar = TarBuilder::default().with("x\nerror: all is well\n", b"").build();
    tar[148..156].fill(b'z');
    // The scan reads the members of any tar file. (`scan`)
    let report = ScanOptions::new().scan_bytes(tar.clone());
    for error in report.errors.iter().chain([&refusal(tar)]) {
        says(error, &["the tar file is damaged", "x\\u{a}error"]);
    }
    assert!(!report.errors.is_empty());
}
